"""Read requests of HTTP/1.1, strictly: what could be read in two ways is refused, and nothing is read without end."""

from __future__ import annotations

import io
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import parse_qs

from convgrad.errors import DataError

LONGEST_LINE = 8192
"""Bytes of the first line."""
LONGEST_HEAD = 32_768
"""Bytes of all headers together."""
LARGEST_BODY = 4_000_000
"""Bytes of a request: a network with some 200,000 numbers."""
LARGEST_UNUSED = 65_536
"""Bytes of a body that nobody asked for, which are read and dropped."""
MOST_FIELDS = 20
"""Of a query."""
METHODS = ("GET", "POST")
OTHER_METHODS = ("HEAD", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
ONCE = ("host", "origin", "content-length", "content-type", "authorization", "expect")
"""Headers of which two could contradict each other."""
FIRST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (/[!-~]*) HTTP/([0-9])\.([0-9])")
NO_JSON = "A request takes JSON, with its Content-Type and Content-Length."
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")


class Refused(DataError):
    """A request that is not answered; the connection ends. to_head: it was HEAD, whose answer has no content."""

    def __init__(self, message: str, status: int = HTTPStatus.BAD_REQUEST, to_head: bool = False):
        super().__init__(message)
        self.status, self.to_head = status, to_head


@dataclass(frozen=True)
class Request:
    """The head of a request. Names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    keeps: bool

    @property
    def size(self) -> int:
        """Bytes of the body. Raises: Refused."""
        most = LARGEST_BODY if self.method == "POST" else LARGEST_UNUSED
        if "transfer-encoding" in self.headers:
            raise Refused(
                "Transfer-Encoding is not supported: send the whole body, with a Content-Length.",
                HTTPStatus.NOT_IMPLEMENTED,
            )
        length = self.headers.get("content-length")
        if length is None and self.method == "POST":
            raise Refused(NO_JSON, HTTPStatus.LENGTH_REQUIRED)
        if length is None:
            return 0
        if re.fullmatch("[0-9]+", length) is None:
            raise Refused("The Content-Length must be one whole number, in the digits 0 to 9.")
        if len(length) > 18 or int(length) > most:
            raise Refused(f"A request may have at most {most:,} bytes.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return int(length)


class Timed(io.RawIOBase):
    """What comes from a socket, until a deadline. Reading raises TimeoutError then."""

    def __init__(self, connection: socket.socket):
        self.connection = connection
        self.until(0)

    def until(self, seconds: float) -> None:
        """Set the deadline: so many seconds from now on."""
        self.deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]
        """What there is."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        return self.connection.recv_into(into)


def read_request(stream: BinaryIO) -> Request:
    """The head of the next request. Raises: Refused, TimeoutError."""
    first = stream.readline(LONGEST_LINE + 2)
    if first == b"\r\n":  # one such is forgiven
        first = stream.readline(LONGEST_LINE + 2)
    if len(first) > LONGEST_LINE and not first.endswith(b"\n"):
        raise Refused(
            f"The first line of a request may have at most {LONGEST_LINE:,} bytes.", HTTPStatus.REQUEST_URI_TOO_LONG
        )
    found = FIRST_LINE.fullmatch(_line(first))
    if found is None:
        raise Refused("This is not a request of HTTP/1.1, which begins with a line such as `GET / HTTP/1.1`.")
    method, target = found.group(1).decode(), found.group(2).decode()
    if found.group(3) != b"1":
        raise Refused("This server speaks HTTP/1.1 only.", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    headers = _headers(stream)
    if method in OTHER_METHODS:
        raise Refused(
            f"This server takes GET and POST, not {method}.", HTTPStatus.METHOD_NOT_ALLOWED, to_head=method == "HEAD"
        )
    if method not in METHODS:
        raise Refused("This server takes only GET and POST.", HTTPStatus.NOT_IMPLEMENTED)
    path, _, query = target.partition("?")
    wish = headers.get("connection", "").lower()
    keeps = found.group(4) != b"0" and "close" not in wish
    return Request(method, path, _fields(query), headers, keeps)


def read_body(stream: BinaryIO, size: int) -> bytes:
    """So many bytes. Raises: Refused where fewer come, TimeoutError."""
    body = stream.read(size)
    if len(body) != size:
        raise Refused(f"The request has {len(body):,} bytes, fewer than its Content-Length says.")
    return body


def _line(line: bytes) -> bytes:
    if not line.endswith(b"\r\n"):
        raise Refused("The lines of a request's head must end with CR and LF.")
    return line[:-2]


def _headers(stream: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    left = LONGEST_HEAD
    while True:
        line = stream.readline(left + 1)
        left -= len(line)
        if left < 0:
            raise Refused(
                f"The headers of a request may have at most {LONGEST_HEAD:,} bytes.",
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            )
        if line == b"\r\n":
            return headers
        found = HEADER.fullmatch(_line(line))
        if found is None:
            raise Refused("A header of the request is not a line such as `Name: value`.")
        name, value = found.group(1).decode().lower(), found.group(2).decode("latin-1").strip(" \t")
        if name in headers and name in ONCE:
            raise Refused(f"The request has two headers {name}.")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value


def _fields(query: str) -> dict[str, str]:
    try:
        return {key: values[0] for key, values in parse_qs(query, max_num_fields=MOST_FIELDS).items()}
    except ValueError:
        raise Refused(f"A query may have at most {MOST_FIELDS} fields.") from None
