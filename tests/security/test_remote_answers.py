"""A remote that answers what it should not gets no credentials, memory or time. Real HTTP."""

from __future__ import annotations

import itertools
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BRANCHES, Checkout, Ended, run
from http_remote import BASIC, TOKEN, USER, HttpRemote, http_remote

from covsync.errors import CovsyncError
from covsync.git.command import Answer
from covsync.git.remote_errors import refusal
from covsync.git.remote_url import Address

pytestmark = pytest.mark.first(1)  # of each test's cases; the others are for CI

PUSHED = "covsync: pushed 75% of "
HELPER = f"!f() {{ echo username={USER}; echo password={TOKEN}; }}; f"


@pytest.fixture
def stranger(remote: Path) -> Iterator[HttpRemote]:
    """Another host, which would take the push."""
    with http_remote(remote.parent) as serving:
        yield serving


def opened(shapes: Checkout, server: HttpRemote, how: str) -> Checkout:
    """The checkout with credentials for ``server``.

    They are written, as other tests look at the arguments of all that runs.
    """
    config = shapes.folder / ".git" / "config"
    if how == "token":
        shapes.git("remote", "set-url", "origin", server.url(USER))
        return Checkout(shapes.folder, {"COVSYNC_TOKEN": TOKEN})
    if how == "helper":
        config.write_text(f'{config.read_text()}[credential]\nhelper = "{HELPER}"\n')
    elif how == "header":
        section = f'[http "http://127.0.0.1:{server.port}/"]'
        config.write_text(f"{config.read_text()}{section}\nextraheader = AUTHORIZATION: {BASIC}\n")
    else:
        url = server.url(f"{USER}:{TOKEN}")
        config.write_text(config.read_text().replace(f"url = {server.url()}", f"url = {url}"))
    return shapes


CREDENTIALS = pytest.mark.parametrize("how", ["token", "helper", "header", "url"])


# Redirects


@CREDENTIALS
def test_no_credential_follows_a_redirect_to_another_host(
    shapes: Checkout, server: HttpRemote, stranger: HttpRemote, how: str
) -> None:
    """The same host name, at another port; the user's own settings let git follow anywhere."""
    server.redirects[""] = f"http://robot:hidden@127.0.0.1:{stranger.port}"
    shapes.git("config", "http.followRedirects", "true")
    shapes.git("config", f"http.{server.url()}.followRedirects", "true")
    ended = opened(shapes, server, how).covsync("push", "--debug")
    assert ended.status == 1
    assert (
        f"the remote {server.url()} redirects to {stranger.url()}, where covsync does not follow\n"
    ) in ended.err
    assert not any(secret in ended.out + ended.err for secret in (TOKEN, "hidden"))
    assert server.seen
    assert stranger.seen == []


@CREDENTIALS
def test_a_repository_that_moved_on_its_host_is_published_to(
    shapes: Checkout, server: HttpRemote, remote: Path, how: str
) -> None:
    """First by a whole address, then by a path; what is private may ask before it redirects."""
    server.redirects["/old.git"] = f"http://127.0.0.1:{server.port}/older.git"
    server.redirects["/older.git"] = "/remote.git"
    place = opened(shapes, server, how)
    config = shapes.folder / ".git" / "config"
    config.write_text(config.read_text().replace("/remote.git", "/old.git"))
    ended = place.covsync("push", "--debug")
    assert ended.out.startswith(PUSHED), ended
    assert run(["git", "rev-parse", "--verify", "covsync-data"], remote).status == 0
    assert TOKEN not in ended.out + ended.err
    assert all(given in ([], [BASIC]) for given in server.seen)
    ended = place.covsync("compact")
    assert ended.out == "covsync: origin/covsync-data is one commit already\n"
    shapes.write({"pyproject.toml": BRANCHES + "[tool.covsync]\nmax_drop = 1\n"})
    shapes.stage()
    assert place.covsync("check", "--fetch").status == 0


