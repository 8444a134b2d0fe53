"""What covsync keeps from the project's code: the token, and a place where Python finds modules.

The files of a work tree come from others, so no module is loaded from there. This runs before all
else, and imports nothing but what Python itself has loaded at its start.
"""

import os
import site
import sys

HOME = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120 - pathlib is not loaded yet
TOKEN = "COVSYNC_TOKEN"  # noqa: S105 - the variable's name
_left_out: list[str] = []
_taken: list[str] = []  # none or one


def leave_out_checkout() -> None:
    """Leaves the checkout around the working directory out of ``sys.path``; see ``leave_out``.

    git is not asked: that would load modules.
    """
    try:
        here = os.getcwd()  # noqa: PTH109 - pathlib is not loaded yet
    except OSError:
        return  # the folder is gone, as a command that needs it says
    leave_out(here)
    leave_out(_top_around(here))
    if os.environ.get("GIT_WORK_TREE"):
        leave_out(os.environ["GIT_WORK_TREE"])


def leave_out(folder: str) -> None:
    """Takes what lies in ``folder`` out of ``sys.path``, but for the standard library and packages.

    These are the interpreter's own, wherever they lie, as in a ``.venv``. covsync's folder stays
    where coverage.py is in no other, as with ``pip install --target``, behind all others: whoever
    writes there can write covsync, too.
    """
    own = _own_folders()
    gone = [
        entry
        for entry in sys.path
        if isinstance(entry, str)
        and _is_in(entry, folder)
        and not any(_is_within(os.path.realpath(entry), each) for each in own)
    ]
    if not gone:
        return
    sys.path[:] = [entry for entry in sys.path if entry not in gone]
    from importlib.machinery import PathFinder

    if HOME in gone and PathFinder.find_spec("coverage") is None:
        sys.path.append(HOME)
    _left_out.extend(entry for entry in gone if entry not in sys.path)


def also_left_out(entries: tuple[str, ...]) -> None:
    """Adds what the process that started this one took out of ``sys.path``."""
    _left_out.extend(entries)


def left_out() -> tuple[str, ...]:
    """What was taken out of ``sys.path``, in order."""
    return tuple(dict.fromkeys(_left_out))


def take_token() -> None:
    """Takes the remote's token out of the environment, which plugins and the tests can read."""
    given = os.environ.pop(TOKEN, "").strip()
    if given:
        _taken[:] = [given]


def token() -> "str | None":
    """The token that was taken, ``None`` where there was none."""
    return _taken[0] if _taken else None


def _own_folders() -> list[str]:
    """Where the standard library and the interpreter's packages are, links resolved."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    folders = [
        os.path.dirname(os.__file__),  # noqa: PTH120 - pathlib is not loaded yet
        os.path.join(sys.base_exec_prefix, sys.platlibdir, version),
        *site.getsitepackages(),
        *([site.getusersitepackages()] if site.ENABLE_USER_SITE else []),
    ]
    return [os.path.realpath(folder) for folder in folders]


def _top_around(folder: str) -> str:
    """The nearest folder around it that git's own folder is in, or itself where there is none."""
    top = folder
    while not os.path.lexists(os.path.join(top, ".git")):
        above = os.path.dirname(top)  # noqa: PTH120 - pathlib is not loaded yet
        if above == top:
            return folder
        top = above
    return top


def _is_in(entry: str, folder: str) -> bool:
    """Whether an entry lies there by its name, which may be a link's, or in truth."""
    real = os.path.realpath(folder)
    names = (os.path.abspath(entry), os.path.realpath(entry))  # noqa: PTH100 - as above
    return any(_is_within(name, real) for name in names)


def _is_within(path: str, folder: str) -> bool:
    return os.path.join(path, "").startswith(os.path.join(folder, ""))
