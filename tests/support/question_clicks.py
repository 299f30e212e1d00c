"""The questions of docs/how-to.md answered on a page by clicks, as tools/site/gallery.py tells them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from browser_support import Looker

ROOT = Path(__file__).parents[2]


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "tools" / "site" / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gallery"] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module


GALLERY = _loaded()
ALLOWED = ["clipboard-read", "clipboard-write"]
CODE = """
import numpy as np

def conv2d_backward(dx, w, o):
    M, N = w.shape
    dw = np.zeros_like(w)
    for i in range(dx.shape[0]):
        for j in range(dx.shape[1]):
            dw += dx[i, j] * o[i:i + M, j:j + N]
    return dw
"""
OWN = "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c])"
PROGRAM, CELL = "#share-told >> text=The program is copied.", "#share-told >> text=The cell is copied."
ANSWERS = {
    "See where one number of my network comes from": "#panel >> text=conv1.dw[0,1] =",
    "Start from deltas or from rounded numbers of my own": "#panel .status >> text=pinned",
    "Find the values that another convolution before mine would get": "#panel >> text=conv1.dx[1,1] =",
    "Check numbers that I calculated by hand": "#checker >> text=is wrong",
    "Test a backward pass that I wrote": "#code-verdict >> text=RIGHT",
    "Derive a gradient for a paper or a page": "#panel .copied >> text=The LaTeX is copied.",
    "Compute an equation and its gradients in a program": PROGRAM,
    "Compare with what another tool printed": PROGRAM,
    "Train on pictures of my own": "svg.chart[aria-label^='Loss over 1 step']",
    "Use a trained network in a program": CELL,
    "Look at it all in a notebook": CELL,
    "Add a layer of my own": "#title >> text=own network",
}
"""Question -> what is seen behind the last click."""
DROP = """(bytes) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([Uint8Array.from(bytes)], "own.png", { type: "image/png" }));
    document.getElementById("network").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
}"""


def answer(looker: Looker, question: str, timeout: float) -> None:
    """Click through a question, and see its answer. timeout: of each, in milliseconds."""
    looker.page.set_default_timeout(timeout)
    for click in GALLERY.CLICKS[question]:
        _write(looker, click.selector)
        target = looker.page.locator(click.selector).first
        if click.dropped:
            looker.page.evaluate(DROP, list((ROOT / "docs" / "page.png").read_bytes()))
            looker.page.get_by_text("The picture is the input now").wait_for(state="attached")
        elif click.choice:
            target.select_option(click.choice)
            looker.page.wait_for_function("n => convgrad.page.app.trace.model.name === n", arg=click.choice)
        else:
            target.click()
        if click.typed:
            looker.page.keyboard.type(click.typed)
            looker.page.keyboard.press("Enter")
    looker.page.locator(ANSWERS[question]).first.wait_for()


def _write(looker: Looker, selector: str) -> None:
    """What a person writes before a click that asks about it."""
    page: Any = looker.page
    if selector == "#check-now":
        for cell in page.locator("#checker input").all():
            cell.fill("7")
    if selector == "#code-now":
        page.locator("#code-text [contenteditable=true]").fill(CODE)
    if selector in ("#build-now", "#build-share"):
        page.locator("#builder textarea").first.fill(OWN)
        page.get_by_label("Sizes in the equation of layer 1").fill("M = 2, N = 2, K = 2")
