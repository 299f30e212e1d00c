"""The page that trains LeNet in the browser: what it shows is what Python computes from the weights it saves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.static_site import published
from safetensors.numpy import load as tensors_from_bytes

from browser_support import FINDINGS, Looker, opened
from convgrad.data.bundled import bundled_test_digits
from convgrad.site.build import build
from convgrad.site.train import training_page, untrained
from optional import find_axe, require_linker

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LONG = 120_000
"""Milliseconds, on a machine that does much else; an epoch takes a few seconds."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a site with the page."""
    require_linker()
    folder = tmp_path_factory.mktemp("trains")
    build(folder, None, training_page())
    with published(folder) as url:
        yield url


class Trainer:
    """A person at the page."""

    def __init__(self, looker: Looker):
        self.page = looker.page
        self.page.set_default_timeout(LONG)
        self.page.wait_for_function(
            "() => document.title.includes('train') && !document.getElementById('start').disabled"
        )

    def text(self, place: str) -> str:
        return str(self.page.locator(place).inner_text())

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def batches(self) -> int:
        return int(self.text("#steps").replace(",", ""))

    def until_batches(self, count: int) -> None:
        script = "(count) => Number(document.getElementById('steps').textContent.replace(/,/g, '')) >= count"
        self.page.wait_for_function(script, arg=count)

    def until_it_rests(self) -> None:
        self.page.get_by_role("button", name="Go on", exact=True).wait_for()
        # The worker says that it rests, and what it did, before the next picture.
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def saved(self, name: str) -> bytes:
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name=name).click()
        return Path(download.value.path()).read_bytes()

    def losses(self) -> list[float]:
        """As JavaScript writes them: a number's own digits, so that the same text is the same bits."""
        head, *lines = self.saved("losses").decode().splitlines()
        assert head == "batch,loss"
        assert [int(line.split(",")[0]) for line in lines] == [*range(1, len(lines) + 1)]
        return [float(line.split(",")[1]) for line in lines]

    def weights(self) -> dict[str, np.ndarray]:
        return dict(tensors_from_bytes(self.saved("weights")))

    def kernels(self) -> np.ndarray:
        """The pictures of the kernels, red, green and blue of row, column, kernel."""
        script = """() => [...document.querySelectorAll("#kernels canvas")].map((canvas) => {
            const copy = new OffscreenCanvas(5, 5).getContext("2d", { willReadFrequently: true });
            copy.drawImage(canvas, 0, 0);
            return [...copy.getImageData(0, 0, 5, 5).data];
        })"""
        pixels = np.array(self.page.evaluate(script), int).reshape(6, 5, 5, 4)
        by_place: np.ndarray = pixels[..., :3].transpose(1, 2, 0, 3)
        return by_place


def check_kernels(trainer: Trainer) -> None:
    """0 is white; what is above is redder than blue, what is below is bluer than red, the greatest the strongest."""
    kernels, shown = trainer.weights()["conv1.w"][:, :, 0, :], trainer.kernels()
    share = np.abs(kernels) / np.abs(kernels).max()
    warm = shown[..., 0] - shown[..., 2]
    clear = share > 0.02  # fainter ones differ from white by less than a few of 255 levels
    assert np.array_equal(np.sign(warm[clear]), np.sign(kernels[clear]))
    for side in (kernels > 0, kernels < 0):
        ordered = np.abs(warm[side])[np.argsort(share[side])]
        assert (np.diff(ordered) >= -1).all()  # a level of 255
    assert (shown[share < 0.001] >= 253).all()


def test_it_learns_what_python_says_it_has(browser: Any, site: str) -> None:
    with opened(browser, site) as looker:
        looker.page.get_by_role("link", name="Train LeNet here").click()
        trainer = Trainer(looker)
        check_kernels(trainer)
        first = trainer.kernels()
        trainer.page.locator("#epochs").fill("1")
        trainer.press("Start")
        trainer.until_it_rests()
        losses, weights = trainer.losses(), trainer.weights()
        assert len(losses) == trainer.batches() == 150
        assert abs(losses[0] - np.log(10)) < 0.7  # of ten classes that are about as likely
        assert np.mean(losses[-25:]) < 0.25 * np.mean(losses[:25])
        assert float(trainer.text("#loss")) == pytest.approx(losses[-1], rel=5e-3)
        assert float(trainer.text("#speed").replace(",", "")) > 0
        epoch, mean, accuracy = trainer.text("#done").split("\t")
        assert epoch == "1"
        assert float(mean) == pytest.approx(np.mean(losses), abs=5.1e-5)
        assert trainer.text("#accuracy") == accuracy.strip()
        told = float(accuracy.rstrip("% \u202f\n"))
        assert told > 80
        network = untrained()
        network.set_weights(weights)
        images, labels = bundled_test_digits()
        right = 100 * np.mean(network.predict(network.preparation.apply(images)).argmax(-1) == labels)
        assert told == pytest.approx(right, abs=0.1001)  # one of 1,000, should two results be equal but for rounding
        check_kernels(trainer)
        assert (trainer.kernels() != first).any()
        curve = trainer.page.locator("#curve path.each").get_attribute("d") or ""
        assert len(re.findall("[ML]", curve)) == 150
        assert trainer.page.locator("#curve").get_attribute("aria-label", timeout=LONG).startswith("Loss over 150")
        assert trainer.text("#live").startswith("Epoch 1: mean loss")


