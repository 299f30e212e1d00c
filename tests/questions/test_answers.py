"""Answers to what the page asks: whatever happens while one is made, one comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from convgrad.errors import ConvgradError
from convgrad.questions import answer, table
from convgrad.questions.examples import example
from convgrad.questions.rights import Rights


def told(body: bytes, path: str = "/api/model") -> tuple[int, str]:
    found = table.answer_to(path, body, Rights())
    return found.status, json.loads(found.content)["error"]


def planted(monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any]) -> None:
    monkeypatch.setitem(table.POST, "/api/model", function)


def test_odd_questions() -> None:
    assert told(b'"' + b"\\ud800" * 9 + b'"') == (400, "A request takes a JSON object.")
    assert told(b"{") == (400, "A request takes a JSON object.")
    assert told(b'{"toml": "a = ' + b"[" * 10_000 + b'"}') == (400, "This TOML is nested too deep to be read.")
    assert told(b'{"toml": "a = ' + b"1" * 10_000 + b'"}')[1].startswith("This is not TOML: ")
    assert told(b'{"toml": 1}')[1] == 'A network takes {"toml": "..."}, the text of a model file.'
    assert told(b"{}")[1] == 'A network takes {"input_shape": [..], "layers": [..]} or {"toml": "..."}.'
    assert told(b"{}", "/api/check")[1] == 'A check takes {"sheet": "..."}, the text of a sheet.'
    assert told(b"{}", "/api/derivation")[1] == 'A check of a derivation takes {"text": "..."}.'
    deep = json.dumps({"sheet": "a = " + "[" * 5000}).encode(), json.dumps({"sheet": "a = " + "9" * 5000}).encode()
    assert told(deep[0], "/api/check")[1] == "sheet has tables and lists nested more than 60 deep."
    assert told(deep[1], "/api/check")[1].startswith("sheet is not a TOML file: ")


def test_a_mistake_of_ours_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, lambda asked, rights: asked["eta"])
    status, words = told(b"{}")
    assert status == 500
    assert words.startswith(
        "This failed because of a bug in convgrad, not of what you asked: KeyError: 'eta' (test_answers"
    )


def test_an_answer_may_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "MOST_BYTES", 5)
    planted(monkeypatch, lambda asked, rights: "a" * 10)
    assert told(b"{}") == (400, answer.TOO_LARGE)
    assert answer.TOO_LARGE.startswith("The answer has more than 64,000,000 bytes, the most for one request.")


def test_answers_raise_errors_with_a_sentence() -> None:
    with pytest.raises(ConvgradError, match="There is no example"):
        example("")
