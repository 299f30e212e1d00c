r"""Subscripts of weights that are parts of their names: of `W_{xh}`, where x and h are tensors, and `W_f`, where f is a
gate, nothing is an index."""

from __future__ import annotations

import re
from collections.abc import Iterable

from convgrad.check.derivations.latex.setting import MATRICES

LABELLED = f"{MATRICES}b"
OF_WEIGHTS = re.compile(
    rf"(?<![A-Za-z\\])([{LABELLED}])\s*_\s*(?:\{{\s*([A-Za-z]{{1,3}})\s*\}}|([A-Za-z])(?![A-Za-z]))"
)
OF_OTHERS = re.compile(r"(?<![A-Za-z\\])([A-Za-z])\s*_\s*(\{[^{}]*\}|[A-Za-z])")
RUNS_OVER = re.compile(r"\\(?:sum|prod|max|min)(?:\\limits)?\s*_\s*(\{[^{}]*\}|[A-Za-z])")
SUBSCRIPT = re.compile(r"_\s*(?:\{[^{}]*\}|[A-Za-z\d])")
COMMAND = re.compile(r"\\(?:mathrm|text|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+")
EQUALITY = re.compile(r"=|\\(?:leftarrow|gets|equiv|approx)")
LETTER = re.compile(r"[A-Za-z]")
ALONE = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])")


def labels_of(formulas: Iterable[str]) -> frozenset[str]:
    """Subscripts of weights that stand for no indices anywhere in a document.

    >>> sorted(labels_of([r"h = \\tanh(W_{xh} x + W_{hh} g)", r"y_i = \\sum_j V_{ij} h_j"]))
    ['hh', 'xh']
    """
    texts = list(formulas)
    whole = "\n".join(texts)
    indices = {letter for inside in RUNS_OVER.findall(whole) for letter in LETTER.findall(COMMAND.sub(" ", inside))}
    for base, inside in OF_OTHERS.findall(whole):
        if base not in LABELLED:
            indices |= {*LETTER.findall(COMMAND.sub(" ", inside))}
    names: set[str] = set()
    for text in texts:
        if EQUALITY.search(text):
            names |= {*ALONE.findall(SUBSCRIPT.sub(" ", COMMAND.sub(" ", text)))}
    found = {one or two for _, one, two in OF_WEIGHTS.findall(whole)}
    return frozenset(label for label in found if {*label} <= names - indices)


def marked(text: str, labels: frozenset[str]) -> str:
    r"""The text with labels as upright words, which are parts of names.

    >>> print(marked("W_{xh} x_i", frozenset({"xh"})))
    W_{\mathrm{xh}} x_i
    """

    def change(match: re.Match[str]) -> str:
        label = match[2] or match[3]
        return f"{match[1]}_{{\\mathrm{{{label}}}}}" if label in labels else match[0]

    return OF_WEIGHTS.sub(change, text) if labels else text
