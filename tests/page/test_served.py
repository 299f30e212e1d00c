"""The page with its server in a real browser: examples, networks of one's own, own numbers; and LeNet on a digit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_support import Looker, opened, served, trace_of, written_to

pytestmark = pytest.mark.browser


@pytest.fixture
def looker(browser: Any) -> Iterator[Looker]:
    with served("classic") as url, opened(browser, url) as found:
        yield found


@pytest.fixture
def lenet(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looker]:
    with opened(browser, written_to(tmp_path_factory.mktemp("lenet"), "lenet-digit")) as found:
        yield found


def choose(looker: Looker, name: str) -> None:
    looker.page.locator("#example").select_option(name)
    looker.page.wait_for_function("(name) => convgrad.page.app.trace.model.name === name", arg=name)


def test_the_token_leaves_the_address_and_a_reload_works(browser: Any) -> None:
    with served("classic") as url, opened(browser, url) as looker:
        assert "?token=" in url
        assert looker.page.url == url.split("?")[0]
        looker.page.reload()
        assert looker.page.url == url.split("?")[0]
        choose(looker, "strided")
        looker.page.evaluate("convgrad.page.ask('/api/check', {sheet: 'a = '}).catch((error) => error.message)")
        _only_refused(looker)
        cookies = looker.page.context.cookies()
        assert [(c["httpOnly"], c["sameSite"]) for c in cookies] == [(True, "Strict")]
    with served("classic") as url, opened(browser, url.split("?")[0]) as stranger:
        assert "This server answers only with its token" in stranger.page.locator("body").inner_text()
        stranger.complaints.clear()


def test_another_example_is_chosen(looker: Looker) -> None:
    looker.look("backward")
    looker.cell("conv1.dw[0,0]").click()
    choose(looker, "strided")
    assert looker.lens == "forward"
    assert looker.loss() == pytest.approx(trace_of("strided").loss)
    looker.look("backward")
    looker.cell("dinput[2,2]").click()
    assert looker.title() == str(trace_of("strided").at("dinput[2,2]"))


def test_the_published_numbers_are_one_switch_for_served_pages_too(looker: Looker) -> None:
    assert looker.page.locator("#exact").count() == 0
    looker.publish()
    np.testing.assert_allclose(looker.values("conv1.dw"), trace_of("classic")["conv1.dw"].values, rtol=1e-12)
    choose(looker, "strided")
    assert not looker.page.locator("#published").is_visible()
    choose(looker, "classic")
    np.testing.assert_allclose(looker.values("conv1.dw"), trace_of("classic", True)["conv1.dw"].values, rtol=1e-12)


def rows(looker: Looker) -> list[str]:
    return [
        str(v)
        for v in looker.page.locator(".layer-row > .row-head > select").evaluate_all("a => a.map((s) => s.value)")
    ]


def test_a_network_is_built_from_a_list_of_layers(looker: Looker) -> None:
    page = looker.page
    page.locator("#build").click()
    page.locator("#builder").wait_for()
    assert rows(looker) == ["Conv2D", "ReLU", "MaxPool2D", "Flatten", "Dense"]
    page.get_by_label("filters of layer 1").fill("3")
    page.get_by_label("Type of layer 2").select_option("Tanh")
    page.get_by_label("Remove layer 3").click()
    page.locator("#add-layer").click()
    page.get_by_label("Move up layer 5").click()
    page.get_by_label("Move up layer 4").click()
    assert rows(looker) == ["Conv2D", "Tanh", "ReLU", "Flatten", "Dense"]
    assert looker.focused() == "Move up layer 3"
    page.locator("#built-shape").fill("4 x 5 x 2")
    page.locator("#built-rate").fill("0,25")
    page.locator("#build-now").click()
    page.wait_for_function("() => convgrad.page.app.trace.model.name === 'own network'")
    assert not page.locator("#builder").is_visible()
    blocks = page.locator("#network .block").evaluate_all("all => all.map((b) => b.dataset.block)")
    assert blocks == ["input", "conv1", "tanh1", "relu1", "flatten1", "dense1", "loss"]
    assert looker.values("input").shape == (4, 5, 2)
    assert page.locator("#rate").input_value() == "0.25"
    looker.cell(f"{blocks[1]}.x[0,0,2]").click()
    assert looker.page.locator("#panel .term .factors").count() >= 8


def test_a_network_is_built_from_equations(looker: Looker) -> None:
    page = looker.page
    page.locator("#build").click()
    for _ in range(4):
        page.get_by_label("Remove layer 1").click()
    page.get_by_label("Type of layer 1").select_option("Equation")
    page.get_by_label("Equation of layer 1", exact=True).fill("x[k] = sum[i,j](w[i,j,k] * o[i,j]^2)")
    page.get_by_label("Sizes in the equation of layer 1").fill("K = 3")
    page.locator("#built-shape").fill("2, 4")
    page.locator("#build-now").click()
    page.wait_for_function("() => convgrad.page.app.trace.model.name === 'own network'")
    looker.look("backward")
    looker.cell("dinput[1,2]").click()
    assert "3 terms" in page.locator("#panel .sources").inner_text()


def test_an_equation_is_written_without_a_list_of_layers(looker: Looker) -> None:
    page = looker.page
    page.locator("#build").click()
    page.get_by_label("Remove layer 2").click()
    page.keyboard.press("Escape")
    page.locator("#write").click()
    page.locator("#builder").wait_for()
    assert rows(looker) == ["Equation"]
    page.keyboard.type("x[k] = sum[i,j](w[i,j,k] * o[i,j]^2)")  # the one that is there is selected
    page.get_by_label("Sizes in the equation of layer 1").fill("K = 3")
    page.locator("#built-shape").fill("2, 4")
    page.locator("#build-now").click()
    page.wait_for_function("() => convgrad.page.app.trace.model.name === 'own network'")
    assert looker.values("equation1.w").shape == (2, 4, 3)
    page.locator("#build").click()
    assert rows(looker) == ["Conv2D", "MaxPool2D", "Flatten", "Dense"]  # as they were left
    assert page.locator("#built-shape").input_value() == "2, 4"


def test_what_stands_in_a_field_of_the_builder_is_read_at_once(looker: Looker) -> None:
    looker.page.locator("#write").click()
    sizes = looker.page.get_by_label("Sizes in the equation of layer 1")
    assert sizes.input_value() == "M = 2, N = 2, K = 2"
    assert sizes.evaluate("(input) => input.scrollWidth <= input.clientWidth")


def test_an_argument_that_is_missing_is_told_of_its_layer(looker: Looker) -> None:
    page = looker.page
    page.locator("#build").click()
    page.locator('#builder [data-argument="kernel_size"]').first.fill("")
    looker.complaints.clear()
    page.locator("#build-now").click()
    page.locator(".layer-problem:not(:empty)").wait_for()
    assert page.locator("#build-problem").inner_text() == "Layer 1: Conv2D needs a value for 'kernel_size'."
    looker.complaints.clear()


def test_what_is_missing_is_said_in_the_words_of_the_window(looker: Looker) -> None:
    """Not in those of a file, or of Python."""
    page = looker.page
    page.locator("#write").click()
    page.get_by_label("Sizes in the equation of layer 1").fill("N = 2, K = 2")
    page.locator("#build-now").click()
    page.locator(".layer-problem:not(:empty)").wait_for()
    assert 'Give the size of m: sizes={"M": ...}, or its shape' in page.locator(".layer-problem").inner_text()
    page.locator("#builder").get_by_role("button", name="Remove layer 1").click()
    page.locator("#build-now").click()
    assert page.locator("#build-problem").inner_text() == "A network has layers. Add one."
    assert looker.focused() == "Add a layer"
    looker.complaints.clear()


@pytest.mark.parametrize(
    ("text", "told", "selected"),
    [
        ("x[f] = max(o[f], 0", "This ( is never closed.", "("),
        ("y[f] = 2 * o[f]\nx[f] = maxx(y[f], 0)", "There is no function maxx.", "maxx"),
    ],
    ids=["bracket", "function"],
)
def test_an_error_in_an_equation_stands_at_its_layer(looker: Looker, text: str, told: str, selected: str) -> None:
    page, layer = looker.page, 2
    page.locator("#build").click()
    page.get_by_label(f"Type of layer {layer}").select_option("Equation")
    page.get_by_label(f"Equation of layer {layer}", exact=True).fill(text)
    looker.complaints.clear()
    page.locator("#build-now").click()
    row = page.locator(".layer-row").nth(layer - 1)
    row.locator(".layer-problem:not(:empty)").wait_for()
    assert row.locator(".layer-problem").inner_text().startswith(told)
    assert page.locator("#build-problem").inner_text() == f"Layer 2: {told}"
    assert page.locator(".layer-problem:not(:empty)").count() == 1
    assert looker.focused() == f"Equation of layer {layer}"
    script = "() => { const e = document.activeElement; return e.value.slice(e.selectionStart, e.selectionEnd); }"
    assert page.evaluate(script) == selected
    _only_refused(looker)


def _only_refused(looker: Looker) -> None:
    """The browser itself reports that the server said no; nothing else may have been reported."""
    assert all("status of 400" in complaint for complaint in looker.complaints), looker.complaints
    looker.complaints.clear()


def test_an_argument_that_does_not_fit_stands_at_its_layer(looker: Looker) -> None:
    page = looker.page
    page.locator("#build").click()
    page.get_by_label("pool_size of layer 3").fill("9")
    page.locator("#build-now").click()
    problem = page.locator(".layer-row").nth(2).locator(".layer-problem:not(:empty)")
    problem.wait_for()
    assert page.locator("#build-problem").inner_text().startswith("Layer 3: ")
    _only_refused(looker)
    page.locator("#built-shape").fill("5 by 5")
    page.locator("#build-now").click()
    assert page.locator("#build-problem").inner_text() == "The shape of the input is whole numbers, such as 5, 5, 1."
    page.locator("#built-shape").fill("5, 5, 1")
    page.locator("#built-rate").fill("slow")
    page.locator("#build-now").click()
    assert page.locator("#build-problem").inner_text() == "The learning rate is a number, 0 or more, such as 0.1."


def test_a_network_is_built_by_keys_alone(looker: Looker) -> None:
    page = looker.page
    page.locator("#build").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#builder[open]")
    assert looker.page.evaluate("document.activeElement.id") == "built-shape"
    page.keyboard.press("Control+a")
    page.keyboard.type("5, 4, 1")
    reached: list[str] = []
    while not reached or reached[-1] != "build-now":
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
        assert len(reached) < 60, "Tab gets to the last button"
    assert {"built-loss", "built-rate", "add-layer", "add-equation", "build-share"} <= set(reached)
    page.keyboard.press("Enter")
    page.wait_for_function("() => convgrad.page.app.trace.tensor('input').shape.join() === '5,4,1'")
    assert not page.locator("#builder").is_visible()


def check(looker: Looker, typed: dict[str, list[str]]) -> dict[str, list[str]]:
    """Fill the form in, and what it says."""
    page = looker.page
    if not page.locator("#checker").is_visible():
        page.locator("#check").click()
    for name, numbers in typed.items():
        page.locator("#checked-tensor").select_option(name)
        for flat, number in enumerate(numbers):
            page.locator(f'#checker input[data-flat="{flat}"]').fill(number)
    page.locator("#check-now").click()
    page.locator("#checker .verdict :first-child").first.wait_for()
    page.locator("#checker .check-cell:not([data-mark=''])").first.wait_for()
    found = {}
    for name in typed:
        page.locator("#checked-tensor").select_option(name)
        cells = page.locator("#checker .check-cell")
        found[name] = [str(cells.nth(n).get_attribute("data-mark")) for n in range(cells.count())]
    return found


def test_own_numbers_are_marked_right_or_wrong(looker: Looker) -> None:
    looker.publish()
    looker.look("backward")
    looker.cell("conv1.dw[0,0]").click()
    marks = check(looker, {"conv1.dw": ["0.0446", "0.094", "0.0113", "-0.0683"]})
    assert marks == {"conv1.dw": ["right", "right", "right", "wrong"]}
    assert "conv1.dw is wrong" in looker.page.locator("#checker .verdict").inner_text()
    label = looker.page.locator('#checker input[data-flat="3"]').get_attribute("aria-label")
    assert label == "My number for conv1.dw row 1 column 1, wrong"
    looker.page.locator("#close-check").click()
    assert not looker.page.locator("#checker").is_visible()


def test_what_follows_from_a_mistake_is_consistent(browser: Any) -> None:
    with served("classic", exact=True) as url, opened(browser, url) as looker:
        dx, x = trace_of("classic", True)["conv1.dx"].values.copy(), trace_of("classic")["input"].values
        dx[0, 2] = 0.0786
        follows = [[float((dx * x[m : m + 4, n : n + 4]).sum()) for n in (0, 1)] for m in (0, 1)]
        marks = check(
            looker,
            {"conv1.dx": [str(v) for v in dx.ravel()], "conv1.dw": [f"{v:.6f}" for v in np.ravel(follows)]},
        )
        assert marks["conv1.dx"] == ["right", "right", "wrong", *["right"] * 13]
        assert marks["conv1.dw"] == ["follows"] * 4
        assert "consistent" in looker.page.locator("#checker .verdict").inner_text()


@pytest.mark.parametrize("name", ["classic", "two-channels", "padded", "strided", "batch-of-two", "two-convolutions"])
def test_all_right_numbers_of_an_example_are_right(browser: Any, name: str) -> None:
    """Every tensor that the form takes, all in one sheet: the sheet's equations are those of the page."""
    with served(name) as url, opened(browser, url) as looker:
        looker.publish()
        script = """async () => {
            const { trace } = convgrad.page.app;
            const names = trace.names.filter((name) => trace.tensor(name).equation && !trace.tensor(name).shows);
            const results = new Map(names.map((name) => [name, Array.from(trace.tensor(name).values, String)]));
            const report = await convgrad.page.ask("/api/check", { sheet: convgrad.page.sheetOf(trace, results) });
            return [names.length, report.tensors.map(({ name, mark }) => [name, mark])];
        }"""
        count, marks = looker.page.evaluate(script)
        pinned = [tensor for tensor in trace_of(name).values() if tensor.pinned]
        assert len(marks) == count
        assert {mark for _, mark in marks} == {"right"} or pinned
        wrong = {tensor for tensor, mark in marks if mark == "wrong"}
        assert wrong <= {tensor.name for tensor in pinned}


