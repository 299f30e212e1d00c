"""The process that answers what may take long: networks and sheets of one's own.

    python -m convgrad.serve.worker [--run-programs] MEGABYTES

It first writes a line, when it is ready. Questions come on standard input, each as one line of JSON, {"path", "size"},
and so many bytes of a body; answers go to standard output, as {"status", "size", "last"} and the content. After one
that says `last`, the process ends: it has used much memory, which Python would keep. The server ends it when an answer
takes too long.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from typing import BinaryIO

from convgrad.questions.answer import Answer, refusal
from convgrad.questions.rights import Rights
from convgrad.questions.table import answer_to

READY = b"ready\n"


def main() -> None:
    """Answer questions until the other side closes."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for place in (0, 1, 2):  # what anything prints must not get between the answers
        os.dup2(nothing, place)
    rights = Rights(runs_programs="--run-programs" in sys.argv)
    megabytes = int(sys.argv[-1])
    limit_memory(megabytes)
    asked: queue.Queue[tuple[str, bytes]] = queue.Queue()
    threading.Thread(target=_listen, args=(questions, asked), daemon=True).start()
    answers.write(READY)
    answers.flush()
    last = False
    while not last:
        path, body = asked.get()
        try:
            answer = answer_to(path, body, rights)
            last = peak_megabytes() > megabytes / 2
        except MemoryError:
            answer, last = too_much_memory(megabytes), True
        head = {"status": answer.status, "size": len(answer.content), "last": last}
        answers.write(json.dumps(head).encode() + b"\n" + answer.content)
        answers.flush()
    os._exit(0)


def too_much_memory(megabytes: int) -> Answer:
    """In place of an answer."""
    return refusal(
        f"This takes more than {megabytes:,} MB of memory, the most for one request. "
        "Make the network, or the sizes of its axes, smaller."
    )


def _listen(stream: BinaryIO, asked: queue.Queue[tuple[str, bytes]]) -> None:
    """Take questions until the server has ended; then end, whatever is being computed."""
    try:
        while line := stream.readline():
            head = json.loads(line)
            body = stream.read(head["size"])
            if len(body) == head["size"]:
                asked.put((head["path"], body))
    finally:
        os._exit(0)


def limit_memory(megabytes: int) -> None:
    """Of this process; not on Windows, which knows no such limit."""
    try:
        import resource
    except ImportError:
        return
    for name, limit in (("RLIMIT_CORE", 0), ("RLIMIT_DATA", megabytes * 2**20)):
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (most, most))


def peak_megabytes() -> float:
    """The most memory that this process has used so far; 0 where that can't be determined."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main()
