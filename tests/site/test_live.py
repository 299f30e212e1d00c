"""The static site in a real browser: all that needs no Python, and, where Pyodide is there, all that does.

Pyodide: CONVGRAD_PYODIDE names a folder with its files. Those that it lacks are brought by tools/collect_pyodide.py.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.static_site import published
from tools.collect_pyodide import collect

from browser_support import Looker, opened, trace_of
from convgrad.examples import NAMES
from convgrad.site.build import build
from question_clicks import ALLOWED, ANSWERS, answer

pytestmark = pytest.mark.browser
SLOW = 300_000
"""Milliseconds until Python has started, on a machine that does much else; 6 s are usual."""
RIGHT = "def relu_backward(dx, o):\n    return dx * (o > 0)\n"
HANGS = "def relu_backward(dx, o):\n    while True:\n        pass\n"
REACHES = """
import js

def relu_backward(dx, o):
    request = js.XMLHttpRequest.new()
    request.open("GET", "ELSEWHERE", False)
    request.send()
    return dx * (o > 0)
"""


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a site without Python."""
    folder = tmp_path_factory.mktemp("without")
    build(folder, None)
    with published(folder) as url:
        yield url


@pytest.fixture(scope="module")
def pyodide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Pyodide's files."""
    given = os.environ.get("CONVGRAD_PYODIDE")
    if not given:
        pytest.skip("CONVGRAD_PYODIDE names a folder with Pyodide, or with NumPy for it")
    if shutil.which("npm") is None:
        pytest.skip("there is no npm, which brings Pyodide")
    folder = tmp_path_factory.mktemp("pyodide")
    for file in Path(given).iterdir():
        if file.is_file():
            shutil.copyfile(file, folder / file.name)
    collect(folder)
    return folder


