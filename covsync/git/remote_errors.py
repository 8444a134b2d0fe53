"""Why a remote could not be reached or did not take a push, and what to do about it. Pure.

Git says it in words alone; GitPython runs it with ``LC_ALL=C``, so the words are stable. What they
mean was found by provoking each case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from math import ceil

from covsync.git.command import Answer
from covsync.limits import MESSAGE_LINE, VARIABLE, limit

REMOTE_LINES = re.compile(r"^remote: ?(.*\S)", re.MULTILINE)
SHOWN_REMOTE_LINES = 4
EXPLAINS = re.compile(r"^(remote: )?(error|fatal): ")
# What git adds whenever a transport fails, whatever the reason was.
BOILERPLATE = re.compile(
    r"^(fatal: Could not read from remote repository\.|"
    r"error: failed to push some refs to .*|To .*|"
    r"Please make sure you have the correct access rights|and the repository exists\.|)$"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What stood in the way. ``tries`` is how often it is worth trying before giving up.

    ``is_throttling`` where the remote is not to be asked again for a while, ``is_race`` where the
    branch has changed since it was fetched.
    """

    message: str
    fix: str
    tries: int = 1
    is_throttling: bool = False
    is_race: bool = False


RACE = r"\((stale info|fetch first|non-fast-forward|failed to update ref|cannot lock ref.*)\)"
THROTTLING = r"error: 429"
NO_REMOTE = (
    r"[Rr]epository .*not found|does not appear to be a git repository|error: 404|"
    r"No such remote"
)
REDIRECT = r"(error:|RPC failed; HTTP) 30[0-8]"
NETWORK = (
    r"Could not resolve host|Failed to connect|Connection (refused|reset)|timed out|"
    r"error: 5\d\d|early EOF|hung up|RPC failed|unable to access"
)
# The first that matches counts. {branch} is the data branch, {found} what matches, {last} the last
# line of git that gives a reason, {hints} what the remote's own hooks and rules print, {verb} and
# {command} what git did.
REASONS = (
    (
        r"(?m)^git [\w-]+ (took|wrote) more than .*",
        Refusal(
            "the remote sends more than covsync takes ({found})",
            f"If that is as it should be, set {VARIABLE}=10 to make each limit ten times as large.",
        ),
    ),
    (
        "dubious ownership",
        Refusal(
            "git does not trust the remote's repository: it belongs to another user",
            "If you trust it: git config --global --add safe.directory FOLDER, with its full path.",
        ),
    ),
    (
        "exists; cannot create|directory/file conflict|refname conflict",
        Refusal(
            "the remote has another branch in the way of {branch} ({last})",
            "Delete that one, or name another with --branch.",
        ),
    ),
    (
        "No space left on device|Disk quota exceeded",
        Refusal(
            "there is no space left, here or on the remote ({last})",
            "Make room in the temporary folder (TMPDIR) or on the server, and run it again.",
        ),
    ),
    (
        "branch is currently checked out|refusing to update checked out branch",
        Refusal(
            "{branch} is checked out in the remote, which is not a bare repository",
            "Check out another branch there, or push to a bare repository.",
        ),
    ),
    (
        r"\[remote rejected\] \(.*non-fast-forward|denying non-fast-forward",
        Refusal(
            "the remote does not allow {branch} to be replaced",
            'Keep its history with history = "append", or let the remote allow it.',
        ),
    ),
    (
        "does not support push options",
        Refusal(
            "the remote takes no push options, and git is set to send some",
            "Unset git's push.pushOption for this repository.",
        ),
    ),
    (
        "hook declined|protected branch|rule violations|GH006|GH013",
        Refusal(
            "a rule of the remote refused the push to {branch}{hints}",
            "Allow whoever runs covsync to push to {branch}, or name another with --branch.",
        ),
    ),
    (
        r"\.lock': File exists",
        Refusal(
            "the remote's branch {branch} is locked ({last})",
            "Look whether another push is at work there; if none is, remove the lock there.",
            tries=6,
        ),
    ),
    (
        "File name too long",
        Refusal(
            "the remote cannot keep a branch with so long a name",
            "Name another with --branch.",
        ),
    ),
    (
        RACE,
        Refusal(
            "others kept publishing to {branch} at the same time",
            "Run it again.",
            is_race=True,
        ),
    ),
    (
        "error: 400|Duplicate header",
        Refusal(
            "the remote was given two credentials at once and refused both",
            "Keep one: the checkout's own, or the one in the URL or in git's configuration.",
        ),
    ),
    (
        "error: 403|Permission to .* denied|not allowed to (push|upload)|read.only",
        Refusal(
            "the credentials do not allow covsync to {verb} the remote{hints}",
            "Give them the right to read, and for a push to write (GitHub Actions: `permissions: "
            "contents: write`).",
        ),
    ),
    (
        "Host key verification failed",
        Refusal(
            "the remote's SSH host key is not in known_hosts ({last})",
            "Add it to ~/.ssh/known_hosts: ssh-keyscan HOST",
        ),
    ),
    (
        r"could not read (Username|Password)|Authentication failed|error: 401|Permission denied \(",
        Refusal(
            "the remote asks for credentials, and there are none that it accepts ({last})",
            "Give git some: by CI's checkout, COVSYNC_TOKEN, a credential helper or an SSH key.",
        ),
    ),
    (
        NO_REMOTE,
        Refusal(
            "the remote's repository does not exist, or may not be seen ({last})",
            "Compare its URL: git remote -v",
        ),
    ),
    (
        REDIRECT,
        Refusal(
            "the remote redirects where covsync does not follow ({last})",
            "Set the remote's URL to where the repository is: git remote set-url",
        ),
    ),
    (
        THROTTLING,
        Refusal(
            "the remote is rate-limiting (HTTP 429)",
            "Run it again later.",
            tries=4,
            is_throttling=True,
        ),
    ),
    (
        r"Operation too slow.*|git [\w-]+ timed out.*",
        Refusal(
            "the remote does not answer, or too slowly ({found})",
            "Look at the network and the server, and run it again; "
            f"{VARIABLE}=10 makes covsync wait ten times as long.",
        ),
    ),
    (
        NETWORK,
        Refusal(
            "the remote cannot be reached ({last})",
            "Look at the network, and run it again.",
            tries=4,
        ),
    ),
    (
        "",
        Refusal(
            "git could not {verb} the remote ({last}){hints}",
            "Try `git {command}` by hand, and run it again.",
        ),
    ),
)


