"""The page on this machine: `convgrad explain --serve`. It listens on the loopback address only.

Other pages in the same browser can't use it: a request whose Host or Origin is another one is refused.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from convgrad.errors import ConvgradError, DataError
from convgrad.serve import api

ADDRESS = "127.0.0.1"
PORT = 8765
LARGEST_BODY = 4_000_000
"""Bytes of a request: a network with some 200,000 numbers."""
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; font-src data:; img-src data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class PageServer(ThreadingHTTPServer):
    """Serves one page, and answers what it asks. `port` 0 takes any that is free.

    Raises: DataError where the port is in use.
    """

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let two servers share a port

    def __init__(self, page: str, port: int = PORT):
        self.page = page.encode()
        try:
            super().__init__((ADDRESS, port), Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise DataError(f"Port {port} is in use. Choose another with --port, or --port 0 for any.") from None
            raise DataError(f"Can't listen on port {port}: {error.strerror}. Choose another with --port.") from None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that has gone away is nothing to tell of."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What a browser calls this server."""
        return (f"{ADDRESS}:{self.server_port}", f"localhost:{self.server_port}")


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """The page, or data."""
        place = urlsplit(self.path)
        if not self._is_own():
            return
        asked = {key: values[0] for key, values in parse_qs(place.query).items()}
        if place.path == "/":
            self._send(HTTPStatus.OK, self.server.page, "text/html; charset=utf-8")
        elif place.path == "/api/examples":
            self._answer(lambda: api.examples())
        elif place.path == "/api/example":
            self._answer(lambda: api.example(asked.get("name", ""), asked.get("exact") == "1"))
        elif place.path == "/api/layers":
            self._answer(lambda: api.layer_list())
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"There is nothing at {place.path}.")

    def do_POST(self) -> None:
        """A network, or a sheet to be checked."""
        if not self._is_own():
            return
        answer = api.POST.get(urlsplit(self.path).path)
        if answer is None:
            self._refuse(HTTPStatus.NOT_FOUND, f"There is nothing at {self.path}.")
            return
        body = self._body()
        if body is not None:
            self._answer(lambda: answer(body))

    def _is_own(self) -> bool:
        """Whether the request comes from the server's own page."""
        origin = self.headers.get("Origin")
        own = self.headers.get("Host") in self.server.hosts
        if not own or (origin is not None and origin not in [f"http://{host}" for host in self.server.hosts]):
            self._refuse(HTTPStatus.FORBIDDEN, "This server answers its own page only.")
            return False
        return True

    def _body(self) -> Mapping[str, Any] | None:
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json" or not length.isdigit():
            self._refuse(HTTPStatus.BAD_REQUEST, "A request takes JSON, with its Content-Type and Content-Length.")
            return None
        if int(length) > LARGEST_BODY:
            self._refuse(HTTPStatus.BAD_REQUEST, f"A request takes {LARGEST_BODY:,} bytes at most.")
            return None
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            self._refuse(HTTPStatus.BAD_REQUEST, "A request takes a JSON object.")
            return None
        return body

    def _answer(self, answer: Callable[[], Any]) -> None:
        try:
            content = json.dumps(_finite(answer()), allow_nan=False).encode()
        except ConvgradError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (MemoryError, RecursionError):
            self._refuse(HTTPStatus.BAD_REQUEST, "This is too large for a page.")
        except Exception:  # the page must not wait for ever
            traceback.print_exc()
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "This failed, a mistake in convgrad; see the terminal.")
        else:
            self._send(HTTPStatus.OK, content, "application/json")

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self.close_connection = True  # a body may be left unread
        self._send(status, json.dumps({"error": message}).encode(), "application/json")

    def _send(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(content)), "Content-Security-Policy": POLICY}
        headers |= {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
        if self.close_connection:
            headers["Connection"] = "close"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal shows the address only."""


def _finite(content: Any) -> Any:
    """JSON has no infinity: null stands for every number that is not finite."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not abs(content) < float("inf") else content
