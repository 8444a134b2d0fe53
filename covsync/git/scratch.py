"""A bare repository of covsync's own, in which the data branch is made.

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
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote, urlsplit

from covsync.errors import CovsyncError
from covsync.git.command import NO_GIT, Answer, ask
from covsync.git.repository import Repository

if TYPE_CHECKING:
    from git import Git

REMOTE = "covsync"
# Rewriting by url.*.insteadOf has happened by then, and must not happen twice.
TRANSPORT = re.compile(r"(http|credential|protocol|ssh)\.|core\.(sshcommand|askpass|gitproxy)$")
# Beside what `git rev-parse --local-env-vars` lists: what would redirect or narrate our commands.
ALSO_UNSET = ("GIT_NAMESPACE", "GIT_QUARANTINE_PATH", "GIT_CURL_VERBOSE")
QUIET_SETTINGS = (
    ("gc.auto", "0"),
    ("push.gpgSign", "false"),
    ("push.followTags", "false"),
    ("push.recurseSubmodules", "no"),
    ("transfer.credentialsInUrl", "allow"),
)
STALLED_BYTES_PER_SECOND = "1"
STALLED_SECONDS = "60"
HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$COVSYNC_URL_USERNAME" "$COVSYNC_URL_PASSWORD"; }; f'
)
Setting = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Address:
    """A remote's URL; of an http(s) one, user and password are taken out of it."""

    url: str
    username: str | None = None
    password: str | None = None

    @classmethod
    def of(cls, url: str) -> Address:
        """The address ``url``. Raises ``CovsyncError`` for one that names a program to run."""
        if re.match(r"[A-Za-z0-9+.-]*::", url):
            raise CovsyncError(
                "the remote's URL names a transport program, which covsync does not run",
                "Use an https, ssh or file URL.",
            )
        parts = urlsplit(url) if url.startswith(("http://", "https://")) else None
        if parts is None or "@" not in parts.netloc:
            return cls(url)
        user, _, host = parts.netloc.rpartition("@")
        username, colon, password = user.partition(":")
        return cls(
            parts._replace(netloc=host).geturl(),
            unquote(username),
            unquote(password) if colon else None,
        )

    def settings(self) -> list[Setting]:
        """The settings by which git gets the credentials that stood in the URL, when asked."""
        if self.username is None:
            return []
        scope = f"credential.{urlsplit(self.url).scheme}://{urlsplit(self.url).netloc}"
        if self.password is None:
            return [(f"{scope}.username", self.username)]
        return [(f"{scope}.helper", ""), (f"{scope}.helper", HELPER)]

    def environ(self) -> dict[str, str]:
        """What the helper among ``settings`` answers."""
        if self.password is None:
            return {}
        return {
            "COVSYNC_URL_USERNAME": self.username or "",
            "COVSYNC_URL_PASSWORD": self.password,
        }

    def redacted(self, text: str) -> str:
        """``text`` without this address's password, nor any user's name or password in a URL."""
        if self.password:
            text = text.replace(self.password, "***")
        return re.sub(r"(?<=://)[^/@\s'\"]+@", "***@", text)


@dataclass(frozen=True, slots=True)
class Scratch:
    """The scratch repository, ready for commands; its one remote is called ``covsync``."""

    git: Git
    environ: dict[str, str]
    address: Address

    def run(self, *arguments: str, stdin: BinaryIO | None = None) -> Answer:
        """What ``git ARGUMENTS`` answers here. Raises nothing for a failure: look at ``status``."""
        done: Any = self.git.execute(
            ["git", *arguments],
            istream=stdin,
            env=self.environ,
            with_extended_output=True,
            with_exceptions=False,
            stdout_as_string=False,
            strip_newline_in_stdout=False,
        )
        status, output, error = done
        return Answer(status, output, self.address.redacted(str(error)))

    def must(self, *arguments: str, stdin: BinaryIO | None = None) -> Answer:
        """As ``run``, but a failure, which is nothing the user did, raises ``CovsyncError``."""
        answer = self.run(*arguments, stdin=stdin)
        if answer.status:
            raise CovsyncError(
                f"git {arguments[0]} failed in covsync's scratch repository: {answer.error}",
                "Look at the free space of the temporary folder, and run it again.",
            )
        return answer


@contextmanager
def scratch_repository(repository: Repository, url: str) -> Iterator[Scratch]:
    """A scratch repository that reaches ``url`` as ``repository`` would; gone afterwards."""
    if shutil.which("git") is None:
        raise CovsyncError(*NO_GIT)
    try:
        from git import Git
    except ImportError as error:  # it looks for git at once, where GIT_PYTHON_GIT_EXECUTABLE says
        raise CovsyncError(
            f"GitPython cannot run git: {str(error).strip().splitlines()[0]}",
            "Look at GIT_PYTHON_GIT_EXECUTABLE and PATH.",
        ) from error

    address = Address.of(url)
    object_format = repository.object_format()
    theirs = _settings(ask(repository.top, "config", "--list", "-z", "--includes").output)
    with tempfile.TemporaryDirectory(prefix="covsync-") as folder, _own_environment(repository):
        git_dir = Path(folder) / "data.git"
        no_hooks = Path(folder) / "hooks"
        no_hooks.mkdir()
        made = ask(
            repository.top,
            *("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}"),
            os.fspath(git_dir),
        )
        if made.status:
            raise CovsyncError(
                f"git cannot make a repository in the temporary folder: {made.error}",
                "Make room there, or point TMPDIR at another folder.",
            )
        ours = _settings(
            ask(git_dir, "config", "--list", "-z", "--includes").output,
        )
        settings = [
            *_added(theirs, ours),
            *address.settings(),
            *QUIET_SETTINGS,
            ("core.hooksPath", os.fspath(no_hooks)),
            (f"url.{address.url}.insteadOf", address.url),  # the longest match: nothing changes
            (f"remote.{REMOTE}.url", address.url),
            (f"remote.{REMOTE}.pushurl", address.url),
        ]
        environ = {
            **_environ_of(settings),
            **address.environ(),
            "GIT_DIR": os.fspath(git_dir),
            "GIT_TERMINAL_PROMPT": "0",
            "GCM_INTERACTIVE": "never",
            "GIT_HTTP_LOW_SPEED_LIMIT": STALLED_BYTES_PER_SECOND,
            "GIT_HTTP_LOW_SPEED_TIME": STALLED_SECONDS,
        }
        yield Scratch(Git(os.fspath(repository.top)), environ, address)


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


def _environ_of(settings: list[Setting]) -> dict[str, str]:
    """The settings as environment variables, after those that stand there already."""
    first = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    environ = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for at, (key, value) in enumerate(settings, first):
        environ[f"GIT_CONFIG_KEY_{at}"] = key
        environ[f"GIT_CONFIG_VALUE_{at}"] = value
    return environ