def test_a_form_that_is_not_filled_in_says_so(looker: Looker) -> None:
    page = looker.page
    page.locator("#check").click()
    page.locator("#check-now").click()
    assert page.locator("#checker .verdict").inner_text() == "Nothing is filled in yet."
    page.locator("#checked-tensor").select_option("conv1.dw")
    page.locator('#checker input[data-flat="0"]').fill("0.1")
    page.locator("#check-now").click()
    words = "conv1.dw[0,1] is empty. Fill in all numbers of conv1.dw."
    assert page.locator("#checker .verdict").inner_text() == words
    assert page.locator('#checker input[data-flat="1"]').get_attribute("aria-invalid") == "true"
    page.locator('#checker input[data-flat="1"]').fill("x")
    page.locator("#check-now").click()
    assert "is not a number" in page.locator("#checker .verdict").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("#checker").is_visible()


def test_a_server_that_is_gone_is_told(browser: Any) -> None:
    with served("classic") as url, opened(browser, url) as looker:
        looker.page.locator("#example option").nth(1).wait_for(state="attached")
        looker.page.route("**/api/**", lambda route: route.abort())
        looker.page.locator("#example").select_option("padded")
        looker.page.locator("#source .problem:not(:empty)").wait_for()
        problem = looker.page.locator("#source .problem")
        assert problem.inner_text() == "The local server does not answer. Is convgrad explain --serve still running?"
        assert problem.locator("code").all_inner_texts() == ["convgrad explain --serve"]
        looker.complaints.clear()


