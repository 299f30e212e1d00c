"""The page's server and clients that are slow, odd or not meant: sockets that send what no browser sends."""

from __future__ import annotations

import io
import json
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from convgrad.serve.access import NO_TOKEN, Access
from convgrad.serve.connections import Connections
from convgrad.serve.request import LARGEST_UNUSED, LONGEST_HEAD, Refused, read_request
from convgrad.serve.server import PageServer

PAGE = "<!doctype html><title>page</title>"
NO_JSON = "A request takes JSON, with its Content-Type and Content-Length."
LENGTH = "The Content-Length must be one whole number, in the digits 0 to 9."
NO_HTTP = "This is not a request of HTTP/1.1, which begins with a line such as `GET / HTTP/1.1`."
NO_HEADER = "A header of the request is not a line such as `Name: value`."
SLOW_SECONDS = 1.0


def running(server: PageServer) -> Iterator[PageServer]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    yield from running(PageServer(PAGE, port=0))


@pytest.fixture
def impatient() -> Iterator[PageServer]:
    yield from running(PageServer(PAGE, port=0, request_seconds=SLOW_SECONDS))


def connected(server: PageServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_port), timeout=30)


def head(server: PageServer, *lines: str, first: str = "GET /api/layers HTTP/1.1") -> bytes:
    """A request with Host and token, and more headers."""
    own = (f"Host: {server.hosts[0]}", f"Authorization: token {server.access.token}")
    return "\r\n".join([first, *own, *lines, "", ""]).encode("latin-1")


def post(server: PageServer, *lines: str) -> bytes:
    return head(server, "Content-Type: application/json", *lines, first="POST /api/model HTTP/1.1")


class Answered:
    """What came back, read strictly: one well-formed answer after another."""

    def __init__(self, stream: Any):
        line = stream.readline()
        found = re.fullmatch(rb"HTTP/1\.1 (\d\d\d) [A-Za-z -]+\r\n", line)
        assert found, line
        self.status = int(found.group(1))
        self.headers: dict[str, str] = {}
        while (line := stream.readline()) != b"\r\n":
            name, value = re.fullmatch(rb"([A-Za-z-]+): ([ -~]*)\r\n", line).groups()  # type: ignore[union-attr]
            assert name.decode() not in self.headers
            self.headers[name.decode()] = value.decode()
        size = int(self.headers.get("Content-Length", 0))
        self.content = stream.read(size)
        assert len(self.content) == size

    @property
    def error(self) -> str:
        return str(json.loads(self.content)["error"])


def sent(server: PageServer, content: bytes) -> list[Answered]:
    """All answers, until the server has closed the connection or nothing more comes after our end."""
    with connected(server) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        stream = io.BytesIO(b"".join(iter(lambda: connection.recv(65536), b"")))
    answers = []
    while stream.tell() < len(stream.getvalue()):
        answers.append(Answered(stream))
    return answers


def goes_on(server: PageServer) -> None:
    (answer,) = sent(server, head(server, first="GET / HTTP/1.1"))
    assert (answer.status, answer.content) == (200, PAGE.encode())


LENGTHS = ["\u00b2", "+5", "-1", " 5 5", "0x10", "", "1_0", "2.0", "5,5", "\u0665", "2;", "\xa02"]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_lengths_that_are_none(length: str, method: str, server: PageServer) -> None:
    headers = head(server, "Content-Type: application/json", first=f"{method} /api/model HTTP/1.1")[:-2]
    path = b"/api/layers" if method == "GET" else b"/api/model"
    content = headers.replace(b"/api/model", path) + b"Content-Length: " + length.encode() + b"\r\n\r\n{}"
    (answer,) = sent(server, content)
    assert (answer.status, answer.error, answer.headers["Connection"]) == (400, LENGTH, "close")
    goes_on(server)


@pytest.mark.parametrize(
    ("lines", "status", "message"),
    [
        (["Content-Length: 4000001"], 413, "A request may have at most 4,000,000 bytes."),
        (["Content-Length: " + "9" * 30], 413, "A request may have at most 4,000,000 bytes."),
        (["Content-Length: " + "9" * 5000], 413, "A request may have at most 4,000,000 bytes."),
        (["Content-Length: 2", "Content-Length: 3"], 400, "The request has two headers content-length."),
        (["Content-Length: 2", "content-length: 2"], 400, "The request has two headers content-length."),
        ([], 411, NO_JSON),
        (["Content-Length: 2", "Content-Type: text/plain"], 400, "The request has two headers content-type."),
        (["Transfer-Encoding: chunked"], 501, "Transfer-Encoding is not supported: send the whole body, with a C"),
        (["Content-Length: 2", "Transfer-Encoding: chunked"], 501, "Transfer-Encoding is not supported: send the"),
        (
            ["Content-Length: 2", "Expect: a miracle"],
            417,
            "The only Expect header that this server supports is 100-continue.",
        ),
        (["Content-Length: 50"], 400, "The request has 2 bytes, fewer than its Content-Length says."),
    ],
)
def test_bodies_that_are_refused(lines: list[str], status: int, message: str, server: PageServer) -> None:
    (answer,) = sent(server, post(server, *lines) + b"{}")
    assert (answer.status, answer.headers["Connection"]) == (status, "close")
    assert answer.error.startswith(message)
    goes_on(server)


