"""Remotes as they are: with credentials, with rules, out of reach. Real servers, all local."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from conftest import BRANCHES, Checkout, run
from http_remote import BASIC, TOKEN, USER, HttpRemote

from covsync.commands.push import push
from covsync.console import Console
from covsync.errors import CovsyncError
from covsync.git import data_branch
from covsync.git.remote_url import Address
from covsync.git.scratch import _added, _settings


def pushes(shapes: Checkout, server: HttpRemote, remote: Path) -> None:
    """It publishes; no request bears two credentials; the secret is nowhere."""
    ended = shapes.covsync("push", "--debug")
    assert ended.status == 0, ended
    assert TOKEN not in ended.out + ended.err
    assert [BASIC] in server.seen
    assert all(given in ([], [BASIC]) for given in server.seen)
    files = run(["git", "grep", "-I", "-c", TOKEN, "covsync-data"], remote)
    assert (files.status, files.out) == (1, "")


def test_credentials_in_the_url(shapes: Checkout, server: HttpRemote, remote: Path) -> None:
    shapes.git("remote", "set-url", "origin", server.url(f"{USER}:{TOKEN}"))
    pushes(shapes, server, remote)


def test_credentials_in_a_header_as_ci_checkouts_leave_them(
    shapes: Checkout, server: HttpRemote, remote: Path
) -> None:
    key = f"http.http://127.0.0.1:{server.port}/.extraheader"
    shapes.git("config", key, f"AUTHORIZATION: {BASIC}")
    pushes(shapes, server, remote)


def test_credentials_of_a_helper(shapes: Checkout, server: HttpRemote, remote: Path) -> None:
    helper = f"!f() {{ echo username={USER}; echo password={TOKEN}; }}; f"
    shapes.git("config", "credential.helper", helper)
    pushes(shapes, server, remote)
    shapes.git("remote", "set-url", "origin", server.url(USER))
    pushes(shapes, server, remote)


def test_an_address_that_git_rewrites(shapes: Checkout, server: HttpRemote, remote: Path) -> None:
    """Rewritten once, as git does, though the result begins with what is rewritten."""
    there = f"http://{USER}:{TOKEN}@127.0.0.1:{server.port}/"
    shapes.git("config", f"url.{there}remote.insteadOf", f"{server.url().removesuffix('.git')}")
    pushes(shapes, server, remote)


@pytest.mark.parametrize("credentials", ["", f"{USER}:wr0ng-t0ken", "wr0ng-t0ken"])
@pytest.mark.first(1)
def test_bad_credentials(shapes: Checkout, server: HttpRemote, credentials: str) -> None:
    shapes.git("remote", "set-url", "origin", server.url(credentials))
    ended = shapes.covsync("push", "--debug")
    assert ended.status == 1
    assert "the remote asks for credentials, and there are none that it accepts" in ended.err
    assert "wr0ng" not in ended.out + ended.err


@pytest.mark.parametrize(
    "status, words",
    [
        (400, "two credentials at once"),
        (403, "the credentials do not allow covsync to read from the remote"),
        (404, "the remote's repository does not exist"),
        (429, "the remote is rate-limiting (HTTP 429)"),
        (503, "the remote cannot be reached"),
    ],
)
@pytest.mark.first(2)
def test_what_a_server_answers(
    shapes: Checkout, server: HttpRemote, status: int, words: str
) -> None:
    server.answer = status
    ended = shapes.covsync("push")
    assert ended.status == 1
    assert words in ended.err
    tries = {429: 8, 503: 4}.get(status, 1)  # after a 429 it is asked how long to wait
    assert len(server.seen) == tries


# A rival that is always faster: the server itself, while a push arrives.
MOVES = """\
unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY
export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
commit=$(git commit-tree -m "rival $$" -p covsync-data covsync-data^{tree})
git update-ref refs/heads/covsync-data $commit
"""


def hook(remote: Path, name: str, script: str) -> None:
    path = remote / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_rule_of_the_server(shapes: Checkout, remote: Path) -> None:
    hook(remote, "pre-receive", "echo 'no robots on Sundays' >&2; exit 1")
    ended = shapes.covsync("push")
    assert ended.status == 1
    assert (
        "a rule of the remote refused the push to covsync-data: no robots on Sundays" in ended.err
    )


def test_a_branch_in_the_way(shapes: Checkout) -> None:
    shapes.git("push", "--quiet", "origin", "main:covsync-data/old")
    ended = shapes.covsync("push")
    assert ended.status == 1
    assert "the remote has another branch in the way of covsync-data" in ended.err
    assert "refs/heads/covsync-data/old" in ended.err


@pytest.mark.stress
def test_a_server_that_forbids_replacing(shapes: Checkout, remote: Path) -> None:
    assert shapes.covsync("push").status == 0
    run(["git", "config", "receive.denyNonFastForwards", "true"], remote)
    shapes.write({"shapes.py": "x = 1\n", "test_shapes.py": "import shapes\n"})
    shapes.commit()
    shapes.coverage("run", "test_shapes.py")
    ended = shapes.covsync("push")
    assert ended.status == 1
    assert "the remote does not allow covsync-data to be replaced" in ended.err
    assert 'history = "append"' in ended.err
    shapes.write({"pyproject.toml": BRANCHES + '[tool.covsync]\nhistory = "append"\n'})
    assert shapes.covsync("push").status == 0


def test_a_remote_with_a_work_tree(shapes: Checkout, tmp_path: Path) -> None:
    other = Checkout(tmp_path / "other")
    run(["git", "clone", "--quiet", str(shapes.folder), "other"], tmp_path)
    other.git("switch", "--quiet", "--orphan", "covsync-data")
    other.git("commit", "--quiet", "--allow-empty", "-m", "Begin")
    shapes.git("remote", "set-url", "origin", str(other.folder))
    ended = shapes.covsync("push")
    assert ended.status == 1
    assert "covsync-data is checked out in the remote" in ended.err


def test_a_tip_that_moves_during_the_push_is_built_upon(shapes: Checkout, remote: Path) -> None:
    """The server itself moves the branch, once, while covsync's first try arrives."""
    hook(
        remote,
        "pre-receive",
        "test -e moved && exit 0; touch moved; unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY\n"
        "blob=$(printf mine | git hash-object -w --stdin)\n"
        "tree=$(printf '100644 blob %s\\tCNAME\\n' $blob | git mktree)\n"
        "export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x\n"
        "git update-ref refs/heads/covsync-data $(git commit-tree -m other $tree)",
    )
    ended = shapes.covsync("push")
    assert ended.status == 1, ended
    assert "covsync-data holds other files, and no coverage data" in ended.err
    assert run(["git", "ls-tree", "--name-only", "covsync-data"], remote).out == "CNAME\n"


