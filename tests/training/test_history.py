"""History: figures, speed, JSON there and back, curves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convgrad.errors import DataError
from convgrad.training.history import History


def example() -> History:
    history = History(images=300, compile_seconds=0.5)
    history.add_epoch({"loss": 0.7, "accuracy": 0.6, "val_loss": 0.6, "val_accuracy": 0.7}, seconds=2.0)
    history.add_epoch({"loss": 0.4, "accuracy": 0.8, "val_loss": 0.5, "val_accuracy": 0.75}, seconds=1.0)
    return history


def test_it_is_a_mapping_of_lists_per_epoch() -> None:
    history = example()
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert len(history) == 4
    assert history["val_accuracy"] == [0.7, 0.75]
    assert history.epochs == 2
    assert history.images_per_second == pytest.approx(200.0)
    assert History().images_per_second == 0.0


def test_json_comes_back_the_same() -> None:
    assert History.from_json(example().to_json()) == example()


@pytest.mark.parametrize("text", ["", "[]", '{"other": 1}', "3"])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"not a history written by History\.to_json"):
        History.from_json(text)


def test_curves_are_a_picture_with_all_lines(tmp_path: Path) -> None:
    figure = example().plot(tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        assert image.width > 1000
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "accuracy"]
    assert [np.asarray(line.get_ydata()).tolist() for line in figure.axes[0].get_lines()] == [[0.7, 0.4], [0.6, 0.5]]


def test_curves_of_one_epoch_and_of_none() -> None:
    assert len(History({"loss": [1.0]}).plot().axes) == 1
    assert len(History().plot().axes) == 1


def test_plotting_leaves_pyplot_alone() -> None:
    code = (
        "import sys; from convgrad.training.history import History; History({'loss': [1.0, 0.5]}).plot();"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