def test_a_body_of_another_type(server: PageServer) -> None:
    content = head(server, "Content-Type: text/json", "Content-Length: 2", first="POST /api/model HTTP/1.1") + b"{}"
    (answer,) = sent(server, content)
    assert (answer.status, answer.error) == (400, NO_JSON)


def test_a_large_body_that_is_refused_is_answered_all_the_same(server: PageServer) -> None:
    with connected(server) as connection:
        connection.sendall(post(server, "Content-Length: 5000000") + b" " * 5_000_000)
        answer = Answered(connection.makefile("rb"))
    assert (answer.status, answer.error) == (413, "A request may have at most 4,000,000 bytes.")


def test_a_body_after_100_continue(server: PageServer) -> None:
    with connected(server) as connection:
        stream = connection.makefile("rb")
        connection.sendall(post(server, "Content-Length: 2", "Expect: 100-continue"))
        assert stream.readline() + stream.readline() == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert Answered(stream).status == 400


def test_a_body_on_get_is_no_second_request(server: PageServer) -> None:
    """It is read and dropped; what follows it is the next request."""
    hidden = head(server, first="GET /hidden HTTP/1.1")
    content = head(server, f"Content-Length: {len(hidden)}") + hidden + head(server, first="GET / HTTP/1.1")
    assert [answer.status for answer in sent(server, content)] == [200, 200]
    length = LARGEST_UNUSED + 1
    (answer,) = sent(server, head(server, f"Content-Length: {length}") + hidden)
    assert (answer.status, answer.error) == (413, "A request may have at most 65,536 bytes.")
    (answer,) = sent(server, head(server, "Transfer-Encoding: chunked") + b"0\r\n\r\n" + hidden)
    assert answer.status == 501


