"""The gallery: a link into the live page for each example, and for each question of docs/how-to.md that it answers.

A link is made from a state, as the page itself makes it (static/links/hash.js); tests open each of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from convgrad.examples import NAMES, load_example

LIVE = "live"
"""Folder of the live page."""
LARGE = ("lenet-digit", "lenet-trained")
"""Examples with a page of their own: their weights are ten times all the others."""


@dataclass(frozen=True)
class Link:
    """A state of the page. says: what is seen there, a phrase. clicks: what is left to do there, if anything."""

    says: str
    example: str
    lens: str
    at: str
    clicks: str = ""

    @property
    def address(self) -> str:
        """Relative to the site's pages.

        >>> Link("", "classic", "backward", "conv1.dw[0,0]").address
        'live/index.html#example=classic&lens=backward&at=conv1.dw[0,0]'
        """
        file = f"{self.example}.html" if self.example in LARGE else "index.html"
        state = {"example": self.example, "lens": self.lens, "at": self.at}
        return f"{LIVE}/{file}#" + "&".join(f"{key}={quote(value, safe='[],;')}" for key, value in state.items())


EXAMPLES: dict[str, tuple[Link, ...]] = {
    "classic": (
        Link("A kernel on an image", "classic", "forward", "conv1.x[1,1]"),
        Link("A gradient is a sum over the whole output", "classic", "backward", "conv1.dw[0,0]"),
        Link("The update of a weight", "classic", "update", "conv1.w_next[0,0]"),
    ),
    "two-convolutions": (
        Link("The deltas for another convolution before", "two-convolutions", "backward", "conv1.dx[2,2]"),
    ),
    "strided": (Link("What a stride leaves out on the way back", "strided", "backward", "dinput[2,2]"),),
    "padded": (Link("A border of zeros", "padded", "forward", "conv1.x[0,0]"),),
    "two-channels": (
        Link("A sum over two channels", "two-channels", "forward", "conv1.x[0,0,0]"),
        Link("The gradient of softmax with cross-entropy", "two-channels", "backward", "dense1.dx[0]"),
    ),
    "batch-of-two": (Link("A gradient that adds up over examples", "batch-of-two", "backward", "conv1.dw[0,0]"),),
    "lenet-digit": (Link("A pixel of a feature map", "lenet-digit", "forward", "conv1.x[14,14,0]"),),
    "lenet-trained": (Link("What a trained LeNet sees in a digit", "lenet-trained", "forward", "dense3.x[7]"),),
}
"""Example -> what is worth seeing in it."""


@dataclass(frozen=True)
class Click:
    """One click, on what a CSS selector names, or a choice in a list. words: as people are told. typed: what is written
    then, with the keys. dropped: a picture comes from the desktop instead.
    """

    words: str
    selector: str
    choice: str = ""
    typed: str = ""
    dropped: bool = False


def lens(name: str) -> Click:
    """Another lens."""
    return Click(f"`{name.capitalize()}`", f"label[for=lens-{name}]")


def cell(tensor: str, flat: int, element: str) -> Click:
    """A number: element `flat` of a tensor, counted row by row."""
    return Click(
        element if "`" in element else f"`{element}`", f'#network .cell[data-tensor="{tensor}"][data-flat="{flat}"]'
    )


CLICKS: dict[str, tuple[Click, ...]] = {
    "See where one number of my network comes from": (lens("backward"), cell("conv1.dw", 1, "conv1.dw[0,1]")),
    "Start from deltas or from rounded numbers of my own": (
        lens("backward"),
        replace(cell("conv1.dx", 2, "`conv1.dx[0,2]`, and a delta typed over it"), typed="0.07"),
    ),
    "Find the values that another convolution before mine would get": (
        Click("the example `two-convolutions`", "#example", "two-convolutions"),
        lens("backward"),
        cell("conv1.dx", 6, "conv1.dx[1,1]"),
    ),
    "Check numbers that I calculated by hand": (
        Click("`Check my numbers…`", "#check"),
        Click("`Check`, behind the numbers", "#check-now"),
    ),
    "Test a backward pass that I wrote": (
        Click("`Check my code…`", "#code"),
        Click("`Check`, behind the code", "#code-now"),
    ),
    "Derive a gradient for a paper or a page": (
        lens("backward"),
        cell("conv1.dw", 0, "conv1.dw[0,0]"),
        Click("`Copy LaTeX`, below its derivation", ".copy-derivation"),
    ),
    "Compute an equation and its gradients in a program": (
        Click("`Write an equation…`", "#write"),
        Click("`Build and share…`, behind the equation", "#build-share"),
        Click("`Copy program`", "#copy-program"),
    ),
    "Compare with what another tool printed": (
        Click("`Share…`", "#share"),
        Click("`Copy program`, behind the tool", "#copy-program"),
    ),
    "Train on pictures of my own": (
        Click("the page, on which the picture is dropped", "#network", dropped=True),
        Click("`3`, what it is", "label[for=target-3]"),
        Click("`Step`", "#step"),
    ),
    "Use a trained network in a program": (
        Click("the example `lenet-trained`", "#example", "lenet-trained"),
        Click("`Share…`", "#share"),
        Click("`Copy cell`", "#copy-cell"),
    ),
    "Add a layer of my own": (
        Click("`Write an equation…`", "#write"),
        Click("`Build`, behind the equation", "#build-now"),
    ),
    "Look at it all in a notebook": (Click("`Share…`", "#share"), Click("`Copy cell`", "#copy-cell")),
}
"""Question -> the clicks that answer it on a page that Python answers, from the moment that it opens.
What is typed is not counted.
"""
MOST_CLICKS = 3

PROGRAM = "`Share…` writes the network, with its numbers, as a program for PyTorch, Keras, NumPy or MATLAB."
DRAW = "`Draw a digit…` opens a canvas for a digit of your own."
PINS = (
    "Type over any delta to start from it. The switch `The published, rounded numbers` puts in those of the "
    "example, and says what follows and what does not."
)
PYTHON = "The page of `convgrad explain --serve`, or of the site with Python in it, answers this."
QUESTIONS: dict[str, Link | str] = {
    "See where one number of my network comes from": Link("a gradient's sum", "classic", "backward", "conv1.dw[0,1]"),
    "Start from deltas or from rounded numbers of my own": Link(
        "deltas that were given", "classic", "backward", "conv1.dx[0,2]", PINS
    ),
    "Find the values that another convolution before mine would get": Link(
        "those values, one explained", "two-convolutions", "backward", "conv1.dx[1,1]"
    ),
    "Check numbers that I calculated by hand": "`Check my numbers…` marks them as they are typed. " + PYTHON,
    "Test a backward pass that I wrote": "`Check my code…` takes a function that is pasted. " + PYTHON,
    "Derive a gradient for a paper or a page": Link(
        "a kernel's gradient",
        "two-channels",
        "backward",
        "conv1.dw[0,0,0,0]",
        "Its steps are unfolded beside it.",
    ),
    "Compute an equation and its gradients in a program": "`Write an equation…` takes it, and `Build and share…` "
    "writes it with its gradients as a program for another tool. " + PYTHON,
    "Compare with what another tool printed": Link(
        "the same numbers, in your network's place",
        "two-channels",
        "backward",
        "conv1.dw[1,1,0,0]",
        "Type over any. " + PROGRAM,
    ),
    "Train on pictures of my own": Link(
        "a network that takes a picture",
        "lenet-trained",
        "forward",
        "conv1.x[14,14,0]",
        "Drop a picture on the page, say what it is, and press `Step`; it stays on your machine. More than one at "
        "a time is trained from the command line.",
    ),
    "Use a trained network in a program": Link("a trained network", "lenet-trained", "forward", "dense3.x[3]", DRAW),
    "Add a layer of my own": "`Write an equation…` takes it, and `Build a network…` other layers beside it. " + PYTHON,
    "Look at it all in a notebook": Link(
        "a number",
        "classic",
        "backward",
        "conv1.dw[1,1]",
        "`Share…` has a cell that shows it in a notebook, and a form to embed the page there.",
    ),
}
"""Heading of docs/how-to.md -> the link that answers it, or why there is none."""


def gallery() -> str:
    """The page, as Markdown."""
    lines = [
        "# Gallery",
        "",
        "Each link opens the live page at one number, with what it was made from. In it, everything can be clicked and",
        "changed, and its address always leads back to what it shows.",
        "",
        "## Examples",
        "",
    ]
    for name in NAMES:
        lines += [f"**{name}**: {load_example(name).about}.", ""]
        lines += [f"- [{link.says}]({link.address})" for link in EXAMPLES[name]]
        lines.append("")
    lines += ["## Questions", "", "The questions of [How to](how-to.md), answered by a click where a page can.", ""]
    lines += ["| question | on the page |", "| --- | --- |"]
    for question, answer in QUESTIONS.items():
        lines.append(f"| [{question}](how-to.md#{anchor(question)}) | {_answer(answer)} |")
    lines += [
        "",
        "## In clicks",
        "",
        "On the page of `convgrad explain --serve --run-programs`, or the site with Python in it, as they open. Each",
        "question of [How to](how-to.md), in this many clicks; a picture that is dropped is one:",
        "",
    ]
    lines += ["| question | clicks | on what |", "| --- | ---: | --- |"]
    for question, clicks in CLICKS.items():
        lines.append(f"| {question} | {len(clicks)} | {', '.join(click.words for click in clicks)} |")
    return "\n".join([*lines, ""])


def anchor(heading: str) -> str:
    """Of a heading, as the site makes it."""
    return "-".join("".join(c for c in heading.lower() if c.isalnum() or c in " -").split())


def links() -> list[Link]:
    """All of them."""
    own = [link for several in EXAMPLES.values() for link in several]
    return own + [answer for answer in QUESTIONS.values() if isinstance(answer, Link)]


def _answer(answer: Link | str) -> str:
    if isinstance(answer, str):
        return answer
    return f"[{answer.says.capitalize()}]({answer.address}). {answer.clicks}".strip()
