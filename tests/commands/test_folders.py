"""Run folders of `convgrad train`: never another training's without being told, and always of one training."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from convgrad.commands.cli import app
from convgrad.data import load as load_data
from convgrad.errors import DataError
from convgrad.models import load_model
from convgrad.models.saved import load
from convgrad.training.run import new_folder
from convgrad.training.run import run as train
from convgrad.training.settings import Settings

TINY = '[[layer]]\ntype = "Flatten"\n[[layer]]\ntype = "Dense"\nunits = "classes"\n'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data and a model, to work in."""
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 2
    x = (rng.random((24, 5, 3, 1)) + labels[:, None, None, None]).astype(np.float32)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=labels, x_test=x[:7], y_test=labels[:7])
    (tmp_path / "tiny.toml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def convgrad(*options: Any, code: int = 0, data: str = "data.npz") -> Any:
    """`convgrad train`, in this process."""
    command = ["train", data, "--model", "tiny.toml", "--engine", "oracle", "--batch-size", "8", "--quiet", *options]
    result = CliRunner().invoke(app, [str(part) for part in command])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("other", [["--seed", 2], ["--epochs", 3], ["--lr", 0.5], ["--validation-split", 0.5]])
def test_another_training_is_not_overwritten_without_being_told(place: Path, other: list[Any]) -> None:
    convgrad("--out", "run")
    before = content(place / "run")
    message = convgrad("--out", "run", *other, code=2).stderr
    assert message.splitlines() == [
        "DataError: run already holds a training run (config.json, weights.safetensors, metrics.json, curves.png, "
        "run.toml, weights/best.safetensors, weights/last.safetensors, results.csv, confusion.png, report.html). Add "
        "--overwrite to replace it, or name another folder with --out."
    ]
    assert content(place / "run") == before
    convgrad("--out", "run", *other, "--overwrite")
    after = content(place / "run")
    same = {name for name in before if after.get(name) == before[name]}
    assert not same - {"weights.safetensors", "weights/best.safetensors", "weights/last.safetensors", "confusion.png"}
    assert "--seed" not in other or not same - {"confusion.png"}


def test_the_same_training_may_be_done_again(place: Path) -> None:
    convgrad("--out", "run")
    before = content(place / "run")
    convgrad("--out", "run")
    after = content(place / "run")
    assert {name for name in after if after[name] != before[name]} <= {
        "metrics.json",
        "curves.png",
        "report.html",
    }  # times
    assert json.loads(after["metrics.json"])["epochs"] == json.loads(before["metrics.json"])["epochs"]


def test_other_data_of_the_same_name_are_another_training(place: Path) -> None:
    convgrad("--out", "run")
    with np.load("data.npz") as file:
        arrays = dict(file)
    arrays["x_train"][3, 2, 1, 0] += 1
    np.savez("data.npz", **arrays)
    assert "run already holds a training run" in convgrad("--out", "run", code=2).stderr


@pytest.mark.parametrize("name", ["config.json", "metrics.json"])
def test_files_of_others_are_not_overwritten(place: Path, name: str) -> None:
    (place / name).write_text("{}")
    assert f". already holds a training run ({name})." in convgrad("--out", ".", code=2).stderr
    assert (place / name).read_text() == "{}"
    convgrad("--out", ".", "--overwrite")
    assert load(place).output_shape == (2,)
    assert (place / "tiny.toml").read_text() == TINY


def test_what_a_training_does_not_write_goes_with_the_earlier_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convgrad("--out", "run")
    monkeypatch.setattr("convgrad.training.loop.Loop._epoch", interrupt)
    convgrad("--out", "run", "--seed", 3, "--overwrite", code=130)
    kept = ["checkpoint.json", "checkpoint.safetensors", "config.json", "metrics.json", "report.html", "run.toml"]
    kept += ["weights.safetensors", "weights/last.safetensors"]
    assert sorted(content(place / "run")) == kept


def interrupt(*_: object) -> bool:
    raise KeyboardInterrupt


def test_an_interrupted_training_does_not_replace_the_same_one_that_got_further(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convgrad("--out", "run")
    before = content(place / "run")
    monkeypatch.setattr("convgrad.training.loop.Loop._epoch", interrupt)
    result = convgrad("--out", "run", code=130)
    assert result.stdout == "Interrupted. The same training, done earlier and longer, is still in run\n"
    assert content(place / "run") == before
    result = convgrad("--out", "run", "--overwrite", code=130)
    assert result.stdout == "Interrupted. The weights so far are in run\nTo go on: convgrad train --resume run\n"
    assert json.loads(content(place / "run")["metrics.json"])["epochs"] == 0


def test_folders_of_one_second_are_others(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda *_: "20260102-030405")
    for _ in range(3):
        convgrad()
    names = [f"data-tiny-20260102-030405{end}" for end in ("", "-2", "-3")]
    assert sorted(path.name for path in (place / "runs").iterdir()) == names
    assert all(json.loads(content(place / "runs" / name)["metrics.json"])["epochs"] == 5 for name in names)


def test_a_training_that_fails_leaves_no_folder(place: Path) -> None:
    convgrad("--optimizer", "adm", code=2)
    assert list((place / "runs").iterdir()) == []


def test_new_folders_are_new_for_many_at_once(tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(new_folder(tmp_path / "a" / "run"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 20
    assert all(path.is_dir() for path in found)


def test_there_are_not_any_number_of_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convgrad.training.run.MOST_FOLDERS", 3)
    assert [new_folder(tmp_path / "run").name for _ in range(2)] == ["run", "run-2"]
    with pytest.raises(DataError, match=r"There are 3 folders called .*run-N\. Name another one\."):
        new_folder(tmp_path / "run")


def test_two_trainings_at_once_into_one_folder_are_two_folders(place: Path) -> None:
    """The second one ends first; nothing of either is lost."""
    data = load_data("data.npz")

    class Begun(Console):
        """Where the first one shows that it has begun."""

        def print(self, *_: object, **__: object) -> None:
            if not os.path.exists("run/config.json"):
                start(Settings(epochs=1, engine="oracle", seed=1), None)

    def start(settings: Settings, console: Any) -> dict[str, Any]:
        network = load_model("tiny.toml", data.image_shape, data.class_count).network
        return train(network, data, settings, Path("run"), console=console)

    report = start(Settings(epochs=2, engine="oracle", seed=2), Begun(quiet=True))
    assert report["run_dir"] == "run-2"
    for folder, seed in (("run", 1), ("run-2", 2)):
        assert json.loads(content(place / folder)["config.json"])["training"]["seed"] == seed