def test_lenet_shows_images_that_zoom_to_numbers(lenet: Looker) -> None:
    trace, page = trace_of("lenet-digit"), lenet.page
    frame = page.locator('.tensor[data-name="conv1.x"] .frame')
    assert not page.locator('.tensor[data-name="conv1.x"] .zoom').is_visible()
    frame.click(position={"x": 30, "y": 40})
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith("conv1.x row ")
    page.keyboard.press("Enter")
    element = lenet.title().split(" = ")[0]
    assert lenet.title() == str(trace.at(element))
    assert len(lenet.marks("a")) == len([s for s in trace.at(element).explain().terms if s.value])
    page.locator('#panel .source[data-tensor="input"]').first.click()
    assert lenet.title() == str(trace.at(lenet.title().split(" = ")[0]))


def test_lenet_by_keyboard(lenet: Looker) -> None:
    keys = lenet.page.keyboard
    frame = lenet.page.locator('.tensor[data-name="relu1.x"] .frame')
    frame.focus()
    keys.press("PageDown")
    keys.press("ArrowUp")
    keys.press("Enter")
    assert lenet.focused().startswith("relu1.x row 13 column 14 c 1, ")
    for _ in range(9):
        keys.press("ArrowRight")
    assert lenet.focused().startswith("relu1.x row 13 column 23 c 1, ")
    keys.press("PageDown")
    assert lenet.focused().startswith("relu1.x row 13 column 23 c 2, ")
    keys.press("Enter")
    assert lenet.title() == str(trace_of("lenet-digit").at("relu1.x[13,23,2]"))


