"""What writes documents in one language or another: each kind of block and of words has a method."""

from __future__ import annotations

from abc import ABC, abstractmethod

from convgrad.paper.blocks import (
    Answers,
    Block,
    Display,
    Fields,
    Formula,
    Formulas,
    Grids,
    Heading,
    NewPage,
    Paragraph,
    Part,
    Room,
    Slanted,
    Stages,
    Strong,
)


class DocumentWriter(ABC):
    """Writes one block after the other; a language says how each is written."""

    def block(self, block: Block) -> str:
        """Raises: TypeError where it is none."""
        match block:
            case Heading():
                return self.heading(block)
            case Paragraph(parts):
                return self.paragraph("".join(map(self.part, parts)))
            case Display():
                return self.display(block)
            case Formulas():
                return self.formulas(block)
            case Grids():
                return self.grids(block)
            case Fields():
                return self.fields(block)
            case Answers():
                return self.answers(block)
            case Stages():
                return self.stages(block)
            case Room():
                return self.room()
            case NewPage():
                return self.new_page()
        raise TypeError(f"{type(block).__name__} is not a block of a document.")

    def part(self, part: Part) -> str:
        """Words or a formula in a line."""
        match part:
            case Formula():
                return self.formula(part)
            case Strong(text):
                return self.strong(text)
            case Slanted(text):
                return self.slanted(text)
            case _:
                return self.plain(part)

    @abstractmethod
    def heading(self, heading: Heading) -> str: ...

    @abstractmethod
    def paragraph(self, words: str) -> str:
        """words: as they are written in the language."""

    @abstractmethod
    def display(self, display: Display) -> str: ...

    @abstractmethod
    def formulas(self, formulas: Formulas) -> str: ...

    @abstractmethod
    def grids(self, grids: Grids) -> str: ...

    @abstractmethod
    def fields(self, fields: Fields) -> str: ...

    @abstractmethod
    def answers(self, answers: Answers) -> str: ...

    @abstractmethod
    def stages(self, stages: Stages) -> str: ...

    @abstractmethod
    def room(self) -> str: ...

    @abstractmethod
    def new_page(self) -> str: ...

    @abstractmethod
    def formula(self, formula: Formula) -> str:
        """In a line of words."""

    @abstractmethod
    def strong(self, text: str) -> str: ...

    @abstractmethod
    def slanted(self, text: str) -> str: ...

    @abstractmethod
    def plain(self, text: str) -> str: ...
