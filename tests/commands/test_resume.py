"""`convgrad train --resume`: killed at whatever moment, it ends with the weights of a training that was left alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from convgrad.commands.cli import app
from convgrad.training.fit import fit
from convgrad.training.resuming import CHECKPOINT_FILES, STATE_FILE

MODEL = '[[layer]]\ntype = "Flatten"\n[[layer]]\ntype = "Dense"\nunits = "classes"\n'
OPTIONS = [
    "--model",
    "tiny.toml",
    "--batch-size",
    "2",
    "--validation-split",
    "0.25",
    "--optimizer",
    "adam",
    "--augment",
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data and a model, to work in."""
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 2
    x = (rng.random((48, 5, 4, 1)) + labels[:, None, None, None]).astype(np.float32)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=labels, x_test=x[:7], y_test=labels[:7])
    (tmp_path / "tiny.toml").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(*options: Any, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["train", *map(str, options)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def killed(place: Path, how: signal.Signals, epochs: int) -> subprocess.CompletedProcess[str]:
    """A training in a process of its own that gets a signal once its first checkpoint is there."""
    command = [sys.executable, "-m", "convgrad", "train", "data.npz", *OPTIONS, "--epochs", str(epochs), "--out", "run"]
    process = subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not (place / "run" / STATE_FILE).exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(how)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.mark.skipif(os.name == "nt", reason="signals are those of POSIX")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_killed_training_goes_on_to_the_same_weights(place: Path, how: signal.Signals, code: int) -> None:
    epochs = 200
    ended = killed(place, how, epochs)
    assert ended.returncode == code, ended.stderr
    state = json.loads((place / "run" / STATE_FILE).read_text())["state"]
    assert not state["ended"]
    train("--resume", "run", "--quiet")
    train("data.npz", *OPTIONS, "--epochs", epochs, "--out", "whole", "--quiet")
    resumed, whole = ((place / name / "weights.safetensors").read_bytes() for name in ("run", "whole"))
    assert resumed == whole
    files = [{p.relative_to(place / name) for p in (place / name).rglob("*")} for name in ("run", "whole")]
    assert files[0] == files[1]
    for name in ("weights/best.safetensors", "weights/last.safetensors", "results.csv"):
        assert (place / "run" / name).read_bytes() == (place / "whole" / name).read_bytes(), name
    figures = [json.loads((place / name / "metrics.json").read_text())["history"] for name in ("run", "whole")]
    assert figures[0] == figures[1]


class Killed(BaseException):
    """In place of a signal that nobody can catch."""


@pytest.fixture
def unfinished(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was killed before its first batch was done."""

    def killed(*arguments: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("convgrad.training.loop.Loop._update", killed)
        with pytest.raises(Killed):
            train("data.npz", *OPTIONS, "--epochs", 3, "--out", "run", "--quiet")
    assert sorted(file.name for file in (place / "run").iterdir()) == sorted(CHECKPOINT_FILES)
    return place / "run"


def test_one_killed_before_its_folder_was_written_has_all_files(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*arguments: Any, **named: Any) -> None:
        raise Killed

    options = ["data.npz", *OPTIONS, "--epochs", 3, "--patience", 0, "--quiet"]
    with monkeypatch.context() as patch:
        patch.setattr("convgrad.training.reports.told.Telling.tested", killed)
        with pytest.raises(Killed):
            train(*options, "--out", "run")
    train("--resume", "run", "--quiet")
    train(*options, "--out", "whole")
    for name in ("weights.safetensors", "weights/best.safetensors", "weights/last.safetensors", "results.csv"):
        assert (place / "run" / name).read_bytes() == (place / "whole" / name).read_bytes(), name


def test_one_that_was_to_replace_another_does_so_when_it_is_resumed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: Any) -> None:
        raise Killed

    train("data.npz", *OPTIONS, "--epochs", 1, "--out", "run", "--quiet")
    before = (place / "run" / "metrics.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("convgrad.training.loop.Loop._update", killed)
        with pytest.raises(Killed):
            train("data.npz", *OPTIONS, "--epochs", 3, "--out", "run", "--overwrite", "--quiet")
    assert (place / "run" / "metrics.json").read_bytes() == before
    report = json.loads(train("--resume", "run", "--json").stdout)
    assert (report["epochs"], report["run_dir"]) == (3, "run")
    assert not (place / "run-2").exists()
    assert not (place / "run" / STATE_FILE).exists()
    assert len((place / "run" / "results.csv").read_text().splitlines()) == 4


def test_an_unfinished_run_of_an_earlier_version_goes_on(unfinished: Path) -> None:
    """It kept neither the best weights nor lines of results.csv, and did not know its model's name."""
    content = json.loads((unfinished / STATE_FILE).read_text())
    del content["about"]["keeps"], content["about"]["source"]["model"]
    content["training"]["callbacks"], content["state"]["callbacks"] = [], []
    (unfinished / STATE_FILE).write_text(json.dumps(content))
    train("--resume", unfinished, "--quiet")
    names = sorted(path.name for path in unfinished.iterdir())
    told = ["config.json", "confusion.png", "curves.png", "metrics.json", "report.html", "weights.safetensors"]
    assert names == told


def test_it_may_be_resumed_from_another_folder(unfinished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = unfinished.parent / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    report = json.loads(train("--resume", "../run", "--json").stdout)
    assert (report["epochs"], report["run_dir"]) == (3, "../run")


def test_data_may_have_moved(unfinished: Path) -> None:
    content = json.loads((unfinished / STATE_FILE).read_text())
    content["about"]["source"]["dataset"] = "mnist"
    (unfinished / STATE_FILE).write_text(json.dumps(content))
    message = train("--resume", "run", "--data-dir", unfinished, code=2).stderr
    assert "train-images" in message


@pytest.mark.parametrize(
    ("options", "named"),
    [(["--epochs", 3], "--epochs"), (["digits"], "DATASET"), (["--overwrite", "--lr", 1], "--lr, --overwrite")],
)
def test_options_of_the_training_are_not_asked_for_again(unfinished: Path, options: list[Any], named: str) -> None:
    message = train("--resume", unfinished, *options, code=2).stderr
    assert f"{named} can't stand beside it" in " ".join(message.split())


def test_what_can_not_be_resumed(place: Path) -> None:
    train("data.npz", *OPTIONS, "--epochs", 1, "--out", "run", "--quiet")
    assert "holds a training that has ended, so there is nothing to resume" in train("--resume", "run", code=2).stderr
    assert "holds no checkpoint (checkpoint.json)" in train("--resume", "nowhere", code=2).stderr


def test_a_checkpoint_of_a_program_is_resumed_there(place: Path) -> None:
    from convgrad.layers import Dense
    from convgrad.models.network import Network

    network = Network(Dense(2), input_shape=(3,))
    fit(network, np.ones((4, 3)), np.zeros((4, 2)), loss="mse", epochs=1, verbose=False, checkpoint=place / "own")
    message = train("--resume", "own", code=2).stderr
    assert "was not written by `convgrad train`" in message


def test_a_changed_checkpoint_says_so(unfinished: Path) -> None:
    content = json.loads((unfinished / STATE_FILE).read_text())
    del content["about"]["config"]["training"]
    (unfinished / STATE_FILE).write_text(json.dumps(content))
    assert "was changed or is damaged: 'training'" in train("--resume", unfinished, code=2).stderr


def test_another_training_does_not_take_the_folder_of_an_unfinished_one(unfinished: Path) -> None:
    message = train("data.npz", *OPTIONS, "--epochs", 4, "--out", "run", "--quiet", code=2).stderr
    assert "run already holds a training run (checkpoint.json, checkpoint.safetensors)" in message
    copy = shutil.copytree(unfinished, unfinished.parent / "copy")
    train("data.npz", *OPTIONS, "--epochs", 3, "--out", "run", "--quiet")  # the same one goes on
    assert not (unfinished / STATE_FILE).exists()
    train("data.npz", *OPTIONS, "--epochs", 4, "--out", copy, "--overwrite", "--quiet")
    assert not (copy / STATE_FILE).exists()


def test_an_interrupted_training_says_how_to_go_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("convgrad.training.loop.Loop._update", interrupted)
        told = train("data.npz", *OPTIONS, "--epochs", 3, "--out", "run", code=130).stdout
    assert "To go on: convgrad train --resume run" in told
    train("--resume", "run", "--quiet")
