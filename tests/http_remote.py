"""A real git server over HTTP on loopback, with basic authentication."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

USER, TOKEN = "robot", "s3cr3t-t0ken"
BASIC = "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()


@dataclass
class HttpRemote:
    """Serves the repositories in a folder; ``seen`` are the credentials of each request.

    The next ``times`` requests (``None``: all) are answered by the status ``answer`` alone, with
    ``retry_after`` if that is set, or if they push are ``cut`` off ``"before"`` or ``"after"`` they
    are processed. A request whose path begins as one of ``redirects`` is sent on to the
    address there. Where ``speaks`` knows an answer to the method and path of a request, its pieces
    are sent instead of git's answer, which was ``asked`` for by these bodies. Nothing is answered
    at all until ``silent`` is set. ``meanwhile`` is called at each request, while git waits for the
    answer.
    """

    folder: Path
    port: int = 0
    answer: int | None = None
    times: int | None = None
    retry_after: str = ""
    cut: str = ""
    redirects: dict[str, str] = field(default_factory=dict)
    speaks: Callable[[str, str], Iterator[bytes] | None] | None = None
    asked: list[bytes] = field(default_factory=list)
    silent: threading.Event | None = None
    meanwhile: Callable[[], None] | None = None
    seen: list[list[str]] = field(default_factory=list)

    def url(self, credentials: str = "") -> str:
        at = f"{credentials}@" if credentials else ""
        return f"http://{at}127.0.0.1:{self.port}/remote.git"

    def strikes(self) -> bool:
        """Whether this request is one of those that go wrong."""
        if self.times is not None:
            self.times -= 1
        return self.times is None or self.times >= 0


class Handler(BaseHTTPRequestHandler):
    """One request."""

    remote: HttpRemote

    def do_GET(self) -> None:
        remote = self.remote
        given = self.headers.get_all("Authorization") or []
        remote.seen.append(given)
        spoken = remote.speaks(self.command, self.path) if remote.speaks else None
        old = next(filter(self.path.startswith, remote.redirects), None)
        if remote.meanwhile:
            remote.meanwhile()
        if remote.silent:
            remote.silent.wait()
        elif remote.cut and self._is_push() and remote.strikes():
            if remote.cut == "after":
                self._processed()
            self.close_connection = True
        elif remote.answer is not None and remote.strikes():
            self._end(remote.answer, {"Retry-After": remote.retry_after})
        elif old is not None:
            location = remote.redirects[old] + self.path.removeprefix(old)
            self._end(301, {"Location": location})
        elif spoken is not None:
            self._speak(spoken)
        elif given != [BASIC]:
            self._end(401, {"WWW-Authenticate": 'Basic realm="git"'})
        else:
            self._pass_on()

    do_POST = do_GET  # noqa: N815 - the name is BaseHTTPRequestHandler's

    def _speak(self, pieces: Iterator[bytes]) -> None:
        service = "git-receive-pack" if "git-receive-pack" in self.path else "git-upload-pack"
        kind = "advertisement" if self.command == "GET" else "result"
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", f"application/x-{service}-{kind}")
        self.end_headers()
        with contextlib.suppress(OSError):  # git has gone
            for piece in pieces:
                self.wfile.write(piece)

    def _is_push(self) -> bool:
        return self.command == "POST" and urlsplit(self.path).path.endswith("/git-receive-pack")

    def _pass_on(self) -> None:
        head, _, content = self._processed().partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        status = headers.pop("Status", "200")
        self._end(int(status.split()[0]), headers, content)

    def _processed(self) -> bytes:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.remote.asked.append(body)
        environ = {
            "GIT_PROJECT_ROOT": str(self.remote.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
            "REMOTE_USER": USER,
        }
        done = subprocess.run(
            ["git", "http-backend"],
            env={**os.environ, **environ},
            input=body,
            capture_output=True,
            check=False,
        )
        return done.stdout

    def _end(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Says nothing."""


@contextmanager
def http_remote(folder: Path) -> Iterator[HttpRemote]:
    """Runs the server while the block runs. It serves through ``git http-backend``."""
    remote = HttpRemote(folder)
    handler = type("Handler", (Handler,), {"remote": remote})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    remote.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield remote
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
