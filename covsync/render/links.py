"""From a remote's URL, and what CI says, to the links of a data branch. Pure.

The addresses of files are those that each host documents or shows; see the tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from covsync.config import Config
from covsync.model import Links

PUBLIC_HOSTS = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "codeberg.org": "gitea",
    "bitbucket.org": "bitbucket",
}
# Hosts of one's own are commonly named after the software they run.
NAMED_AFTER = {
    "github": "github",
    "gitlab": "gitlab",
    "gitea": "gitea",
    "forgejo": "gitea",
    "codeberg": "gitea",
    "bitbucket": "bitbucket",
}
REPORT = "htmlcov/index.html"
PAGE = "README.md"
HOST = re.compile(r"[\w.-]+|\[[0-9A-Fa-f:.]+\]")
PREVIEW = "https://htmlpreview.github.io/?"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """Where a repository's pages are: ``https://HOST[:PORT]``, and its path there."""

    base: str
    host: str
    path: str


def web_address(url: str) -> WebAddress | None:
    """The web address behind a remote's URL in any of git's spellings, ``None`` for a local path.

    Only an http(s) URL has the web's port; behind an ssh URL it is taken to be https's own.
    """
    scp = re.fullmatch(r"(?:[^@/:]+@)?(\[[^\]]+\]|[^/:\[]{2,}):(?!//)(.*)", url)
    if scp:
        scheme, host, port, path = "ssh", scp[1], None, scp[2]
    else:
        try:
            parts = urlsplit(url)
            scheme, host, port, path = parts.scheme, parts.hostname or "", parts.port, parts.path
        except ValueError:
            return None
        host = f"[{host}]" if ":" in host else host
    if scheme not in ("http", "https", "ssh", "git", "git+ssh", "ssh+git") or not HOST.fullmatch(
        host
    ):
        return None
    if scheme in ("http", "https"):
        base = f"{scheme}://{host.lower()}" + (f":{port}" if port else "")
    else:
        base = f"https://{host.lower()}"
    path = re.sub(r"(\.git)?/*$", "", unquote(path, errors="surrogateescape").strip("/"))
    if host.lower() == "ssh.github.com":
        return WebAddress("https://github.com", "github.com", path)
    if host.lower() == "altssh.gitlab.com":
        return WebAddress("https://gitlab.com", "gitlab.com", path)
    return WebAddress(base, host.lower(), path) if path else None


