"""What the page's program shares with this package, written as a script from the tables themselves: the functions of
the notation, how signs and names are set, words, and how numbers are written.

The program reads `core.FUNCTIONS` and `core.TABLES`; it repeats none of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from convgrad.explain.trace import notes, numbers, writing
from convgrad.functions import FUNCTIONS, PLACE, Function
from convgrad.losses import registry as losses
from convgrad.notation.printing.latex import LATEX, REDUCTIONS, WRITTEN_OUT
from convgrad.notation.printing.mathematics import GREEK

# JavaScript's === is Python's ==.
OPERATORS: Mapping[str, str] = {"==": "===", "!=": "!=="}


def tables() -> dict[str, Any]:
    """The tables as data that JSON can hold.

    >>> tables()["latex"]["functions"]["sqrt"]
    '\\\\sqrt{@}'
    """
    smallest, largest = numbers.PLAIN
    return {
        "latex": {
            "functions": {row.name: row.latex for row in FUNCTIONS.values()},
            "writtenOut": WRITTEN_OUT,
            "place": PLACE,
            "comma": LATEX.comma,
            "reductions": REDUCTIONS,
            "comparisons": LATEX.comparisons,
            "greek": GREEK.pattern.split("|"),
        },
        "words": notes.WORDS,
        "opposites": notes.OPPOSITES,
        "numbers": {
            "digits": numbers.DIGITS,
            "short": numbers.SHORT,
            "commonDecimals": numbers.COMMON_DECIMALS,
            "smallestPlain": smallest,
            "largestPlain": largest,
            "tolerance": numbers.TOLERANCE,
        },
        "losses": list(losses),
        "sums": {"limit": writing.LIMIT, "shown": writing.SHOWN},
    }


def tables_script() -> str:
    """The script that comes first: it makes `convgrad.core`."""
    functions = "\n".join(f"    {_function(row)}," for row in FUNCTIONS.values())
    comparisons = "\n".join(
        f"    {json.dumps(sign)}: (a, b) => a {OPERATORS.get(sign, sign)} b," for sign in notes.WORDS
    )
    return f"""(() => {{
  "use strict";
  const core = ((globalThis.convgrad ??= {{}}).core ??= {{}});
  core.TABLES = {json.dumps(tables(), separators=(",", ":"))};
  core.FUNCTIONS = {{
{functions}
  }};
  core.COMPARISONS = {{
{comparisons}
  }};
}})();"""


def _function(row: Function) -> str:
    return f"{row.name}: ({', '.join(row.arguments)}) => {row.javascript}"
