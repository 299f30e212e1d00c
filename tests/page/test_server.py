"""The page on this machine: what it answers, whom, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from convgrad.errors import DataError
from convgrad.examples import NAMES
from convgrad.explain.page.build import core_script
from convgrad.layers.base import registry
from convgrad.questions.table import GET
from convgrad.serve.server import PageServer

JSON = {"Content-Type": "application/json"}
CONVOLUTION = {"type": "Conv2D", "filters": 2, "kernel_size": 3}
DENSE = {"type": "Dense", "units": 2}
SHEET = """
equation = "y[k] = sum[q](v[q,k] * h[q])"
[given]
h = [0.58, 0.57]
v = [[0.61, 0.02], [0.82, -0.50]]
[results]
y = [0.8212, -0.3734]
"""
NETWORK_SHEET = """
input = [0.58, 0.57]
[model]
input_shape = [2]
[weights]
"dense1.w" = [[0.61, 0.02], [0.82, -0.50]]
[results]
"dense1.x" = [0.8212, -0.3734]
[[layer]]
type = "Dense"
units = 2
bias = "none"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    with PageServer("<!doctype html><title>page</title>", port=0) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(
    server: PageServer, path: str, body: Any = None, headers: dict[str, str] | None = None, raw: bytes | None = None
) -> tuple[int, Any]:
    """Status and content of an answer."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    content = raw if raw is not None else None if body is None else json.dumps(body).encode()
    headers = headers if headers is not None else JSON if content is not None else {}
    if "Authorization" not in headers and "Cookie" not in headers:
        headers = {**headers, "Authorization": f"token {server.access.token}"}
    connection.request("GET" if content is None else "POST", path, content, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, json.loads(text) if answer.getheader("Content-Type") == "application/json" else text


def test_the_page(server: PageServer) -> None:
    assert ask(server, "/") == (200, "<!doctype html><title>page</title>")
    assert server.url == f"http://127.0.0.1:{server.server_port}/?token={server.access.token}"
    assert server.server_address[0] == "127.0.0.1"


def test_the_editor_is_for_its_own_page(server: PageServer) -> None:
    status, script = ask(server, "/editor.js")
    assert status == 200
    assert "convgradEditor" in script
    assert "Permission is hereby granted" in script
    assert ask(server, "/editor.js", headers={"Cookie": "none"})[0] == 403


def test_functions_are_checked_where_the_server_was_started_so(server: PageServer) -> None:
    status, told = ask(server, "/api/function", {"text": "def relu_backward(dx, o): return dx"})
    assert (status, told["error"][:31]) == (400, "This server runs no programs, s")
    assert "relu" in ask(server, "/api/checkable")[1]


def test_examples(server: PageServer) -> None:
    status, found = ask(server, "/api/examples")
    assert status == 200
    assert [example["name"] for example in found] == list(NAMES)
    assert all(example["about"] for example in found)
    status, model = ask(server, "/api/example?name=classic")
    assert status == 200
    assert model["served"]
    assert [t["name"] for t in model["tensors"] if t["pinned"]] == ["sigmoid1.x", "dense1.dx", "conv1.dx"]
    assert model["starts_unpinned"]
    assert len(ask(server, "/api/example?name=lenet-digit")[1]["digits"]) == 20


def test_layers_for_a_builder(server: PageServer) -> None:
    _, found = ask(server, "/api/layers")
    arguments = {layer["type"]: {a["name"]: a for a in layer["arguments"]} for layer in found}
    assert "Add" not in arguments  # takes two layers
    assert set(arguments) <= set(registry)
    assert arguments["Conv2D"]["filters"]["required"]
    assert arguments["Conv2D"]["padding"] == {"name": "padding", "default": "valid", "required": False}
    assert "text" in arguments["Equation"]


def test_a_network_of_one_s_own(server: PageServer) -> None:
    own = {"type": "Equation", "text": "x[i] = v[i] * o[i]^2"}
    asked = {"input_shape": [5, 4, 1], "layers": [CONVOLUTION, {"type": "Flatten"}, own, DENSE], "learning_rate": 0.25}
    status, model = ask(server, "/api/model", asked)
    assert status == 200
    assert [layer["type"] for layer in model["layers"]] == ["Conv2D", "Flatten", "Equation", "Dense"]
    values = {tensor["name"]: tensor.get("values") for tensor in model["tensors"]}
    assert values["optimizer.eta"] == [0.25]
    assert values["target"] == [1, 0]
    assert "equation1.v_next" in values
    asked |= {"loss": "softmax_cross_entropy", "optimizer": "adam", "weights": {"dense1.b": [1, 2]}, "target": 1}
    status, model = ask(server, "/api/model", asked)
    values = {tensor["name"]: tensor.get("values") for tensor in model["tensors"]}
    assert (values["target"], values["dense1.b"]) == ([1], [1, 2])
    toml = '[model]\ninput_shape = [3]\n[[layer]]\ntype = "Dense"\nunits = 4\n'
    status, model = ask(server, "/api/model", {"toml": toml})
    assert status == 200
    assert next(t for t in model["tensors"] if t["name"] == "target")["values"] == [0]  # a label


def test_a_sheet_is_marked(server: PageServer) -> None:
    status, found = ask(server, "/api/check", {"sheet": SHEET})
    assert (status, found["ok"], found["tensors"][0]["marks"]) == (200, False, ["right", "wrong"])
    assert found["tensors"][0]["expected"] == pytest.approx([0.8212, -0.2734])
    assert found["causes"] == [found["tensors"][0]["cause"]["name"] if found["tensors"][0]["cause"] else "unexplained"]
    assert ask(server, "/api/check", {"sheet": SHEET.replace("-0.3734", "-0.2734")})[1]["ok"]


PROGRAM = """y[i] = sum[j](w[i,j] * x[j])

