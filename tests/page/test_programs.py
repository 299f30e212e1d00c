"""Programs that a person takes along from the page: as another tool writes them, and as a cell of a notebook; and
pictures that a person brings. What a program prints is what the page shows.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browser_support import Looker, opened, served, toured_html
from convgrad.examples import load_example
from convgrad.explain import Explanation
from convgrad.explain.page.build import page_html
from convgrad.explain.page.model import page_model
from convgrad.explain.rendering.conventions import as_written_by
from convgrad.questions.rights import Rights
from convgrad.questions.table import answer_to

pytestmark = pytest.mark.browser

DENY = "() => Object.defineProperty(navigator, 'clipboard', { value: undefined })"
FILE = """([bytes, name, how]) => {
    const file = new File([Uint8Array.from(bytes)], name, { type: 'image/png' });
    if (how === 'take') return convgrad.page.app.photo.take(file);
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(file);
    if (how === 'paste') {
        const paste = new Event('paste', { bubbles: true, cancelable: true, composed: true });
        Object.defineProperty(paste, 'clipboardData', { value: dataTransfer }); // Firefox takes none for a made event
        return void (window.fieldOf?.() ?? document.body).dispatchEvent(paste);
    }
    const over = new DragEvent('dragover', { dataTransfer, bubbles: true, cancelable: true });
    document.getElementById('network').dispatchEvent(over);
    if (!over.defaultPrevented) throw new Error('the browser would open the file');
    document.getElementById('network').dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true }));
}"""


def copied(looker: Looker, button: str) -> str:
    looker.page.evaluate(DENY)
    looker.page.locator("#share").click()
    looker.page.locator(f"#{button}").click()
    looker.page.wait_for_selector("#share-text:not([hidden])")
    text = str(looker.page.locator("#share-text").input_value())
    looker.page.locator("#close-share").click()
    return text


def value_of(cell: str) -> float:
    """What the last line of a cell shows, as a notebook does."""
    *lines, last = cell.strip().split("\n")
    names: dict[str, Any] = {}
    exec("\n".join(lines), names)
    found = eval(last, names)
    assert isinstance(found, Explanation)
    return float(found.element.value)


def shown(looker: Looker) -> float:
    return float(
        looker.page.evaluate(
            "() => { const { app } = convgrad.page; return app.trace.tensor(app.chosen.name).values[app.chosen.flat]; }"
        )
    )


@pytest.mark.parametrize("tool", ["pytorch", "keras", "scipy", "matlab"])
def test_the_program_of_an_example_is_that_of_the_command(browser: Any, tool: str) -> None:
    with served("classic", exact=True) as url, opened(browser, url) as looker:
        looker.page.evaluate(DENY)
        looker.page.locator("#share").click()
        looker.page.locator("#program-tool").select_option(tool)
        looker.page.locator("#copy-program").click()
        looker.page.wait_for_selector("#share-text:not([hidden])")
        text = looker.page.locator("#share-text").input_value()
    example = load_example("classic")
    assert text == as_written_by(example.network.trace(example.x, example.target, loss=example.loss), tool)


def test_programs_are_offered_as_soon_as_examples_are_known(browser: Any) -> None:
    """The list of examples comes late, as over a slow line; who shares meanwhile waits for it."""
    with served("classic") as url, opened(browser, "about:blank") as looker:
        held: list[Any] = []
        looker.page.route("**/api/examples*", lambda route: held.append(route))
        looker.page.goto(url)
        looker.page.locator("#share").click()
        while not held:
            looker.page.wait_for_timeout(20)
        held[0].continue_()
        looker.page.locator("#program-tool").wait_for()


def test_the_program_has_the_numbers_that_were_changed(browser: Any) -> None:
    with served("two-channels") as url, opened(browser, url) as looker:
        looker.edit("conv1.b[1]", "0.75")
        looker.edit("input[0,0,0]", "-2.5")
        text = copied(looker, "copy-program")
        loss = looker.loss()
    example = load_example("two-channels")
    weights = {**dict(example.network.get_weights()), "conv1.b": np.array([0.1, 0.75])}
    example.network.set_weights(weights)
    x = np.array(example.x, np.float64)
    x[0, 0, 0] = -2.5
    trace = example.network.trace(x, example.target, loss=example.loss)
    assert trace["loss.E"].values == pytest.approx(loss, rel=1e-12)
    assert text == as_written_by(trace, "pytorch")


def test_the_cell_of_a_notebook_computes_what_the_page_shows(either: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(toured_html("classic"), encoding="utf-8")
    address = f"{file.as_uri()}#example=classic&lens=backward&at=conv1.dw[0,1]"
    with opened(either, address) as looker:
        looker.page.evaluate("() => convgrad.page.app.links.settled()")
        changes = (
            "() => null",
            "() => convgrad.page.app.trace.pin(true)",
            "() => { convgrad.page.app.trace.pin(false); convgrad.page.app.trace.set('pool1.x', 1, 0.7); }",
            "() => { convgrad.page.app.trace.reset(); convgrad.page.app.trace.set('optimizer.eta', 0, 1.5); }",
            "() => convgrad.page.app.training.step(3)",
        )
        found = []
        for change in changes:
            looker.page.evaluate(change)
            found.append(shown(looker))
            assert value_of(copied(looker, "copy-cell")) == pytest.approx(found[-1], rel=1e-9)
        assert len(set(found)) == 4  # the learning rate alone does not change a gradient


OWN = (
    {
        "input_shape": [4, 5, 1],
        "layers": [{"type": "Conv2D", "filters": 2, "kernel_size": [2, 3], "bias": None}, {"type": "ReLU"}],
    },
    {"toml": '[model]\nname = "caf\u00e9 \\"q\\""\ninput_shape = [3]\n\n[[layer]]\ntype = "Dense"\nunits = 2\n'},
)


@pytest.mark.parametrize("network", OWN, ids=["layers", "toml"])
def test_the_cell_of_ones_own_network_computes_what_the_page_shows(browser: Any, network: dict[str, Any]) -> None:
    with served("classic") as url, opened(browser, url) as looker:
        looker.page.evaluate("(network) => convgrad.page.app.links.show({ network, lens: 'backward' })", network)
        element, read = ("conv1.dw[1,0,0,1]", 7) if "layers" in network else ("dense1.dw[1,1]", 1)
        looker.cell(element).click()
        before = value_of(copied(looker, "copy-cell"))
        assert before == pytest.approx(shown(looker), rel=1e-9)
        looker.page.evaluate("(read) => convgrad.page.app.trace.set('input', read, 2.5)", read)
        assert value_of(copied(looker, "copy-cell")) == pytest.approx(shown(looker), rel=1e-9)
        assert shown(looker) != before


def test_a_network_whose_file_is_elsewhere_says_how_a_notebook_shows_it(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    trace = load_example("classic").trace()
    file.write_text(page_html(page_model(trace, "a network of mine")), encoding="utf-8")
    with opened(browser, file.as_uri()) as looker:
        looker.page.locator("#share").click()
        part = looker.page.locator(".share-part", has_text="does not know the file")
        assert 'convgrad.examples.read_example("FILE.toml").trace()' in part.inner_text()


def test_a_file_says_which_command_writes_the_program(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(toured_html("classic"), encoding="utf-8")
    with opened(browser, file.as_uri()) as looker:
        looker.page.locator("#share").click()
        part = looker.page.locator(".share-part", has_text="Program")
        assert "convgrad explain classic --as pytorch" in part.inner_text()


def told(**asked: Any) -> str:
    found = answer_to("/api/program", json.dumps(asked).encode(), Rights())
    assert found.status == 400
    return str(json.loads(found.content)["error"])


def test_odd_questions_for_a_program() -> None:
    assert told().startswith('A program takes {"tool": "pytorch", "example": "classic"')
    assert told(tool="pytorch").startswith("A program takes")
    assert told(tool="pytorch", example="classic", given=[1]).startswith("A program takes")
    assert told(tool="torch", example="classic").startswith("There is no tool 'torch' to write for.")
    assert told(tool="pytorch", example="classic", given={"conv1.w": [1]}) == "`conv1.w` takes 4 finite numbers."
    assert (
        told(tool="pytorch", example="classic", given={"conv1.w": [1, 2, 3, "4"]})
        == "`conv1.w` takes 4 finite numbers."
    )
    words = "A program begins with input, target, weights and deltas; `conv1.x` follows from these."
    assert told(tool="pytorch", example="classic", given={"conv1.x": [0] * 16}) == words


def png(pixels: Any) -> list[int]:
    content = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(content, "png")
    return list(content.getvalue())


@pytest.mark.parametrize("how", ["take", "drop", "paste"])
def test_a_picture_of_ones_own_is_the_input(either: Any, tmp_path: Path, rng: np.random.Generator, how: str) -> None:
    file = tmp_path / "page.html"
    file.write_text(toured_html("classic"), encoding="utf-8")
    pixels = rng.integers(0, 256, (5, 5))
    with opened(either, file.as_uri()) as looker:
        before = looker.loss()
        looker.page.evaluate(FILE, [png(pixels), "own.png", how])
        looker.page.wait_for_function("(loss) => convgrad.page.app.trace.loss !== loss", arg=before)
        np.testing.assert_array_equal(looker.values("input"), (pixels / 255).astype(np.float32))
        looker.page.locator("#undo").click()
        assert looker.loss() == before
        looker.page.evaluate(FILE, [[1, 2, 3], "notes.txt", how])
        looker.page.get_by_text("notes.txt is no picture that the browser can read.").wait_for()


def test_what_is_pasted_where_something_is_written_is_no_input(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(toured_html("classic"), encoding="utf-8")
    with opened(browser, file.as_uri()) as looker:
        before = list(looker.values("input").ravel())
        looker.page.evaluate("() => { window.fieldOf = () => document.getElementById('rate'); }")
        looker.page.evaluate(FILE, [png(np.zeros((5, 5))), "own.png", "paste"])
        looker.page.wait_for_timeout(100)
        assert list(looker.values("input").ravel()) == before


def test_a_picture_opens_a_network_that_takes_one(browser: Any) -> None:
    """Where Python answers; nothing has to be clicked for it."""
    with served("batch-of-two") as url, opened(browser, url) as looker:
        assert not looker.page.get_by_text("Drop a picture of your own").is_visible()
        looker.page.evaluate(FILE, [png(np.full((28, 28), 7)), "own.png", "drop"])
        looker.page.wait_for_function("() => convgrad.page.app.trace.model.name === 'lenet-trained'")
        looker.page.wait_for_function("() => convgrad.page.app.trace.tensor('input').values.every((v) => v > 0.02)")
        looker.page.get_by_text("Drop a picture of your own").wait_for()


def test_a_picture_of_a_digit_is_read_whether_it_is_dark_or_light(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(toured_html("lenet-trained"), encoding="utf-8")
    with opened(browser, file.as_uri()) as looker:
        looker.page.locator("#draw").click()
        digit = looker.page.evaluate("() => convgrad.page.app.trace.model.digits[14]")
        ink = np.array(digit["pixels"]).reshape(28, 28)
        own = tmp_path / "seven.png"
        for pixels in (ink, 255 - ink):
            own.write_bytes(bytes(png(pixels)))
            looker.page.locator("#clear-drawing").click()
            with looker.page.expect_file_chooser() as chosen:
                looker.page.locator("#photo").click()
            chosen.value.set_files(own)
            looker.page.get_by_text(f"Thinks {digit['label']},").wait_for()
            np.testing.assert_array_equal(looker.values("input").reshape(28, 28), (ink / 255).astype(np.float32))
    with opened(browser, file.as_uri()) as looker:
        looker.page.evaluate("() => { convgrad.page.app.batched = true; }")
        looker.page.evaluate(FILE, [png(np.zeros((5, 5))), "own.png", "take"])
        looker.page.get_by_text("a picture can't be its input. Choose an example that does.").wait_for()