def test_lenet_backward_through_images_and_planes(lenet: Looker) -> None:
    trace = trace_of("lenet-digit")
    lenet.look("backward")
    lenet.page.locator('.tensor[data-name="conv1.dw"] .turner select').select_option("3")
    lenet.cell("conv1.dw[2,1,0,3]").click()
    assert lenet.title() == str(trace.at("conv1.dw[2,1,0,3]"))
    assert lenet.page.locator("#panel .sources > .terms").first.locator(".term").count() == 17
    lenet.look("forward")
    lenet.page.locator('.tensor[data-name="dense1.x"] .frame').click()
    lenet.page.keyboard.press("Enter")
    shown = lenet.page.locator("#panel .sources > .terms").first.locator(".term").count()
    assert shown == 24
    lenet.page.get_by_role("button", name="Show all").first.click()
    terms = [t for t in trace.at(lenet.title().split(" = ")[0]).explain().terms if t.value]
    assert lenet.page.locator("#panel .sources > .terms").first.locator(".term").count() == len(terms)


def test_negative_pixels_have_a_minus_sign(lenet: Looker) -> None:
    """Where colours can't be determined apart: in the middle of a pixel of the image there is another colour."""
    lenet.look("backward")
    script = """() => {
        const picture = convgrad.page.app.network.view("dinput").parts[0];
        const pixels = picture.canvas.getContext("2d").getImageData(0, 0, picture.width, picture.height).data;
        const at = (x, y) => pixels.slice(4 * (y * picture.width + x), 4 * (y * picture.width + x) + 3).join();
        const { scale, view: { tensor, layout } } = picture;
        return Array.from(tensor.values, (value, flat) => {
            const { row, column } = layout.place(flat);
            const [x, y] = [column * scale, row * scale];
            return [value, at(x, y) !== at(x + Math.floor(scale / 2), y + Math.floor(scale / 2))];
        });
    }"""
    marks = lenet.page.evaluate(script)
    assert len(marks) == 28 * 28
    assert all(marked == (value < 0) for value, marked in marks)


