"""Submissions shut in by bubblewrap; where it is missing or can't work, these tests are skipped and say why."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from convgrad.check import check, check_class
from convgrad.check.submissions import sandbox
from convgrad.check.submissions.sandbox import require_sandbox
from convgrad.commands.cli import app
from convgrad.errors import DataError, SandboxError

GOOD = "def backward(dout, x):\n    return dout * (x > 0)\n"


@pytest.fixture
def shut_in() -> None:
    try:
        require_sandbox()
    except SandboxError as error:
        pytest.skip(str(error))


@pytest.fixture
def listening() -> Iterator[int]:
    """A port on which somebody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(autouse=True)
def found_anew() -> Iterator[None]:
    sandbox._program.cache_clear()
    yield
    sandbox._program.cache_clear()


def in_class(tmp_path: Path, **texts: str) -> tuple[Path, Path]:
    folder = tmp_path / "class"
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    (tmp_path / "spec.toml").write_text('layer = "relu"\nfunction = "backward"\n')
    return folder, tmp_path / "spec.toml"


def function(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"import os, socket, sys\n\n\ndef backward(dout, x):\n{lines}\n    return dout * (x > 0)\n"


OUTSIDE = """
for place in ("/", "/dev", "/dev/shm", "/proc", "/tmp", "/etc", "/usr", "/usr/lib", sys.prefix, {own!r}):
    try:
        open(os.path.join(place, "written"), "w")
    except OSError:
        continue
    raise ValueError(place)
""".strip()


@pytest.mark.usefixtures("shut_in")
def test_what_is_shut_in(tmp_path: Path, listening: int) -> None:
    secret = tmp_path / "class" / "secret.txt"
    texts = {
        "good": GOOD,
        "wrong": GOOD.replace("x > 0", "x > 1"),
        "writes_inside": function("open('a', 'w')\nassert sorted(os.listdir()) == ['a', 'writes_inside.py']"),
        "writes_outside": function(OUTSIDE.format(own=str(tmp_path))),
        "fills_the_folder": function("for n in range(5):\n    open(f'f{n}', 'wb').write(bytes(20 * 2**20))"),
        "network": function("socket.create_connection(('192.0.2.1', 9))"),
        "this_machine": function(f"socket.create_connection(('127.0.0.1', {listening}))"),
        "reads": function(f"open({str(secret)!r}).read()"),
        "cheats": function("import convgrad"),
        "cheats_by_path": function(f"sys.path.insert(0, {str(sandbox.OWN.parent)!r})\nimport convgrad.check"),
        "sees_others": function("assert [p for p in os.listdir('/proc') if p.isdigit()] == ['1', '2'], 'others'"),
        "has_rights": function("assert 'CapEff:\\t0000000000000000' in open('/proc/self/status').read(), 'rights'"),
        "kills_all": function("os.kill(-1, 9)\nos.kill(1, 9)"),
        "segfaults": function("import ctypes\nctypes.string_at(0)"),
        "hangs": function("while True: pass"),
        "starts_many": function("while True:\n    os.fork()"),
        "leaves_a_session": function("if os.fork() == 0:\n    os.setsid()\n    while True: pass"),
    }  # fmt: skip
    folder, specification = in_class(tmp_path, **texts)
    secret.write_text("the right answer")
    report = check_class(folder, specification, seconds=3, sandbox=True)
    rows = {row.file.removesuffix(".py"): row for row in report.rows}
    for name in (
        "good",
        "writes_inside",
        "writes_outside",
        "sees_others",
        "has_rights",
        "leaves_a_session",
    ):
        assert rows[name].ok, rows[name].words
    words = {
        "kills_all": "No such process",
        "fills_the_folder": "No space left on device",
        "network": "OSError: [Errno 101] Network is unreachable",
        "this_machine": "ConnectionRefusedError",
        "reads": "FileNotFoundError",
        "cheats": "No module named 'convgrad'",
        "cheats_by_path": "No module named 'convgrad",
        "segfaults": "its process ended with signal 11, SIGSEGV",
        "hangs": "took longer than 3 s",
        "starts_many": "it started more than 64 processes",
    }
    for name, text in words.items():
        assert text in " ".join(rows[name].words.split()), rows[name].words
    assert not rows["wrong"].ok


@pytest.mark.usefixtures("shut_in")
def test_memory_is_counted_for_all_that_was_started(tmp_path: Path) -> None:
    shares = function("import mmap\nm = mmap.mmap(-1, 2**33)\nfor i in range(0, 2**33, 4096):\n    m[i] = 1")
    forks = function("for _ in range(8):\n    os.fork() or (bytes(range(256)) * 2**18, __import__('time').sleep(9))")
    folder, specification = in_class(tmp_path, shares=shares, forks=forks)
    for row in check_class(folder, specification, seconds=10, megabytes=300, sandbox=True).rows:
        assert "with what it started it used more than 300 MB of memory" in " ".join(row.words.split()), row.words


@pytest.mark.usefixtures("shut_in")
def test_one_function_is_shut_in(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(function("import convgrad"))
    report = check(f"{file}:backward", "relu", sandbox=True)
    assert "No module named 'convgrad'" in " ".join(str(report).split())
    file.write_text(GOOD)
    result = CliRunner().invoke(app, ["check", "relu", f"{file}:backward", "--sandbox"])
    assert result.exit_code == 0, result.output
    with pytest.raises(SandboxError, match=r"name the function as file\.py:function"):
        check("numpy:sin", "relu", sandbox=True)
    with pytest.raises(DataError, match=r"none\.py: it can't be read: No such file"):
        check(f"{tmp_path}/none.py:f", "relu", sandbox=True)


def program(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bwrap"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, r"there is no program `bwrap` on the PATH: install the package `bubblewrap`"),
        ("echo --tmpfs", r"needs bubblewrap 0\.7 or later; .* is older"),
        (
            'if [ "$1" = --help ]; then echo --size --clearenv; else echo "bwrap: no \033[1mright"; exit 1; fi',
            r"can't isolate code here: bwrap: no \\x1b\[1mright\. It needs user namespaces",
        ),
    ],
)
def test_no_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, words: str) -> None:
    if text is not None:
        program(tmp_path, text)
    monkeypatch.setenv("PATH", str(tmp_path))
    folder, specification = in_class(tmp_path, good=GOOD)
    with pytest.raises(SandboxError, match=words):
        check_class(folder, specification, sandbox=True)
    table = tmp_path / "marks.csv"
    arguments = ["--class", str(folder), "--spec", str(specification), "--csv", str(table), "--sandbox"]
    result = CliRunner().invoke(app, ["check", *arguments])
    assert result.exit_code == 2, result.output
    assert "SandboxError: " in result.output
    assert not table.exists()


def test_numbers_need_no_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "anna.toml").write_text("[results]\ny = [2.0]\n")
    specification = tmp_path / "sheet.toml"
    specification.write_text('equation = "y[i] = 2 * x[i]"\n[given]\nx = [1.0]\n[results]\n')
    assert check_class(Path(folder), specification, sandbox=True).ok
