r"""Web pages: text with MathJax's or KaTeX's sources, formulas of images, and programs in `<pre>`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from convgrad.check.documents.runs import Kind, Place, Run, runs_of

BLOCKS = {"p", "div", "li", "br", "h1", "h2", "h3", "h4", "section", "article", "tr", "td", "ul", "ol", "blockquote"}
LEFT_OUT = {"style", "head", "nav", "svg", "button", "noscript", "template"}
BREAK = "\x1d"
"""Stands for the end of a paragraph, which is no line of the page's own."""
VOID = {"br", "img", "hr", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr"}
FORMULA_CLASSES = {"katex-html", "MathJax", "MathJax_Display", "MathJax_Preview", "MJX_Assistive_MathML", "mjx-chtml"}
"""Of elements that show a formula whose source stands beside them."""


def web_runs(text: str) -> Iterator[Run]:
    """The parts of a page in HTML."""
    page = _Page()
    page.feed(text)
    page.close()
    page.flush()
    yield from page.found


class _Page(HTMLParser):
    """`open` has the elements that are open, each with what is done with the text in it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Run] = []
        self.open: list[tuple[str, str]] = []
        self.text = ""
        self.line = 1
        self.language = ""
        self.has_source = False

    @property
    def mode(self) -> str:
        """`text`, `out` (left out), `program`, or a formula: `inline` or `display`, `mathml` before its source came."""
        return self.open[-1][1] if self.open else "text"

    def flush(self) -> None:
        """Keep the text so far."""
        text, self.text, place = self.text, "", Place(self.line)
        kept = self.mode
        if not text.strip() or kept in ("out", "mathml"):
            return
        if kept == "program":
            body = text.strip("\n")
            place = place.later(text[: len(text) - len(text.lstrip("\n"))])
            self.found.append(Run(Kind.PROGRAM, body.rstrip(), place, language=self.language))
        elif kept in ("inline", "display"):
            place = place.later(text[: len(text) - len(text.lstrip())])
            self.found.append(Run(Kind.FORMULA, text.strip(), place, kept == "display"))
        else:
            self.found += runs_of(text, place)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        given = {name: value or "" for name, value in attributes}
        classes = set(given.get("class", "").split())
        if tag in BLOCKS and self.mode == "text" and not self.text.endswith(BREAK):
            self.text += BREAK
        if tag == "img" and self.mode == "text" and _is_formula(given):
            self._formula(given.get("alt", ""))
        if tag in VOID:
            return
        mode = self._mode(tag, given, classes)
        if mode != self.mode:
            self.flush()
            self.line = self.getpos()[0]
        if tag in ("pre", "code"):
            said = re.search(r"(?:language|lang|highlight)-(?:source-)?(\w+)", given.get("class", ""))
            self.language = said[1].lower() if said else self.language if tag == "code" else ""
        self.open.append((tag, mode))

    def _mode(self, tag: str, given: dict[str, str], classes: set[str]) -> str:
        if self.mode in ("out", "program"):
            return self.mode
        if tag == "script":
            kind = given.get("type", "")
            return "out" if not kind.startswith("math/tex") else "display" if "display" in kind else "inline"
        if tag in LEFT_OUT or classes & FORMULA_CLASSES:
            return "out"
        if tag == "annotation":
            is_source = "tex" in given.get("encoding", "").lower()
            self.has_source = self.has_source or is_source
            return "out" if not is_source else "display" if self._displayed() else "inline"
        if tag == "math":
            self.has_source = False
            return "mathml-block" if given.get("display") == "block" else "mathml"
        if self.mode.startswith("mathml"):
            return self.mode
        return "program" if tag == "pre" else "text" if self.mode == "text" else self.mode

    def _displayed(self) -> bool:
        return any(mode == "mathml-block" for _, mode in self.open)

    def handle_endtag(self, tag: str) -> None:
        """An element ends, with those in it that were not closed."""
        if tag not in [name for name, _ in self.open]:
            return
        while self.open:
            before = self.mode
            if self.open[-1][0] == "math" and before.startswith("mathml") and not self.has_source:
                self.found.append(Run(Kind.UNREADABLE, "MathML", Place(self.line)))
            name = self.open[-1][0]
            after = self.open[-2][1] if len(self.open) > 1 else "text"
            if before != after:
                self.flush()
                self.line = self.getpos()[0]
            self.open.pop()
            if name == tag:
                break
        if tag in BLOCKS and self.mode == "text":
            self.text += BREAK

    def handle_data(self, data: str) -> None:
        """Text, as it is in the page."""
        if self.mode == "out":
            return
        line = self.getpos()[0]
        if not self.text.strip(f"{BREAK}\n "):
            self.line = line
            self.text = self.text.replace("\n", "")
        else:  # what was left out between has lines, too
            self.text += "\n" * max(0, line - self.line - self.text.count("\n"))
        self.text += data

    def _formula(self, source: str) -> None:
        self.flush()
        display = "\\displaystyle" in source
        inside = re.sub(r"^\s*\{\s*\\(?:display|text)style\s?(.*)\}\s*$", r"\1", source, flags=re.DOTALL)
        self.found.append(Run(Kind.FORMULA, inside.strip(" $"), Place(self.getpos()[0]), display))


def _is_formula(image: dict[str, str]) -> bool:
    classes, alt = image.get("class", ""), image.get("alt", "")
    return bool(re.search(r"math|latex|tex\b", classes)) or "\\displaystyle" in alt
