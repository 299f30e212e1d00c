"""The answers of a Python that runs in the browser. What asks is `static/worker.js`."""

from __future__ import annotations

from convgrad.questions.answer import refusal
from convgrad.questions.rights import Rights
from convgrad.questions.table import answer_to, answer_to_query

RIGHTS = Rights(runs_programs=True)
"""A person's own program, in a person's own browser, which lets it reach nothing else."""
NO_MEMORY = "This takes more memory than the browser gives. Make the network, or the sizes of its axes, smaller."


def answer(path: str, body: str | None) -> tuple[int, str]:
    """A status as of HTTP, and JSON. path: with its query. body: JSON, or None where there is none."""
    try:
        found = answer_to_query(path) if body is None else answer_to(path, body.encode("utf-8", "replace"), RIGHTS)
    except MemoryError:
        found = refusal(NO_MEMORY)
    return found.status, found.content.decode()
