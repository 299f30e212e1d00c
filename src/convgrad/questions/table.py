"""The one table of questions: a path, and the function that answers it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from convgrad.errors import DataError
from convgrad.questions.answer import TOO_DEEP, Answer, answered
from convgrad.questions.derivations import derivation
from convgrad.questions.examples import example, examples
from convgrad.questions.exercises import marks
from convgrad.questions.functions import checkable, function
from convgrad.questions.networks import layer_list, model
from convgrad.questions.programs import program
from convgrad.questions.rights import Rights
from convgrad.questions.sheets import check

GET: dict[str, Callable[[Mapping[str, str]], Any]] = {
    "/api/examples": lambda asked: examples(),
    "/api/example": lambda asked: example(asked.get("name", "")),
    "/api/layers": lambda asked: layer_list(),
    "/api/checkable": lambda asked: checkable(),
}
"""Path -> function of the query. What these take is known, so that they need no limits of time and memory."""
POST: dict[str, Callable[[Mapping[str, Any], Rights], Any]] = {
    "/api/model": lambda asked, rights: model(asked),
    "/api/check": lambda asked, rights: check(asked),
    "/api/program": lambda asked, rights: program(asked),
    "/api/marks": lambda asked, rights: marks(asked),
    "/api/derivation": derivation,
    "/api/function": function,
}
"""Path -> function of the body and of what may happen. What these take depends on the person."""


def answer_to_query(path: str) -> Answer:
    """The answer to a question without a body: a path, with its query where it has one."""
    place, _, query = path.partition("?")
    return answered(lambda: GET[place](dict(parse_qsl(query))))


def answer_to(path: str, body: bytes, rights: Rights) -> Answer:
    """The answer to a question with a body. Raises: MemoryError."""
    return answered(lambda: POST[path](_object(body), rights))


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except RecursionError:
        raise DataError(TOO_DEEP) from None
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise DataError("A request takes a JSON object.")
    return content
