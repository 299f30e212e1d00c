r"""The class that an example has as an index, `s_{y_i}` for the score of the right one.

L_i = \sum_{j \ne y_i} \max(0, s_j - s_{y_i} + 1) is read as one number for each class y that may be the right one,
L_y = \sum_{j \ne y} \max(0, s_j - s_y + 1), so that \partial L_i/\partial s_j is a local derivative.
"""

from __future__ import annotations

import re

from convgrad.check.derivations.latex.slopes import ERROR_NAMES

LABEL = re.compile(r"_\s*\{\s*(?:([a-z])\s*,?\s*)?([yt])\s*_\s*(?:\{\s*([a-z])\s*\}|([a-z]))\s*\}")
"""s_{y_i}, and s_{i,y_i}."""
NAMED = re.compile(
    r"(?P<name>\\(?:mathcal|mathbf|boldsymbol|hat)\s*\{\s*[A-Za-z]\s*\}|\\ell|\\?[A-Za-z]+)\s*_\s*"
    r"(?:\{\s*(?P<list>[a-z](?:\s*,?\s*[a-z])*)\s*\}|(?P<one>[a-z])(?![A-Za-z]))"
)
LETTER = re.compile(r"[A-Za-z]")


def example_and_label(text: str) -> tuple[str, str]:
    """The letters i and y of a text that reads something at y_i; two empty ones elsewhere.

    >>> example_and_label(r"L_i = -\\log p_{y_i}"), example_and_label("L = -y_i p_i")
    (('i', 'y'), ('', ''))
    """
    match = LABEL.search(text)
    if match is None or (match[1] and match[1] != (match[3] or match[4])):
        return "", ""
    return (match[3] or match[4]), match[2]


def is_over_examples(text: str, example: str) -> bool:
    """Whether a formula adds up examples, or speaks of one by its number."""
    return bool(re.search(rf"\\sum[^A-Za-z]*_\s*(?:\{{\s*)?{example}(?![A-Za-z])|(?<![A-Za-z_{{]){example}\s*=", text))


def without_examples(text: str, example: str, label: str) -> str:
    """A formula about one example with its label as an index, and without the example's own.

    >>> print(without_examples(r"L_i = -\\log p_{y_i} + x_i s_{i,j}", "i", "y"))
    L_{y} = -\\log p_{y} + x s_{j}
    """
    of = rf"(?:\{{\s*{example}\s*\}}|{example}(?![A-Za-z]))"
    text = re.sub(rf"_\s*\{{\s*(?:{example}\s*,?\s*)?{label}\s*_\s*{of}\s*\}}", f"_{{{label}}}", text)
    text = re.sub(rf"(?<![A-Za-z\\]){label}\s*_\s*{of}", label, text)

    def change(match: re.Match[str]) -> str:
        letters = LETTER.findall(match["list"] or match["one"])
        if example not in letters or match["name"] == "\\sum":
            return match[0]
        rest = [one for one in letters if one != example]
        bare = re.sub(r"\\(?:mathcal|mathbf|boldsymbol)\s*\{\s*([A-Za-z])\s*\}", r"\1", match["name"])
        if not rest and (bare in ERROR_NAMES or bare == "\\ell"):
            rest = [label]
        return f"{match['name']}_{{{','.join(rest)}}}" if rest else match["name"]

    return NAMED.sub(change, text)
