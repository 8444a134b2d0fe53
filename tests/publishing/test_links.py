"""Links for every host, from every spelling of a remote's URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from covsync.config import Config
from covsync.model import Links
from covsync.render.links import links_for, web_address

PREVIEW = "https://htmlpreview.github.io/?"


def linked(
    url: str | None,
    environ: Mapping[str, str] | None = None,
    event: Mapping[str, Any] | None = None,
    *,
    has_html: bool = True,
    **settings: Any,  # noqa: ANN401 - whatever Config takes
) -> Links:
    config = Config(**settings)
    return links_for(url, config, has_html=has_html, environ=environ or {}, event=event or {})


@pytest.mark.parametrize(
    "url, base, path",
    [
        ("https://github.com/o/r.git", "https://github.com", "o/r"),
        ("https://github.com/o/r", "https://github.com", "o/r"),
        ("https://github.com/o/r/", "https://github.com", "o/r"),
        ("https://me:secret@GitHub.com/o/r.git", "https://github.com", "o/r"),
        ("git@github.com:o/r.git", "https://github.com", "o/r"),
        ("github.com:o/r.git", "https://github.com", "o/r"),
        ("ssh://git@github.com/o/r.git", "https://github.com", "o/r"),
        ("ssh://git@ssh.github.com:443/o/r.git", "https://github.com", "o/r"),
        ("git+ssh://git@github.com/o/r", "https://github.com", "o/r"),
        ("git://github.com/o/r.git", "https://github.com", "o/r"),
        ("http://git.example.org:8080/o/r.git", "http://git.example.org:8080", "o/r"),
        ("ssh://git@git.example.org:2222/o/r.git", "https://git.example.org", "o/r"),
        ("git@gitlab.com:group/sub/project.git", "https://gitlab.com", "group/sub/project"),
        ("git@git.example.org:/srv/o/r.git", "https://git.example.org", "srv/o/r"),
        ("ssh://git@[2001:db8::1]:22/o/r.git", "https://[2001:db8::1]", "o/r"),
        ("git@[2001:db8::1]:o/r.git", "https://[2001:db8::1]", "o/r"),
    ],
)
def test_every_spelling_leads_to_the_web(url: str, base: str, path: str) -> None:
    address = web_address(url)
    assert address is not None
    assert (address.base, address.path) == (base, path)


@pytest.mark.parametrize(
    "url",
    [
        "/srv/git/r.git",
        "../r.git",
        "file:///srv/r.git",
        "C:\\git\\r",
        "C:/git/r",
        "",
        "https://",
        "x",
    ],
)
def test_a_local_path_has_no_web_address(url: str) -> None:
    assert web_address(url) is None
    assert linked(url) == Links(
        "htmlcov/index.html", "htmlcov/index.html", "badge.svg", "endpoint.json", is_public=False
    )


def test_github() -> None:
    report = f"{PREVIEW}https://github.com/o/r/blob/covsync-data/htmlcov/index.html"
    assert linked("git@github.com:o/r.git") == Links(
        report,
        report,
        "https://raw.githubusercontent.com/o/r/covsync-data/badge.svg",
        "https://raw.githubusercontent.com/o/r/covsync-data/endpoint.json",
        is_public=True,
    )


def test_github_private() -> None:
    assert linked("git@github.com:o/r.git", public=False) == Links(
        "https://github.com/o/r/blob/covsync-data/htmlcov/index.html",
        "https://github.com/o/r/tree/covsync-data",
        "https://raw.githubusercontent.com/o/r/covsync-data/badge.svg",
        "https://raw.githubusercontent.com/o/r/covsync-data/endpoint.json",
        is_public=False,
    )


def test_github_enterprise_has_its_own_addresses_and_no_preview() -> None:
    assert linked("git@github.example.org:o/r.git", public=True) == Links(
        "https://github.example.org/o/r/blob/covsync-data/htmlcov/index.html",
        "https://github.example.org/o/r/blob/covsync-data/htmlcov/index.html",
        "https://github.example.org/o/r/raw/covsync-data/badge.svg",
        "https://github.example.org/o/r/raw/covsync-data/endpoint.json",
        is_public=True,
    )


def test_gitlab_with_subgroups() -> None:
    assert linked("https://gitlab.com/g/s/p.git") == Links(
        "https://gitlab.com/g/s/p/-/blob/covsync-data/htmlcov/index.html",
        "https://gitlab.com/g/s/p/-/blob/covsync-data/htmlcov/index.html",
        "https://gitlab.com/g/s/p/-/raw/covsync-data/badge.svg",
        "https://gitlab.com/g/s/p/-/raw/covsync-data/endpoint.json",
        is_public=True,
    )


@pytest.mark.parametrize("host", ["codeberg.org", "gitea.example.org", "forgejo.example.org"])
def test_gitea_and_its_kin(host: str) -> None:
    told = linked(f"ssh://git@{host}/o/r.git", public=True)
    assert told.badge == f"https://{host}/o/r/raw/branch/covsync-data/badge.svg"
    assert told.report == f"https://{host}/o/r/src/branch/covsync-data/htmlcov/index.html"


def test_bitbucket() -> None:
    told = linked("git@bitbucket.org:w/r.git")
    assert told.badge == "https://bitbucket.org/w/r/raw/covsync-data/badge.svg"
    assert told.report == "https://bitbucket.org/w/r/src/covsync-data/htmlcov/index.html"


@pytest.mark.parametrize(
    "url, root",
    [
        ("https://bitbucket.example.org/scm/PRJ/r.git", "projects/PRJ/repos/r"),
        ("ssh://git@bitbucket.example.org:7999/PRJ/r.git", "projects/PRJ/repos/r"),
        ("https://bitbucket.example.org/scm/~me/r.git", "users/me/repos/r"),
    ],
)
def test_bitbucket_data_center(url: str, root: str) -> None:
    told = linked(url, public=True)
    at = "?at=refs%2Fheads%2Fcovsync-data"
    assert told.badge == f"https://bitbucket.example.org/{root}/raw/badge.svg{at}"
    assert told.report == f"https://bitbucket.example.org/{root}/browse/htmlcov/index.html{at}"


@pytest.mark.parametrize(
    "environ, part",
    [
        ({}, "badge.svg"),
        ({"GITLAB_CI": "true", "CI_SERVER_URL": "https://code.example.org"}, "/-/raw/"),
        ({"GITHUB_SERVER_URL": "https://code.example.org"}, "/o/r/raw/covsync-data/"),
        (
            {"GITHUB_SERVER_URL": "https://code.example.org", "GITEA_ACTIONS": "true"},
            "/raw/branch/",
        ),
        ({"GITHUB_SERVER_URL": "https://github.com"}, "badge.svg"),
    ],
)
def test_a_host_without_a_telling_name_is_known_in_its_own_ci(
    environ: Mapping[str, str], part: str
) -> None:
    badge = linked("git@code.example.org:o/r.git", environ).badge
    assert (badge == part) if part == "badge.svg" else (part in badge)


def test_ci_tells_scheme_port_and_folder() -> None:
    environ = {"GITLAB_CI": "true", "CI_SERVER_URL": "http://code.example.org:8000/gitlab"}
    told = linked("http://code.example.org:8000/gitlab/g/p.git", environ)
    assert told.badge == "http://code.example.org:8000/gitlab/g/p/-/raw/covsync-data/badge.svg"
    told = linked("ssh://git@code.example.org:2222/g/p.git", environ)
    assert told.badge == "http://code.example.org:8000/gitlab/g/p/-/raw/covsync-data/badge.svg"


GITHUB_CI = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r"}
GITLAB_CI = {"GITLAB_CI": "true", "CI_SERVER_URL": "https://gitlab.com", "CI_PROJECT_PATH": "o/r"}


@pytest.mark.parametrize(
    "url, environ, event, public",
    [
        ("git@github.com:o/r", {}, {}, True),
        ("git@github.com:o/r", GITHUB_CI, {"repository": {"private": True}}, False),
        ("git@github.com:o/r", GITHUB_CI, {"repository": {"private": False}}, True),
        ("git@github.com:o/other", GITHUB_CI, {"repository": {"private": True}}, True),
        ("git@github.com:o/r", GITHUB_CI, {"repository": "?"}, True),
        ("git@gitlab.com:o/r", {**GITLAB_CI, "CI_PROJECT_VISIBILITY": "private"}, {}, False),
        ("git@gitlab.com:o/r", {**GITLAB_CI, "CI_PROJECT_VISIBILITY": "internal"}, {}, False),
        ("git@gitlab.com:o/r", {**GITLAB_CI, "CI_PROJECT_VISIBILITY": "public"}, {}, True),
        ("git@gitlab.example.org:o/r", {}, {}, False),
        ("git@codeberg.org:o/r", {}, {}, True),
        ("git@bitbucket.org:o/r", {}, {}, True),
    ],
)
def test_who_may_see_it(
    url: str, environ: Mapping[str, str], event: Mapping[str, Any], *, public: bool
) -> None:
    assert linked(url, environ, event).is_public is public


def test_the_configuration_has_the_last_word() -> None:
    told = linked("git@code.example.org:o/r.git", hosting="gitlab", public=True)
    assert told.badge == "https://code.example.org/o/r/-/raw/covsync-data/badge.svg"
    assert told.is_public
    told = linked("git@github.com:o/r.git", hosting="none")
    assert (told.badge, told.is_public) == ("badge.svg", False)


def test_pages_are_linked_where_they_are_served() -> None:
    told = linked("git@github.com:o/r.git", public=False, pages_url="https://cov.example.org")
    assert told.report == told.badge_target == "https://cov.example.org/index.html"


def test_without_pages_the_badge_leads_to_the_branch() -> None:
    told = linked("git@github.com:o/r.git", has_html=False)
    assert told.badge_target == "https://github.com/o/r/tree/covsync-data"
    assert linked(None, has_html=False).badge_target == "README.md"


def test_no_name_breaks_a_link() -> None:
    told = linked("https://gitlab.com/g/a (b)].git", branch="data/[x](y)")
    assert told.badge == "https://gitlab.com/g/a%20%28b%29%5D/-/raw/data/%5Bx%5D%28y%29/badge.svg"
