"""`convgrad train` with all its options, from the command line and from a file, on folders of three parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command_runs import convgrad
from convgrad.data.parts import read_parts

MODEL = '[[layer]]\ntype = "Flatten"\n[[layer]]\ntype = "Dense"\nunits = "classes"\n'
COUNTS = {"train": (18, 6), "val": (5, 4), "test": (7, 3)}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `photos` of three parts and two classes, and a model."""
    rng = np.random.default_rng(3)
    for part, counts in COUNTS.items():
        for name, count in zip(("bright", "dark"), counts, strict=True):
            (tmp_path / "photos" / part / name).mkdir(parents=True)
            for n in range(count):
                pixels = rng.integers(0, 120, (6, 5, 3), np.uint8) + (120 if name == "bright" else 0)
                Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / part / name / f"{n}.png")
    (tmp_path / "tiny.toml").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


BASE = ["--model", "tiny.toml", "--engine", "oracle", "--batch-size", "4", "--epochs", "3", "--quiet"]


def train(*options: Any, code: int = 0, data: str = "photos") -> Any:
    return convgrad("train", data, *BASE, *options, code=code)


def content(run: Path, name: str = "weights.safetensors") -> bytes:
    return (run / name).read_bytes()


def said(result: Any) -> str:
    """The one message on standard error."""
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.split())


def test_three_parts_are_trained_on_validated_with_and_tested_on(place: Path) -> None:
    report = json.loads(train("--out", "run", "--json").stdout)
    assert [report[f"{part}_images"] for part in ("train", "validation", "test")] == [24, 9, 10]
    assert report["test_accuracy"] is not None
    metrics = json.loads(content(place / "run", "metrics.json"))
    assert len(metrics["history"]["val_loss"]) == 3


def test_where_there_is_nothing_to_test_on_the_validation_is_told(place: Path) -> None:
    import shutil

    shutil.rmtree(place / "photos" / "test")
    result = train("--out", "run")
    assert result.stdout.startswith("validation accuracy ")
    report = json.loads(train("--out", "run", "--json").stdout)
    assert (report["test_images"], report["test_accuracy"]) == (0, None)
    history = json.loads(content(place / "run", "metrics.json"))["history"]
    assert report["val_accuracy"] == history["val_accuracy"][-1]


@pytest.mark.parametrize("standardize", [[], ["--standardize"]])
def test_images_that_are_read_as_they_are_needed_give_the_same(
    place: Path, monkeypatch: pytest.MonkeyPatch, standardize: list[str]
) -> None:
    train("--out", "held", *standardize)
    with monkeypatch.context() as patch:
        patch.setattr("convgrad.data.parts.MOST_HELD", 0)
        assert not read_parts("photos").train.held
        train("--out", "read", *standardize)
    held, read = (json.loads(content(place / name, "metrics.json")) for name in ("held", "read"))
    if standardize:  # the sums of a mean are added up in another order
        assert read["history"]["loss"] == pytest.approx(held["history"]["loss"], rel=1e-5)
    else:
        assert content(place / "held") == content(place / "read")
    assert [read[f"test_{name}"] for name in ("accuracy", "loss")] == pytest.approx(
        [held[f"test_{name}"] for name in ("accuracy", "loss")], rel=1e-5
    )


