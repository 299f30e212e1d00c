"""Explanations find what they are made of by its kind: with every word changed, they find the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from convgrad import Network
from convgrad.calculus import narrate
from convgrad.calculus.steps import Derivation, Step, StepKind
from convgrad.check.words import worked_lines
from convgrad.explain.page.model import page_model
from convgrad.explain.trace import element
from convgrad.explain.trace.notes import Note, NoteKind
from convgrad.explain.words.layers import TELLING, derivations, gradient_sentences
from convgrad.layers import AvgPool2D, Conv2D, Dense, Equation, Flatten, LayerNorm, MaxPool2D, ReLU, Softmax


def _network() -> Network:
    """Layers whose derivations have steps of every kind that is told."""
    return Network(
        Conv2D(2, (2, 3), padding=(1, 0)),
        MaxPool2D(2),
        ReLU(),
        Equation("x[i,j,c] = o[i,j,c]^2 + o[i,j,c] * v[c]", name="own"),
        AvgPool2D(2, strides=1),
        Flatten(),
        LayerNorm(),
        Dense(3),
        Softmax(),
        input_shape=(7, 9, 2),
    )


def _foreign(kind: StepKind, rule: str, line: object, sentence: str) -> Step:
    """A step told in other words: not one is left of those that stood there."""
    return Step(kind, "krok", line, f"Krok {len(rule)}, {len(sentence)}.")  # type: ignore[arg-type]


def _every_derivation() -> Iterator[Derivation]:
    for placed in _network().layers:
        yield from derivations(placed).values()


def _told(found: Derivation) -> list[int]:
    """The places of the steps whose sentences are told."""
    sentences = gradient_sentences(found)
    assert all(sentence in [step.sentence for step in found.steps] for sentence in sentences)
    return [n for n, step in enumerate(found.steps) if step.sentence in sentences]


def test_with_other_words_the_same_steps_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [([step.kind for step in found.steps], _told(found)) for found in _every_derivation()]
    assert {kind for kinds, _ in before for kind in kinds} >= set(TELLING)
    assert any(told for _, told in before)
    assert not all(len(told) == len(kinds) for kinds, told in before)
    monkeypatch.setattr(narrate, "Step", _foreign)
    after = list(_every_derivation())
    assert {step.rule for found in after for step in found.steps} == {"krok"}
    assert [([step.kind for step in found.steps], _told(found)) for found in after] == before


def test_the_page_gets_the_kind_of_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _network()
    network.initialize(0)
    monkeypatch.setattr(narrate, "Step", _foreign)
    model = page_model(network.trace(np.ones((7, 9, 2)), [1, 0, 2], loss="half_squared_error"), "network")
    steps = [step for layer in model["layers"] for found in layer["derivations"] for step in found["steps"]]
    assert all(StepKind(step["kind"]) in StepKind and step["rule"] == "krok" for step in steps)
    for layer in model["layers"]:
        told = [s["sentence"] for d in layer["derivations"] for s in d["steps"] if StepKind(s["kind"]) in TELLING]
        assert [sentence for sentence in layer["sentences"] if sentence in told] == list(dict.fromkeys(told))


def test_every_telling_step_says_its_piece() -> None:
    """The sentences of these kinds are those that say something of the layer; of the others, none does."""
    for found in _every_derivation():
        for step in found.steps:
            assert (step.kind is StepKind.SURVIVAL_EVERYWHERE) == ("is a sum over all of them" in step.sentence)
            assert (step.kind is StepKind.EXPANSION_OF_EXTREME) == ("only that one has an effect" in step.sentence)


def test_with_other_words_the_same_notes_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk and the checker's lines leave a pin out, which they say themselves."""

    def foreign(kind: NoteKind, words: str) -> Note:
        return Note(kind, f"Poznamka {kind.value}")

    network = Network(ReLU(), Dense(2), input_shape=(3,))
    network.initialize(0)
    pins = {"relu1.x": [0.5, 0.0, 2.0], "dense1.x": [1.0, 5.0]}
    given = {"x": [1.0, -2.0, 0.5], "target": [1.0, 0.0], "loss": "half_squared_error", "pins": pins}
    plain = network.trace(**given)  # type: ignore[arg-type]
    monkeypatch.setattr(element, "Note", foreign)
    other = network.trace(**given)  # type: ignore[arg-type]
    for name, index in (("relu1.x", 0), ("relu1.x", 1), ("dense1.x", 1)):
        kinds = [note.kind for note in plain[name][index].explain().remarks]
        assert [note.kind for note in other[name][index].explain().remarks] == kinds
        lines = "\n".join(worked_lines(other[name][index].explain()))
        assert [f"Poznamka {kind.value}" in lines for kind in NoteKind] == [
            kind in kinds and kind is not NoteKind.PIN for kind in NoteKind
        ]
    assert NoteKind.PIN in [note.kind for note in other["relu1.x"][0].explain().remarks]
    assert "Poznamka decision" in str(other)
    assert "Poznamka pin" not in str(other)


def test_a_zero_note_stands_in_parentheses() -> None:
    note = Note(NoteKind.ZEROS, "2 terms are 0")
    assert (note.text, Note(NoteKind.DECISION, "so it is").text) == ("(2 terms are 0)", "so it is")
