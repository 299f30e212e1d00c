"""What a person takes along: links, formulas, pictures, and the page within another one; in Chromium and in Firefox."""

from __future__ import annotations

import base64
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from browser_support import Looker, opened, served, trace_of, written_to
from convgrad.examples import load_example
from convgrad.examples.page import example_model
from link_support import bits, do, state

pytestmark = pytest.mark.browser

SVG = "{http://www.w3.org/2000/svg}"
PNG = """async () => {
    const { page } = convgrad;
    const blob = await page.asPng(await page.asSvg(page.app.network.flow, 'title'));
    const reader = new FileReader();
    return new Promise((done) => { reader.onload = () => done(reader.result); reader.readAsDataURL(blob); });
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("share")


@pytest.fixture
def classic(either: Any, folder: Path) -> Iterator[Looker]:
    with opened(either, written_to(folder, "classic")) as found:
        do(found, "look", "backward")
        do(found, "explain", "conv1.dw", 0)
        yield found


def deny(looker: Looker) -> None:
    """The browser lets the page copy nothing."""
    looker.page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")


def copied(looker: Looker, button: str) -> str:
    """What a button copies, from the field in which it stands where the browser denies copying."""
    looker.page.locator(f"#{button}").click()
    looker.page.wait_for_selector("#share-text:not([hidden])")
    text = looker.page.locator("#share-text")
    selected = "(field) => field.value.slice(field.selectionStart, field.selectionEnd) === field.value"
    assert text.evaluate(selected)
    assert looker.focused() == "To be copied"
    assert looker.page.locator("#share-told").inner_text() == (
        "The browser does not let the page copy. The text is selected: copy it with Ctrl+C."
    )
    return str(text.input_value())


def test_where_copying_is_denied_the_text_is_selected(classic: Looker) -> None:
    deny(classic)
    classic.page.locator("#share").click()
    trace = trace_of("classic", exact=True)
    explained = trace.at("conv1.dw[0,0]").explain()
    assert copied(classic, "copy-link") == classic.page.url
    assert copied(classic, "copy-latex") == f"\\[\n{explained.latex}\n\\]\n"
    markdown = copied(classic, "copy-markdown")
    assert markdown.startswith(f"**`conv1.dw[0,0]` = {trace.at('conv1.dw[0,0]').written}**, computed\n\n$$\n")
    assert explained.latex in markdown
    assert "`conv1.dx[0,2]` = " in markdown
    assert copied(classic, "copy-svg").startswith("<svg xmlns=")
    assert copied(classic, "copy-embed").startswith('<iframe src="classic.html?embed#example=classic&amp;lens=backward')


def test_copying_says_so(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "classic"), permissions=["clipboard-read", "clipboard-write"]) as looker:
        do(looker, "explain", "conv1.w", 0)
        looker.page.locator("#share").click()
        for button, words in (("copy-latex", "The LaTeX is copied."), ("copy-link", "The link is copied.")):
            looker.page.locator(f"#{button}").click()
            looker.page.get_by_text(words).wait_for()
        assert looker.page.evaluate("() => navigator.clipboard.readText()") == looker.page.url


def test_a_derivation_is_taken_along_as_latex(classic: Looker) -> None:
    deny(classic)
    classic.page.locator("#panel .copy-derivation").first.click()
    part = classic.page.locator("#panel .copied").first
    assert "copy it with Ctrl+C" in part.inner_text()
    written = part.locator("textarea").input_value()
    model = example_model(load_example("classic"), trace_of("classic"))
    derivation = next(each for each in model["layers"][0]["derivations"] if each["gradient"] == "dw")
    assert re.findall(r"^\\\[\n(.*?)\n\\\]$", written, re.MULTILINE | re.DOTALL) == [
        step["latex"] for step in derivation["steps"]
    ]
    remarks = [line for line in written.splitlines() if line.startswith("% ")]
    assert remarks[0].startswith("% 1. chain rule: ")
    assert len(remarks) == len(derivation["steps"])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_has_every_number_and_its_fonts(classic: Looker, theme: str) -> None:
    if theme == "dark":
        do(classic, "theme")
    script = "async () => (await convgrad.page.asSvg(convgrad.page.app.network.flow, 'A title')).text"
    text = str(classic.page.evaluate(script))
    drawing = ElementTree.fromstring(text)
    assert [title.text for title in drawing.iter(f"{SVG}title")] == ["A title"]
    written = [str(element.text) for element in drawing.iter(f"{SVG}text")]
    cells = classic.page.locator("#network .cell:not([hidden])").all_inner_texts()
    assert len(cells) > 80
    assert Counter(cells) - Counter(written) == Counter()
    assert {"conv1", "pool1", "sigmoid1", "dense1", "\u2211"} <= set(written)
    assert {"1", "2", "3", "4"} <= set(written)
    fonts = " ".join(str(style.text) for style in drawing.iter(f"{SVG}style"))
    assert "KaTeX_Math" in fonts
    assert "data:font/woff2;base64," in fonts
    assert not re.search(r"""url\((?!"?data:|#)|href="(?!data:)|<script|foreignObject""", text)


def test_the_png_is_what_a_person_sees(classic: Looker) -> None:
    """Cell by cell the colour of the page."""
    content = base64.b64decode(str(classic.page.evaluate(PNG)).partition(",")[2])
    pixels = np.asarray(Image.open(BytesIO(content)).convert("RGB"))
    cells = classic.page.evaluate(
        """() => { const flow = convgrad.page.app.network.flow.getBoundingClientRect();
        return [...document.querySelectorAll('#network .cell:not([hidden], [data-mark])')].map((cell) => {
            const box = cell.getBoundingClientRect();
            const color = getComputedStyle(cell).backgroundColor.match(/\\d+/g).map(Number);
            return [box.left - flow.left + 16, box.bottom - flow.top + 16, color]; }); }"""
    )
    assert len(cells) > 80
    lit = 0
    for left, bottom, color in cells:
        seen = pixels[int(2 * bottom) - 8, int(2 * left) + 8]
        lit += not np.allclose(seen, color[:3], atol=3)
    assert lit <= 3  # curves run over some


def test_pictures_are_saved(browser: Any, folder: Path) -> None:
    with opened(browser, written_to(folder, "two-channels"), accept_downloads=True) as looker:
        looker.page.locator("#share").click()
        looker.page.locator("#share-what").select_option("conv1.w")
        with looker.page.expect_download() as saved:
            looker.page.locator("#save-svg").click()
        assert saved.value.suggested_filename == "two-channels-conv1.w.svg"
        drawing = ElementTree.parse(saved.value.path())
        assert "conv1.w" in [element.text for element in drawing.iter(f"{SVG}text")]
        looker.page.locator("#share-what").select_option("")
        with looker.page.expect_download() as saved:
            looker.page.locator("#save-png").click()
        assert saved.value.suggested_filename == "two-channels-forward.png"
        with Image.open(saved.value.path()) as png:
            assert png.width > 1000


def test_a_large_network_is_drawn_whole(browser: Any, folder: Path) -> None:
    """Images, too, and what was not near enough to be on the page."""
    with opened(browser, written_to(folder, "lenet-digit"), accept_downloads=True) as looker:
        looker.page.locator("#share").click()
        with looker.page.expect_download() as saved:
            looker.page.locator("#save-svg").click()
        drawing = ElementTree.parse(saved.value.path())
        names = {element.text for element in drawing.iter(f"{SVG}text")}
        shown = looker.page.evaluate(
            """() => { const { network, trace } = convgrad.page.app;
            return trace.names.filter((name) => network.shows(name)); }"""
        )
        assert {*shown} <= names
        assert len([*drawing.iter(f"{SVG}image")]) > 5
        with looker.page.expect_download() as saved:
            looker.page.locator("#save-png").click()
        assert saved.value.path().stat().st_size > 50_000


@contextmanager
def blog(folder: Path, name: str, text: str) -> Iterator[str]:
    """The address of somebody's page, beside the page's file."""
    icon = '<link rel="icon" href="data:,">'
    (folder / name).write_text(f"<!doctype html>{icon}<title>A blog</title><p>Look:</p>{text}", encoding="utf-8")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{name}"
        finally:
            server.shutdown()
            thread.join()


def test_the_page_within_another_one(either: Any, folder: Path) -> None:
    with opened(either, written_to(folder, "classic")) as looker:
        do(looker, "look", "backward")
        do(looker, "set", "conv1.w", 0, 0.5)
        do(looker, "explain", "conv1.dw", 0)
        looker.page.locator("#share").click()
        text = str(looker.page.locator("#share-embed").input_value())
        shown, numbers = state(looker), bits(looker)
    src = unescape(text.split('src="')[1].split('"')[0])
    with blog(folder, "blog.html", text) as url, opened(either, url) as reader:
        frame = reader.page.frame_locator("iframe")
        frame.locator("#explained").wait_for()
        assert [frame.locator(part).is_visible() for part in (".bar", ".says-bar", "#network", "#panel")] == [
            False,
            False,
            True,
            True,
        ]
        inside = reader.page.frames[1]
        assert inside.url.endswith(src)
        assert inside.evaluate("() => convgrad.page.app.links.state()") == shown
        length = reader.page.evaluate("() => history.length")
        frame.locator('.cell[data-tensor="conv1.dw"][data-flat="1"]').click()
        inside.evaluate("() => convgrad.page.app.links.settled()")
        assert reader.page.evaluate("() => history.length") == length
        frame.locator("#open-in-full").hover()
        full = frame.locator("#open-in-full").get_attribute("href")
        assert full == inside.url.replace("?embed", "")
        assert "at=conv1.dw[0,1]" in str(full)
        with opened(either, str(full)) as whole:
            assert whole.page.locator(".bar").is_visible()
            assert bits(whole) == numbers


def test_a_served_page_says_that_it_cannot_be_embedded(browser: Any) -> None:
    with served("classic") as url, opened(browser, url) as looker:
        looker.page.locator("#share").click()
        looker.page.locator("#share-dialog h3", has_text="Embed").wait_for()  # it opens when the address is written
        words = looker.page.locator("#share-dialog").inner_text()
        assert "A page on this machine can't stand in another one." in words
        assert "It opens on this machine, while convgrad explain --serve is running." in words
        assert looker.page.locator("#share-embed").count() == 0
        commands = looker.page.locator("#share-dialog .hint code")
        assert commands.all_inner_texts() == ["convgrad explain --serve", "convgrad explain --html"]
        lines = commands.evaluate_all("(all) => all.map((code) => code.getClientRects().length)")
        assert lines == [1, 1]  # no command is cut at its dashes
