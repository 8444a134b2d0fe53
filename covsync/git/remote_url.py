"""Where a remote is, apart from the secrets that open it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from covsync.errors import PublicationError
from covsync.limits import REDIRECTED_LENGTH, limit

WEB = ("http://", "https://", "ftp://", "ftps://")
HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$COVSYNC_URL_USERNAME" "$COVSYNC_URL_PASSWORD"; }; f'
)
# Who a token's owner is the hosts read from the token; two of them ask for a name of their choice.
TOKEN_USERS = {"gitlab": "gitlab-ci-token", "bitbucket": "x-token-auth"}
TOKEN_USER = "x-access-token"  # noqa: S105 - a user's name
# With what git begins a conversation: https://git-scm.com/docs/http-protocol
DISCOVERY = "/info/refs?service=git-upload-pack"
PORTS = {"http": 80, "https": 443}
SHOWN = 200
Setting = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Address:
    """A remote's URL; of an http(s) one, user and password are taken out of it.

    A ``token`` opens an http(s) remote in place of whatever else git would send there.
    """

    url: str
    username: str | None = None
    password: str | None = None
    token: str | None = None
    secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, url: str, token: str | None = None) -> Address:
        """The address ``url``, of which only http(s) takes the ``token``.

        Raises ``PublicationError`` for a URL that names a program to run, and a token that is none.
        """
        if re.match(r"[A-Za-z0-9+.-]*::", url):
            raise PublicationError(
                "the remote's URL names a transport program, which covsync does not run",
                "Use an https, ssh or file URL.",
            )
        if token and not (token.isascii() and token.isprintable() and " " not in token):
            raise PublicationError(
                "COVSYNC_TOKEN holds a space, a line end or other characters that no token has",
                "Set it to the token alone.",
            )
        scheme, separator, rest = url.partition("://")
        if f"{scheme.lower()}{separator}" not in WEB:
            return cls(url)
        try:
            parts = urlsplit(f"{scheme.lower()}{separator}{rest}")
            _ = parts.port  # raises where a slash in the password ends the host
        except ValueError:  # its words hold the URL, and so the password
            raise PublicationError(
                "the remote's URL is not one that can be read",
                "Write what is special in its user or password as %XX, such as %5B for [.",
            ) from None
        user, _, host = parts.netloc.rpartition("@")
        username, colon, password = user.partition(":")
        return cls(
            parts._replace(netloc=host).geturl(),
            unquote(username) if user else None,
            unquote(password) if colon else None,
            token or None,
            tuple(filter(None, {unquote(password), password, quote(unquote(password), safe="")})),
        )

    @property
    def is_web(self) -> bool:
        """Whether it is reached over HTTP, with or without TLS."""
        return urlsplit(self.url).scheme in PORTS

    def settings(self) -> list[Setting]:
        """The settings by which git gets the credentials, when asked, and takes them nowhere else.

        A redirect that git follows would decide who gets them: see ``moved``.
        """
        if not self.is_web:
            return self._credentials()
        # The one for the whole URL is stronger than whatever the user has set for a part of it.
        keys = ("http.followRedirects", f"http.{self.url}.followRedirects")
        return [*((key, "false") for key in keys), *self._credentials()]

    def _credentials(self) -> list[Setting]:
        if self.token:
            # As a checkout in CI leaves its own; the empty value first takes away all others.
            header = f"http.{self.url}.extraheader"
            return [(header, ""), (header, f"Authorization: Basic {self._basic()}")]
        if self.username is None:
            return []
        scope = f"credential.{urlsplit(self.url).scheme}://{urlsplit(self.url).netloc}"
        if self.password is None:
            return [(f"{scope}.username", self.username)]
        return [(f"{scope}.helper", ""), (f"{scope}.helper", HELPER)]

    def environ(self) -> dict[str, str]:
        """What the helper among ``settings`` answers."""
        if self.password is None or self.token:
            return {}
        return {
            "COVSYNC_URL_USERNAME": self.username or "",
            "COVSYNC_URL_PASSWORD": self.password,
        }

    def moved(self, location: str) -> Address:
        """The address that the server's ``location`` redirects git's first request to.

        Raises ``PublicationError`` where that is not on the same host and port, and where https
        would become http: the credentials are not meant for it.
        """
        here = urlsplit(self.url)
        try:
            target = urljoin(f"{self.url.rstrip('/')}{DISCOVERY}", location)
            there = urlsplit(target)
            is_ours = _is_same_host(here, there)
        except ValueError:
            raise PublicationError(
                f"the remote {_shown(here)} redirects to what is no address",
                "Look at the server, and set the remote's URL to where it is: git remote set-url",
            ) from None
        is_plain = location.isascii() and location.isprintable() and " " not in location
        is_short = len(location) <= limit(REDIRECTED_LENGTH)
        if not (is_ours and is_plain and is_short and target.endswith(DISCOVERY)):
            raise PublicationError(
                f"the remote {_shown(here)} redirects to {self.redacted(_shown(there))}, "
                "where covsync does not follow",
                "It follows to a repository on the same host and port, and never from https to "
                "http. If the address is right, make it the remote's: git remote set-url",
            )
        # The host as it was given: nobody can have another opinion about where it ends.
        host = here.netloc if here.scheme == there.scheme else here.netloc.removesuffix(":80")
        return replace(self, url=f"{there.scheme}://{host}{there.path.removesuffix('/info/refs')}")

    def redacted(self, text: str) -> str:
        """``text`` without this address's secrets, nor any user's name or password in a URL."""
        for secret in (self._basic(), self.token, *sorted(self.secrets, key=len, reverse=True)):
            if secret:
                text = text.replace(secret, "***")
        # Each piece is looked at once: a server's words may be long, and full of addresses.
        return re.sub(r"://[^\s']*", _without_user, text)

    def _basic(self) -> str:
        """The token as HTTP's basic authentication has it, with the user's name if one is given."""
        if not self.token:
            return ""
        host = urlsplit(self.url).hostname or ""
        users = (user for name, user in TOKEN_USERS.items() if name in re.split(r"[.-]", host))
        user = self.username or next(users, TOKEN_USER)
        return base64.b64encode(f"{user}:{self.token}".encode()).decode()


def _is_same_host(here: SplitResult, there: SplitResult) -> bool:
    """Whether a request may go ``there`` with what was given for ``here``. May raise ValueError."""
    ours, theirs = ((url.scheme, url.hostname, _port(url)) for url in (here, there))
    upgraded = ("https", here.hostname, PORTS["https"])
    return theirs == ours or (ours[::2] == ("http", PORTS["http"]) and theirs == upgraded)


def _port(url: SplitResult) -> int | None:
    return PORTS.get(url.scheme) if url.port is None else url.port


def _without_user(address: re.Match[str]) -> str:
    _, at, host = address[0].rpartition("@")
    return f"://***@{host}" if at else address[0]


def _shown(url: SplitResult) -> str:
    """The address without what may hold a secret."""
    host = url.netloc.rpartition("@")[2]
    return f"{url.scheme}://{host}{url.path.removesuffix('/info/refs')}"[:SHOWN]