def test_one_request_after_another(server: PageServer) -> None:
    body = b'{"input_shape": [2], "layers": [{"type": "ReLU"}]}'
    content = 2 * (post(server, f"Content-Length: {len(body)}") + body)
    assert [answer.status for answer in sent(server, content)] == [200, 200]
    last = head(server, "Connection: close") + head(server)
    (answer,) = sent(server, last)
    assert (answer.status, answer.headers["Connection"]) == (200, "close")
    (answer,) = sent(server, head(server, first="GET / HTTP/1.0") + head(server))
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"GET /\r\n", 400, NO_HTTP),
        (b"GET / HTTP/0.9\r\n\r\n", 505, "This server speaks HTTP/1.1 only."),
        (b"GET / HTTP/2.0\r\n\r\n", 505, "This server speaks HTTP/1.1 only."),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, NO_HTTP),
        (b"\r\n\r\n\r\n", 400, NO_HTTP),
        (b"GET / HTTP/1.1\n\n", 400, "The lines of a request's head must end with CR and LF."),
        (b"GET / HTTP/1.1", 400, "The lines of a request's head must end with CR and LF."),
        (b"GET / HTTP/1.1\r\n", 400, "The lines of a request's head must end with CR and LF."),
        (b"GET  / HTTP/1.1\r\n\r\n", 400, NO_HTTP),
        (b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n", 400, NO_HTTP),
        (b"GET /\xc2\xb2 HTTP/1.1\r\n\r\n", 400, NO_HTTP),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n", 400, NO_HTTP),
        (b"\x00\r\n", 400, NO_HTTP),
        (b"GET / HTTP/1.1\r\n folded\r\n\r\n", 400, NO_HEADER),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, NO_HEADER),
        (b"GET / HTTP/1.1\r\nHost\r\n\r\n", 400, NO_HEADER),
        (b"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n", 400, NO_HEADER),
        (b"GET / HTTP/1.1\r\nA: b\x00\r\n\r\n", 400, NO_HEADER),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "The request has two headers host."),
        (b"GET /?" + b"a=b&" * 30 + b" HTTP/1.1\r\n\r\n", 400, "A query may have at most 20 fields."),
        (
            b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
            414,
            "The first line of a request may have at most 8,192 bytes.",
        ),
        (b"a" * 100_000, 414, "The first line of a request may have at most 8,192 bytes."),
        (
            b"GET / HTTP/1.1\r\nA: " + b"a" * LONGEST_HEAD + b"\r\n\r\n",
            431,
            "The headers of a request may have at most 32,768 bytes.",
        ),
        (
            b"GET / HTTP/1.1\r\n" + b"A: a\r\n" * LONGEST_HEAD,
            431,
            "The headers of a request may have at most 32,768 bytes.",
        ),
        (b"PUT / HTTP/1.1\r\n\r\n", 405, "This server takes GET and POST, not PUT."),
        (b"BREW / HTTP/1.1\r\n\r\n", 501, "This server takes only GET and POST."),
        (b"get / HTTP/1.1\r\n\r\n", 501, "This server takes only GET and POST."),
    ],
)
def test_requests_that_are_none(
    content: bytes, status: int, message: str, server: PageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (answer,) = sent(server, content)
    assert (answer.status, answer.error, answer.headers["Connection"]) == (status, message, "close")
    assert (status == 405) == (answer.headers.get("Allow") == "GET, POST")
    goes_on(server)
    assert capsys.readouterr() == ("", "")


def test_head_gets_a_head(server: PageServer) -> None:
    with connected(server) as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
        content = connection.makefile("rb").read()
    assert content.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert content.endswith(b"\r\n\r\n")


def test_a_line_that_just_fits() -> None:
    target = "/" + "a" * (8192 - len("GET / HTTP/1.1"))
    assert read_request(io.BytesIO(f"GET {target} HTTP/1.1\r\nA: b\r\na: c\r\n\r\n".encode())).headers == {"a": "b, c"}
    with pytest.raises(Refused, match="The first line of a request may have at most 8,192 bytes"):
        read_request(io.BytesIO(f"GET {target}aa HTTP/1.1\r\n\r\n".encode()))


PARTS = [b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\xff", b"?", b"%", b"9" * 50, b"GET ", b"HTTP/1.1", b"Host: a\r\n"]
PARTS += [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Cookie: =;;\r\n", b"Authorization: token\r\n"]


@pytest.mark.parametrize("seed", range(100))
def test_broken_requests_get_well_formed_answers(
    seed: int, server: PageServer, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(seed)
    body = post(server, "Content-Length: 2") + b"{}"
    content = bytearray(dice.choice([head(server), body, head(server, "Content-Length: 3") + b"abc" + head(server)]))
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(content) + 1)
        change = dice.randrange(4)
        if change == 0:
            content[place:place] = dice.choice(PARTS)
        elif change == 1:
            del content[place : place + dice.randint(1, 9)]
        elif change == 2:
            content[place : place + 1] = bytes([dice.randrange(256)])
        else:
            content = content[:place]
    answers = sent(server, bytes(content))
    assert len(answers) <= 2
    assert bool(answers) == bool(content)
    assert {answer.status for answer in answers} <= {200, 400, 403, 404, 411, 413, 417, 501, 505}
    assert capsys.readouterr() == ("", "")


def test_nothing_at_all(server: PageServer) -> None:
    assert sent(server, b"") == []
    goes_on(server)


def token_ways(access: Access, token: str) -> list[tuple[str, str]]:
    """First line and one header, by which a token can come."""
    port = access.hosts[0].rpartition(":")[2]
    return [
        (f"GET /?token={token} HTTP/1.1", "A: b"),
        ("GET / HTTP/1.1", f"Authorization: token {token}"),
        ("GET / HTTP/1.1", f"authorization: Bearer {token}"),
        ("GET / HTTP/1.1", f"Cookie: a=b; convgrad-{port}={token}; c"),
    ]


def asked(server: PageServer, first: str, *headers: str) -> Answered:
    (answer,) = sent(server, "\r\n".join([first, f"Host: {server.hosts[0]}", *headers, "", ""]).encode("latin-1"))
    return answer


def test_the_token(server: PageServer) -> None:
    assert re.fullmatch(r"[\w-]{32}", server.access.token)
    with_token = token_ways(server.access, server.access.token)
    assert [asked(server, *way).status for way in with_token] == [200] * 4
    wrong = ["", "a", server.access.token[:-1], server.access.token + "a", "\xe9", "%C3%A9", "%ED%A0%80"]
    for token in wrong:
        for way in token_ways(server.access, token):
            answer = asked(server, way[0].encode("ascii", "ignore").decode(), way[1])
            assert (answer.status, answer.error) == (403, NO_TOKEN)
    for path in ("/", "/api/examples", "/api/model", "/nothing"):
        assert asked(server, f"GET {path} HTTP/1.1").error == NO_TOKEN
    body = asked(server, "POST /api/model HTTP/1.1", "Content-Type: application/json", "Content-Length: 2")
    assert (body.status, body.error) == (403, NO_TOKEN)
    assert asked(server, *with_token[0], "Origin: http://example.org").error == "This server answers its own page only."


def test_the_first_view_sets_a_cookie_by_which_others_work(server: PageServer) -> None:
    first = asked(server, f"GET /?token={server.access.token} HTTP/1.1")
    pair, *rest = first.headers["Set-Cookie"].split("; ")
    assert sorted(rest) == ["HttpOnly", "Path=/", "SameSite=Strict"]
    again = asked(server, "GET / HTTP/1.1", f"Cookie: {pair}")
    assert (again.status, again.content, "Set-Cookie" in again.headers) == (200, PAGE.encode(), False)
    assert asked(server, "GET /api/layers HTTP/1.1", f"Cookie: {pair}").status == 200


def test_tokens_differ(server: PageServer, impatient: PageServer) -> None:
    assert server.access.token != impatient.access.token
    assert asked(impatient, f"GET /?token={server.access.token} HTTP/1.1").status == 403


@pytest.mark.parametrize("start", [b"G", b"GET / HTTP/1.1\r\nA: ", "head"])
def test_a_request_that_drips_is_given_up(start: Any, impatient: PageServer) -> None:
    """A byte comes every 0.1 s, but the whole never."""
    content = start if isinstance(start, bytes) else post(impatient, "Content-Length: 1000000")
    begun = time.monotonic()
    with connected(impatient) as connection:
        connection.sendall(content)
        connection.settimeout(0.1)
        while True:
            try:
                first = connection.recv(1)
                break
            except TimeoutError:
                connection.sendall(b"a")
            assert time.monotonic() - begun < 20
        connection.settimeout(30)
        answer = Answered(io.BytesIO(first + connection.makefile("rb").read()))
    assert (answer.status, answer.error) == (408, "The request did not come within 1 seconds.")
    assert time.monotonic() - begun >= SLOW_SECONDS
    goes_on(impatient)


def test_a_connection_that_nothing_comes_from_is_closed(impatient: PageServer) -> None:
    with connected(impatient) as connection:
        assert connection.recv(1) == b""
    with connected(impatient) as connection:
        connection.sendall(head(impatient))
        stream = connection.makefile("rb")
        assert Answered(stream).status == 200
        assert stream.read() == b""


def test_slow_clients_are_in_nobody_s_way(server: PageServer) -> None:
    """More of them than there may be connections, and than the server's patience would see off."""
    most = server.connections.most
    before = threading.active_count()
    slow = []
    try:
        for n in range(2 * most):
            slow.append(connected(server))
            slow[-1].sendall([b"", b"GET / HT", head(server)[:-2], post(server, "Content-Length: 9") + b"{"][n % 4])
            if n % 16 == 0:
                goes_on(server)
        begun = time.monotonic()
        goes_on(server)
        assert time.monotonic() - begun < 10
        # Threads of those that made room end when the machine gets to it.
        while threading.active_count() > before + most + 5 and time.monotonic() - begun < 30:
            time.sleep(0.02)
        assert threading.active_count() <= before + most + 5
        assert slow[0].recv(1) == b""
    finally:
        for connection in slow:
            connection.close()
    goes_on(server)


def test_room_among_connections() -> None:
    pairs = [socket.socketpair() for _ in range(4)]
    a, b, c, d = (pair[0] for pair in pairs)
    connections = Connections(most=2)
    try:
        assert connections.add(a)
        assert connections.add(b)
        with connections.busy(a):
            assert connections.add(c)  # a is computed for, b has to go
            assert pairs[1][1].recv(1) == b""
            with connections.busy(c):
                assert not connections.add(d)
            with (
                pytest.raises(ConnectionAbortedError, match=r"The connection made room for another\."),
                connections.busy(b),
            ):
                pass
        connections.remove(c)
        assert connections.add(d)
    finally:
        for pair in pairs:
            for end in pair:
                end.close()


def test_a_mistake_in_the_server_is_one_line(server: PageServer, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise RuntimeError("can't start new thread")
    except RuntimeError:
        server.handle_error(None, ("127.0.0.1", 1))
    told = capsys.readouterr().err
    assert told.startswith(
        "This failed because of a bug in convgrad, not of what you asked: RuntimeError: can't start new"
    )
    assert told.count("\n") == 1


def test_no_room_is_told(impatient: PageServer) -> None:
    impatient.connections.most = 0
    with connected(impatient) as connection, connection.makefile("rb") as stream:
        answer = Answered(stream)
    told = "The server has too many connections. Close other pages of it, and ask again."
    assert (answer.status, answer.error) == (503, told)
