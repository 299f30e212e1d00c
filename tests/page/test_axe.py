"""axe-core finds nothing on the page that keeps people out: each lens, each stop of the tour, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser_support import FINDINGS, LENSES, Looker, opened, toured_html, written_to
from optional import find_axe

pytestmark = pytest.mark.browser

SCREENS = ((1920, 1080), (1440, 900), (768, 1024), (360, 740))
STOP_SCREENS = ((1440, 900), (360, 740))
THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(params=["classic", "two-channels"])
def looker(request: pytest.FixtureRequest, browser: Any, folder: Path) -> Iterator[Looker]:
    axe = find_axe()
    with opened(browser, written_to(folder, request.param)) as found:
        found.page.add_script_tag(content=axe)
        yield found


def test_axe_finds_nothing_in_any_lens_on_any_screen(looker: Looker) -> None:
    found = {}
    for width, height in SCREENS:
        looker.page.set_viewport_size({"width": width, "height": height})
        for theme in THEMES:
            looker.page.emulate_media(color_scheme=theme)
            for lens in LENSES:
                looker.page.evaluate("(lens) => convgrad.page.app.look(lens)", lens)
                looker.page.wait_for_timeout(60)  # sizes settle in the next frame
                said = looker.page.evaluate(FINDINGS)
                if said:
                    found[f"{width} {theme} {lens}"] = said
    assert found == {}


def test_axe_finds_nothing_where_a_number_is_explained_or_the_keys_are_shown(looker: Looker) -> None:
    looker.look("backward")
    looker.page.evaluate("() => convgrad.page.app.explain('conv1.dw', 0)")
    assert looker.page.evaluate(FINDINGS) == []
    looker.page.locator("#larger").click(click_count=3)
    assert looker.page.locator("#overview").is_visible()
    assert looker.page.evaluate(FINDINGS) == []
    looker.page.locator("#keys").click()
    assert looker.page.evaluate(FINDINGS) == []


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_at_any_stop_of_the_tour(browser: Any, folder: Path, theme: str) -> None:
    axe = find_axe()
    file = folder / "tour.html"
    file.write_text(toured_html("classic"), encoding="utf-8")
    found = {}
    for width, height in STOP_SCREENS:
        with opened(browser, file.as_uri(), viewport={"width": width, "height": height}, color_scheme=theme) as looker:
            looker.page.add_script_tag(content=axe)
            dots = looker.page.locator(".tour-dots button")
            for n in range(dots.count()):
                dots.nth(n).click()
                looker.page.wait_for_timeout(60)
                said = looker.page.evaluate(FINDINGS)
                if said:
                    found[f"{width} {n + 1}"] = said
    assert found == {}


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_on_a_trained_lenet_and_its_canvas(browser: Any, folder: Path, theme: str) -> None:
    axe = find_axe()
    file = folder / "lenet.html"
    file.write_text(toured_html("lenet-trained"), encoding="utf-8")
    for width, height in STOP_SCREENS:
        with opened(browser, file.as_uri(), viewport={"width": width, "height": height}, color_scheme=theme) as looker:
            looker.page.add_script_tag(content=axe)
            for lens in LENSES:
                looker.page.evaluate("(lens) => convgrad.page.app.look(lens)", lens)
                looker.page.wait_for_timeout(60)
                assert looker.page.evaluate(FINDINGS) == [], (width, lens)
            looker.page.locator("#draw").click()
            looker.page.locator(".digit").first.click()
            looker.page.wait_for_timeout(60)
            assert looker.page.evaluate(FINDINGS) == [], (width, "drawing")
            looker.page.locator("#explain-answer").click()
            assert looker.page.evaluate(FINDINGS) == [], (width, "explained")