def test_a_streamed_folder_without_parts_has_a_share_held_out(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.loads(train("--out", "held", "--json", data="photos/train").stdout)
    monkeypatch.setattr("convgrad.data.parts.MOST_HELD", 0)
    parts = read_parts("photos/train").with_test_part()
    assert repr(parts).endswith("2 classes, read as they are needed")
    report = json.loads(train("--out", "read", "--json", data="photos/train").stdout)
    assert content(place / "held") == content(place / "read")
    assert all(report[name] == whole[name] for name in ("train_images", "test_images", "test_accuracy"))


def test_another_file_in_a_streamed_folder_is_another_training(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convgrad.data.parts.MOST_HELD", 0)
    train("--out", "run")
    train("--out", "run")  # the same one
    Image.new("RGB", (5, 6), (9, 8, 7)).save(place / "photos" / "train" / "dark" / "0.png")
    assert "run already holds a training run" in said(train("--out", "run", code=2))


OPTIONS = [
    "--optimizer",
    "adam",
    "--weight-decay",
    "0.01",
    "--metrics",
    "f1, precision",
    "--patience",
    "2",
    "--monitor",
    "val_f1",
    "--class-weight",
    "balanced",
    "--schedule",
    "cosine",
    "--loss",
    "multi_margin",
    "--seed",
    "7",
    "--frozen",
    "*.b",
    "--clip-norm",
    "0.5",
    "--accumulate",
    "2",
    "--average",
    "ema=0.9",
    "--no-decay",
    "dense1.b",
    "--lr-of",
    "dense1.w=0.002",
    "--decay-of",
    "dense1.w=0.02",
    "--plateau",
    "1",
    "--warm-up",
    "0.5",
    "--image-size",
    "6x5",
    "--augment",
    "--standardize",
]


def test_a_run_writes_the_file_that_repeats_it_to_the_bit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train("--out", "run", *OPTIONS)
    written = content(place / "run", "run.toml").decode()
    for line in ("weight-decay = 0.01", 'metrics = "f1,precision"', "patience = 2", 'class-weight = "balanced"'):
        assert line in written.splitlines()
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    convgrad("train", "--config", "../run/run.toml", "--out", "again", "--quiet")
    assert content(elsewhere / "again") == content(place / "run")
    assert content(elsewhere / "again", "run.toml") == content(place / "run", "run.toml")
    first, second = (json.loads(content(run, "metrics.json")) for run in (place / "run", elsewhere / "again"))
    assert first["history"] == second["history"]
    assert first["test_f1"] == second["test_f1"]


def test_a_file_says_what_the_command_line_says(place: Path) -> None:
    (place / "mine.toml").write_text(
        """
dataset = "photos"
model = "tiny.toml"
engine = "oracle"
batch_size = 4
epochs = 50
lr = 0.5
metrics = ["precision", "f1"]
class-weight = {bright = 1, dark = 3.0}
"""
    )
    convgrad("train", "--config", "mine.toml", "--epochs", "3", "--quiet", "--out", "file")
    train("--out", "line", "--lr", "0.5", "--class-weight", "bright=1,dark=3.0", "--metrics", "precision,f1")
    assert content(place / "file") == content(place / "line")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("epocs = 3", "there is no option 'epocs'. Did you mean 'epochs'?"),
        ('resume = "run"', "there is no option 'resume'. It belongs on the command line."),
        ('epochs = "3"', "epochs must be a whole number, not '3'."),
        ("epochs = 2.5", "epochs must be a whole number, not 2.5."),
        ("epochs = true", "epochs must be a whole number, not True."),
        ('lr = "fast"', "lr must be a number, not 'fast'."),
        ("augment = 1", "augment must be true or false, not 1."),
        ("loss = 3", "loss must be a text, not 3."),
        ("epochs = 0", "Invalid value for '--epochs'"),
        ("epochs = ", "run.toml is not a TOML file"),
    ],
)
def test_files_that_can_not_be_meant(place: Path, line: str, message: str) -> None:
    (place / "run.toml").write_text(f"{line}\n")
    assert message in said(convgrad("train", "--config", "run.toml", code=2))


