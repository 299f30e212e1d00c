"""axe-core finds nothing on the page that keeps people out: each lens, four screens, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser_support import LENSES, Looker, opened, written_to
from optional import find_axe

pytestmark = pytest.mark.browser

SCREENS = ((1920, 1080), (1440, 900), (768, 1024), (360, 740))
THEMES = ("light", "dark")
FINDINGS = """async () => (await axe.run()).violations.map(({ id, nodes }) =>
    `${id}: ${nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`)"""


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