def test_a_redirect_without_an_end_is_given_up(shapes: Checkout, server: HttpRemote) -> None:
    server.redirects["/remote.git"] = "/remote.git"
    ended = opened(shapes, server, "token").covsync("push")
    assert ended.status == 1
    assert ended.err == (
        "covsync: error: the remote redirects again and again: covsync reads at most 5 redirects\n"
        "  If that is as it should be, set COVSYNC_LIMITS=10 to make each limit ten times as large."
        "\n"
    )
    assert opened(shapes, server, "token").covsync("push", "--soft-fail").status == 0


@pytest.mark.parametrize(
    "path", ["/remote.git/info/refs?service=git-receive-pack", "/remote.git/git-receive-pack"]
)
def test_a_redirect_of_the_push_alone_is_not_followed(
    shapes: Checkout, server: HttpRemote, stranger: HttpRemote, path: str
) -> None:
    server.redirects[path] = f"http://127.0.0.1:{stranger.port}{path}"
    ended = opened(shapes, server, "token").covsync("push")
    assert ended.status == 1
    assert ended.err.startswith(
        "covsync: error: the remote redirects where covsync does not follow"
    )
    assert "git remote set-url" in ended.err
    assert stranger.seen == []


TAIL = "/info/refs?service=git-upload-pack"


@pytest.mark.parametrize(
    "url, location, moved",
    [
        ("https://host/a.git", "https://host/b.git", "https://host/b.git"),
        ("https://host/a.git", "https://HOST:443/b.git", "https://host/b.git"),
        ("https://host/a.git", "/b", "https://host/b"),
        ("http://host:80/a.git", "https://host/a.git", "https://host/a.git"),
        ("http://[::1]/a", "https://[::1]/a", "https://[::1]/a"),
        ("http://host:8080/a", "http://x:y@host:8080/b", "http://host:8080/b"),
    ],
)
def test_a_redirect_on_the_same_host_keeps_the_credentials(
    url: str, location: str, moved: str
) -> None:
    before = Address.of(url.replace("://", "://me:pass@"), "token")
    after = before.moved(location + TAIL)
    assert (after.url, after.username, after.token) == (moved, "me", "token")


@pytest.mark.parametrize(
    "location",
    [
        *("https://other/a.git", "http://host/a.git", "https://host:444/a.git", "//other/a.git"),
        *("https://host.other/a.git", "https://other\\@host:x/a.git", "https://[::1/a.git"),
        *("https://host\\@other/a.git", "ssh://host/a.git", "ext::sh", "https://host@other/a.git"),
        *("https://host/a b.git", "https://host/a\x7fb.git", "file:///a.git", "https://host./a"),
        f"/{'a' * 5000}",
    ],
)
def test_any_other_redirect_is_refused(location: str) -> None:
    with pytest.raises(CovsyncError, match=r"https://host/a\.git redirects to "):
        Address.of("https://host/a.git").moved(location + TAIL)


def test_a_redirect_to_a_page_for_people_is_refused() -> None:
    with pytest.raises(CovsyncError, match="redirects to https://host/sign_in, where"):
        Address.of("https://host/a.git").moved("https://host/sign_in?to=a.git")


# Answers without an end


