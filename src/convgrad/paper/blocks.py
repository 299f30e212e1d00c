"""What a document is made of, whatever it is written as.

Document("Sheet", (Heading("Forward"), Paragraph(("Fill in ", Strong("all"), " blanks."))))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convgrad.notation.printing.latex import LATEX
from convgrad.notation.printing.mathematics import Mathematics
from convgrad.notation.printing.mathml import mathml_of_latex
from convgrad.notation.terms import Definition, Equation, Term

UNBREAKABLE = (r"\begin{", "cases(", "mat(")
"""What no formula that holds it can be broken into lines at."""


@dataclass(frozen=True)
class Formula:
    """Mathematics. set_in: sets it in a language; said: the same as plain text, for whoever can't see it."""

    set_in: Callable[[Mathematics], str]
    said: str

    @staticmethod
    def of(obj: Term | Definition | Equation) -> Formula:
        """A term or a definition; of an equation with one definition, that."""
        return Formula(lambda setting: setting.of(obj), str(obj))

    @staticmethod
    def named(tensor: str, indices: str = "") -> Formula:
        """The name of a tensor or an element; indices: as they stand in brackets."""
        return Formula(lambda setting: setting.name(tensor, indices), f"{tensor}[{indices}]" if indices else tensor)

    def mathml(self, display: str = "inline") -> str:
        """As an element of HTML."""
        return mathml_of_latex(self.set_in(LATEX), self.said, display)


@dataclass(frozen=True)
class Strong:
    """Words that stand out."""

    text: str


@dataclass(frozen=True)
class Slanted:
    """Words of another kind."""

    text: str


Part = str | Strong | Slanted | Formula


@dataclass(frozen=True)
class Heading:
    """level: 1 of a part of the document, 2 and 3 below; 0 as large as the title."""

    text: str
    level: int = 1


@dataclass(frozen=True)
class Paragraph:
    """Words and formulas in a row."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Display:
    """Formulas, each on lines of its own. number: of the blank that they explain. notes: sentences below."""

    formulas: tuple[Formula, ...]
    number: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Formulas:
    """Formulas one after the other, as many in a line as fit."""

    formulas: tuple[Formula, ...]


@dataclass(frozen=True)
class Cell:
    """A place of a grid.

    text: what stands there, empty for a blank. number: of the blank, None for a number that is given. A cell with a
    number and a text is a blank that is filled in.
    """

    text: str = ""
    number: int | None = None


@dataclass(frozen=True)
class Grid:
    """Numbers in rows and columns, under their name."""

    name: Formula
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Grids:
    """Grids side by side, in as many rows as they need."""

    grids: tuple[Grid, ...]


@dataclass(frozen=True)
class Fields:
    """Lines with a word before each, such as Name and Date."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Answers:
    """A numbered line to write on for each blank."""

    lines: tuple[tuple[int, Formula], ...]


@dataclass(frozen=True)
class Stage:
    """One tensor in the picture of a network: planes of rows x columns, drawn as empty cells.

    by: what computes it from the one before, such as "conv1: Conv2D"; empty for the input. size: in words, "4 x 4 x 2".
    """

    by: str
    size: str
    rows: int
    columns: int
    planes: int = 1


@dataclass(frozen=True)
class Stages:
    """A network as a picture: its tensors side by side, arrows between them."""

    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Room:
    """Squared paper that fills the rest of the page."""


@dataclass(frozen=True)
class NewPage:
    """The rest begins on a new page."""


Block = Heading | Paragraph | Display | Formulas | Grids | Fields | Answers | Stages | Room | NewPage


@dataclass(frozen=True)
class Document:
    """Blocks under a title. foot: stands at the foot of each page."""

    title: str
    blocks: tuple[Block, ...]
    foot: str = ""


def is_breakable(written: str) -> bool:
    """Whether a formula may go on in the next line; else it is made smaller where it is too wide."""
    return not any(sign in written for sign in UNBREAKABLE)