@pytest.mark.stress
def test_a_tip_that_always_moves_is_given_up(
    shapes: Checkout, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ten minutes; here after none."""
    assert shapes.covsync("push").status == 0
    hook(remote, "pre-receive", MOVES)
    shapes.write({"shapes.py": "x = 1\n", "test_shapes.py": "import shapes\n"})
    shapes.commit()
    shapes.coverage("run", "test_shapes.py")
    monkeypatch.setattr(data_branch, "LONGEST_RACE", 0)
    monkeypatch.chdir(shapes.folder)
    with pytest.raises(CovsyncError) as error:
        push(Console(), {}, dry_run=False, soft_fail=False, output_dir=None)
    assert error.value.message == "others kept publishing to covsync-data at the same time"


def test_a_password_that_ends_the_host_is_not_shown(shapes: Checkout) -> None:
    """A slash in it has to be written as %2F: git would take what comes before for the host."""
    shapes.git("remote", "set-url", "origin", "https://user:s3cr/3t@127.0.0.1:1/x.git")
    ended = shapes.covsync("push", "--debug")
    assert ended.status == 1
    assert "the remote's URL is not one that can be read" in ended.err
    assert "s3cr" not in ended.out + ended.err


def test_a_whole_address_that_git_rewrites_keeps_its_secret(
    shapes: Checkout, server: HttpRemote, remote: Path
) -> None:
    """The setting fits what covsync passes on as well as its own would."""
    there = server.url(f"{USER}:{TOKEN}")
    shapes.git("config", f"url.{there}.insteadOf", server.url())
    arguments: list[bytes] = []

    def look() -> None:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                arguments.append(process.read_bytes())

    server.meanwhile = look
    pushes(shapes, server, remote)
    assert any(b"git-remote-http" in line for line in arguments)
    assert not [line for line in arguments if TOKEN.encode() in line]


def test_settings_of_the_remote_itself_hold(shapes: Checkout, tmp_path: Path) -> None:
    program = tmp_path / "receive"
    program.write_text(f'#!/bin/sh\ntouch {tmp_path}/used\nexec git-receive-pack "$@"\n')
    program.chmod(0o755)
    shapes.git("config", "remote.origin.receivepack", str(program))
    assert shapes.covsync("push").status == 0
    assert (tmp_path / "used").exists()


def test_colours_do_not_reach_a_refusal(shapes: Checkout, remote: Path) -> None:
    for key in ("color.ui", "color.remote"):
        shapes.git("config", key, "always")
    hook(remote, "pre-receive", "echo 'error: not on Sundays' >&2; exit 1")
    assert "refused the push to covsync-data: error: not on Sundays" in shapes.covsync("push").err


def test_a_transport_program_is_never_run(shapes: Checkout, tmp_path: Path) -> None:
    shapes.git("config", "protocol.ext.allow", "always")
    for url in (f"ext::sh -c touch% {tmp_path}/ran [::1]", "ext::sh"):
        shapes.git("remote", "set-url", "origin", url)
        ended = shapes.covsync("push")
        assert ended.status == 1
        assert "names a transport program" in ended.err
    assert not (tmp_path / "ran").exists()


def test_a_setting_without_a_value_is_true() -> None:
    assert _settings(b"http.sslverify\0http.proxy\n\0") == [
        ("http.sslverify", "true"),
        ("http.proxy", ""),
    ]


def test_only_transport_settings_of_the_repository_itself_are_handed_over() -> None:
    both = ("http.proxy", "http://proxy")
    own = [("http.x.extraheader", "A"), ("credential.helper", "store"), ("core.sshcommand", "ssh")]
    assert _added([both, ("user.name", "x"), ("url.x.insteadof", "y"), *own], [both]) == own


@pytest.mark.parametrize(
    "url, told",
    [
        ("https://me:pa%20ss@host/r.git", ("https://host/r.git", "me", "pa ss")),
        ("https://token@host/r.git", ("https://host/r.git", "token", None)),
        ("https://host/r.git", ("https://host/r.git", None, None)),
        ("ssh://git@host/r.git", ("ssh://git@host/r.git", None, None)),
        ("git@[::1]:r.git", ("git@[::1]:r.git", None, None)),
    ],
)
def test_no_secret_stays_in_an_address(url: str, told: tuple[str, str | None, str | None]) -> None:
    address = Address.of(url)
    assert (address.url, address.username, address.password) == told
    with pytest.raises(CovsyncError):
        Address.of("fd::17/x")
