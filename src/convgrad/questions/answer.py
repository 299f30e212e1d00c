"""Answers of the server: a status, and text of JSON. Whatever happens while one is made, one comes out."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from convgrad.errors import ConvgradError, quoted

MOST_BYTES = 64_000_000
"""Of one answer; a page with as many numbers as it holds takes 10 MB or so."""
TOO_LARGE = (
    f"The answer has more than {MOST_BYTES:,} bytes, the most for one request. Make the network or its sizes smaller."
)
TOO_DEEP = "This is nested too deeply to be read. Remove some of the brackets, lists or tables inside each other."


@dataclass(frozen=True)
class Answer:
    """What a client gets: a status of HTTP, and JSON as bytes."""

    status: int
    content: bytes


def refusal(message: str, status: int = HTTPStatus.BAD_REQUEST) -> Answer:
    """{"error": message}."""
    return Answer(int(status), json.dumps({"error": message}).encode())


def answered(function: Callable[[], Any]) -> Answer:
    """The function's result as JSON, or what was wrong with the question. Raises: MemoryError."""
    try:
        content = json.dumps(_finite(function()), allow_nan=False).encode()
    except ConvgradError as error:
        return refusal(str(error))
    except RecursionError:
        return refusal(TOO_DEEP)
    except MemoryError:
        raise
    except Exception as error:  # the page must not wait for ever
        return refusal(mistake(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    return refusal(TOO_LARGE) if len(content) > MOST_BYTES else Answer(int(HTTPStatus.OK), content)


def mistake(error: Exception) -> str:
    """One sentence about an error that only a bug in convgrad can have caused, and its place."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    said = quoted(f"{type(error).__name__}: {error}")
    return f"This failed because of a bug in convgrad, not of what you asked: {said}{place}. Please report it."


def _finite(content: Any) -> Any:
    """JSON has no infinity: null stands for every number that is not finite."""
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not abs(content) < float("inf") else content
