"""The processes that compute what is asked of the page's server: limits of time and memory, and what ends them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from convgrad.serve import workers
from convgrad.serve.worker import READY, too_much_memory
from convgrad.serve.workers import Workers

LIGHT = {"input_shape": [3], "layers": [{"type": "Dense", "units": 2}]}
TOO_LONG = (
    "This takes longer than {} seconds, the most for one request. "
    "Make the network, the equation, or the sizes of its axes, smaller."
)


def of_ones(equation: str, **sizes: int) -> dict[str, str]:
    """A sheet on vectors of ones."""
    given = "\n".join(f"{name} = {[1] * size}" for name, size in sizes.items())
    return {"sheet": f'equation = "{equation}"\n[given]\n{given}\n[results]\ny = 1\n'}


LONG = of_ones("y = sum[i,j,k](exp(a[i] * b[j] * c[k]))", a=700, b=600, c=500)
"""Below what is refused beforehand, and yet some ten seconds forward, and as much for each gradient."""
LARGE = of_ones("t[i,j,k] = a[i] * b[j] * c[k]\\ny = sum[i,j,k](t[i,j,k])", a=290, b=310, c=300)
"""t alone takes 216 MB."""


def ask(running: Workers, asked: Mapping[str, Any], path: str = "/api/model") -> tuple[int, Any]:
    found = running.answer(path, json.dumps(asked).encode())
    return found.status, json.loads(found.content)


@pytest.fixture
def running() -> Iterator[Workers]:
    made = Workers(seconds=3)
    yield made
    made.close()


def processes(running: Workers) -> list[subprocess.Popen[bytes]]:
    return [worker.process for worker in running._running]


def warm(running: Workers, seconds: float) -> None:
    """However long the first answer takes here, which imports and prepares."""
    running.seconds = 60
    assert ask(running, LIGHT)[0] == 200
    running.seconds = seconds


def test_what_takes_too_long_is_ended(running: Workers) -> None:
    warm(running, 3)
    (before,) = processes(running)
    begun = time.monotonic()
    assert ask(running, LONG, "/api/check") == (400, {"error": TOO_LONG.format(3)})
    assert time.monotonic() - begun < 30
    assert before.poll() is not None
    warm(running, 60)
    (after,) = processes(running)
    assert after.pid != before.pid


def test_a_long_question_is_in_no_other_s_way(running: Workers) -> None:
    warm(running, 60)
    running.seconds = 20
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(ask(running, LONG, "/api/check")))
    asking.start()
    while len(processes(running)) == 1 and running._free.qsize() == workers.MOST:
        time.sleep(0.01)
    begun = time.monotonic()
    assert ask(running, LIGHT)[0] == 200
    assert not found
    assert time.monotonic() - begun < 20
    for process in processes(running):
        process.kill()
    asking.join()
    assert found[0][0] == 400
    assert ask(running, LIGHT)[0] == 200


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's memory")
def test_what_takes_too_much_memory_is_refused() -> None:
    small = Workers(seconds=60, megabytes=200)
    try:
        told = (
            "This takes more than 200 MB of memory, the most for one request. "
            "Make the network, or the sizes of its axes, smaller."
        )
        assert ask(small, LARGE, "/api/check") == (400, {"error": told})
        assert ask(small, LIGHT)[0] == 200
    finally:
        small.close()


def test_a_process_that_has_ended_is_replaced(running: Workers) -> None:
    warm(running, 60)
    (process,) = processes(running)
    process.kill()
    process.wait()
    assert ask(running, LIGHT)[0] == 200
    assert processes(running)[0].pid != process.pid


def test_a_process_that_was_used_for_much_is_replaced(running: Workers) -> None:
    """Python keeps what it has had: a request after a large one must not have less."""
    small = Workers(seconds=60, megabytes=120)
    try:
        (before,) = processes(small)
        assert ask(small, LIGHT)[0] == 200
        assert before.poll() is not None
        assert ask(small, LIGHT)[0] == 200
    finally:
        small.close()
    warm(running, 60)
    (kept,) = processes(running)
    assert kept.poll() is None


def planted(tmp_path: Any, body: str, **options: Any) -> Workers:
    """Workers of another kind."""
    script = tmp_path / "worker.py"
    script.write_text(f"import json, os, sys, time\nout, questions = sys.stdout.buffer, sys.stdin.buffer\n{body}")
    return Workers(command=(sys.executable, str(script)), **options)


READS = f"out.write({READY!r}); out.flush()\nhead = json.loads(questions.readline())\nquestions.read(head['size'])\n"


@pytest.mark.parametrize(
    "body",
    [
        "os._exit(3)",
        READS + "os._exit(3)",
        READS + "out.write(b'nonsense\\n'); out.flush(); time.sleep(0.2); os._exit(3)",
        READS + 'out.write(b\'{"status": 200, "size": 9, "last": false}\\n[1\'); out.flush(); os._exit(3)',
    ],
    ids=["at once", "asked", "nonsense", "half"],
)
def test_a_process_that_breaks_down_is_told(body: str, tmp_path: Any) -> None:
    broken = planted(tmp_path, body, seconds=30)
    try:
        status, found = ask(broken, LIGHT)
        assert status == 400
        assert found["error"].startswith("The process that computed this has ended (code ")
        assert found["error"].endswith(
            "); most likely it needed more memory than there is. "
            "Make the network, the equation, or the sizes of its axes, smaller."
        )
    finally:
        broken.close()


def test_many_long_questions(tmp_path: Any) -> None:
    busy = planted(tmp_path, READS + "time.sleep(60)", seconds=1, most=1)
    try:
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(ask(busy, LIGHT))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        busy.close()
    waiting = "The server is busy with other requests. Wait until these are answered, and ask again."
    assert {status: told["error"] for status, told in found} == {400: TOO_LONG.format(1), 503: waiting}


def test_a_system_that_starts_no_process(tmp_path: Any) -> None:
    none = Workers(command=(str(tmp_path / "nothing"),))
    told = "No process can be started to compute this. Close other programs, and ask again."
    assert ask(none, LIGHT) == (503, {"error": told})
    none.close()


def test_nothing_is_left_running(running: Workers) -> None:
    warm(running, 60)
    (process,) = processes(running)
    running.close()
    assert process.poll() is not None
    assert ask(running, LIGHT)[0] == 503
    assert processes(running) == []


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_worker_ends_with_a_server_that_is_killed() -> None:
    script = (
        "import json, threading, time\n"
        "from convgrad.serve.workers import Workers\n"
        "running = Workers()\n"
        f"long = {json.dumps(LONG)!r}.encode()\n"
        "threading.Thread(target=running.answer, args=('/api/check', long), daemon=True).start()\n"
        "while not next(iter(running._running)).begun: time.sleep(0.01)\n"
        "print(next(iter(running._running)).process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        server.send_signal(signal.SIGKILL)
    for _ in range(1000):
        if not is_running(pid):
            return
        time.sleep(0.01)
    pytest.fail("the worker goes on without its server")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"  # ended, though nobody has asked how
    except FileNotFoundError:
        return sys.platform != "linux"
    except ProcessLookupError:
        return False


def test_a_program_that_never_ends_is_told_from_one_that_is_large() -> None:
    workers_here = Workers(seconds=2, most=1, command=(*workers.COMMAND, "--run-programs"))
    try:
        body = json.dumps({"text": "while True: pass\ndef relu_backward(dx, o): return dx"}).encode()
        told = json.loads(workers_here.answer("/api/function", body).content)["error"]
    finally:
        workers_here.close()
    assert told == ("This takes longer than 2 seconds, the most for one request. Does a loop of the program never end?")


def test_what_is_said_of_too_much_memory() -> None:
    told = too_much_memory(9)
    assert told.status == 400
    assert json.loads(told.content)["error"].startswith(
        "This takes more than 9 MB of memory, the most for one request."
    )