def links_for(
    url: str | None,
    config: Config,
    *,
    has_html: bool,
    environ: Mapping[str, str],
    event: Mapping[str, Any],
) -> Links:
    """The links of the data branch in the repository behind the remote's ``url``.

    ``environ`` are CI's variables, ``event`` is the content of GitHub's event file: what the
    configuration leaves open is found out from them.
    """
    hosting, public, pages_url = config.hosting, config.public, config.pages_url
    address = web_address(url) if url else None
    if address:
        address = _as_ci_reaches(address, environ)
    if hosting == "auto":
        hosting = _software(address.host, environ) if address else "none"
    if address is None or hosting == "none":
        report = f"{pages_url}/index.html" if pages_url else REPORT
        return Links(
            report=report,
            badge_target=report if has_html else PAGE,
            badge="badge.svg",
            endpoint="endpoint.json",
            is_public=False,
        )
    if public is None:
        public = _is_public(address, environ, event)
    places = _places(hosting, address, quote(config.branch))
    folder = f"{quote(config.subproject)}/" if config.subproject else ""
    front = places.view.format(path=folder + PAGE) if folder else places.front
    report = places.view.format(path=folder + REPORT)
    if pages_url:
        report = f"{pages_url}/index.html"
    elif public and address.host == "github.com":
        report = PREVIEW + report
    return Links(
        report=report,
        badge_target=report if has_html and (public or pages_url) else front,
        badge=places.raw.format(path=f"{folder}badge.svg"),
        endpoint=places.raw.format(path=f"{folder}endpoint.json"),
        is_public=public,
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a host shows a file, where it serves the file's bytes, and where it shows the branch.

    ``{path}`` stands for the file's path.
    """

    view: str
    raw: str
    front: str


def _places(hosting: str, address: WebAddress, branch: str) -> _Places:
    root = f"{address.base}/{_quoted(address.path, '/~')}"
    if hosting == "github":
        raw = f"{root}/raw/{branch}/{{path}}"
        if address.host == "github.com":
            raw = f"https://raw.githubusercontent.com/{_quoted(address.path)}/{branch}/{{path}}"
        return _Places(f"{root}/blob/{branch}/{{path}}", raw, f"{root}/tree/{branch}")
    if hosting == "gitlab":
        at = f"{root}/-"
        return _Places(
            f"{at}/blob/{branch}/{{path}}", f"{at}/raw/{branch}/{{path}}", f"{at}/tree/{branch}"
        )
    if hosting == "gitea":
        shown = f"{root}/src/branch/{branch}"
        return _Places(f"{shown}/{{path}}", f"{root}/raw/branch/{branch}/{{path}}", shown)
    if address.host == "bitbucket.org":
        shown = f"{root}/src/{branch}/"
        return _Places(f"{shown}{{path}}", f"{root}/raw/{branch}/{{path}}", shown)
    return _data_center_places(address, branch)


def _quoted(path: str, safe: str = "/") -> str:
    return quote(path, safe=safe, errors="surrogateescape")


def _data_center_places(address: WebAddress, branch: str) -> _Places:
    """Bitbucket on a server of one's own has other addresses than bitbucket.org."""
    project, _, name = address.path.removeprefix("scm/").partition("/")
    owner = f"users/{project[1:]}" if project.startswith("~") else f"projects/{project}"
    root = f"{address.base}/{_quoted(owner)}/repos/{_quoted(name)}"
    at = f"?at=refs%2Fheads%2F{branch.replace('/', '%2F')}"
    return _Places(f"{root}/browse/{{path}}{at}", f"{root}/raw/{{path}}{at}", f"{root}/browse{at}")


def _as_ci_reaches(address: WebAddress, environ: Mapping[str, str]) -> WebAddress:
    """``address`` with the scheme, port and folder at which CI says that its host's pages are."""
    for name in ("GITHUB_SERVER_URL", "CI_SERVER_URL"):
        server = environ.get(name, "").rstrip("/")
        try:
            parts = urlsplit(server)
        except ValueError:
            continue
        if parts.scheme in ("http", "https") and parts.hostname == address.host:
            folder = parts.path.strip("/")
            path = address.path.removeprefix(f"{folder}/") if folder else address.path
            return WebAddress(server, address.host, path)
    return address


def _software(host: str, environ: Mapping[str, str]) -> str:
    if host in PUBLIC_HOSTS:
        return PUBLIC_HOSTS[host]
    if host == _host_of(environ.get("CI_SERVER_URL", "")) and environ.get("GITLAB_CI"):
        return "gitlab"
    if host == _host_of(environ.get("GITHUB_SERVER_URL", "")):
        # Gitea's and Forgejo's runners set GitHub's variables too.
        runs_gitea = environ.get("GITEA_ACTIONS") or environ.get("FORGEJO_ACTIONS")
        return "gitea" if runs_gitea else "github"
    for label in re.split(r"[.-]", host):
        if label in NAMED_AFTER:
            return NAMED_AFTER[label]
    return "none"


def _host_of(server: str) -> str | None:
    try:
        return urlsplit(server).hostname
    except ValueError:
        return None


def _is_public(address: WebAddress, environ: Mapping[str, str], event: Mapping[str, Any]) -> bool:
    """Whether everyone may see the repository: as CI says of this very one, else by its host."""
    server = _host_of(environ.get("GITHUB_SERVER_URL", ""))
    if server == address.host and _same(environ.get("GITHUB_REPOSITORY"), address.path):
        repository = event.get("repository")
        private = repository.get("private") if isinstance(repository, dict) else None
        if isinstance(private, bool):
            return not private
    server = _host_of(environ.get("CI_SERVER_URL", ""))
    if server == address.host and _same(environ.get("CI_PROJECT_PATH"), address.path):
        visibility = environ.get("CI_PROJECT_VISIBILITY")
        if visibility:
            return visibility == "public"
    return address.host in PUBLIC_HOSTS


def _same(ours: str | None, theirs: str) -> bool:
    return ours is not None and ours.lower() == theirs.lower()