def limited(checkout: Checkout, *arguments: str, shell: str = "", **figures: int) -> Ended:
    """``covsync ARGUMENTS`` under other limits, which ends in less than a minute."""
    code = (
        "from covsync import limits\nfrom covsync.git import bounds\nbounds.ENDING_SECONDS = 0.2\n"
        f"for name, figure in {figures}.items(): setattr(limits, name, figure)\n"
        "from covsync.cli import entry\nentry()\n"
    )
    command = [sys.executable, "-c", code, *arguments]
    if shell:
        command = ["sh", "-c", f'{shell}; exec "$@"', "sh", *command]
    done = subprocess.run(
        command,
        cwd=checkout.folder,
        env={**os.environ, **checkout.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def packet(text: str) -> bytes:
    """A line as git's protocols have it."""
    return f"{len(text) + 4:04x}{text}".encode()


def greeting(service: str, *lines: str) -> bytes:
    return packet(f"# service={service}\n") + b"0000" + b"".join(map(packet, lines))


V2 = greeting("git-upload-pack", "version 2\n", "ls-refs\n", "fetch\n") + b"0000"


def refs() -> Iterator[bytes]:
    """A thousand at once, and no end of them."""
    name = f"{'1' * 40} refs/heads/"
    for first in range(0, sys.maxsize, 1000):
        yield b"".join(packet(f"{name}{at:020d}\n") for at in range(first, first + 1000))


def endless_refs(service: str) -> Iterator[bytes]:
    yield greeting(service, f"{'1' * 40} refs/heads/a\0report-status\n")
    yield from refs()


def drip() -> Iterator[bytes]:
    """Two bytes a second, of the longest line there is."""
    yield b"fff0"
    while True:
        yield b"f"
        time.sleep(0.5)


TOO_MUCH = (
    "covsync: error: the remote sends more than covsync takes (git {} of {})\n"
    "  If that is as it should be, set COVSYNC_LIMITS=10 to make each limit ten times as large.\n"
)


@pytest.mark.parametrize("version", [0, 2])
def test_an_endless_list_of_refs_ends_at_a_bound_of_memory(
    shapes: Checkout, server: HttpRemote, version: int
) -> None:
    def speaks(method: str, _: str) -> Iterator[bytes]:
        if version == 0:
            return endless_refs("git-upload-pack")
        return iter([V2]) if method == "GET" else refs()

    server.speaks = speaks
    ended = limited(shapes, "push", LISTING_MEMORY=64)
    expected = TOO_MUCH.format("ls-remote took more than 64 MiB", "memory")
    assert (ended.status, ended.out, ended.err) == (1, "", expected)
    ended = limited(shapes, "push", "--soft-fail", LISTING_MEMORY=64)
    assert (ended.status, ended.out) == (0, "")
    assert "(git ls-remote took more than 64 MiB of memory)" in ended.err


def test_an_endless_list_of_refs_at_the_push_ends_at_a_bound_of_memory(
    shapes: Checkout, server: HttpRemote
) -> None:
    def speaks(_: str, path: str) -> Iterator[bytes] | None:
        pushes = path.endswith("service=git-receive-pack")
        return endless_refs("git-receive-pack") if pushes else None

    server.speaks = speaks
    ended = limited(opened(shapes, server, "url"), "push", TRANSFER_MEMORY=64)
    expected = TOO_MUCH.format("push took more than 64 MiB", "memory")
    assert (ended.status, ended.out, ended.err) == (1, "", expected)


@pytest.mark.parametrize("at", ["GET", "POST"])
def test_a_server_of_two_bytes_a_second_is_given_up(
    shapes: Checkout, server: HttpRemote, at: str
) -> None:
    """After a minute; git's own variable makes that shorter here."""
    server.speaks = lambda method, _: drip() if method == at else iter([V2])
    impatient = Checkout(shapes.folder, {"GIT_HTTP_LOW_SPEED_TIME": "1"})
    ended = limited(impatient, "push")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        "covsync: error: the remote does not answer, or too slowly (Operation too slow. Less than "
        "1000 bytes/sec transferred the last 1 seconds)\n"
        "  Look at the network and the server, and run it again; COVSYNC_LIMITS=10 makes covsync "
        "wait ten times as long.\n"
    )


@pytest.mark.parametrize("shell", ["", "trap '' TERM"])
def test_a_server_that_takes_too_long_leaves_no_process(
    shapes: Checkout, server: HttpRemote, shell: str
) -> None:
    """Nor where the job was started so that nothing in it hears of its end."""
    server.speaks = lambda _method, _path: drip()
    ended = limited(shapes, "push", shell=shell, LISTING_SECONDS=1)
    assert ended.status == 1
    assert "or too slowly (git ls-remote timed out after 1 seconds)" in ended.err
    until = time.monotonic() + 30
    while _processes_of(server) and time.monotonic() < until:
        time.sleep(0.05)
    assert _processes_of(server) == []


def blob_of_a_tebibyte(count: int) -> Iterator[bytes]:
    """A pack of so many objects, of which the first has no end."""
    size = 1 << 40
    head = [0x80 | 3 << 4 | size & 15]
    size >>= 4
    while size:
        head.append(size & 127 | (0x80 if size > 127 else 0))
        size >>= 7
    yield packet("shallow-info\n") + packet(f"shallow {'1' * 40}\n") + b"0001"
    yield packet("packfile\n")
    yield sideband(b"PACK" + struct.pack(">II", 2, count) + bytes(head))
    content, block = zlib.compressobj(0), os.urandom(60_000)
    while True:
        deflated = content.compress(block)
        for at in range(0, len(deflated), len(block)):
            yield sideband(deflated[at : at + len(block)])


def sideband(content: bytes) -> bytes:
    return b"%04x\x01%s" % (len(content) + 5, content)


@pytest.mark.parametrize("count", [1, 200], ids=["unpacked", "kept"])
def test_an_endless_pack_ends_at_a_bound_of_space(
    shapes: Checkout, server: HttpRemote, count: int
) -> None:
    """Git unpacks a small one, and keeps one of many objects as it is."""
    greets = greeting("git-upload-pack", "version 2\n", "ls-refs\n", "fetch=shallow\n") + b"0000"
    branch = packet(f"{'1' * 40} refs/heads/covsync-data\n") + b"0000"
    listed = itertools.repeat([branch])
    posts = itertools.chain([[branch], [branch], blob_of_a_tebibyte(count)], listed)
    server.speaks = lambda method, _: iter([greets] if method == "GET" else next(posts))
    ended = limited(shapes, "push", RECEIVED_FILE=32)
    assert (ended.status, ended.out) == (1, "")
    assert "(git fetch took more than 32 MiB for a file)\n" in ended.err


def _processes_of(server: HttpRemote) -> list[bytes]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_bytes())
        except OSError:
            continue
    return [line for line in found if server.url().encode() in line]


