"""The page on paper: all of the network, as wide as a sheet, and the explanation below it; nothing to press."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from browser_support import opened, written_to

pytestmark = pytest.mark.browser

SHEET = {"width": 1047, "height": 720}
"""A4 across, between its margins, in pixels."""


@pytest.mark.parametrize(("name", "last"), [("classic", "loss.E"), ("lenet-digit", "loss.E")])
def test_the_whole_network_is_as_wide_as_a_sheet(
    name: str, last: str, browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with opened(browser, written_to(tmp_path_factory.mktemp("page"), name), viewport=SHEET) as looker:
        page = looker.page
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        assert page.evaluate("document.documentElement.scrollWidth") <= SHEET["width"]
        network = page.locator("#network").bounding_box()
        number = looker.cell(last).bounding_box()
        assert number["x"] + number["width"] <= SHEET["width"]
        assert number["y"] + number["height"] <= network["y"] + network["height"]
        assert page.locator("#panel").bounding_box()["y"] >= network["y"] + network["height"]
        for pressed in ("#step", "#tools", "#source", "#zoom", ".handle"):
            assert page.locator(pressed).is_hidden(), pressed


def test_a_printed_page_ends_with_the_explanation(browser: Any, tmp_path: Path) -> None:
    if browser.browser_type.name != "chromium":
        pytest.skip("only Chromium prints without a printer")
    with opened(browser, written_to(tmp_path, "classic")) as looker:
        looker.look("backward")
        looker.cell("conv1.dw[0,0]").click()
        looker.page.pdf(path=str(tmp_path / "page.pdf"), prefer_css_page_size=True)
    sheets = PdfReader(tmp_path / "page.pdf").pages
    assert sheets[0].mediabox.width > sheets[0].mediabox.height
    text = "\n".join(sheet.extract_text() for sheet in sheets)
    assert "10 steps" not in text
    for part in ("Indices put in", "4 terms, added up", "Layer conv1"):
        assert part in text
