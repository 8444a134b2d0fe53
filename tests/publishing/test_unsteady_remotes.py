"""A server that has enough, breaks off or says nothing; and the token that opens it. Real HTTP."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
from conftest import BETTER_TEST, BRANCHES, Checkout, run
from http_remote import BASIC, TOKEN, USER, HttpRemote, http_remote

from covsync import limits
from covsync.errors import CovsyncError
from covsync.git import scratch
from covsync.git.remote_errors import asked_pause
from covsync.git.remote_url import Address
from covsync.git.repository import Repository

PUSHED = "covsync: pushed 75% of "


@pytest.fixture
def server(remote: Path, shapes: Checkout) -> Iterator[HttpRemote]:
    """The checkout's remote, behind HTTP; the checkout knows the way in."""
    run(["git", "config", "http.receivepack", "true"], remote)
    with http_remote(remote.parent) as serving:
        shapes.git("remote", "set-url", "origin", serving.url(f"{USER}:{TOKEN}"))
        yield serving


def tip(remote: Path) -> str:
    return run(["git", "rev-parse", "--verify", "--quiet", "covsync-data"], remote).out


def with_token(checkout: Checkout, token: str) -> Checkout:
    return Checkout(checkout.folder, {"COVSYNC_TOKEN": token})


# COVSYNC_TOKEN


