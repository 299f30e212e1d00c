"""Where the command meets the system: streams, signals, and errors that nobody expected."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from convgrad.commands.boundary import ended, told

COMMAND = [sys.executable, "-m", "convgrad"]
DERIVE = ["derive", "x[i]=sum[m](w[m]*o[i+m])", "--wrt", "w"]
UNIX = pytest.mark.skipif(sys.platform == "win32", reason="streams and signals are others there")


def process(
    *arguments: str, environment: dict[str, str] | None = None, shell: str = ""
) -> subprocess.CompletedProcess[str]:
    """The command, or with `shell` what a shell makes of it, its words being `"$@"`."""
    words = [*COMMAND, *arguments]
    command = ["sh", "-c", f'"$@" {shell}', "sh", *words] if shell else words
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **(environment or {})},
        check=False,
    )


# Errors that nobody expected


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (MemoryError(), "There is not enough memory for this.", 2),
        (MemoryError("Unable to allocate 7 TiB"), "There is not enough memory for this: Unable to allocate 7 TiB.", 2),
        (RecursionError("maximum recursion depth"), "What was given is nested too deeply.", 2),
        (OverflowError("too large to convert"), "A number that was given is too large: too large to convert.", 2),
        (
            OSError(errno.ENOSPC, "No space left on device", "a/b.png"),
            "The system refused this: a/b.png: No space left on device.",
            2,
        ),
        (RuntimeWarning("odd"), "Warning, treated as an error: odd", 2),
        (
            KeyError("eta"),
            "This is a bug in convgrad: KeyError: 'eta'. Please report it, with the command that you typed and "
            "what it prints with --debug.",
            70,
        ),
        (ZeroDivisionError(), "This is a bug in convgrad: ZeroDivisionError. Please report it, with", 70),
    ],
)
def test_an_error_that_nobody_expected_is_told_in_one_message(error: Exception, message: str, code: int) -> None:
    assert told(error)[1] == code
    words = (*error.args, error.filename) if isinstance(error, OSError) else error.args
    script = (
        "import sys\n"
        "from convgrad.commands.boundary import ended\n"
        f"def command(arguments): raise {type(error).__name__}(*{words!r})\n"
        "sys.exit(ended(command, sys.argv[1:]))\n"
    )
    plain, debugged = (
        subprocess.run([sys.executable, "-c", script, *more], capture_output=True, text=True, timeout=60, check=False)
        for more in ([], ["--debug"])
    )
    assert plain.returncode == debugged.returncode == code
    assert plain.stderr.startswith(message)
    assert "Traceback" not in plain.stderr
    assert len(plain.stderr.splitlines()) == 1
    assert "Traceback (most recent call last)" in debugged.stderr
    assert message in debugged.stderr


def test_the_code_of_a_command_that_exits_is_kept() -> None:
    for code in (0, 1, 2, 130):
        call = f"sys.exit(ended(lambda _: sys.exit({code}), []))"
        script = f"import sys; from convgrad.commands.boundary import ended; {call}"
        assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == code


def test_debug_is_an_option_of_every_command_and_words_after_two_dashes_are_none() -> None:
    seen: list[list[str]] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    streams = sys.stdout, sys.stderr
    try:
        for arguments in (["a", "--debug", "b"], ["--", "--debug"]):
            ended(lambda words: seen.append(list(words)), arguments)
    finally:
        sys.stdout, sys.stderr = streams
        for number, handler in before.items():
            signal.signal(number, handler)
    assert seen == [["a", "b"], ["--", "--debug"]]


# Streams


@UNIX
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams(closed: str) -> None:
    done = process(*DERIVE, shell=closed)
    assert done.returncode == 0
    assert done.stderr == ""


@UNIX
def test_nobody_reads_on() -> None:
    done = process(*DERIVE, shell="| head -1")
    assert done.stdout == "1. chain rule\n"
    assert done.stderr == ""


@UNIX
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_standard_output_is_told() -> None:
    done = process(*DERIVE, shell=">/dev/full")
    assert done.returncode == 2
    assert done.stderr == "Standard output can't be written: No space left on device.\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16", "utf-8"])
def test_a_console_without_some_characters(encoding: str) -> None:
    """Lines of tables and names of tensors are written as codes where an encoding lacks them."""
    done = subprocess.run(
        [*COMMAND, "summary", "lenet"],
        capture_output=True,
        timeout=120,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == b""
    assert "conv1" in done.stdout.decode(encoding)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("HL_NUM_THREADS", "²", "HL_NUM_THREADS must be a number of threads, at least 1; it is '²'."),
        ("HL_NUM_THREADS", "9" * 5000, "HL_NUM_THREADS must be a number of threads, at least 1; it is '99999"),
        ("HL_NUM_THREADS", "1000000", "HL_NUM_THREADS must be a number of threads, at least 1; it is '1000000'."),
        ("HL_NUM_THREADS", "-1", "HL_NUM_THREADS must be a number of threads, at least 1; it is '-1'."),
    ],
)
def test_odd_numbers_of_threads(variable: str, value: str, message: str) -> None:
    pytest.importorskip("halide")
    done = process("profile", "example", "--batch-size", "2", environment={variable: value})
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_backend_for_windows_does_not_matter_to_pictures_in_files(tmp_path: Path) -> None:
    pytest.importorskip("halide")
    picture = tmp_path / "p.png"
    done = process(
        "profile", "example", "--batch-size", "2", "--plot", str(picture), environment={"MPLBACKEND": "none of these"}
    )
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")


# Signals


@contextmanager
def started(arguments: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The command in a process that is gone at the end."""

    running = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()
        for stream in (running.stdout, running.stderr):
            assert stream is not None
            stream.close()


@UNIX
@pytest.mark.parametrize("delay", [0.1, 0.25])
def test_ctrl_c_while_the_command_is_loaded(delay: float, tmp_path: Path) -> None:
    with started(["summary", "lenet"], tmp_path) as running:
        time.sleep(delay)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    assert running.returncode in (0, 130, -signal.SIGINT)
    assert "/convgrad/" not in errors  # before Python has come to our first line, it writes a traceback of its own


@UNIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_training_that_is_asked_to_end_keeps_its_weights(number: signal.Signals, tmp_path: Path) -> None:
    with started(["train", "digits", "--epochs", "200", "--out", "run", "--json"], tmp_path) as running:
        assert running.stderr is not None
        begun = any(line.split()[:1] in (["1"], ["1/200"]) for line in running.stderr)  # an epoch's row
        assert begun
        running.send_signal(number)
        output, errors = running.communicate(timeout=100)
    assert running.returncode == 128 + number
    assert '"interrupted": true' in output
    assert "Traceback" not in errors
    assert (tmp_path / "run" / "weights.safetensors").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_before_ctrl_c_is_taken_over_the_package_loads_nothing_else() -> None:
    """What it loads would be interrupted with a traceback, and nothing in the package could prevent that."""
    code = "import sys; there = set(sys.modules); import convgrad; print(sorted(set(sys.modules) - there))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['convgrad']\n"
