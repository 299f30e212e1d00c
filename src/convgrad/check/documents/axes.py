r"""How many axes the names of a document have: `z^l = w^l a^{l-1}` is of arrays where another line has w^l_{jk}."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from convgrad.check.derivations.latex.setting import BY, without_layer
from convgrad.check.derivations.latex_input import readings_of, speaks_of_arrays
from convgrad.check.derivations.lone_letters import Letters, lone_letters
from convgrad.check.derivations.ranks import ranks_read
from convgrad.check.documents.runs import Place
from convgrad.check.documents.statements import Statement, statements_of
from convgrad.errors import ConvgradError

COUNTED = re.compile(
    r"\\[dt]?frac\s*\{?\s*1\s*\}?\s*\{?\s*([A-Za-z])\s*\}?(?![A-Za-z])|(?<![\d.])1\s*/\s*([A-Za-z])(?![A-Za-z])"
)
"""In 1/m and 1/N a number of examples or places."""
LAYERED = re.compile(r"(?<![A-Za-z\\])([wuv])\s*\^\s*\{?\s*[\[(]?\s*(?:[lLk]\b|\d)")
"""A weight of a layer, which is a matrix, also where its letter is small."""


def axes_told(formulas: Iterable[str]) -> Mapping[str, int] | None:
    """Name without its layer -> axes, as far as they are told; None where a document speaks of no arrays."""
    texts = [text for text in formulas if text.strip()]
    if not any(speaks_of_arrays(text) for text in texts):
        return None
    found: dict[str, set[int]] = {}
    for text in texts:
        for statement in statements_of(text, Place(1)):
            if "_" in statement.text:
                for tensor, axes in ranks_read(statement.text):
                    name = without_layer(tensor.removeprefix("d") if tensor != "delta" else tensor)
                    if BY not in name and axes:
                        found.setdefault(name, set()).add(axes)
    whole = "\n".join(texts)
    numbers = {name: 0 for match in COUNTED.finditer(whole) if (name := match[1] or match[2]) not in found}
    weights = {match[1]: 2 for match in LAYERED.finditer(whole)}
    return {**weights, **numbers, **{name: ranks.pop() for name, ranks in found.items() if len(ranks) == 1}}


DERIVED = re.compile(r"\\partial|\\nabla|\\[dD]elta|[\u2202\u2207\u03b4\u0394]")


def matrices_told(formulas: Iterable[str], axes: Mapping[str, int] | None) -> frozenset[str] | None:
    """Letters without indices that may be matrices in what a document defines; None where nothing in it tells that
    indices count arrays."""
    texts = list(formulas)
    said = [one for text in texts for one in statements_of(text, Place(1)) if not DERIVED.search(one.left)]
    found: set[str] = set()
    told = False
    for statement in said:
        letters = _letters_of(statement, axes)
        found |= {without_layer(name) for name in letters.matrices}
        told |= letters.told
    found -= names_defined(texts)
    return frozenset(found) if found or told else None


def names_defined(formulas: Iterable[str]) -> frozenset[str]:
    """Letters on the left of what a document defines."""
    said = [one for text in formulas for one in statements_of(text, Place(1)) if not DERIVED.search(one.left)]
    return frozenset(re.sub(r"\W", "", re.split(r"[_^(]", one.left)[0]) for one in said) - {""}


def _letters_of(statement: Statement, axes: Mapping[str, int] | None) -> Letters:
    try:
        return lone_letters(statement.text, "", next(readings_of(statement.text, axes=axes)))
    except (ConvgradError, RecursionError):
        return lone_letters(statement.text, "", None, by_line=True)
