"""The page on this machine: `convgrad explain --serve`. It listens on the loopback address only.

It answers only who has its token (`access.py`), reads requests strictly (`request.py`), waits for nobody without end,
has few connections at a time (`connections.py`), and lets another process compute what a person asks (`workers.py`).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import socket
import sys
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

from convgrad.errors import DataError, quoted
from convgrad.explain.page.build import editor_script
from convgrad.questions.answer import Answer, answered, mistake, refusal
from convgrad.questions.table import GET, POST
from convgrad.serve.access import Access
from convgrad.serve.connections import MOST, Connections
from convgrad.serve.request import NO_JSON, Refused, Request, Timed, read_body, read_request
from convgrad.serve.workers import COMMAND, Workers

ADDRESS = "127.0.0.1"
PORT = 8765
REQUEST_SECONDS = 15.0
"""For the head of a request, and once more for its body; a connection that nothing comes from is closed then, too."""
WRITE_SECONDS = 60.0
"""For a client to take an answer."""
CLOSING_SECONDS = 1.0
"""For a client to take a refusal, before what it still sends is cut off."""
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'self'; style-src 'unsafe-inline'; font-src data:; "
    "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
NO_MEMORY = "There is too little memory for this. Close other programs, and ask again."
FULL = "The server has too many connections. Close other pages of it, and ask again."
HTML, JSON, SCRIPT = "text/html; charset=utf-8", "application/json", "text/javascript; charset=utf-8"
EDITOR = "/editor.js"


class PageServer(ThreadingTCPServer):
    """Serves one page, and answers what it asks. `port` 0 takes any that is free.

    programs: whether programs in derivations that are pasted into the page are run on this machine.
    workers: what computes; the server ends them when it is closed. request_seconds: for a client to send the head of a
    request, and once more for the body.

    Raises: DataError where the port is in use.
    """

    daemon_threads = True
    request_queue_size = MOST
    allow_reuse_address = os.name != "nt"  # there it would let two servers share a port

    def __init__(self, page: str, port: int = PORT, request_seconds: float = REQUEST_SECONDS, programs: bool = False):
        self.page, self.request_seconds = page.encode(), request_seconds
        self.connections = Connections()
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise DataError(
                    f"Port {port} is in use. Choose another with --port, or --port 0 for any free one."
                ) from None
            raise DataError(f"Can't listen on port {port}: {error.strerror}. Choose another with --port.") from None
        self.access = Access(ADDRESS, self.server_port)
        self.workers = Workers(command=(*COMMAND, *(["--run-programs"] if programs else [])))

    @property
    def server_port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where the page is, with the token."""
        return self.access.url

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a browser calls this server."""
        return self.access.hosts

    def server_close(self) -> None:
        """Stop listening, and end the processes that compute."""
        super().server_close()
        if hasattr(self, "workers"):  # not where the port was in use
            self.workers.close()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one connection more; it is told where there is none."""
        if self.connections.add(request):
            return True
        with contextlib.suppress(OSError):
            request.setblocking(False)
            request.send(_written(refusal(FULL, HTTPStatus.SERVICE_UNAVAILABLE), JSON, {"Connection": "close"}))
        return False

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self.connections.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that has gone away is not reported; a mistake is, in one line."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and not isinstance(error, (ConnectionError, TimeoutError)):
            print(mistake(error), file=sys.stderr)


class Handler(BaseRequestHandler):
    """One connection, with one request after another."""

    server: PageServer
    request: socket.socket

    def handle(self) -> None:
        """Answer until one side closes, or a request is refused."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.timed = Timed(self.request)
        self.stream = io.BufferedReader(self.timed)
        try:
            while self._serve_one():
                pass
        except Refused as error:
            allow = {"Allow": "GET, POST"} if error.status == HTTPStatus.METHOD_NOT_ALLOWED else {}
            self._close(refusal(str(error), error.status), allow, error.to_head)
        except (TimeoutError, ConnectionError):
            return
        except MemoryError:
            self._close(refusal(NO_MEMORY, HTTPStatus.SERVICE_UNAVAILABLE))
        except Exception as error:  # the client must not wait for ever
            self._close(refusal(mistake(error), HTTPStatus.INTERNAL_SERVER_ERROR))

    def _serve_one(self) -> bool:
        """Read and answer a request. Whether there may be another. Raises: Refused, TimeoutError, ConnectionError."""
        seconds = self.server.request_seconds
        self.timed.until(seconds)
        if not self.stream.peek(1):
            return False
        try:
            request = read_request(self.stream)
            self._check(request)
            self.timed.until(seconds)
            body = read_body(self.stream, request.size)
        except TimeoutError:
            late = f"The request did not come within {seconds:g} seconds."
            raise Refused(late, HTTPStatus.REQUEST_TIMEOUT) from None
        with self.server.connections.busy(self.request):
            answer = self._answer(request, body)
        extra = {} if request.keeps else {"Connection": "close"}
        if answer is None:
            keep = {"Set-Cookie": self.server.access.cookie} if "token" in request.query else {}
            self._send(Answer(HTTPStatus.OK, self.server.page), HTML, {**keep, **extra})
        elif request.path == EDITOR:
            self._send(answer, SCRIPT, extra)
        else:
            self._send(answer, JSON, extra)
        return request.keeps

    def _check(self, request: Request) -> None:
        """Whether its body is to be read. Raises: Refused."""
        self.server.access.check(request)
        known = ("/", EDITOR, *GET) if request.method == "GET" else POST
        if request.path not in known:
            raise Refused(f"There is nothing at {quoted(request.path)}.", HTTPStatus.NOT_FOUND)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method == "POST" and kind != JSON:
            raise Refused(NO_JSON)
        expected = request.headers.get("expect", "100-continue")
        if expected.lower() != "100-continue":
            raise Refused(
                "The only Expect header that this server supports is 100-continue.", HTTPStatus.EXPECTATION_FAILED
            )
        if request.size and "expect" in request.headers:
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _answer(self, request: Request, body: bytes) -> Answer | None:
        """Data; None for the page."""
        if request.method == "POST":
            return self.server.workers.answer(request.path, body)
        if request.path == EDITOR:
            return Answer(HTTPStatus.OK, editor_script())
        return None if request.path == "/" else answered(lambda: GET[request.path](request.query))

    def _close(self, answer: Answer, extra: Mapping[str, str] | None = None, to_head: bool = False) -> None:
        """Send the last answer. What still comes is dropped for a while: else it would undo what was sent."""
        with contextlib.suppress(OSError):
            self._send(answer, JSON, {**(extra or {}), "Connection": "close"}, to_head)
            self.request.shutdown(socket.SHUT_WR)
            self.timed.until(CLOSING_SECONDS)
            while self.stream.read1():
                pass

    def _send(self, answer: Answer, kind: str, extra: Mapping[str, str], to_head: bool = False) -> None:
        self._write(_written(answer, kind, extra, to_head))

    def _write(self, content: bytes) -> None:
        self.request.settimeout(WRITE_SECONDS)
        self.request.sendall(content)


def _written(answer: Answer, kind: str, extra: Mapping[str, str], to_head: bool = False) -> bytes:
    """An answer as it is sent."""
    status = HTTPStatus(answer.status)
    headers = {"Date": formatdate(usegmt=True), "Content-Type": kind, "Content-Length": str(len(answer.content))}
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in {**headers, **HEADERS, **extra}.items()]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + (b"" if to_head else answer.content)
