"""A remote that answers what it should not gets no credentials, memory or time. Real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import BRANCHES, Checkout, run
from http_remote import BASIC, TOKEN, USER, HttpRemote, http_remote

from covsync.errors import CovsyncError
from covsync.git.remote_url import Address

PUSHED = "covsync: pushed 75% of "
HELPER = f"!f() {{ echo username={USER}; echo password={TOKEN}; }}; f"


@pytest.fixture
def server(remote: Path, shapes: Checkout) -> Iterator[HttpRemote]:
    """The checkout's remote, behind HTTP; nothing opens it yet."""
    run(["git", "config", "http.receivepack", "true"], remote)
    with http_remote(remote.parent) as serving:
        shapes.git("remote", "set-url", "origin", serving.url())
        yield serving


@pytest.fixture
def stranger(remote: Path) -> Iterator[HttpRemote]:
    """Another host, which would take the push."""
    with http_remote(remote.parent) as serving:
        yield serving


def opened(shapes: Checkout, server: HttpRemote, how: str) -> Checkout:
    """The checkout with credentials for ``server``."""
    if how == "token":
        shapes.git("remote", "set-url", "origin", server.url(USER))
        return Checkout(shapes.folder, {"COVSYNC_TOKEN": TOKEN})
    if how == "helper":
        shapes.git("config", "credential.helper", HELPER)
    elif how == "header":
        key = f"http.http://127.0.0.1:{server.port}/.extraheader"
        shapes.git("config", key, f"AUTHORIZATION: {BASIC}")
    else:
        shapes.git("remote", "set-url", "origin", server.url(f"{USER}:{TOKEN}"))
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
    url = place.git("remote", "get-url", "origin").strip()
    shapes.git("remote", "set-url", "origin", url.replace("/remote.git", "/old.git"))
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
        *(
            "https://host/a b.git",
            "https://host/a\x7fb.git",
            "file:///a.git",
            f"/{'a' * 5000}",
        ),
    ],
)
def test_any_other_redirect_is_refused(location: str) -> None:
    with pytest.raises(CovsyncError, match=r"https://host/a\.git redirects to "):
        Address.of("https://host/a.git").moved(location + TAIL)


def test_a_redirect_to_a_page_for_people_is_refused() -> None:
    with pytest.raises(CovsyncError, match="redirects to https://host/sign_in, where"):
        Address.of("https://host/a.git").moved("https://host/sign_in?to=a.git")