def test_pause_go_on_and_restart(browser: Any, site: str) -> None:
    with opened(browser, f"{site}train/index.html", reduced_motion="no-preference") as looker:
        trainer = Trainer(looker)
        trainer.page.locator("#epochs").fill("50")
        trainer.press("Start")
        trainer.until_batches(10)
        trainer.press("Pause")
        trainer.until_it_rests()
        before, kernels = trainer.losses(), trainer.kernels()
        trainer.page.wait_for_timeout(500)
        assert trainer.losses() == before
        assert len(before) == trainer.batches()
        trainer.press("Go on")
        trainer.until_batches(len(before) + 10)
        trainer.press("Restart")  # while it trains
        assert (trainer.text("#loss"), trainer.text("#accuracy"), trainer.batches()) == ("–", "–", 0)
        trainer.page.wait_for_timeout(500)
        assert trainer.batches() == 0
        trainer.press("Start")
        trainer.until_batches(len(before))
        trainer.press("Pause")
        trainer.until_it_rests()
        again = trainer.losses()
        assert again[: len(before)] == before
        assert (kernels != trainer.kernels()).any() or len(again) == len(before)


def test_by_keyboard_alone(either: Any, site: str) -> None:
    with opened(either, f"{site}train/index.html") as looker:
        trainer = Trainer(looker)
        visited = []
        for _ in range(6):
            trainer.page.keyboard.press("Tab")
            visited.append(trainer.page.evaluate("() => document.activeElement.id || document.activeElement.className"))
        assert visited == ["skip", "back", "theme", "start", "restart", "rate"]
        trainer.page.locator("#start").focus()
        trainer.page.keyboard.press("Enter")
        trainer.until_batches(1)
        assert trainer.page.evaluate("() => document.activeElement.id") == "start"
        trainer.page.keyboard.press("Space")
        trainer.until_it_rests()


BAD = {
    "rate": (["", "-1", "0", "fast", "Infinity"], "The learning rate is a number above 0, such as 0.02."),
    "epochs": (["", "0", "1.5", "-3", "10000"], "Epochs are a whole number from 1 to 9999."),
}


def test_what_is_typed_wrong_and_what_is_too_fast(browser: Any, site: str) -> None:
    with opened(browser, f"{site}train/index.html") as looker:
        trainer = Trainer(looker)
        for field, (texts, sentence) in BAD.items():
            right = trainer.page.locator(f"#{field}").input_value()
            for text in texts:
                trainer.page.locator(f"#{field}").fill(text)
                trainer.press("Start")
                assert trainer.text("#problem") == sentence, text
                assert trainer.page.locator(f"#{field}[aria-invalid]").count() == 1
            trainer.page.locator(f"#{field}").fill(right)
        assert trainer.batches() == 0
        trainer.page.locator("#rate").fill("1e20")
        trainer.press("Start")
        trainer.page.locator("#problem", has_text="the learning rate is too large. Make it smaller").wait_for()
        assert trainer.page.locator("#start").is_disabled()
        too_fast = trainer.losses()
        trainer.page.locator("#rate").fill("0.02")
        trainer.press("Restart")
        assert trainer.text("#problem") == ""
        trainer.press("Start")
        trainer.until_batches(1)
        trainer.press("Pause")
        trainer.until_it_rests()
        assert trainer.losses()[0] == too_fast[0]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_narrow_and_wide_light_and_dark(browser: Any, site: str, theme: str) -> None:
    with opened(browser, f"{site}train/index.html", color_scheme=theme) as looker:
        trainer = Trainer(looker)
        for width in (320, 360, 768, 1440):
            looker.page.set_viewport_size({"width": width, "height": 800})
            assert looker.page.evaluate("() => document.documentElement.scrollWidth") <= width
        ground = "() => getComputedStyle(document.body).backgroundColor"
        before, kernels = looker.page.evaluate(ground), trainer.kernels()
        trainer.press("Dark or light")
        assert looker.page.evaluate(ground) != before
        assert np.array_equal(trainer.kernels(), kernels)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, site: str, theme: str) -> None:
    axe = find_axe()
    with opened(browser, f"{site}train/index.html", color_scheme=theme, bypass_csp=True) as looker:
        trainer = Trainer(looker)
        looker.page.add_script_tag(content=axe)
        assert looker.page.evaluate(FINDINGS) == []
        trainer.page.locator("#rate").fill("fast")
        trainer.press("Start")
        assert looker.page.evaluate(FINDINGS) == []
        trainer.page.locator("#rate").fill("0.02")
        trainer.page.locator("#epochs").fill("1")
        trainer.press("Start")
        trainer.until_it_rests()
        for width in (360, 1440):
            looker.page.set_viewport_size({"width": width, "height": 800})
            assert looker.page.evaluate(FINDINGS) == []


def test_what_can_not_be_loaded_is_said(browser: Any, site: str) -> None:
    for name in ("digits/t10k-labels-idx1-ubyte.gz", "net.wasm"):
        with opened(browser, "about:blank") as looker:
            looker.page.context.route(f"**/{name}", lambda route: route.fulfill(status=404))
            looker.page.goto(f"{site}train/index.html")
            problem = looker.page.locator("#problem", has_text="The network can't be started")
            problem.wait_for()
            assert name in problem.inner_text()
            assert "404" in problem.inner_text()
            assert looker.page.locator("#start").is_disabled()
            looker.complaints.clear()
