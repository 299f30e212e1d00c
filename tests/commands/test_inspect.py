"""`convgrad inspect`: a table of layers, and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command_runs import TINY, convgrad
from convgrad import Network, save
from convgrad.data import load as load_data
from convgrad.inspection import health
from convgrad.layers import Conv2D, Dense, Flatten, ReLU
from convgrad.models.saved import load


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("inspected")
    (folder / "tiny.toml").write_text(TINY)
    convgrad("train", "digits", "--model", folder / "tiny.toml", "--epochs", 1, "--out", folder / "run", "--quiet")
    return folder / "run"


def wide(path: str | Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.width, picture.height


def test_the_figures_are_those_of_the_function(run: Path) -> None:
    told = json.loads(convgrad("inspect", run, "--examples", 50, "--json").stdout)
    digits = load_data("digits")
    assert digits.test_images is not None
    assert digits.test_labels is not None
    rows = np.linspace(0, 999, 50).astype(int)
    found = health(load(run), digits.test_images[rows], digits.test_labels[rows])
    assert told["examples"] == "50 of the test images of digits"
    assert told["loss"] == found.loss
    assert [(one["name"], one["gradient"], one["dead"]) for one in told["layers"]] == [
        (one.name, one.gradient, one.dead) for one in found
    ]
    assert [Path(path).name for path in told["pictures"]] == ["answers.png", "layers.png", "kernels.png"]


def test_a_table_and_pictures(run: Path, tmp_path: Path) -> None:
    result = convgrad("inspect", run, "--examples", 20, "--show", 2, "--out", tmp_path / "seen")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("20 examples of the test images of digits, mean loss ")
    assert lines[1].split() == ["layer", "mean", "deviation", "dead", "weights", "gradient"]
    assert [line.split()[0] for line in lines[2:6]] == ["conv1", "relu1", "flatten1", "dense1"]
    assert f"wrote {tmp_path / 'seen' / 'answers.png'}" in lines
    two = wide(tmp_path / "seen" / "answers.png")
    convgrad("inspect", run, "--examples", 20, "--show", 4, "--out", tmp_path / "seen")
    four = wide(tmp_path / "seen" / "answers.png")
    assert four[0] == two[0]
    assert four[1] == pytest.approx(2 * two[1], abs=2)


def test_images_of_ones_own_and_a_layer(run: Path, tmp_path: Path) -> None:
    Image.fromarray(np.arange(30 * 20, dtype=np.uint8).reshape(30, 20)).save(tmp_path / "own.png")
    convgrad("inspect", run, tmp_path / "own.png", "--layer", "conv1", "--examples", 5, "--out", tmp_path / "seen")
    assert wide(tmp_path / "seen" / "answers.png")[1] > 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layer", "dense1"], "grad_cam: dense1 returns shape (10,), which has no places with channels."),
        (["--layer", "konv"], "The network has no layer 'konv'. "),
        (["nothing.png"], "nothing.png"),
    ],
)
def test_what_can_not_be_used(run: Path, arguments: list[Any], message: str) -> None:
    result = convgrad("inspect", run, "--examples", 5, *arguments, code=2)
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_without_its_data(tmp_path: Path) -> None:
    network = Network(Conv2D(2, 3), ReLU(), Flatten(), Dense(3), input_shape=(6, 5, 1))
    network.initialize(seed=0)
    save(network, tmp_path / "saved")
    message = convgrad("inspect", tmp_path / "saved", code=2).stderr
    assert f"{tmp_path / 'saved'} has no run.toml, which says what data it was trained on." in message


@pytest.mark.parametrize(
    ("kept", "instead", "key"),
    [(False, "", "dataset"), (False, "dataset = 7", "dataset"), (True, "data-dir = 3", "data-dir")],
)
def test_a_file_of_options_that_was_changed(run: Path, tmp_path: Path, kept: bool, instead: str, key: str) -> None:
    for name in ("config.json", "weights.safetensors", "run.toml"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    lines = (tmp_path / "run.toml").read_text().splitlines()
    lines = [line for line in lines if kept or not line.startswith("dataset")]
    (tmp_path / "run.toml").write_text("\n".join([*lines, instead]))
    message = " ".join(convgrad("inspect", tmp_path, code=2).stderr.split())
    assert f"does not say by its line `{key}` what data the run was trained on" in message


def test_data_of_another_shape(tmp_path: Path) -> None:
    network = Network(Conv2D(2, 3), ReLU(), Flatten(), Dense(10), input_shape=(6, 5, 1))
    network.initialize(seed=0)
    save(network, tmp_path / "saved")
    (tmp_path / "saved" / "run.toml").write_text('dataset = "digits"\n')
    message = convgrad("inspect", tmp_path / "saved", code=2).stderr
    assert "the network takes images of (6, 5, 1), but its data have (28, 28, 1)." in message


def test_a_network_that_takes_no_images(tmp_path: Path) -> None:
    network = Network(Dense(3), input_shape=(4,))
    network.initialize(seed=0)
    save(network, tmp_path / "saved")
    message = convgrad("inspect", tmp_path / "saved", code=2).stderr
    assert "the network takes (4,) and returns (3,); inspect is for those that take images and name classes." in message


def test_data_that_lie_elsewhere_now_and_the_oracle(run: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name in ("config.json", "weights.safetensors", "run.toml"):
        (tmp_path / "run" / name).write_bytes((run / name).read_bytes())
    again = (tmp_path / "run" / "run.toml").read_text().replace('"digits"', '"mnist"')
    (tmp_path / "run" / "run.toml").write_text(again)
    message = convgrad("inspect", tmp_path / "run", "--data-dir", tmp_path, code=2).stderr
    assert str(tmp_path) in message
    told = json.loads(convgrad("inspect", run, "--examples", 3, "--engine", "oracle", "--json").stdout)
    fast = json.loads(convgrad("inspect", run, "--examples", 3, "--json").stdout)
    assert told["loss"] == pytest.approx(fast["loss"], rel=1e-5)