```python
w = [[1.0, 2.0], [3.0, 5.0], [7.0, 11.0]]
x = [0.5, 0.25]
y = np.array(w) @ np.array(x)
```
"""


def test_a_derivation_is_checked_without_its_programs(server: PageServer) -> None:
    status, found = ask(server, "/api/derivation", {"text": PROGRAM})
    assert (status, found["verdict"]) == (200, "NOT CHECKED")
    assert [part["words"] for part in found["parts"] if part["what"] == "program"] == [["program: not run here"]]


def test_programs_run_where_the_server_was_started_so() -> None:
    with PageServer("", port=0, programs=True) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        status, found = ask(running, "/api/derivation", {"text": PROGRAM})
        running.shutdown()
        thread.join()
    assert (status, found["verdict"], found["summary"]) == (200, "RIGHT", "1 claim: 1 right; 1 definition")


def test_a_sheet_of_a_network_is_marked(server: PageServer) -> None:
    status, found = ask(server, "/api/check", {"sheet": NETWORK_SHEET})
    assert (status, found["ok"], found["sheet"]) == (200, False, "sheet")
    assert [(tensor["name"], tensor["marks"]) for tensor in found["tensors"]] == [("dense1.x", ["right", "wrong"])]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/api/example?name=clasic", None, "There is no example 'clasic'. Did you mean 'classic'?"),
        ("/api/model", {"layers": [DENSE]}, "model does not say what images it is for."),
        ("/api/model", {"input_shape": [3]}, 'A network takes {"input_shape": [..], "layers": [..]} or {"toml"'),
        (
            "/api/model",
            {"input_shape": [3], "layers": [{"type": "Dens"}]},
            "type 'Dens', which is not a layer. Did you mean",
        ),
        ("/api/model", {"input_shape": [3], "layers": 7}, "model has no layers."),
        ("/api/model", {"input_shape": [3], "layers": [DENSE] * 41}, "41 layers; a page shows at most 40"),
        (
            "/api/model",
            {"input_shape": [3], "layers": [DENSE], "weight": {}},
            "there is no key 'weight'. Did you mean 'wei",
        ),
        (
            "/api/model",
            {"input_shape": [3], "layers": [{**DENSE, "units": 10**9}]},
            "has 4,000,000,003 weights and inputs",
        ),
        ("/api/model", {"input_shape": [10**5, 10**5], "layers": [{"type": "ReLU"}]}, "the limit here is 500,000"),
        ("/api/model", {"input_shape": [3], "layers": [{"type": "Equation", "text": "x[i] = ("}]}, "x[i] = ("),
        ("/api/model", {"input_shape": [3], "layers": [7]}, "layer 1 is 7, but must be a table with the key `type`"),
        (
            "/api/model",
            {"input_shape": [3], "layers": [{"type": ["Dense"]}]},
            "layer 1 has type ['Dense'], which is not a",
        ),
        (
            "/api/model",
            {"input_shape": [3], "layers": [{**DENSE, "units": 10**30}]},
            "has more than 1,000,000,000,000,000,000 weigh",
        ),
        ("/api/model", {"input_shape": [2], "layers": [DENSE], "input": [1, [2]]}, "The input must be numbers"),
        ("/api/model", {"toml": 7}, 'A network takes {"toml": "..."}, the text of a model file.'),
        ("/api/model", {"toml": "a = ["}, "This is not TOML: "),
        ("/api/derivation", {}, 'A check of a derivation takes {"text": "..."}.'),
        ("/api/derivation", {"text": "x" * 100_001}, "has 100,001 characters; a page checks at most 100,000."),
        ("/api/check", {}, 'A check takes {"sheet": "..."}, the text of a sheet.'),
        ("/api/check", {"sheet": "a ="}, "sheet is not a TOML file"),
        (
            "/api/check",
            {"sheet": "equation = 'x = 1'"},
            "sheet: a sheet must have `given`, or else the [[layer]] tables",
        ),
        (
            "/api/check",
            {"sheet": NETWORK_SHEET + "[[layer]]\ntype = 'ReLU'\n" * 40},
            "41 layers; a page shows at most 40",
        ),
        (
            "/api/check",
            {"sheet": NETWORK_SHEET.replace("units = 2", "units = 1000000000")},
            "weights and inputs; the limit",
        ),
        ("/api/check", {"sheet": f"sizes = {{ K = 5000 }}\n{SHEET}"}, "a size is larger than 1000"),
        ("/api/check", {"sheet": f"shapes = {{ h = [2000] }}\n{SHEET}"}, "a size is larger than 1000"),
        ("/api/check", {"sheet": f"sizes = 7\n{SHEET}"}, "sheet: `sizes` must be a table of whole numbers"),
        ("/api/check", {"sheet": SHEET.replace("y =", "z =")}, "sheet: There is no tensor `z`. Available: "),
    ],
)
def test_what_can_t_be_answered(path: str, body: Any, message: str, server: PageServer) -> None:
    status, found = ask(server, path, body)
    assert (status, set(found)) == (400, {"error"})
    assert message in found["error"]


@pytest.mark.parametrize(
    ("headers", "raw", "message"),
    [
        ({"Content-Type": "text/plain"}, b"{}", "A request takes JSON, with its Content-Type and Content-Length."),
        (JSON, b"{", "A request takes a JSON object."),
        (JSON, b"[]", "A request takes a JSON object."),
        (JSON, b'{"a": ' + b"1" * 5000 + b"}", "A request takes a JSON object."),
        (JSON, b'{"a": "\xff"}', "A request takes a JSON object."),
        (
            JSON,
            b"[" * 100_000,
            "This is nested too deeply to be read. Remove some of the brackets, lists or tables inside each other.",
        ),
    ],
)
def test_bodies_that_are_refused(headers: dict[str, str], raw: bytes, message: str, server: PageServer) -> None:
    assert ask(server, "/api/model", headers=headers, raw=raw) == (400, {"error": message})


@pytest.mark.parametrize("path", ["/", "/api/examples", "/api/model"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Host": "example.org"},
        {"Host": "localhost"},
        {"Origin": "https://127.0.0.1"},
    ],
)
def test_other_pages_get_nothing(headers: dict[str, str], path: str, server: PageServer) -> None:
    raw = b"{}" if path == "/api/model" else None
    status, found = ask(server, path, headers={**JSON, **headers}, raw=raw)
    assert (status, found) == (403, {"error": "This server answers its own page only."})


def test_its_own_page_gets_all(server: PageServer) -> None:
    for host in server.hosts:
        assert ask(server, "/api/layers", headers={"Host": host, "Origin": f"http://{host}"})[0] == 200


def test_other_places(server: PageServer) -> None:
    assert ask(server, "/etc/passwd") == (404, {"error": "There is nothing at /etc/passwd."})
    assert ask(server, "/api/delete", {}) == (404, {"error": "There is nothing at /api/delete."})


def test_too_much_for_the_memory(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MemoryError

    monkeypatch.setitem(GET, "/api/layers", lambda asked: fail())
    told = {"error": "There is too little memory for this. Close other programs, and ask again."}
    assert ask(server, "/api/layers") == (503, told)


def test_a_mistake_of_convgrad_s_own(
    server: PageServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(GET, "/api/layers", lambda asked: 1 / 0)
    status, found = ask(server, "/api/layers")
    assert (status, set(found)) == (500, {"error"})
    told = r"This failed because of a bug in convgrad, not of what you asked: ZeroDivisionError: division by zero "
    assert re.fullmatch(told + r"\(test_server.py, line \d+\)\. Please report it\.", found["error"])
    assert ask(server, "/api/examples")[0] == 200
    assert capsys.readouterr() == ("", "")


def test_a_port_that_is_in_use(server: PageServer) -> None:
    with pytest.raises(
        DataError, match=rf"Port {server.server_port} is in use. Choose another with --port, or --port 0"
    ):
        PageServer("", port=server.server_port)


def test_a_port_that_may_not_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(server: PageServer) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(PageServer, "server_bind", refuse)
    with pytest.raises(DataError, match=r"Can't listen on port 1: Permission denied\. Choose another with --port\."):
        PageServer("", port=1)


def convgrad(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "convgrad", "explain", *map(str, arguments)]


def test_a_page_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    printed = subprocess.run(convgrad("--html", path), capture_output=True, text=True, check=True)
    assert printed.stdout == f"wrote {path}\n"
    html = path.read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert core_script().splitlines()[0] in html
    assert "sigmoid1.x" in html
    failed = subprocess.run(convgrad("--html", tmp_path / "no" / "page.html"), capture_output=True, text=True)
    assert (failed.returncode, "Traceback" in failed.stderr) == (2, False)
    assert "Can't write" in failed.stderr


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent as a signal")
def test_serving_until_ctrl_c() -> None:
    running = subprocess.Popen(
        convgrad("--serve", "--no-browser", "--run-programs", "--port", 0),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        port = int(line.split("http://127.0.0.1:")[1].split("/")[0])
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/" + line.split("/")[3].split()[0])
        assert b'id="model"' in connection.getresponse().read()
        connection.close()
        taken = subprocess.run(convgrad("--serve", "--no-browser", "--port", port), capture_output=True, text=True)
        assert (taken.returncode, taken.stderr.count("\n")) == (2, 1)
        assert f"Port {port} is in use." in taken.stderr
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=30)
    finally:
        running.kill()
    assert (running.returncode, rest, errors) == (0, "The page is closed.\n", "")
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        pass


def test_a_browser_that_goes_away_is_no_news(server: PageServer, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise BrokenPipeError
    except BrokenPipeError:
        server.handle_error(None, ("127.0.0.1", 1))
    assert capsys.readouterr().err == ""