def test_a_file_that_is_not_there(place: Path) -> None:
    assert "none.toml" in said(convgrad("train", "--config", "none.toml", code=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lr", "-1"], "--lr must be a number above 0"),
        (["--metrics", "f2"], "There is no metric 'f2'"),
        (
            ["--monitor", "val_f1"],
            "say after how many epochs to end: --patience 3; or to learn more slowly: --plateau 3",
        ),
        (["--augment", "--augment-with", "flip"], "name all changes there, and leave --augment out"),
        (["--augment-with", "flop"], "--augment-with: there is no change 'flop'. Did you mean 'flip'?"),
        (["--augment-with", "flip=2"], "--augment-with: flip takes no number. Write flip alone, not 'flip=2'."),
        (
            ["--augment-with", "crop=wide"],
            "--augment-with: 'crop=wide' has no number behind the =. Write such as crop=4.",
        ),
        (["--augment-with", "crop=1.5"], "--augment-with: crop takes a whole number of pixels, not 1.5."),
        (["--augment-with", "crop=9"], "--augment-with: Crop: margin is 9, but images are 6x5"),
        (
            ["--augment-with", "mixup"],
            "--augment-with: MixUp mixes targets, and labels can't be mixed. Take --loss kl_",
        ),
        (["--augment-with", "mixup=9"], "--augment-with: MixUp: alpha must be a number from 0.05 to 2, not 9.0"),
        (["--average", "ema=2"], "--average: EMA: decay must be"),
        (["--average", "ema=long"], "--average: 'ema=long' has no number behind the =, such as ema=0.99."),
        (["--average", "emma=0.9"], "--average: there is no 'emma'. Did you mean 'ema'?"),
        (["--warm-up", "2"], "--warm-up must be a number above 0 and below 1, not 2.0"),
        (["--lr-of", "dense1"], "'dense1' is no list of names and numbers, such as conv*=0.001,dense1=0.01."),
        (["--lr-of", "dense1=-1"], "--lr-of must be"),
        (["--decay-of", "dense1=-1"], "--decay-of must be"),
        (["--lr-of", "conv7=1"], "--lr-of, --decay-of: "),
        (["--lr-of", "dense1=1,dense1.w=2"], "--lr-of, --decay-of: dense1.w is among"),
        (["--no-decay", "conv7"], "--no-decay: "),
        (
            ["--patience", "1", "--monitor", "val_f9"],
            "it is not known whether less or more of it is better. Name another figure.",
        ),
        (["--optimizer", "lion", "--weight-decay", "-1"], "--weight-decay"),
        (["--class-weight", "cat=2"], "--class-weight: there is no class 'cat'"),
        (["--class-weight", "bright"], "'bright' is neither `balanced` nor weights of classes"),
        (["--class-weight", "=2"], "'=2' is neither `balanced` nor weights of classes"),
        (["--class-weight", "dark=0"], "--class-weight of 'dark' is 0.0, but must be a number above 0"),
        (["--validation-split", "0.5"], "The folder has a part to validate with, so --validation-split"),
        (["--frozen", "conv7"], "--frozen"),
        (["--average", "emma"], "--average: there is no 'emma'. Did you mean 'ema'?"),
        (["--accumulate", "0"], "--accumulate"),
        (["--clip-norm", "-1"], "--clip-norm must be a number above 0, or None, not -1.0"),
        (["--loss", "mes"], "There is no loss called 'mes'"),
        (["--label-smoothing", "1"], "--label-smoothing must be a number of at least 0 and below 1, not 1.0"),
        (
            ["--label-smoothing", "0.1", "--loss", "multi_margin"],
            "The loss multi_margin has no --label-smoothing. Those that have: softmax_cross_entropy.",
        ),
    ],
)
def test_messages_name_the_options_of_the_command_line(place: Path, options: list[str], message: str) -> None:
    assert message in said(train("--out", "run", *options, code=2))
    assert not (place / "run").exists()


def test_a_figure_that_is_not_recorded(place: Path) -> None:
    message = said(train("--patience", "1", "--monitor", "val_mae", "--out", "run", code=2))
    assert "--monitor is 'val_mae', which this training does not record; it records loss, accuracy" in message


def test_a_figure_of_all_examples_needs_some_to_validate_with(place: Path) -> None:
    message = said(train("--metrics", "f1", "--out", "run", data="photos/train", code=2))
    assert "Give --validation-split 0.1, or a folder val beside train." in message


def test_images_of_several_sizes_are_told_the_option(place: Path) -> None:
    Image.new("RGB", (9, 4)).save(place / "photos" / "train" / "dark" / "0.png")
    assert "resize them with --image-size 6x5" in said(train("--out", "run", code=2))


def test_frozen_weights_stay_and_gradients_are_cut(place: Path) -> None:
    from convgrad.models.saved import load

    train("--out", "whole")
    train("--out", "frozen", "--frozen", "dense1.b")
    train("--out", "cut", "--clip-norm", "0.001")
    whole, frozen, cut = (load(place / name).get_weights() for name in ("whole", "frozen", "cut"))
    assert not frozen["dense1.b"].any()
    assert whole["dense1.b"].any()
    assert np.abs(cut["dense1.b"]).max() < np.abs(whole["dense1.b"]).max()


def test_smoothed_labels_are_those_of_python(place: Path) -> None:
    from convgrad.losses import SoftmaxCrossEntropy
    from convgrad.models.saved import load

    train("--out", "sharp")
    train("--out", "smooth", "--label-smoothing", "0.25")
    sharp, smooth = (load(place / name) for name in ("sharp", "smooth"))
    assert smooth.loss == SoftmaxCrossEntropy(label_smoothing=0.25)
    assert (sharp.get_weights()["dense1.b"] != smooth.get_weights()["dense1.b"]).any()
    assert "label-smoothing = 0.25" in (place / "smooth" / "run.toml").read_text()