@pytest.fixture(scope="module")
def site(pyodide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with Python beside it."""
    folder = tmp_path_factory.mktemp("with")
    build(folder, pyodide)
    return folder


def asked(looker: Looker, path: str, body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """An answer, or the sentence of an error."""
    looker.page.set_default_timeout(SLOW)
    script = """([path, body]) => convgrad.page.ask(path, body).then(
        (found) => [found, ""], (error) => [{}, error.message])"""
    found, said = looker.page.evaluate(script, [path, body])
    return dict(found), str(said)


def with_seconds(looker: Looker, seconds: int) -> None:
    """How long an answer may take."""
    looker.page.evaluate("(seconds) => { convgrad.page.carrier.settings.seconds = seconds; }", seconds)


def test_without_python_all_else_works(either: Any, without: str) -> None:
    with opened(either, without) as looker:
        page = looker.page
        page.locator("#example option[value=strided]").wait_for(state="attached")
        page.locator("#example").select_option("strided")
        page.wait_for_function("() => convgrad.page.app.trace.model.name === 'strided'")
        assert looker.loss() == pytest.approx(trace_of("strided").loss)
        before = looker.loss()
        page.locator("#step").click()
        assert looker.loss() < before
        page.locator("#code").click()
        page.locator("#coder .cm-content").click()
        page.keyboard.insert_text(RIGHT)
        page.locator("#code-now").click()
        said = page.locator("#code-verdict .problem")
        said.wait_for()
        assert said.inner_text().startswith("This site was built without Python, which answers that. Install convgrad")
        page.keyboard.press("Escape")
        assert asked(looker, "/api/derivation", {"text": "$a$"})[1].startswith("This site was built without Python")
        assert {url for url in looker.requests if not url.startswith(without)} <= {"data:,"}


def test_the_policy_is_enough_for_the_whole_page(either: Any, without: str) -> None:
    """A browser complains about what the policy forbids; `opened` hears it."""
    with opened(either, without) as looker:
        page = looker.page
        stops = page.evaluate("() => convgrad.page.app.tour.cards.length")
        for stop in range(int(stops)):
            page.evaluate("(stop) => convgrad.page.app.tour.go(stop)", stop)
            page.wait_for_function("(stop) => convgrad.page.app.tour.n === stop", arg=stop)
        page.evaluate("() => convgrad.page.app.tour.leave()")
        for name in NAMES:
            page.locator("#example").select_option(name)
            page.wait_for_function("(name) => convgrad.page.app.trace.model.name === name", arg=name)
        drawn = """async () => {
            const picture = await convgrad.page.asSvg(document.getElementById("network"), "network");
            return [picture.text.length, (await convgrad.page.asPng(picture)).size, picture.text.includes("data:font")];
        }"""
        letters, size, fonts = page.evaluate(drawn)
        assert letters > 10_000
        assert size > 10_000
        assert fonts
        for where in ("?embed", "#stop=gradient"):
            page.goto(without + where)
            page.wait_for_function("() => convgrad.page.app")


def test_what_the_site_cannot_load_is_said(browser: Any, without: str) -> None:
    with opened(browser, without) as looker:
        looker.page.route("**/strided.json", lambda route: route.abort())
        script = "convgrad.page.ask('/api/example?name=strided').catch((error) => error.message)"
        said = str(looker.page.evaluate(script))
        assert said == "data/examples/strided.json could not be loaded from this site. Are you connected?"
        looker.complaints[:] = [text for text in looker.complaints if "ERR_FAILED" not in text]


def test_python_answers_in_the_browser(either: Any, site: Path) -> None:
    with published(site) as url, opened(either, url) as looker:
        page = looker.page
        assert not [u for u in looker.requests if "pyodide" in u or u.endswith(".whl")]
        page.locator("#build").click()
        page.locator("#build-now").click()
        page.locator("#python-progress").wait_for(timeout=SLOW)
        page.wait_for_function("() => convgrad.page.app.trace.model.name === 'own network'", timeout=SLOW)
        assert page.locator("#python-progress").count() == 0
        with_seconds(looker, 120)

        page.locator("#code").click()
        page.locator("#coder .cm-content").click()
        page.keyboard.insert_text(RIGHT.replace("o > 0", "o < 0"))
        page.locator("#code-now").click()
        page.locator("#code-verdict .report.wrong").wait_for(timeout=SLOW)
        page.locator("#coder button", has_text="Clear").click()
        page.keyboard.insert_text(RIGHT)
        page.locator("#code-now").click()
        page.locator("#code-verdict .report.right").wait_for(timeout=SLOW)
        page.keyboard.press("Escape")

        text = (
            "$x_i = 2 o_i$, so $do_i = 2 dx_i$.\n```python\nimport numpy as np\na = np.array([1.0, 2])\nb = 2 * a\n```"
        )
        found, _ = asked(looker, "/api/derivation", {"text": text})
        assert (found["verdict"], found["summary"]) == ("RIGHT", "2 claims: 2 right; 1 definition")
        found, said = asked(looker, "/api/model", {"input_shape": [4], "layers": [{"type": "Conv2D"}]})
        assert "layer 1 (Conv2D)" in said
        sheet = (
            "[model]\ninput_shape = [3]\nloss = 'mse'\n[[layer]]\ntype = 'Dense'\nunits = 1\n[results]\nloss = 1.0\n"
        )
        assert asked(looker, "/api/check", {"sheet": sheet})[1].startswith("sheet: ")

        sheet_asked = {"worksheet": {"blanks": 2, "seed": 3}, "answers": ["0.5", ""]}
        assert asked(looker, "/api/marks", sheet_asked)[0]["marks"] == ["wrong", "open"]

        with_seconds(looker, 5)
        started = time.perf_counter()
        said = asked(looker, "/api/function", {"text": HANGS})[1]
        assert said == "This takes longer than 5 seconds, so it was stopped. Does a loop of the program never end?"
        assert time.perf_counter() - started >= 5
        with_seconds(looker, 120)
        before = len(looker.requests)
        assert asked(looker, "/api/function", {"text": RIGHT})[0]["verdict"] == "RIGHT"
        again = [u for u in looker.requests[before:] if not u.startswith("blob:")]
        assert again == []  # what was loaded is kept, when Python is started anew
        seen: list[object] = []
        with published(site, seen) as elsewhere:
            reached, _ = asked(looker, "/api/function", {"text": REACHES.replace("ELSEWHERE", elsewhere)})
            assert reached["verdict"] == "NOT CHECKED"
            assert "NetworkError" in reached["text"]
        assert seen == []
        looker.complaints.clear()


@pytest.mark.parametrize("question", sorted(ANSWERS))
def test_the_clicks_that_the_gallery_tells_answer_the_question(question: str, browser: Any, site: Path) -> None:
    with published(site) as url, opened(browser, url, permissions=ALLOWED) as looker:
        with_seconds(looker, 120)
        answer(looker, question, SLOW)


def test_a_file_that_is_another_is_not_run(browser: Any, site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    wasm = folder / "pyodide" / "pyodide.asm.wasm"
    right = wasm.read_bytes()
    wasm.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    with published(folder) as url, opened(browser, url) as looker:
        said = asked(looker, "/api/function", {"text": RIGHT})[1]
        host = url.split("/")[2]
        assert said == (
            f"Python can't be started: pyodide.asm.wasm from {host} is not the file that this page was built with, so "
            "it is not run. Ask again to try once more; all else works."
        )
        wasm.unlink()
        said = asked(looker, "/api/function", {"text": RIGHT})[1]
        assert said.startswith(f"Python can't be started: {host} answers with status 404 for pyodide.asm.wasm.")
        looker.page.route("**/pyodide.asm.wasm", lambda route: route.abort())
        said = asked(looker, "/api/function", {"text": RIGHT})[1]
        assert said.startswith(f"Python can't be started: pyodide.asm.wasm could not be loaded from {host}.")
        looker.page.unroute("**/pyodide.asm.wasm")
        wasm.write_bytes(right)
        with_seconds(looker, 120)
        assert asked(looker, "/api/function", {"text": RIGHT})[0]["verdict"] == "RIGHT"
        looker.complaints[:] = [text for text in looker.complaints if "Failed to load resource" not in text]