def hook(remote: Path, script: str) -> None:
    path = remote / "hooks" / "pre-receive"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_endless_words_of_a_server_end_at_a_bound(shapes: Checkout, server: HttpRemote) -> None:
    words = packet("\x02no robots on Sundays\n") * 1000

    def speaks(method: str, path: str) -> Iterator[bytes] | None:
        pushes = method == "POST" and path.endswith("/git-receive-pack")
        return itertools.repeat(words) if pushes else None

    server.speaks = speaks
    ended = limited(opened(shapes, server, "url"), "push")
    expected = TOO_MUCH.format("push wrote more than 4 MiB", "messages")
    assert (ended.status, ended.out, ended.err) == (1, "", expected)


@pytest.mark.parametrize("words", ["Repository ", "://"])
def test_long_words_of_a_server_are_read_quickly(
    shapes: Checkout, remote: Path, words: str
) -> None:
    """Each could begin what is looked for, up to the line's end."""
    hook(remote, f"yes '{words}' | head -n 90000 | tr -d '\\n' >&2; exit 1")
    ended = limited(shapes, "push")
    assert ended.status == 1
    assert ended.err.startswith(
        f"covsync: error: a rule of the remote refused the push to covsync-data: {words}{words}"
    )
    assert len(ended.err) < 2000


def test_a_server_without_memory_is_not_taken_for_a_bound() -> None:
    answer = Answer(1, b"", "remote: fatal: Out of memory, malloc failed\nerror: hook declined")
    assert refusal(answer, "covsync-data", "push").message.startswith("a rule of the remote")


def test_only_branches_are_asked_for(shapes: Checkout, server: HttpRemote) -> None:
    assert opened(shapes, server, "url").covsync("push").status == 0
    assert opened(shapes, server, "url").covsync("push").status == 0
    asked = [body for body in server.asked if b"command=ls-refs" in body]
    assert asked
    assert all(b"ref-prefix refs/heads/" in body for body in asked)


@pytest.mark.stress
def test_a_remote_of_many_branches_is_published_to(
    shapes: Checkout, server: HttpRemote, remote: Path
) -> None:
    """As many as no project has, under the limits as they are."""
    shapes.git("push", "--quiet", str(remote), "main")
    commit = shapes.git("rev-parse", "HEAD").strip()
    lines = (f"{commit} refs/heads/topic/{at:07d}\n" for at in range(200_000))
    (remote / "packed-refs").write_text("".join(lines))
    ended = opened(shapes, server, "url").covsync("push")
    assert ended.out.startswith(PUSHED), ended
