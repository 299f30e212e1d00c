"""What an explanation says in words: which value won, which branch was taken, which elements matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from convgrad.explain.trace.nodes import Choice, Extreme, Node, Read, Total, reads
from convgrad.explain.trace.writing import SHOWN, SYMBOLS, Writer

WORDS = {
    "==": "equals",
    "!=": "is not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is greater than",
    ">=": "is at least",
}
OPPOSITES = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


class NoteKind(Enum):
    """What a note is about: a number that stands in place of the equation's, terms that are 0, a choice."""

    PIN = "pin"
    ZEROS = "zeros"
    DECISION = "decision"


@dataclass(frozen=True)
class Note:
    """A remark on a number. Whoever looks for one asks for its kind; the words are for people."""

    kind: NoteKind
    words: str

    @property
    def text(self) -> str:
        """As it stands behind the numbers."""
        return f"({self.words})" if self.kind is NoteKind.ZEROS else self.words


def _telling(node: Node) -> tuple[Node, ...]:
    """The parts that matter: of a sum over indices those that are not 0; of one that is all 0, those that could be
    something else.
    """
    if not isinstance(node, Total) or not node.loop:
        return node.children
    kept = tuple(part for part in node.parts if part.value != 0)
    return kept or tuple(part for part in node.parts if all(read.inside for read in reads(part)))[:SHOWN]


def counting(node: Node) -> list[Read]:
    """The elements that matter."""
    if isinstance(node, Read):
        return [node]
    return list(dict.fromkeys(read for child in _telling(node) for read in counting(child)))


def decisions(node: Node) -> list[Choice | Extreme]:
    """Choices and extremes in what matters."""
    own = [node] if isinstance(node, (Choice, Extreme)) else []
    return own + [found for child in _telling(node)[:SHOWN] for found in decisions(child)]


def note(node: Choice | Extreme, reading: Callable[[Read], str]) -> str:
    """What was chosen, in words."""
    numbers = Writer(reading)
    if isinstance(node, Choice):
        operator = node.operator if node.holds else OPPOSITES[node.operator]
        taken = "so the term counts, but it is 0" if node.value == 0 else "so the term counts"
        consequence = taken if node.holds else "so the other value counts"
        left, right = (_named(side, numbers) for side in (node.left, node.right))
        return f"{left} {WORDS[operator]} {right}, {consequence}"
    winner = node.candidates[node.winner]
    word = "greatest" if node.kind.endswith("max") else "least"
    again = sum(candidate.value == winner.value for candidate in node.candidates) > 1
    which = f"the {'first ' if again else ''}{word} of {len(node.candidates)}"
    return f"{_named(winner, numbers)} is {which}, place {node.winner}"


def _named(node: Node, numbers: Writer) -> str:
    name, number = SYMBOLS.text(node), numbers.text(node)
    return name if name == number else f"{name} = {number}"
