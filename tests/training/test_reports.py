"""What a run folder tells: the best and the last weights, counts of mistakes, and the page that sums it up."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from convgrad.data import Dataset
from convgrad.errors import DataError
from convgrad.layers import Dense, Flatten
from convgrad.losses import loss_from
from convgrad.models.network import Network
from convgrad.models.saved import load
from convgrad.training.evaluate import evaluate
from convgrad.training.metrics import confusion_matrix
from convgrad.training.reports.confusion import Counted, picture
from convgrad.training.reports.page import page
from convgrad.training.run import run
from convgrad.training.settings import Settings

NAMES = ("a<b", "dog & cat", "$x_2$")


def data(count: int = 60) -> Dataset:
    rng = np.random.default_rng(4)
    labels = np.arange(count) % 3
    images = (rng.normal(size=(count, 4, 5, 1)) + labels[:, None, None, None]).astype(np.float32)
    return Dataset("three", images, labels, images[: count // 2], labels[: count // 2], NAMES)


def trained(folder: Path, settings: Settings) -> tuple[dict[str, Any], Network]:
    network = Network(Flatten(), Dense(3), input_shape=(4, 5, 1), name="flat")
    return run(network, data(), settings, folder), network


SETTINGS = Settings(
    epochs=6, batch_size=8, learning_rate=30.0, validation_split=0.3, engine="oracle", metrics=("f1",), monitor="val_f1"
)


def test_best_and_last_weights_are_those_of_their_epochs(tmp_path: Path) -> None:
    report, network = trained(tmp_path / "run", SETTINGS)
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())["history"]["val_f1"]
    assert report["best_epoch"] == 1 + int(np.argmax(figures))
    assert report["best_epoch"] < 6, "choose another learning rate: the test says nothing"
    last, best = load(tmp_path / "run", "last"), load(tmp_path / "run", weights="best")
    again = load(tmp_path / "run")
    for name, array in network.get_weights().items():
        assert (last.get_weights()[name] == array).all()
        assert (again.get_weights()[name] == array).all()
    shorter = Network(Flatten(), Dense(3), input_shape=(4, 5, 1), name="flat")
    run(shorter, data(), Settings(**{**SETTINGS.described(), "epochs": report["best_epoch"]}), tmp_path / "short")
    for name, array in shorter.get_weights().items():
        assert (best.get_weights()[name] == array).all()


def test_after_early_stopping_the_run_has_the_best_weights(tmp_path: Path) -> None:
    trained(tmp_path / "run", Settings(**{**SETTINGS.described(), "patience": 1}))
    ended, best, last = load(tmp_path / "run"), load(tmp_path / "run", "best"), load(tmp_path / "run", "last")
    for name, array in ended.get_weights().items():
        assert (array == best.get_weights()[name]).all()
    assert any((array != last.get_weights()[name]).any() for name, array in ended.get_weights().items())


def test_weights_of_a_folder_without_a_run(tmp_path: Path) -> None:
    trained(tmp_path / "run", Settings(epochs=1, engine="oracle"))
    (tmp_path / "run" / "weights" / "best.safetensors").unlink()
    with pytest.raises(DataError, match=r"best\.safetensors can't be read: No such file"):
        load(tmp_path / "run", "best")
    with pytest.raises(DataError, match="load: weights must be 'best' or 'last' or None"):
        load(tmp_path / "run", "first")


def test_results_are_lines_of_figures(tmp_path: Path) -> None:
    trained(tmp_path / "run", SETTINGS)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "run" / "results.csv").read_text())))
    history = json.loads((tmp_path / "run" / "metrics.json").read_text())["history"]
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    for name, values in history.items():
        assert [float(row[name]) for row in rows] == values


@pytest.mark.parametrize(("loss", "classes"), [("softmax_cross_entropy", 3), ("binary_cross_entropy", 2)])
def test_counts_of_blocks_are_those_of_all_outputs(loss: str, classes: int) -> None:
    outputs = classes if classes > 2 else 1
    network = Network(Flatten(), Dense(outputs), input_shape=(4, 5, 1))
    network.initialize(3)
    x, y = data().train_images, data().train_labels % classes
    counted = Counted(classes, loss_from(loss))
    found = evaluate(network, x, y, loss=loss, metrics=["accuracy", counted.metric], batch_size=7, engine="oracle")
    expected = confusion_matrix(network.predict(x, engine="oracle"), y, classes, 0.0)
    assert (counted.counts == expected).all()
    assert found["counted"] == found["accuracy"] == np.trace(counted.counts) / len(x)


def test_the_picture_of_counts_is_one() -> None:
    for names in (NAMES, tuple(f"class {n}" for n in range(40))):
        counts = np.diag(np.arange(len(names)))
        with Image.open(io.BytesIO(picture(counts, names))) as image:
            assert image.format == "PNG"
            assert min(image.size) > 300


def told(**changes: Any) -> dict[str, Any]:
    report = {"model": "flat", "dataset": "<three>", "epochs": 2, "test_loss": 0.5, "test_accuracy": 0.25, "classes": 3}
    return {**report, "interrupted": False, **changes}


FIGURES = {"loss": [2.0, 1.0], "val_loss": [3.0, float("nan")], "accuracy": [0.5, 0.75]}


def parsed(content: bytes) -> ElementTree.Element:
    """The page as XML, which its few elements are, but for the first lines."""
    text = content.decode()
    assert "http" not in re.sub(r"<pre>.*?</pre>", "", text, flags=re.S), "it loads nothing"
    return ElementTree.fromstring(text[text.index("<body>") : text.index("</body>") + len("</body>")])


def test_the_page_says_what_there_was() -> None:
    counts = np.array([[5, 1, 0], [0, 7, 2], [0, 0, 4]])
    body = parsed(page(told(), FIGURES, "lr = 1 # <&>", "<table></table>", counts, NAMES))
    text = " ".join(" ".join(body.itertext()).split())
    assert "flat on <three>" in text
    assert "Test loss 0.5, test accuracy 25.00%" in text
    assert "Most often dog & cat for $x_2$: 2; a<b for dog & cat: 1." in text
    assert "lr = 1 # <&>" in text
    assert len(body.findall(".//svg")) == 2
    assert [cell.text for cell in body.findall(".//table[@class='counts']//td")][:4] == ["5", "1", "0", "83.3%"]


def test_the_page_of_a_run_without_an_epoch() -> None:
    body = parsed(page(told(epochs=0, test_loss=None, interrupted=True), {}, "", "", None, ()))
    text = " ".join(" ".join(body.itertext()).split())
    assert "Nothing was tested. It was interrupted." in text
    assert not body.findall(".//svg")


def test_many_classes_are_told_by_the_mistakes_only() -> None:
    names = tuple(f"n{k}" for k in range(50))
    counts = np.eye(50, dtype=np.int64) * 3
    counts[7, 9] = 2
    text = "".join(parsed(page(told(), FIGURES, "", "", counts, names)).itertext())
    assert "n7 for n9: 2" in text
    assert "taken for n" not in text
    assert (
        "None was taken for another one." in page(told(), FIGURES, "", "", np.eye(50, dtype=np.int64), names).decode()
    )
