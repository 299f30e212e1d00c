"""The programs of docs/export.md: a server in C, and a script with WebAssembly."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from convgrad import Network
from convgrad.compute.halide.runtime import native
from convgrad.layers import Conv2D, Dense, Flatten
from optional import compiled, find_webassembly

pytestmark = compiled
GUIDE = Path(__file__).parents[2] / "docs" / "export.md"


def block(kind: str) -> str:
    """The guide's only program of a language."""
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


def network() -> Network:
    made = Network(Conv2D(3, 2), Flatten(), Dense(4), input_shape=(4, 5, 2))
    made.initialize(seed=1)
    return made


def answer(port: int, body: bytes) -> str:
    """What the server says, once it is there."""
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}", data=body, timeout=10) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError("the server does not answer")


@pytest.mark.skipif(native.compiler() is None or sys.platform == "win32", reason="needs a C compiler and POSIX")
def test_the_server_answers_as_python_does(tmp_path: Path) -> None:
    ours = network()
    ours.export(tmp_path)
    (tmp_path / "server.c").write_text(block("c"))
    sources = ["server.c", "net.c", "net_runtime.c", *(f"kernels/{path.name}" for path in tmp_path.glob("kernels/*.o"))]
    subprocess.run(["cc", "-O1", "-Wall", "-Werror", *sources, "-lm", "-o", "server"], cwd=tmp_path, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    x = np.random.default_rng(0).random((3, 4, 5, 2), np.float32)
    server = subprocess.Popen([tmp_path / "server", str(port)])
    try:
        found = np.array([answer(port, one.tobytes()).split() for one in x], np.float32)
        with pytest.raises(urllib.error.HTTPError, match="400"):
            answer(port, x.tobytes())
    finally:
        server.kill()
        server.wait()
    assert np.array_equal(found, ours.predict(x))


def test_the_script_runs_in_node(tmp_path: Path) -> None:
    node = find_webassembly()
    network().export(tmp_path, to="wasm")
    (tmp_path / "script.mjs").write_text(block("js"))
    done = subprocess.run([node, "script.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "8 [ 4 ]\n"
