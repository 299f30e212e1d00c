r"""How many axes the names of a document have: `z^l = w^l a^{l-1}` is of arrays where another line has w^l_{jk}."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from convgrad.check.derivations.latex.setting import BY, without_layer
from convgrad.check.derivations.latex_input import speaks_of_arrays
from convgrad.check.derivations.ranks import ranks_read
from convgrad.check.documents.runs import Place
from convgrad.check.documents.statements import statements_of

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
