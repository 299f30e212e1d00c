"""The page's state in its address: opened fresh it is the same to the last bit; what can't be read is said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_support import Looker, opened, served, toured_html, written_to
from link_support import bits, do, random_change, random_look, state, travel

pytestmark = pytest.mark.browser

STATES = int(os.environ.get("CONVGRAD_FUZZ", "12"))
EXAMPLES = ("classic", "two-channels", "batch-of-two", "padded", "strided", "two-convolutions")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("links")


@pytest.fixture
def looker(browser: Any, folder: Path) -> Iterator[Looker]:
    with opened(browser, written_to(folder, "classic")) as found:
        yield found


def test_an_address_opened_fresh_shows_the_same_numbers(either: Any, folder: Path) -> None:
    with opened(either, written_to(folder, "classic")) as looker:
        looker.look("backward")
        looker.edit("conv1.w[0,0]", "0.3")
        looker.cell("conv1.dw[0,0]").click()
        looker.page.locator("#step10").click()
        looker.page.locator("#theme").click()
        shown, address = state(looker), looker.page.url
        assert shown == {
            "example": "classic",
            "lens": "backward",
            "at": ["conv1.dw[0,0]"],
            "log": [["set", "conv1.w", 0, 0.3], ["step", 10]],
            "theme": "dark",
        }
        assert "#example=classic&lens=backward&at=conv1.dw[0,0]&log=" in address
        with opened(either, address) as other:
            assert state(other) == shown
            assert other.page.url == address
            assert other.title() == looker.title()
            assert other.lens == "backward"
            assert bits(other) == bits(looker)


def test_random_states_opened_fresh_are_the_same(either: Any, folder: Path) -> None:
    rng = np.random.default_rng(13)
    for name in EXAMPLES:
        where = written_to(folder, name)
        with opened(either, where) as looker, opened(either, "about:blank") as other:
            for _ in range(max(1, STATES // len(EXAMPLES))):
                for _ in range(int(rng.integers(1, 6))):
                    do(looker, *(random_change if rng.integers(2) else random_look)(looker, rng))
                shown, address = state(looker), looker.page.url
                assert address.startswith(where)
                other.page.goto("about:blank")
                other.page.goto(address)
                assert state(other) == shown, address
                assert bits(other) == bits(looker), address
                assert other.page.locator("#panel h2").first.inner_text() == _heading(looker), address
                assert other.page.url == address


def _heading(looker: Looker) -> str:
    return str(looker.page.locator("#panel h2").first.inner_text())


def test_back_and_forward(either: Any, folder: Path) -> None:
    with opened(either, written_to(folder, "classic")) as looker:
        seen = []
        actions: list[list[Any]] = [
            ["look", "backward"],
            ["explain", "conv1.dw", 0],
            ["set", "conv1.w", 0, 0.5],
            ["follow", "conv1.dx", 2],
        ]
        length = looker.page.evaluate("() => history.length")
        start = state(looker)
        for action in actions:
            do(looker, *action)
            seen.append((state(looker), bits(looker)))
        assert looker.page.evaluate("() => history.length") == length + len(actions)
        for shown, numbers in reversed(seen[:-1]):
            travel(looker, "back")
            assert (state(looker), bits(looker)) == (shown, numbers)
        travel(looker, "back")
        assert state(looker) == start
        for shown, numbers in seen:
            travel(looker, "forward")
            assert (state(looker), bits(looker)) == (shown, numbers)


def test_each_stop_of_the_tour_has_its_link(either: Any, folder: Path) -> None:
    file = folder / "toured.html"
    file.write_text(toured_html("classic"), encoding="utf-8")
    with opened(either, file.as_uri()) as looker, opened(either, "about:blank") as other:
        stops = looker.page.evaluate("() => convgrad.page.STOPS.map(({ name }) => name)")
        assert len(stops) >= 8
        for place, name in enumerate(stops):
            looker.page.evaluate("(place) => convgrad.page.app.tour.go(place)", place)
            shown = state(looker)
            assert shown["stop"] == name
            other.page.goto("about:blank")
            other.page.goto(looker.page.url if place else f"{file.as_uri()}#stop={name}")
            assert state(other) == shown
            assert bits(other) == bits(looker)
        for name in reversed(stops[:-1]):
            travel(looker, "back")
            assert state(looker)["stop"] == name


def test_steps_do_not_flood_the_history(looker: Looker) -> None:
    state(looker)
    length = looker.page.evaluate("() => history.length")
    for _ in range(5):
        looker.page.locator("#step").click()
        state(looker)
    assert looker.page.evaluate("() => history.length") == length
    assert state(looker)["log"] == [["step", 1]] * 5


def test_a_link_names_another_example_and_a_network_of_ones_own(browser: Any) -> None:
    with served("classic") as url, opened(browser, url) as looker:
        page = looker.page
        page.evaluate("() => { location.hash = '#example=strided&lens=backward&at=dinput[2,2]'; }")
        page.wait_for_function("() => convgrad.page.app.trace.model.name === 'strided'")
        assert state(looker) == {"example": "strided", "lens": "backward", "at": ["dinput[2,2]"]}
        page.locator("#build").click()
        page.locator("#built-rate").fill("0.25")
        page.locator("#build-now").click()
        page.wait_for_function("() => convgrad.page.app.trace.model.name === 'own network'")
        do(looker, "step", 2)
        shown, numbers = state(looker), bits(looker)
        assert shown["network"]["learning_rate"] == 0.25
        assert shown["log"] == [["step", 2]]
        page.reload()
        assert (state(looker), bits(looker)) == (shown, numbers)
        travel(looker, "back")
        page.wait_for_function("() => convgrad.page.app.trace.model.name === 'strided'")
        assert state(looker)["at"] == ["dinput[2,2]"]


def test_the_skip_link_is_no_state(looker: Looker) -> None:
    do(looker, "explain", "conv1.w", 0)
    before = state(looker)
    looker.page.evaluate("() => document.querySelector('.skip').click()")
    assert state(looker) == before
    assert looker.page.locator("#link-problem").is_hidden()


def test_numbers_that_are_too_many_for_a_link_are_left_out(browser: Any, folder: Path) -> None:
    rng = np.random.default_rng(3)
    with opened(browser, written_to(folder, "classic")) as looker:
        for _ in range(60):
            do(looker, "setAll", "input", [float(value) for value in rng.normal(size=25)])
            do(looker, "step", 1)  # what was learnt from them keeps them in the link
        assert len(state(looker)["log"]) == 120
        assert looker.page.url.endswith("#example=classic&lens=forward")
        looker.page.locator("#share").click()
        words = looker.page.locator("#share-dialog .share-part").first.inner_text()
        assert "The changed numbers are too many for a link" in words
        assert "it holds 16,000" in words


@pytest.mark.parametrize(
    ("hash_", "words"),
    [
        ("#lens=sideways", "there is no lens “sideways”."),
        ("#example=other", "“other” is not in this file."),
        ("#at=conv1.w[9,9]", "classic has no number “conv1.w[9,9]”."),
        ("#at=__proto__[0]", "classic has no number “__proto__[0]”."),
        ("#at=", "the numbers that it explains can't be read."),
        ("#example=", "the name of its example can't be read."),
        ("#layer=", "the name of its layer can't be read."),
        ("#log=abc", "a part of it is missing or changed."),
        ("#network=abc", "a part of it is missing or changed."),
        ("#__proto__=3", "this page does not know its part “__proto__”."),
        ("#<img/src/onerror>=3", "this page does not know its part “<img/src/onerror>”."),
        ("#lens=forward&lens=update", "its part “lens” stands there twice."),
        ("#layer=conv7", "classic has no layer `conv7`."),
        ("#theme=pink", "its colours are neither light nor dark."),
        ("#example=" + "x" * 20_000, "it is longer than 16000 characters."),
    ],
)
def test_a_link_that_cannot_be_read_is_one_sentence_and_changes_nothing(looker: Looker, hash_: str, words: str) -> None:
    do(looker, "set", "conv1.w", 1, 0.75)
    before, numbers = state(looker), bits(looker)
    looker.page.evaluate("(hash) => { location.hash = hash; }", hash_)
    assert _said(looker) == f"This link can't be shown: {words}"
    assert state(looker) == before
    assert bits(looker) == numbers


def _said(looker: Looker) -> str:
    looker.page.wait_for_selector("#link-problem:not([hidden])")
    return str(looker.page.locator("#link-problem span").inner_text())


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ({"length": 3}, "what was done to its numbers can't be read."),
        (["step"], "what was done to its numbers can't be read."),
        ([[]], "what was done to its numbers can't be read."),
        ([["together", ["together", ["step", 1]]]], "what was done to its numbers can't be read."),
        ([["set", "conv1.w", "length", 3]], "what was done to its numbers can't be read."),
        ([["set", "conv1.w", 0, None]], "what was done to its numbers can't be read."),
        ([["set", "conv1.w", 0, "1"]], "what was done to its numbers can't be read."),
        ([["setAll", "input", "abc"]], "what was done to its numbers can't be read."),
        ([["step", 1e9]], "it changes numbers too often; a link holds 5000 steps and 5000 changes."),
        ([["step", 1]] * 5001, "it changes numbers too often; a link holds 5000 steps and 5000 changes."),
        ([["step", 0.5]], "it makes a number of steps that is no whole number."),
        ([["step", -1]], "it makes a number of steps that is no whole number."),
        ([["constructor", 1]], "Numbers are not changed by `constructor`."),
        ([["set", "__proto__", 0, 1]], "There is no tensor `__proto__`."),
        ([["set", "conv1.w", 4, 1]], "conv1.w has 4 numbers; there is no number 4."),
        ([["set", "conv1.w", -1, 1]], "conv1.w has 4 numbers; there is no number -1."),
        ([["setAll", "conv1.w", [1, 2]]], "conv1.w has 4 numbers, but got 2."),
        ([["unpin", "conv1.w"]], "`conv1.w` is not pinned."),
        ([["step", 3], ["set", "nowhere", 0, 1]], "There is no tensor `nowhere`."),
    ],
)
def test_hostile_changes_are_one_sentence_and_change_nothing(looker: Looker, log: Any, words: str) -> None:
    do(looker, "set", "conv1.w", 1, 0.75)
    before, numbers = state(looker), bits(looker)
    looker.page.evaluate(
        "async (log) => { location.hash = await convgrad.page.hashOf({ example: 'classic', log }); }", log
    )
    assert _said(looker) == f"This link can't be shown: {words}"
    assert (state(looker), bits(looker)) == (before, numbers)
    assert looker.page.evaluate("() => ({}).polluted === undefined && Object.keys(Object.prototype).length === 0")


def test_what_unpacks_to_too_much_is_refused(looker: Looker) -> None:
    hash_ = looker.page.evaluate(
        """async () => { const zeros = new Blob([new Uint8Array(9_000_000)]).stream().pipeThrough(
            new CompressionStream('deflate-raw'));
        const bytes = new Uint8Array(await new Response(zeros).arrayBuffer());
        return '#log=' + btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_'); }"""
    )
    assert len(hash_) < 16_000
    looker.page.evaluate("(hash) => { location.hash = hash; }", hash_)
    assert _said(looker) == "This link can't be shown: it holds too much."


