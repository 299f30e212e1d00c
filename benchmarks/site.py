"""How much the static site sends and how soon something is seen: `python -m benchmarks.site [--pyodide FOLDER]`.

The site is built into a temporary folder and served from this machine as web servers do, packed by gzip; a headless
Chromium opens it with an empty cache. Bytes are those on the line, with headers. Given a folder with Pyodide, also the
seconds until Python has answered its first question, and those of the next ones.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from rich.console import Console

from benchmarks.machine import processor
from benchmarks.static_site import published
from convgrad.site.build import build

ROOT = Path(__file__).parents[1]
ROUNDS = 5
BYTES, MILLISECONDS = 300_000, 1000.0
"""Goals: until something is seen, before Python."""
QUIET_MS = 1500
"""After a page is loaded: what it still asks for by itself counts, too."""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
ASK = "([path, body]) => convgrad.page.ask(path, body).then(() => true)"
FUNCTION = """
import numpy as np

def conv_backward(dout, x, w):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    rows, columns = w.shape[:2]
    for i in range(dout.shape[1]):
        for j in range(dout.shape[2]):
            dw += np.einsum("nabc,nk->abck", x[:, i : i + rows, j : j + columns], dout[:, i, j])
            dx[:, i : i + rows, j : j + columns] += np.einsum("nk,abck->nabc", dout[:, i, j], w[::-1, ::-1])
    return dx, dw
"""
QUESTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "Python started, a network built": ("/api/model", {"input_shape": [4], "layers": [{"type": "Dense", "units": 2}]}),
    "a network built": ("/api/model", {"input_shape": [4], "layers": [{"type": "Dense", "units": 2}]}),
    "a function checked, with a mistake": ("/api/function", {"text": FUNCTION}),
    "a derivation checked": (
        "/api/derivation",
        {"text": "$x_i = \\sum_m w_m o_{i+m}$, so $dw_m = \\sum_i dx_i o_{i+m}$."},
    ),
}


class Opened:
    """The site in a browser without a cache."""

    def __init__(self, browser: Any, url: str):
        self.sent: dict[str, int] = {}
        self.context = browser.new_context(viewport={"width": 1440, "height": 900})
        self.page = self.context.new_page()
        self.page.set_default_timeout(300_000)
        session = self.context.new_cdp_session(self.page)
        session.send("Network.enable")
        names: dict[str, str] = {}
        session.on("Network.requestWillBeSent", lambda e: names.update({e["requestId"]: e["request"]["url"]}))
        session.on(
            "Network.loadingFinished", lambda e: self._add(names.get(e["requestId"], ""), e["encodedDataLength"])
        )
        self.page.goto(url)
        self.page.wait_for_timeout(QUIET_MS)

    def _add(self, url: str, size: float) -> None:
        if url.startswith("http"):
            name = url.split("/", 3)[3] or "index.html"
            self.sent[name] = self.sent.get(name, 0) + int(size)


def main() -> int:
    """Measure and print; returns 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pyodide", type=Path, help="a folder with its files")
    folder = parser.parse_args().pyodide
    console = Console(width=90, highlight=False)
    program = subprocess.run([ROOT / "tools" / "browser"], capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory() as place, sync_playwright() as driver:
        build(Path(place), folder)
        with published(Path(place)) as url:
            browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
            console.print(f"Chromium {browser.version}, headless, {processor()}; {ROUNDS} rounds")
            painted = []
            for _ in range(ROUNDS):
                opened = Opened(browser, url)
                painted.append(float(opened.page.evaluate(PAINTED)))
                sent = sum(opened.sent.values())
                files = dict(opened.sent)
                opened.context.close()
            for name, size in sorted(files.items(), key=lambda item: -item[1]):
                console.print(f"  {size:9,}  {name}")
            console.print(f"  {sent:9,}  bytes in all (goal: at most {BYTES:,})")
            median = statistics.median(painted)
            console.print(
                f"First contentful paint: {median:.0f} ms, slowest {max(painted):.0f} (goal: {MILLISECONDS:.0f})"
            )
            if folder is not None:
                _with_python(Opened(browser, url), console)
            browser.close()
    return 0 if sent <= BYTES and median <= MILLISECONDS else 1


def _with_python(opened: Opened, console: Console) -> None:
    opened.page.evaluate("() => { convgrad.page.carrier.settings.seconds = 300; }")
    before = sum(opened.sent.values())
    for what, question in QUESTIONS.items():
        started = time.perf_counter()
        opened.page.evaluate(ASK, list(question))
        console.print(f"{what}: {time.perf_counter() - started:.1f} s")
    console.print(f"Python: {sum(opened.sent.values()) - before:,} bytes")


if __name__ == "__main__":
    raise SystemExit(main())
