"""Arguments -> one command -> exit code."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from covsync import __version__, isolation
from covsync.config import floor, subproject
from covsync.console import Console
from covsync.errors import CovsyncError

SIGNALLED, SIGINT = 128, 2
# What `covsync run` takes for itself where it stands before the program.
RUN_OPTIONS = ("--append", "-v", "--verbose", "--debug", "-h", "--help")
BUG = "This is a bug in covsync. Please report it with the output of the same command and --debug."
INSTALL = "Install covsync in an environment of its own: it loads no module of the work tree."


class Stopped(KeyboardInterrupt):
    """A signal that ends covsync, as Ctrl-C does; it is the argument."""


class Formatter(argparse.HelpFormatter):
    """argparse's, which would load shutil for the terminal's width even where no help is shown."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size().columns)
    except (ValueError, OSError):
        return 80


class Parser(argparse.ArgumentParser):
    """argparse's, but bad usage is an error like any other: two lines, exit code 1."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(formatter_class=Formatter, **settings)

    def error(self, message: str) -> NoReturn:
        """Raises what argparse would print."""
        raise CovsyncError(message, f"See: {self.prog} --help")


def entry() -> NoReturn:
    """The ``covsync`` script: ``main`` with the process's arguments."""
    status = main()
    coverage = sys.modules.get("coverage")
    if coverage is None or coverage.Coverage.current() is None:
        # All is written, nothing waits for the end, and Python's clearing up takes a hook's tenth.
        os._exit(status)
    sys.exit(status)  # it is being measured, which is written at the end


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what ``argv`` (default: the process's arguments) asks for; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    isolation.take_token()
    try:
        parsed = parser().parse_args(_with_program_apart(arguments))
        command: Callable[[argparse.Namespace], int] = parsed.command
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # shown with a line of the source
            return command(parsed)
    except CovsyncError as error:
        return _failed(arguments, error)
    except KeyboardInterrupt as stop:
        return SIGNALLED + (stop.args[0] if isinstance(stop, Stopped) else SIGINT)
    except BrokenPipeError:
        # The reader has gone, and Python's own flush at exit would meet the same pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ImportError) as error:
        fix = INSTALL if isinstance(error, ImportError) else "Look at that file, folder or disk."
        return _failed(arguments, CovsyncError(str(error), fix))
    except Exception as error:  # noqa: BLE001 - the one place where a bug ends
        return _failed(arguments, CovsyncError(f"{type(error).__name__}: {error}", BUG))


def _with_program_apart(arguments: Sequence[str]) -> list[str]:
    """What follows ``run`` and its own options is another program's, options and all."""
    own = _own(arguments)
    program = arguments[len(own) :]
    return [*own, "--", *program] if program else own


def _own(arguments: Sequence[str]) -> list[str]:
    """The arguments that are covsync's, not those of a program that it runs."""
    words = [word for word in arguments if not word.startswith("-")]
    if words[:1] != ["run"]:
        return list(arguments)
    end = arguments.index("run") + 1
    while end < len(arguments) and arguments[end] in RUN_OPTIONS:
        end += 1
    return list(arguments[:end])


def _failed(arguments: Sequence[str], error: CovsyncError) -> int:
    """Tells the error in the form that was asked for; its exit code."""
    arguments = _own(arguments)
    if "--debug" in arguments:
        Console().traceback()
    if "--format=json" in arguments or ("--format", "json") in itertools.pairwise(arguments):
        from covsync.render.verdict import error_json

        Console().document(error_json(error.message, error.fix, error.exit_code))
    else:
        Console().error(error.message, error.fix)
    return error.exit_code


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="covsync",
        description="Coverage gate for every commit, coverage record in your own git repository.",
        parents=[_common()],
        allow_abbrev=False,
    )
    top.set_defaults(verbose=False)
    top.add_argument("--version", action="version", version=f"covsync {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True, prog="covsync")

    def command(
        name: str, text: str, run: Callable[[argparse.Namespace], int]
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=text, description=text, parents=[_common()], allow_abbrev=False
        )
        sub.set_defaults(command=run)
        return sub

    check = command("check", "Judge the coverage that was measured; for a pre-commit hook.", _check)
    _add_data_file(check)
    check.add_argument("--fail-under", type=_floor, metavar="PERCENT", help="floor for the total")
    check.add_argument(
        "--fail-under-file", type=_floor, metavar="PERCENT", help="floor for every file"
    )
    check.add_argument(
        "--fail-under-diff", type=_floor, metavar="PERCENT", help="floor for the changed lines"
    )
    check.add_argument(
        "--compare-to", metavar="REF", help="judge the changes since the merge base with REF"
    )
    check.add_argument(
        "--fetch", action="store_true", help="ask the remote for the newest published coverage"
    )
    check.add_argument("--format", choices=("text", "json"), default="text")

    run = command("run", "Run the tests under coverage.py and record what they ran on.", _run)
    run.add_argument("--append", action="store_true", help="add to the data that is recorded")
    run.add_argument("program", nargs="*", help="-m MODULE ... or SCRIPT ..., as for python")
    record = command("record", "Record what the tests, run in another way, ran on.", _record)
    _add_data_file(record)
    record.add_argument(
        "--began", type=int, metavar="NS", help="when the tests began (Unix time, nanoseconds)"
    )
    record.add_argument("--notes", type=_path, help=argparse.SUPPRESS)

    ratchet = command("ratchet", "Raise the configured floors to what the project holds.", _ratchet)
    ratchet.add_argument(
        "--step", type=_floor, default="1", metavar="PERCENT", help="round down to its multiples"
    )
    ratchet.add_argument("--allow-lower", action="store_true", help="lower floors too")

    push = command("push", "Publish the coverage on the data branch; for CI.", _push)
    _add_data_file(push)
    push.add_argument("--branch", help="the data branch (default: covsync-data)")
    push.add_argument("--remote", help="where it is pushed to (default: origin)")
    push.add_argument("--no-html", action="store_true", help="leave out htmlcov/")
    push.add_argument(
        "--subproject", type=_subproject, metavar="NAME", help="one of several projects"
    )
    push.add_argument(
        "--soft-fail", action="store_true", help="only warn where it cannot be published"
    )
    where = push.add_mutually_exclusive_group()
    where.add_argument("--dry-run", action="store_true", help="only say what would change")
    where.add_argument(
        "--output-dir", type=_path, metavar="DIR", help="write the files to a folder instead"
    )

    compact = command(
        "compact", "Put a long data branch into one commit, with all its figures.", _compact
    )
    compact.add_argument("--branch", help="the data branch (default: covsync-data)")
    compact.add_argument("--remote", help="where it is (default: origin)")
    compact.add_argument("--dry-run", action="store_true", help="only say how small it would get")

    demo = command("demo", "Show both on a small project in a temporary folder.", _demo)
    demo.add_argument("--keep", type=_path, metavar="DIR", help="make it in DIR and keep it")
    return top


def _common() -> Parser:
    """The options that hold before a command and behind it.

    Each parser gets its own: argparse would share their defaults, so that a command's took away
    what was given before it.
    """
    common = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("-v", "--verbose", action="store_true", help="say more")
    common.add_argument("--debug", action="store_true", help="show where an error comes from")
    return common


def _add_data_file(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--data-file",
        type=_path,
        metavar="FILE",
        help="coverage.py's data, or a `coverage json` report (default: coverage.py's)",
    )


def _floor(text: str) -> Fraction:
    try:
        return floor(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None


def _subproject(text: str) -> str:
    try:
        return subproject(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {error}") from None


def _path(text: str) -> Path:
    """A path as the user sees it from here, for commands that go elsewhere."""
    return Path(os.path.abspath(text))  # noqa: PTH100 - resolve() would follow links


def _check(parsed: argparse.Namespace) -> int:
    from covsync.commands.check import check

    _clean_up_when_stopped()
    keys = ("data_file", "fail_under", "fail_under_file", "fail_under_diff")
    return check(
        Console(parsed.verbose),
        {key: getattr(parsed, key) for key in keys},
        compare_to=parsed.compare_to,
        fetch=parsed.fetch,
        as_json=parsed.format == "json",
    )


def _run(parsed: argparse.Namespace) -> int:
    from covsync.commands.run import run

    return run(Console(parsed.verbose), parsed.program, append=parsed.append)


def _record(parsed: argparse.Namespace) -> int:
    from covsync.commands.record import record

    _clean_up_when_stopped()
    return record(
        Console(parsed.verbose),
        {"data_file": parsed.data_file},
        began=parsed.began,
        notes_file=parsed.notes,
    )


def _ratchet(parsed: argparse.Namespace) -> int:
    from covsync.commands.ratchet import ratchet

    if not parsed.step:
        raise CovsyncError("--step must be above 0", "Use 1, 0.1 or the like.")
    return ratchet(Console(parsed.verbose), step=parsed.step, allow_lower=parsed.allow_lower)


def _push(parsed: argparse.Namespace) -> int:
    from covsync.commands.push import push

    _clean_up_when_stopped()
    keys = ("data_file", "branch", "remote", "subproject")
    flags = {key: getattr(parsed, key) for key in keys}
    flags["html"] = False if parsed.no_html else None
    return push(
        Console(parsed.verbose),
        flags,
        dry_run=parsed.dry_run,
        soft_fail=parsed.soft_fail,
        output_dir=parsed.output_dir,
    )


def _compact(parsed: argparse.Namespace) -> int:
    from covsync.commands.compact import compact

    _clean_up_when_stopped()
    flags = {key: getattr(parsed, key) for key in ("branch", "remote")}
    return compact(Console(parsed.verbose), flags, dry_run=parsed.dry_run)


def _clean_up_when_stopped() -> None:
    """Ends by an exception where CI stops a job, so that nothing is left running or lying."""
    import signal

    signals = (signal.SIGTERM, signal.SIGHUP)

    def stop(number: int, _: object) -> NoReturn:
        for each in signals:  # one is enough: the next would interrupt the cleaning up
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for number in signals:
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores SIGHUP for a reason
            signal.signal(number, stop)


def _demo(parsed: argparse.Namespace) -> int:
    from covsync.commands.demo import demo

    return demo(Console(parsed.verbose), parsed.keep)