def test_a_network_that_the_server_refuses_is_one_sentence(browser: Any) -> None:
    with served("classic") as url, opened(browser, url) as looker:
        looker.page.evaluate(
            """async () => { location.hash = await convgrad.page.hashOf({ network:
            { input_shape: [5, 5, 1], layers: [{ type: 'Nothing' }] } }); }"""
        )
        assert "Nothing" in _said(looker)
        assert state(looker)["example"] == "classic"
        looker.complaints = [words for words in looker.complaints if "400" not in words]


def test_many_steps_of_a_link_leave_the_page_alive_and_can_be_left(looker: Looker) -> None:
    script = """async () => {
        const { links, trace } = convgrad.page.app;
        let turns = 0;
        const timer = setInterval(() => (turns += 1), 0);
        const all = await links.show({ log: [['step', 5000]] });
        clearInterval(timer);
        const left = links.show({ log: [['step', 4999], ['step', 1]] });
        await new Promise((done) => setTimeout(done));
        const then = await links.show({ lens: 'update' });
        return [all, turns > 2, await left, then, links.state()];
    }"""
    shown = {"example": "classic", "lens": "update"}
    assert looker.page.evaluate(script) == [True, True, False, True, shown]


def test_a_link_holds_a_picture_once_and_as_bytes(either: Any, folder: Path) -> None:
    """Each stroke of a drawing writes all pixels; between them a label is chosen."""
    rng = np.random.default_rng(5)
    pictures = [(rng.integers(0, 256, 784) / 255).astype(np.float32).tolist() for _ in range(4)]
    with opened(either, written_to(folder, "lenet-digit")) as looker, opened(either, "about:blank") as other:
        lengths = []
        for n, picture in enumerate(pictures):
            do(looker, "together", ["setAll", "input", picture], ["set", "target", 0, n])
            shown = state(looker)
            lengths.append(len(looker.page.url))
        assert max(lengths) - min(lengths) < 60
        assert max(lengths) < 1_800  # 784 bytes, in six bits a letter, twice
        other.page.goto(looker.page.url)
        assert state(other) == shown
        np.testing.assert_array_equal(other.values("input").ravel(), np.float32(pictures[-1]))
        assert bits(other) == bits(looker)


def test_what_is_left_out_of_a_link_does_not_change_a_number(looker: Looker, folder: Path, browser: Any) -> None:
    """A number that is set in a computed tensor pins the others as they are: what they follow from is kept."""
    whole, again = [0.1] * 25, [0.7] * 25
    do(looker, "setAll", "input", whole)
    do(looker, "set", "input", 3, 5.0)
    do(looker, "set", "conv1.x", 0, 2.0)
    do(looker, "setAll", "input", again)
    do(looker, "set", "input", 2, 1.0)
    do(looker, "setAll", "input", whole)
    do(looker, "together", ["setAll", "input", again], ["set", "pool1.x", 1, 1.0], ["setAll", "input", whole])
    kept = state(looker)["log"]
    assert [action[:2] for action in kept] == [
        ["setAll", "input"],
        ["set", "input"],
        ["set", "conv1.x"],
        ["together", ["setAll", "input", again]],
    ]
    with opened(browser, looker.page.url) as other:
        assert state(other)["log"] == kept
        assert bits(other) == bits(looker)
