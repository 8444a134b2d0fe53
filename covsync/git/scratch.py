"""The temporary bare repository in which a commit of the data branch is made.

Everything that could change a repository happens here and not in the user's, where ``fetch
--depth`` alone would turn a full clone shallow. It reaches the remote as the user's repository
does: the settings that say how are handed over in the environment, so that no secret of theirs
is in an argument.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from covsync.errors import PublicationError
from covsync.git.bounds import BoundReachedError, Bounds, TooMuchOutputError, end
from covsync.git.command import NO_GIT, Answer, run_git
from covsync.git.remote_url import Address, Setting
from covsync.git.repository import Repository
from covsync.limits import GIT_OUTPUT, exceeded
from covsync.temporary import temporary_folder

if TYPE_CHECKING:
    from git import Git

REMOTE = "covsync"
# Rewriting by url.*.insteadOf has happened by then, and must not happen twice.
TRANSPORT = re.compile(r"(http|credential|protocol|ssh)\.|core\.(sshcommand|askpass|gitproxy)$")
OF_REMOTE = ("proxy", "proxyauthmethod", "receivepack", "uploadpack", "serveroption")
# Beside what `git rev-parse --local-env-vars` lists: what would redirect or narrate our commands.
ALSO_UNSET = ("GIT_NAMESPACE", "GIT_QUARANTINE_PATH", "GIT_CURL_VERBOSE")
QUIET_SETTINGS = (
    ("gc.auto", "0"),
    ("push.gpgSign", "false"),
    ("push.followTags", "false"),
    ("push.recurseSubmodules", "no"),
    ("transfer.credentialsInUrl", "allow"),
    ("color.ui", "false"),
    ("color.remote", "false"),
)
OLDEST_GIT = (2, 32)


@dataclass(frozen=True, slots=True)
class Scratch:
    """The scratch repository, ready for commands; its one remote is called ``covsync``.

    That is at ``address``, and reached by the user's own ``settings``, which may say for themselves
    when a server is too slow (``own_patience``).
    """

    git: Git
    options: tuple[str, ...]
    environ: dict[str, str]
    address: Address
    settings: tuple[Setting, ...]
    own_patience: bool

    def run(self, *arguments: str, stdin: Iterable[bytes] | None = None, most: int = 0) -> Answer:
        """What ``git ARGUMENTS`` answers here, given the pieces of ``stdin``.

        Raises nothing for a failure: look at ``status``. But an answer that is longer than ``most``
        bytes, and than ``GIT_OUTPUT`` allows, raises ``PublicationError``.
        """
        if stdin is None:
            return self._run(arguments, most=most)
        with tempfile.TemporaryFile(dir=self.environ["GIT_DIR"]) as file:
            file.writelines(stdin)
            file.seek(0)
            return self._run(arguments, file, most=most)

    def header(self, name: str) -> str:
        """What the remote's HTTP header of this name says when it is asked once more; else empty.

        Git shows headers in its trace alone, which is read from a pipe and not stored.
        """
        tracing = {"GIT_TRACE_CURL": "2", "GIT_TRACE_CURL_NO_DATA": "1"}
        trace = self._run(("ls-remote", REMOTE, "HEAD"), tracing=tracing).error
        found = re.findall(rf"<= Recv header: {name}: *(.*\S)", trace, re.IGNORECASE)
        return str(found[-1]) if found else ""

    def moved(self, location: str) -> Scratch:
        """The same repository, with its remote where a redirect says that it is now.

        Raises ``PublicationError`` where that is no place for its credentials.
        """
        return replace(self, address=self.address.moved(location))

    def _run(
        self,
        arguments: tuple[str, ...],
        stdin: BinaryIO | None = None,
        *,
        tracing: Mapping[str, str] | None = None,
        most: int = 0,
    ) -> Answer:
        bounds = Bounds.of(arguments[0], most)
        environ = {
            **self.environ,
            **self._environ_of_remote(),
            **({} if self.own_patience else bounds.patience()),
            **(tracing or {}),
        }
        running: Any = self.git.execute(
            ["git", *self.options, *arguments],
            istream=stdin,
            env=environ,
            as_process=True,
            preexec_fn=bounds.before_start(),
            # So that all of it can be ended. SSH may have to ask at the terminal of this session.
            start_new_session=self.address.is_web,
        )
        try:
            output, written = bounds.answer(running.proc)
        except TooMuchOutputError:
            end(running.proc)
            what = f"what git {arguments[0]} says of the data branch"
            raise PublicationError.of(exceeded(what, GIT_OUTPUT, "bytes")) from None
        except BoundReachedError as reached:
            end(running.proc)
            return Answer(128, b"", f"git {arguments[0]} {reached}")
        except BaseException:
            end(running.proc)
            raise
        error = self.address.redacted(os.fsdecode(written))
        exhausted = bounds.exhausted(error) if running.returncode else ""
        if exhausted:
            error += f"\ngit {arguments[0]} {exhausted}"
        return Answer(running.returncode, output, error)

    def _environ_of_remote(self) -> dict[str, str]:
        settings = [
            *self.settings,
            *self.address.settings(),
            # A word of our own, which no setting of the user rewrites once more.
            (f"url.{self.address.url}.insteadOf", f"{REMOTE}:"),
            (f"remote.{REMOTE}.url", f"{REMOTE}:"),
            (f"remote.{REMOTE}.pushurl", f"{REMOTE}:"),
        ]
        return {**_environ_of(settings), **self.address.environ()}

    def blob(self, name: str, size: int) -> bytes:
        """The content of the blob ``name``, which has that size in bytes."""
        return self.must("cat-file", "blob", name, most=size).output

    def must(self, *arguments: str, stdin: Iterable[bytes] | None = None, most: int = 0) -> Answer:
        """As ``run``, but a failure, which is nothing the user did, raises ``PublicationError``."""
        answer = self.run(*arguments, stdin=stdin, most=most)
        if answer.status:
            raise PublicationError(
                f"git {arguments[0]} failed in covsync's scratch repository: {answer.error}",
                "Look at the free space of the temporary folder, and run it again.",
            )
        return answer


@contextmanager
def scratch_repository(
    repository: Repository, remote: str, url: str, token: str | None = None
) -> Iterator[Scratch]:
    """A scratch repository that reaches ``url`` as ``repository`` would; gone afterwards.

    It stands for the ``remote``, whose settings hold here too. A ``token`` takes the place of the
    credentials that ``repository`` would use.
    """
    if shutil.which("git") is None:
        raise PublicationError(*NO_GIT)
    try:
        from git import Git
    except ImportError as error:  # it looks for git at once, where GIT_PYTHON_GIT_EXECUTABLE says
        raise PublicationError(
            f"GitPython cannot run git: {str(error).strip().splitlines()[0]}",
            "Look at GIT_PYTHON_GIT_EXECUTABLE and PATH.",
        ) from error

    _refuse_old_git(repository)
    address = Address.of(url, token)
    object_format = repository.object_format
    theirs = _settings(run_git(repository.top, "config", "--list", "-z", "--includes").output)
    with temporary_folder() as folder, _own_environment(repository):
        git_dir = folder / "data.git"
        no_hooks = folder / "hooks"
        no_hooks.mkdir()
        made = run_git(
            repository.top,
            *("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}"),
            os.fspath(git_dir),
        )
        if made.status:
            raise PublicationError(
                f"git cannot make a repository in the temporary folder: {made.error}",
                "Make room there, or point TMPDIR at another folder.",
            )
        ours = _settings(
            run_git(git_dir, "config", "--list", "-z", "--includes").output,
        )
        environ = {
            "GIT_DIR": os.fspath(git_dir),
            "GIT_TERMINAL_PROMPT": "0",
            "GCM_INTERACTIVE": "never",
        }
        # As options they hold even where `git -c` started covsync, in a hook of its own.
        quiet = (*QUIET_SETTINGS, ("core.hooksPath", os.fspath(no_hooks)))
        options = tuple(word for key, value in quiet for word in ("-c", f"{key}={value}"))
        settings = (*_added(theirs, ours), *_of_remote(theirs, remote))
        yield Scratch(
            Git(os.fspath(repository.top)),
            options,
            environ,
            address,
            settings,
            _has_patience(theirs),
        )


def _refuse_old_git(repository: Repository) -> None:
    """Raises ``CovsyncError`` for a git that does not have the options that covsync uses."""
    version = re.match(r"git version (\d+)\.(\d+)", run_git(repository.top, "version").text())
    if version and (int(version[1]), int(version[2])) < OLDEST_GIT:
        raise PublicationError(
            f"git {version[1]}.{version[2]} is too old",
            "Install git {}.{} or newer.".format(*OLDEST_GIT),
        )


@contextmanager
def _own_environment(repository: Repository) -> Iterator[None]:
    """Takes what points git at the user's repository out of the environment, for a while.

    GitPython can add to the environment of a command but not take away, so the process's own is
    changed, and put back at the end.
    """
    names = repository.local_variables()
    names += [*ALSO_UNSET, *(name for name in os.environ if name.startswith("GIT_TRACE"))]
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)


def _settings(listing: bytes) -> list[Setting]:
    """The output of ``git config --list -z``: each setting's key, and its value after a newline.

    A key without a value means that it is true.
    """
    entries = (entry.partition("\n") for entry in os.fsdecode(listing).split("\0") if entry)
    return [(key, value if newline else "true") for key, newline, value in entries]


def _added(theirs: Iterable[Setting], ours: Iterable[Setting]) -> list[Setting]:
    """How the user's repository reaches remotes, less what git reads in any repository.

    Were that handed over too it would count twice, and servers refuse two authorization headers.
    """
    everywhere = Counter(ours)
    added = []
    for setting in theirs:
        if everywhere[setting]:
            everywhere[setting] -= 1
        elif TRANSPORT.match(setting[0]):
            added.append(setting)
    return added


def _of_remote(theirs: Iterable[Setting], remote: str) -> list[Setting]:
    """The settings of that remote, under the name that it has in the scratch repository."""
    names = {f"remote.{remote}.{name}": f"remote.{REMOTE}.{name}" for name in OF_REMOTE}
    return [(names[key], value) for key, value in theirs if key in names]


def _has_patience(theirs: Iterable[Setting]) -> bool:
    """Whether the user has set when git gives up a slow server; a variable would overrule that."""
    return any(key.startswith("http.") and ".lowspeed" in f".{key}" for key, _ in theirs)


def _environ_of(settings: Sequence[Setting]) -> dict[str, str]:
    """The settings as environment variables, after those that stand there already."""
    first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    environ = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for at, (key, value) in enumerate(settings, first):
        environ[f"GIT_CONFIG_KEY_{at}"] = key
        environ[f"GIT_CONFIG_VALUE_{at}"] = value
    return environ