def asked_pause(header: str, now: float) -> int:
    """The seconds that HTTP's ``Retry-After`` asks to wait; 0 where it asks for none.

    It is a number of seconds or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if re.fullmatch(r"[0-9]{1,9}", header):
        return int(header)
    try:
        return max(0, ceil(parsedate_to_datetime(header).timestamp() - now))
    except (ValueError, OverflowError):
        return 0


def is_redirect(answer: Answer) -> bool:
    """Whether the command failed because the remote redirects."""
    return answer.status != 0 and bool(re.search(REDIRECT, answer.error))


def refusal(answer: Answer, branch: str, command: str) -> Refusal:
    """What a failed ``push --porcelain`` of ``branch`` means, or an ``ls-remote`` or ``fetch``.

    ``command`` is ``push`` or ``fetch``.
    """
    error = _shortened(answer.error)
    output = _shortened(answer.output.decode(errors="replace")) + "\n" + error
    hints = REMOTE_LINES.findall(error)[:SHOWN_REMOTE_LINES]
    rejected = [line.rpartition("\t")[2] for line in output.splitlines() if line.startswith("!\t")]
    lines = [line for line in error.splitlines() if not BOILERPLATE.match(line.strip())]
    lines += rejected if not any(EXPLAINS.search(line) for line in lines) else []
    facts = {
        "branch": branch,
        "command": command,
        "verb": "push to" if command == "push" else "read from",
        "last": lines[-1] if lines else "git gives no reason",
        "hints": f": {' / '.join(hints)}" if hints else "",
    }
    found, meant = next(
        (found, meant) for words, meant in REASONS if (found := re.search(words, output))
    )
    facts["found"] = found[0]
    return replace(meant, message=meant.message.format(**facts), fix=meant.fix.format(**facts))


def _shortened(text: str) -> str:
    """``text`` without what is beyond reading in a line, which also takes long to search."""
    return "\n".join(line[: limit(MESSAGE_LINE)] for line in text.splitlines())