def basic(user: str, token: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def test_a_token_takes_the_place_of_every_other_credential(
    shapes: Checkout, server: HttpRemote
) -> None:
    """CI's checkout has left a header that does not open it, and the URL tells another password."""
    shapes.git("remote", "set-url", "origin", server.url(f"{USER}:wr0ng"))
    for key in (f"http.http://127.0.0.1:{server.port}/.extraheader", "http.extraheader"):
        shapes.git("config", key, f"AUTHORIZATION: {basic(USER, 'expired')}")
    ended = with_token(shapes, f"{TOKEN}\n").covsync("push", "--debug")
    assert ended.out.startswith(PUSHED), ended
    assert {tuple(given) for given in server.seen} == {(BASIC,)}
    assert not any(secret in ended.out + ended.err for secret in (TOKEN, "wr0ng", "expired"))


def test_a_token_is_sent_under_the_name_that_hosts_take(
    shapes: Checkout, server: HttpRemote
) -> None:
    shapes.git("remote", "set-url", "origin", server.url())
    ended = with_token(shapes, TOKEN).covsync("push")
    assert "the remote asks for credentials" in ended.err  # this server wants its own user's name
    assert server.seen[0] == [basic("x-access-token", TOKEN)]
    for host, user in (
        ("gitlab.example.org", "gitlab-ci-token"),
        ("bitbucket.org", "x-token-auth"),
    ):
        settings = Address.of(f"https://{host}/a/b.git", TOKEN).settings()
        assert settings[-1][1] == f"Authorization: {basic(user, TOKEN)}"


def test_the_baseline_is_fetched_with_the_token_too(shapes: Checkout, server: HttpRemote) -> None:
    shapes.git("remote", "set-url", "origin", server.url(USER))
    shapes.write({"pyproject.toml": BRANCHES + "[tool.covsync]\nmax_drop = 1\n"})
    shapes.stage()
    assert with_token(shapes, TOKEN).covsync("push").status == 0
    ended = with_token(shapes, TOKEN).covsync("check", "--fetch")
    assert ended.status == 0, ended


def test_tests_can_be_recorded_while_a_baseline_is_fetched(
    shapes: Checkout, server: HttpRemote
) -> None:
    shapes.write({"pyproject.toml": BRANCHES + "[tool.covsync]\nmax_drop = 1\n"})
    shapes.stage()
    assert shapes.covsync("run", "test_shapes.py").status == 0
    recorded = []
    server.meanwhile = lambda: recorded.append(shapes.covsync("run", "test_shapes.py"))
    assert shapes.covsync("check", "--fetch").status == 0
    assert recorded
    assert {(ended.status, ended.err) for ended in recorded} == {(0, "")}


def test_a_token_for_a_remote_that_takes_none_is_said(shapes: Checkout) -> None:
    ended = with_token(shapes, TOKEN).covsync("push")
    assert ended.status == 0
    assert ended.err == (
        "covsync: note: COVSYNC_TOKEN is not used: the remote's URL is not an http(s) one\n"
    )


@pytest.mark.parametrize("token", ["two words", "two\nlines", "tôken"])
def test_a_token_that_is_none(shapes: Checkout, server: HttpRemote, token: str) -> None:
    ended = with_token(shapes, token).covsync("push")
    assert ended.status == 1
    assert ended.err.startswith("covsync: error: COVSYNC_TOKEN holds a space, a line end or other")
    assert server.seen == []


def test_no_secret_is_an_argument_while_it_runs(shapes: Checkout, server: HttpRemote) -> None:
    """At each request everything is looked at that runs on this machine."""
    arguments: list[bytes] = []

    def look() -> None:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments.append(process.read_bytes())
            except OSError:
                continue

    server.meanwhile = look
    for place in (shapes, with_token(shapes, TOKEN)):
        assert place.covsync("push", "--verbose").status == 0
        shapes.write({"test_shapes.py": BETTER_TEST, "more.txt": str(place.env)})
        shapes.commit()
        shapes.coverage("run", "test_shapes.py")
    secrets = [TOKEN.encode(), BASIC.removeprefix("Basic ").encode()]
    assert any(b"git-remote-http" in line for line in arguments)
    assert not [line for line in arguments if any(secret in line for secret in secrets)]


# Too many requests


def test_a_server_that_asks_to_wait_is_left_alone_that_long(
    shapes: Checkout, server: HttpRemote
) -> None:
    """Two requests are refused: the first, and the one that asks how long to wait."""
    server.answer, server.times, server.retry_after = 429, 2, "1"
    assert shapes.covsync("push").out.startswith(PUSHED)


def test_a_server_that_asks_to_wait_for_long_is_told_of(
    shapes: Checkout, server: HttpRemote, remote: Path
) -> None:
    server.answer, server.retry_after = 429, "3600"
    ended = shapes.covsync("push")
    assert ended.status == 1
    assert ended.err == (
        "covsync: error: the remote is rate-limiting (HTTP 429), for 3600 seconds\n"
        "  Run it again later.\n"
    )
    assert tip(remote) == ""


def test_a_server_tells_how_long_in_seconds_or_by_a_date() -> None:
    at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    now = at.timestamp() - 30
    assert asked_pause("120", now) == 120
    assert asked_pause(format_datetime(at, usegmt=True), now) == 30
    assert asked_pause(format_datetime(at, usegmt=True), now + 100) == 0
    assert [asked_pause(text, now) for text in ("", "soon", "-5", "1e9", "9" * 40)] == [0] * 5


# Broken connections


def test_a_push_whose_answer_is_lost_has_succeeded(
    shapes: Checkout, server: HttpRemote, remote: Path
) -> None:
    server.cut, server.times = "after", 1
    ended = shapes.covsync("push")
    assert ended.out.startswith(PUSHED), ended
    assert tip(remote)


def test_a_push_that_is_cut_off_is_tried_again(
    shapes: Checkout, server: HttpRemote, remote: Path
) -> None:
    server.cut, server.times = "before", 1
    ended = shapes.covsync("push")
    assert ended.out.startswith(PUSHED), ended
    assert ended.out.endswith("at try 2)\n")
    assert tip(remote)


def test_a_connection_that_always_breaks_is_given_up(
    shapes: Checkout, server: HttpRemote, remote: Path
) -> None:
    server.cut = "before"
    ended = shapes.covsync("push")
    assert ended.status == 1
    assert "the remote cannot be reached" in ended.err
    assert ": gave up after 4 tries" in ended.err
    assert tip(remote) == ""


@pytest.mark.stress
def test_a_server_that_never_answers_is_given_up(shapes: Checkout, server: HttpRemote) -> None:
    """After a minute; git's own variable, which the user may set, makes that shorter here."""
    server.silent = threading.Event()
    impatient = Checkout(shapes.folder, {"GIT_HTTP_LOW_SPEED_TIME": "1"})
    ended = impatient.covsync("push")
    server.silent.set()
    assert ended.status == 1
    assert ended.err.startswith("covsync: error: the remote does not answer, or too slowly (")
    assert len(server.seen) == 1


def test_a_transport_that_never_ends_is_ended(
    shapes: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSH has no bound of its own. What stands for it here waits forever."""
    monkeypatch.setenv("GIT_SSH_COMMAND", "exec cat #")
    monkeypatch.setattr(limits, "LISTING_SECONDS", 1)
    repository = Repository.around(shapes.folder)
    with scratch.scratch_repository(repository, "origin", "ssh://127.0.0.1/r.git") as reached:
        answer = reached.run("ls-remote", "covsync")
    assert answer.status == 128
    assert answer.error == "git ls-remote timed out after 1 seconds"


def test_a_baseline_that_cannot_be_fetched_is_said_to_be_that(
    shapes: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "sh -c 'echo no such key >&2; exit 1' #")
    shapes.git("remote", "set-url", "origin", "ssh://127.0.0.1/r.git")
    shapes.write({"pyproject.toml": BRANCHES + "[tool.covsync]\nmax_drop = 1\n"})
    shapes.git("add", "pyproject.toml")
    ended = shapes.covsync("check", "--fetch")
    assert ended.status == 1
    assert ended.err == (
        "covsync: error: git could not read from the remote (no such key)\n"
        "  Try `git fetch` by hand, and run it again.\n"
    )


# A publication that must not fail the job


def test_a_failed_publication_can_be_a_warning(shapes: Checkout, server: HttpRemote) -> None:
    server.answer = 403
    ended = shapes.covsync("push", "--soft-fail")
    assert (ended.status, ended.out) == (0, "")
    assert ended.err == (
        "covsync: warning: the coverage was not published: the credentials do not allow covsync to "
        "read from the remote\n  Give them the right to read, and for a push to write (GitHub "
        "Actions: `permissions: contents: write`).\n"
    )
    shapes.git("remote", "remove", "origin")
    ended = shapes.covsync("push", "--soft-fail")
    assert ended.status == 0
    assert "covsync: warning: the coverage was not published: there is no remote 'origin'" in (
        ended.err
    )


def test_what_cannot_be_measured_fails_all_the_same(shapes: Checkout) -> None:
    (shapes.folder / ".coverage").unlink()
    assert shapes.covsync("push", "--soft-fail").status == 3
    shapes.write({"pyproject.toml": BRANCHES + "[tool.covsync]\nbrunch = 'x'\n"})
    assert shapes.covsync("push", "--soft-fail").status == 1


def test_an_address_without_credentials_stays_as_it_is() -> None:
    assert Address.of("ssh://host/r.git", TOKEN).token is None
    assert Address.of("HTTPS://me:pass@host/r.git").url == "https://host/r.git"
    with pytest.raises(CovsyncError, match="COVSYNC_TOKEN"):
        Address.of("https://host/r.git", "a\rb")
    assert os.environ.get("COVSYNC_TOKEN") is None