def test_mixed_precision_from_the_command_line_and_a_file(place: Path) -> None:
    train("--out", "plain")
    train("--out", "mixed", "--precision", "mixed_bfloat16")
    assert content(place / "mixed") != content(place / "plain")
    assert json.loads(content(place / "mixed", "config.json"))["training"]["precision"] == "mixed_bfloat16"
    assert "precision" not in json.loads(content(place / "plain", "config.json"))["training"]
    assert 'precision = "mixed_bfloat16"' in content(place / "mixed", "run.toml").decode()
    convgrad("train", "--config", "mixed/run.toml", "--out", "again", "--quiet")
    assert content(place / "again") == content(place / "mixed")
    assert "Did you mean 'mixed_bfloat16'?" in said(train("--out", "wrong", "--precision", "bf16", code=2))


def test_changes_by_name_are_those_of_python(place: Path) -> None:
    """What the command does is `fit` with the same objects."""
    from convgrad.data import Colour, Crop, Cutout, Flip, RandAugment
    from convgrad.models import load_model
    from convgrad.models.saved import load
    from convgrad.optimizers import SGD, Group
    from convgrad.training import EMA, ReduceLROnPlateau, warm_up

    options = [
        "--augment-with",
        "flip, crop=2, cutout, colour=0.1, randaugment=5",
        "--optimizer",
        "sgd",
        "--lr",
        "0.02",
    ]
    options += ["--average", "ema=0.8", "--plateau", "1", "--warm-up", "0.3", "--schedule", "cosine"]
    options += ["--lr-of", "dense1.b=0.04", "--decay-of", "dense1.w=0.1,dense1.b=0.2"]
    train("--out", "run", *options)
    parts = read_parts("photos")
    network = load_model(place / "tiny.toml", parts.image_shape, 2).network
    network.fit(
        parts.train,
        epochs=3,
        batch_size=4,
        validation_data=parts.val,
        optimizer=SGD(0.02, groups=[Group("dense1.b", 0.04, 0.2), Group("dense1.w", None, 0.1)]),
        schedule=warm_up("cosine", 0.3),
        average=EMA(0.8),
        augment=[Flip(), Crop(2), Cutout(2), Colour(0.1, 0.1, 0.1), RandAugment(magnitude=5)],
        callbacks=[ReduceLROnPlateau(patience=1)],
        engine="oracle",
        verbose=False,
    )
    found = load(place / "run").get_weights()
    for name, array in network.get_weights().items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_mixup_of_a_network_that_ends_with_logarithms(place: Path) -> None:
    (place / "tiny.toml").write_text(MODEL + '[[layer]]\ntype = "LogSoftmax"\n')
    train("--out", "run", "--augment-with", "mixup", "--loss", "kl_divergence")
    train("--out", "other", "--loss", "kl_divergence")
    assert content(place / "run") != content(place / "other")
    assert 'augment-with = "mixup"' in content(place / "run", "run.toml").decode().splitlines()


def test_weights_without_decay(place: Path) -> None:
    from convgrad.models.saved import load

    decay = ["--optimizer", "sgd", "--weight-decay", "0.5"]
    train("--out", "all", *decay)
    train("--out", "none", *decay, "--no-decay", "dense1.w,*.b")
    train("--out", "plain", "--optimizer", "sgd")
    decayed, kept, plain = (load(place / name).get_weights()["dense1.w"] for name in ("all", "none", "plain"))
    np.testing.assert_array_equal(kept, plain)
    assert np.abs(decayed).sum() < np.abs(plain).sum()


def test_early_stopping_ends_a_training(place: Path) -> None:
    stopped = json.loads(train("--patience", "1", "--monitor", "val_accuracy", "--epochs", "40", "--json").stdout)
    assert stopped["epochs"] < 40
    same = json.loads(train("--early-stopping", "1", "--monitor", "val_accuracy", "--epochs", "40", "--json").stdout)
    assert same["epochs"] == stopped["epochs"]


def test_an_optimizer_without_weight_decay(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import dataclass

    from convgrad.optimizers import Optimizer, registry

    @dataclass(frozen=True)
    class Plain(Optimizer):
        @property
        def text(self) -> str:
            return "w_next[i] = w[i] - eta * dw[i]"

    monkeypatch.setitem(registry, "plain", Plain)
    message = said(train("--optimizer", "plain", "--weight-decay", "0.1", "--out", "run", code=2))
    assert "The optimizer plain has no --weight-decay. Those that have: adagrad, adam" in message


def test_a_folder_that_can_not_be_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("convgrad.data.parts.walk", refused)
    assert "photos can't be read: Permission denied." in said(train("--out", "run", code=2))
