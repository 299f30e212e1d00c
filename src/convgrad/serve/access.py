"""Who may ask the server: a person who has its token, through its own page.

Another user of the machine can open the port but has no token; another page in the same browser has another Origin, and
one that reaches the port under another name, by DNS rebinding, another Host.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http import HTTPStatus

from convgrad.serve.request import Refused, Request

FOREIGN = "This server answers its own page only."
NO_TOKEN = (
    "This server answers only with its token: open the address that `convgrad explain --serve` has printed, whole, "
    "with ?token=... at its end."
)


class Access:
    """The server's token, and what a browser calls the server."""

    def __init__(self, address: str, port: int):
        self.token = secrets.token_urlsafe(24)
        self.url = f"http://{address}:{port}/?token={self.token}"
        self.hosts = (f"{address}:{port}", f"localhost:{port}")
        self._cookie = f"convgrad-{port}"

    def check(self, request: Request) -> None:
        """Raises: Refused where the request is not its own page's, or comes without the token."""
        origin = request.headers.get("origin")
        own = request.headers.get("host") in self.hosts
        if not own or (origin is not None and origin not in [f"http://{host}" for host in self.hosts]):
            raise Refused(FOREIGN, HTTPStatus.FORBIDDEN)
        given = (request.query.get("token"), _authorized(request.headers), self._kept(request.headers))
        if not any(text is not None and self._is_token(text) for text in given):
            raise Refused(NO_TOKEN, HTTPStatus.FORBIDDEN)

    @property
    def cookie(self) -> str:
        """By which the browser keeps the token: no script reads it, no other site's page sends it."""
        return f"{self._cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode("utf-8", "surrogatepass"), self.token.encode())

    def _kept(self, headers: Mapping[str, str]) -> str | None:
        pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        return next((value for name, _, value in pairs if name == self._cookie), None)


def _authorized(headers: Mapping[str, str]) -> str | None:
    """`Authorization: token ...`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() in ("token", "bearer") else None