def test_lenet_fits_a_narrow_screen(browser: Any, tmp_path: Path) -> None:
    with opened(browser, written_to(tmp_path, "lenet-digit"), viewport={"width": 360, "height": 740}) as looker:
        assert looker.page.evaluate("document.documentElement.scrollWidth") <= 360
        looker.page.locator('.tensor[data-name="conv1.x"] .frame').click()
        looker.page.keyboard.press("Enter")
        chosen = looker.page.locator('#network .cell[data-mark="chosen"]').bounding_box()
        assert chosen["y"] + chosen["height"] <= looker.page.locator("#panel").bounding_box()["y"]


def test_a_phone_has_room_for_the_network_and_for_each_window(browser: Any) -> None:
    options = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with served("classic", programs=True) as url, opened(browser, url, **options) as looker:
        page = looker.page
        page.locator("#exercises").wait_for()
        assert page.locator("#network").bounding_box()["y"] < 520
        for name in ("build", "write", "check", "derive", "code", "exercises", "share"):
            page.locator(f"#{name}").tap()
            window = page.locator("dialog[open]")
            window.wait_for()
            parts = "(all) => all.map((part) => [part.tagName, part.getBoundingClientRect().right])"
            found = window.locator("button, select, input:visible, textarea, p").evaluate_all(parts)
            box = window.bounding_box()
            assert not [part for part, right in found if right > box["x"] + box["width"]], name
            page.keyboard.press("Escape")
            window.wait_for(state="hidden")
