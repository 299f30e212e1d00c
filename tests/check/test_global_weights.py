"""A function that reads its weights from the module, and returns a gradient for each: they are taken for arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad import check
from convgrad.check.verdict import Verdict

CHARACTERS = """
import numpy as np

letters = sorted(set("the cat sat on the mat"))
hidden_size, vocab_size = 12, len(letters)
Wxh = 0.01 * np.random.randn(hidden_size, vocab_size)
Whh = 0.01 * np.random.randn(hidden_size, hidden_size)
Why = 0.01 * np.random.randn(vocab_size, hidden_size)
bh, by = np.zeros((hidden_size, 1)), np.zeros((vocab_size, 1))


def loss_of(inputs, targets, hprev):
    one, h, p, loss = {}, {-1: hprev.copy()}, {}, 0.0
    for t, letter in enumerate(inputs):
        one[t] = np.zeros((vocab_size, 1))
        one[t][letter] = 1
        h[t] = np.tanh(Wxh @ one[t] + Whh @ h[t - 1] + bh)
        e = np.exp(Why @ h[t] + by)
        p[t] = e / e.sum()
        loss -= np.log(p[t][targets[t], 0])
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby, later = np.zeros_like(bh), np.zeros_like(by), np.zeros((hidden_size, 1))
    for t in range(len(inputs) - 1, -1, -1):
        dy = p[t].copy()
        dy[targets[t]] -= 1
        dWhy += dy @ h[t].T
        dby += dy
        inner = (1 - h[t] ** 2) * (Why.T @ dy + later)
        dbh += inner
        dWxh += inner @ one[t].T
        dWhh += inner @ h[t - 1].T
        later = Whh.T @ inner
    for gradient in (dWxh, dWhh, dWhy, dbh, dby):
        np.clip(gradient, -5, 5, out=gradient)
    return loss, dWxh, dWhh, dWhy, dbh, dby, h[len(inputs) - 1]
"""
DENSE = """
import numpy as np

W = np.random.randn(4, 5)


def backward(x, dout):
    dW = x.T @ dout
    return dout @ W.T, dW
"""


def _checked(folder: Path, text: str, target: str, layer: str) -> str:
    file = folder / "person.py"
    file.write_text(text)
    report = check(f"{file}:{target}", layer)
    assert report.verdict is not Verdict.NOT_CHECKED, str(report)
    return str(report)


def test_a_network_of_characters(tmp_path: Path) -> None:
    words = _checked(tmp_path, CHARACTERS, "loss_of", "rnn")
    assert words.startswith("RIGHT"), words
    assert "one step, six steps" in words
    assert "a batch of" not in words


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(1 - h[t] ** 2)", "(1 - h[t])"),
        ("later = Whh.T @ inner", "later = Whh @ inner"),
        ("Why.T @ dy + later", "Why.T @ dy"),
        ("dWhh += inner @ h[t - 1].T", "dWhh += inner @ h[t].T"),
        ("dby += dy", "dby = dy"),
        ("dy[targets[t]] -= 1", "dy[targets[t]] = -1"),
    ],
)
def test_with_a_slip(tmp_path: Path, old: str, new: str) -> None:
    assert old in CHARACTERS
    words = _checked(tmp_path, CHARACTERS.replace(old, new), "loss_of", "rnn")
    assert words.startswith("WRONG"), words


def test_one_layer(tmp_path: Path) -> None:
    assert _checked(tmp_path, DENSE, "backward", "dense").startswith("RIGHT")
    assert _checked(tmp_path, DENSE.replace("W.T, dW", "W.T, 2 * dW"), "backward", "dense").startswith("WRONG")
