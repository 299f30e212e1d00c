"""A real browser, headless, for tests of the page: Chromium or Firefox where it is installed, driven by Playwright."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from convgrad.examples import load_example
from convgrad.examples.page import example_model, example_page
from convgrad.explain import Trace
from convgrad.explain.page.build import page_html
from convgrad.serve.server import PageServer

LENSES = ("forward", "backward", "update")
FINDINGS = """async () => (await axe.run()).violations.map(({ id, nodes }) =>
    `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`)"""
"""What axe-core, where it was put into a page, has to say of it."""


@lru_cache
def trace_of(name: str, exact: bool = False) -> Trace:
    """What the page has to show. exact: without published numbers, deltas among them, as it shows it at first."""
    example = load_example(name)
    return (replace(example, pins={}, deltas={}) if exact else example).trace()


@lru_cache
def html_of(name: str, exact: bool = False, served: bool = False) -> str:
    """The page of an example."""
    return page_html(example_model(load_example(name), trace_of(name, exact), served))


@lru_cache
def toured_html(name: str, served: bool = False) -> str:
    """The page of an example as people get it, with the guided tour."""
    return example_page(load_example(name), trace_of(name), served)


class Looker:
    """A person at the page: looks at cells, clicks, types. Collects what the browser complains about."""

    def __init__(self, page: Any):
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self._heard(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def look(self, lens: str) -> None:
        """Through another lens."""
        self.page.locator(f"label[for=lens-{lens}]").click()

    def publish(self) -> None:
        """Turns the published, rounded numbers on, where there are some: the page starts without them."""
        if self.page.locator("#published").is_visible():
            self.page.locator("#published").check()

    @property
    def lens(self) -> str:
        """The one that is chosen."""
        return str(self.page.evaluate("document.querySelector('input[name=lens]:checked').value"))

    def cell(self, element: str) -> Any:
        """`conv1.dw[0,0]` as it is on the page."""
        name, _, index = element.rstrip("]").partition("[")
        place = [int(i) for i in index.split(",")] if index else []
        shape = self.page.evaluate("name => convgrad.page.app.trace.tensor(name).shape", name)
        flat = int(np.ravel_multi_index(place, shape)) if place else 0
        return self.page.locator(f'#network .cell[data-tensor="{name}"][data-flat="{flat}"]')

    def labels(self) -> dict[str, str]:
        """Of all cells that are shown: what is read aloud, without the digits that are seen of it."""
        script = """() => Object.fromEntries([...document.querySelectorAll('#network .cell:not([hidden])')].map(
            (cell) => [`${cell.dataset.tensor} ${cell.dataset.flat}`,
                cell.getAttribute('aria-label').split(', shown as ')[0]]))"""
        return dict(self.page.evaluate(script))

    def marks(self, *kinds: str) -> set[tuple[str, int]]:
        """Tensor and place of the cells that are lit."""
        script = """(kinds) => [...document.querySelectorAll('#network .cell[data-mark]')].filter(
            (cell) => kinds.includes(cell.dataset.mark)).map(
            (cell) => [cell.dataset.tensor, Number(cell.dataset.flat)])"""
        return {(name, flat) for name, flat in self.page.evaluate(script, kinds or ["a", "b", "c"])}

    def title(self) -> str:
        """The heading of the explanation, with a plain minus."""
        return str(self.page.locator("#explained").inner_text()).replace("\u2212", "-")

    def latex(self) -> str:
        """All formulas of the explanation, as LaTeX."""
        return " ".join(self.page.locator("#panel .formulas annotation").all_text_contents())

    def edit(self, element: str, text: str) -> None:
        """Double click, type, Enter. In Firefox F2, for what drives it makes no double clicks."""
        if self.page.context.browser.browser_type.name == "firefox":
            self.cell(element).focus()
            self.page.keyboard.press("F2")
        else:
            self.cell(element).dblclick()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def loss(self) -> float:
        """As the page has it."""
        return float(self.page.evaluate("convgrad.page.app.trace.loss"))

    def values(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """A tensor as the page has it."""
        script = """(name) => { const t = convgrad.page.app.trace.tensor(name); return [t.shape, [...t.values]]; }"""
        shape, values = self.page.evaluate(script, name)
        return np.array(values, np.float64).reshape(tuple(int(size) for size in shape))

    def focused(self) -> str:
        """What is read aloud of the element that has the focus."""
        script = "() => { const e = document.activeElement; return e.getAttribute('aria-label') || e.textContent; }"
        return str(self.page.evaluate(script))


@contextmanager
def opened(browser: Any, where: str, **options: Any) -> Iterator[Looker]:
    """A person at a page; in the end nothing may have been complained about."""
    context = browser.new_context(
        **{"viewport": {"width": 1600, "height": 1000}, "reduced_motion": "reduce", **options}
    )
    context.set_default_timeout(30_000)  # on a machine that does much else
    looker = Looker(context.new_page())
    try:
        looker.page.goto(where)
        yield looker
    finally:
        context.close()  # or its page would go on beside the tests that follow
    assert not looker.complaints, looker.complaints


@contextmanager
def served(name: str, exact: bool = False, programs: bool = False, toured: bool = False) -> Iterator[str]:
    """The address of a server that shows an example. programs: whether it runs those that are pasted. toured: as
    `convgrad explain --serve` shows it, with the tour.
    """
    html = toured_html(name, served=True) if toured else html_of(name, exact, served=True)
    with PageServer(html, port=0, programs=programs) as server:
        server.workers.seconds = 120  # on a machine that does much else
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


def written_to(folder: Path, name: str, exact: bool = False) -> str:
    """The page as a file, its address."""
    file = folder / f"{name}{'-exact' if exact else ''}.html"
    if not file.exists():
        file.write_text(html_of(name, exact), encoding="utf-8")
    return file.as_uri()
