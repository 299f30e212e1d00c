r"""Functions of examples and of parameters, as courses write them: `h_\theta(x) = \theta^T x`, `J(\theta) = ...`.

h_\theta(x^{(i)}) is the value of h for each example, h^{(i)}, so that a formula can be read without calls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LETTER = r"(?:\\[a-z]+|[A-Za-z])"
SPACE = r"\s*(?:\\left)?"
EXAMPLE = r"\s*\^\s*\{\s*\([a-z]\)\s*\}|\s*_\s*(?:\{\s*[a-z]\s*\}|[a-z])"
CLOSE = r"\s*(?:\\right)?\)"
DEFINED = re.compile(
    rf"(?:^|;|\\\\)\s*(?P<name>\\hat\s*\{{?[a-z]\}}?|[A-Za-z])(?P<below>_\s*(?:\{{[^{{}}]*\}}|{LETTER}))?"
    rf"{SPACE}\((?P<of>\s*{LETTER}(?:\s*[,;]\s*{LETTER})*)(?P<one>{EXAMPLE})?{CLOSE}\s*&?\s*:?="
)
"""The left side of a definition that names its arguments."""
ERRORS = "JLEC"


@dataclass(frozen=True)
class Calls:
    r"""What is called in a text. errors: J(w) -> J. examples: of h(x^{(i)}), the name, the letter x, and ^{(i)}.

    gradients: \nabla f -> \nabla_{x} f, where f(x) is defined.
    """

    gradients: tuple[tuple[re.Pattern[str], str], ...] = ()
    errors: tuple[tuple[re.Pattern[str], str], ...] = ()
    examples: tuple[tuple[re.Pattern[str], str, str, str], ...] = ()

    def spelled(self, statement: str) -> str:
        """One equation with names for what is called."""
        for call, name in self.gradients:
            statement = call.sub(_literal(name), statement)
        for call, name in self.errors:
            statement = call.sub(name, statement)
        for call, name, letter, mark in self.examples:
            left, sign, right = statement.partition("=")
            if any(not found["one"] for found in call.finditer(left)):  # its definition, for each example
                alone = re.compile(rf"(?<![A-Za-z\\^_{{]){letter}(?![A-Za-z_^(])")
                statement = f"{call.sub(_literal(name + mark), left)}{sign}{alone.sub(_literal(letter + mark), right)}"
            statement = call.sub(rf"{_literal(name)}\g<one>", statement)
        return statement


def calls_of(text: str) -> Calls:
    """Definitions of a text that name their arguments, and are called for one example each, or are errors."""
    errors, examples, gradients = [], [], []
    for match in DEFINED.finditer(text):
        name, below, letter = match["name"], match["below"] or "", match["of"].strip()
        if re.fullmatch(LETTER, letter) and not match["one"] and not below:
            alone = rf"\\nabla\s*{re.escape(name)}(?![A-Za-z])(?:{SPACE}\(\s*{re.escape(letter)}{CLOSE})?"
            gradients.append((re.compile(alone), rf"\nabla_{{{letter}}} {name}"))
        if name in ERRORS:
            call = re.compile(rf"(?<![A-Za-z\\]){name}{SPACE}\(\s*{re.escape(letter)}{CLOSE}")
            errors.append((call, name))
            continue
        if not re.fullmatch(r"[a-z]", letter) or re.search(
            rf"(?<![A-Za-z]){re.escape(name)}\s*(?:'|\^\s*\\prime)", text
        ):
            continue
        start = rf"(?<![A-Za-z\\]){re.escape(name)}\s*{re.escape(below)}{SPACE}\(\s*{letter}"
        call = re.compile(rf"{start}(?P<one>{EXAMPLE})?{CLOSE}")
        marks = {"".join((found["one"] or "").split()) for found in call.finditer(text)} - {""}
        bare = sum(not found["one"] for found in call.finditer(text))
        if len(marks) == 1 and bare == (0 if match["one"] else 1):
            examples.append((call, name, letter, marks.pop()))
    return Calls(tuple(gradients), tuple(errors), tuple(examples))


def _literal(text: str) -> str:
    """As what replaces a pattern."""
    return text.replace("\\", r"\\")


def without_calls(of: str, says: str) -> tuple[str, str]:
    r"""An equation and what is said of it with names for what is called.

    >>> without_calls(r"h_w(x) = w x; J(w) = \sum_i h_w(x_i)^2", r"dw = 2 \sum_i h_w(x_i) x_i")
    ('h_i = w x_i; J = \\sum_i h_i^2', 'dw = 2 \\sum_i h_i x_i')
    """
    calls = calls_of(f"{of} ; {says}")
    return "".join(calls.spelled(part) for part in re.split(r"(;|\\\\)", of)), calls.spelled(says)
