"""Write docs/page.png: the page of the classic example, with one number lit. It needs Chromium.

.venv/bin/python tools/page_picture.py
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

from convgrad.examples import load_example
from convgrad.examples.page import example_model
from convgrad.explain.page.build import page_html

PICTURE = Path(__file__).parents[1] / "docs" / "page.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE: ViewportSize = {"width": 1250, "height": 790}
SCALE = 0.8
"""Pixels of the picture for each of the page, so that it is 1000 wide."""


def main() -> None:
    """Open the page, choose the gradient of the kernel's first weight, and take the picture."""
    example = load_example("classic")
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        raise SystemExit(f"There is no Chromium (looked for {', '.join(BROWSERS)}).")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder, "page.html")
        file.write_text(page_html(example_model(example, example.trace())), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, device_scale_factor=SCALE, color_scheme="light", reduced_motion="reduce")
        page.goto(file.as_uri())
        page.locator("label[for=lens-backward]").click()
        page.locator('#network .cell[data-tensor="conv1.dw"][data-flat="0"]').click()
        page.mouse.move(0, 0)
        page.wait_for_selector("#panel .formulas math")
        page.screenshot(path=PICTURE)
        browser.close()
    print(f"wrote {PICTURE} ({PICTURE.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
