r"""How many axes names have where they have indices, as `y` in `y_i`, for lines that have them without."""

from __future__ import annotations

import re
from collections.abc import Iterator

from convgrad.check.derivations.latex_input import read_latex
from convgrad.errors import ConvgradError
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import accesses

PARTS = re.compile(r";|\\\\")
"""What stands between the equations of a formula."""


def ranks_read(text: str) -> Iterator[tuple[str, int]]:
    """What an equation with indices reads and defines, taken for itself, with the axes of each."""
    try:
        equation = parse(read_latex(text).claims[-1])
    except (ConvgradError, RecursionError):
        return
    for definition in equation.definitions:
        yield definition.name, len(definition.indices)
        yield from ((access.tensor, len(access.positions)) for access in accesses(definition.term))


def ranks_told(text: str) -> dict[str, int]:
    """Names with the axes that they have wherever they have indices; those that have several numbers are left out."""
    found: dict[str, set[int]] = {}
    for part in PARTS.split(text):
        if "_" in part:
            for name, rank in ranks_read(part):
                if rank:
                    found.setdefault(name, set()).add(rank)
    return {name: ranks.pop() for name, ranks in found.items() if len(ranks) == 1}
