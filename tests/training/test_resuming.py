"""Trainings that are killed and resumed: the same bits as if nothing had happened; and whatever can't be resumed."""

from __future__ import annotations

import builtins
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convgrad.compute.halide import available
from convgrad.compute.halide.runtime.cache import Cache, using
from convgrad.data import Augment, Batches
from convgrad.errors import DataError, TrainingError
from convgrad.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Reshape
from convgrad.models.network import Network
from convgrad.system import interruption
from convgrad.training import Callback, Checkpoint, CSVLogger, EarlyStopping, ReduceLROnPlateau
from convgrad.training.resuming import ARRAYS_FILE, CHECKPOINT_FILES, STATE_FILE, about_in, read
from killed import Killed, Killer

IMAGES = np.random.default_rng(3).random((70, 6, 5, 2), dtype=np.float32)
LABELS = np.random.default_rng(4).integers(0, 3, 70)


def with_statistics() -> Network:
    return Network(
        Conv2D(4, (3, 2)), BatchNorm(), ReLU(), MaxPool2D(2), Flatten(), Dropout(0.4), Dense(3), input_shape=(6, 5, 2)
    )


def autoencoder() -> Network:
    return Network(Flatten(), Dense(7), ReLU(), Dense(60), Reshape((6, 5, 2)), input_shape=(6, 5, 2))


CLASSES: dict[str, Any] = {"optimizer": "momentum", "schedule": "one-cycle", "validation_split": 0.2, "seed": 2}
PICTURES: dict[str, Any] = {"optimizer": "adam", "loss": "mse", "schedule": "cosine", "seed": 5}
TRAININGS: dict[str, tuple[Callable[[], Network], np.ndarray, dict[str, Any]]] = {
    "statistics": (with_statistics, LABELS, {**CLASSES, "augment": Augment(flip=True, shift=1)}),
    "autoencoder": (autoencoder, IMAGES, PICTURES),
}


def train(kind: str, folder: Path | None, **options: Any) -> Network:
    make, targets, own = TRAININGS[kind]
    network = make()
    options = {"epochs": 3, "batch_size": 16, "verbose": False, **own, **options}
    if folder is not None:
        options |= {"checkpoint": Checkpoint(folder, seconds=0), "resume": True}
    network.fit(IMAGES, targets, **options)
    return network


def bits(network: Network) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in network.get_weights().items()}


@pytest.mark.parametrize("kind", TRAININGS)
@pytest.mark.parametrize("every", [1, 2, 5])
def test_killed_after_every_few_batches_it_ends_with_the_same_bits(kind: str, every: int, tmp_path: Path) -> None:
    whole = train(kind, None)
    for _ in range(40):
        try:
            resumed = train(kind, tmp_path, callbacks=[Killer(every)])
            break
        except Killed:
            assert sorted(file.name for file in tmp_path.iterdir()) == sorted(CHECKPOINT_FILES)
    assert bits(resumed) == bits(whole)
    assert resumed.past.to_config() == whole.past.to_config()


def test_the_oracle_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    options = {"engine": "oracle", "epochs": 1}
    whole = train("statistics", None, **options)
    with pytest.raises(Killed):
        train("statistics", tmp_path, callbacks=[Killer(1)], **options)
    assert bits(train("statistics", tmp_path, **options)) == bits(whole)


def test_figures_go_on_too(tmp_path: Path) -> None:
    whole = with_statistics().fit(IMAGES, LABELS, epochs=3, batch_size=16, verbose=False, **CLASSES)
    options: dict[str, Any] = {"epochs": 3, "batch_size": 16, "verbose": False, **CLASSES}
    place = Checkpoint(tmp_path, seconds=0)
    with pytest.raises(Killed):
        with_statistics().fit(IMAGES, LABELS, checkpoint=place, callbacks=[Killer(5)], **options)
    history = with_statistics().fit(IMAGES, LABELS, checkpoint=place, resume=True, **options)
    assert history.figures == whole.figures
    assert (history.epochs, history.images) == (3, whole.images)


def test_a_training_that_ended_gives_its_weights_at_once(tmp_path: Path) -> None:
    first = train("statistics", tmp_path)
    again = train("statistics", tmp_path, callbacks=[Killer(0)])  # no batch is run
    assert bits(again) == bits(first)
    assert again.past.to_config() == first.past.to_config()


def test_early_stopping_remembers_the_best(tmp_path: Path) -> None:
    def stopping() -> EarlyStopping:
        return EarlyStopping("loss", patience=1, min_delta=0.5)

    whole, first = stopping(), stopping()
    expected = train("statistics", None, epochs=9, callbacks=[whole])
    with pytest.raises(Killed):
        train("statistics", tmp_path, epochs=9, callbacks=[first, Killer(5)])
    later = stopping()
    resumed = train("statistics", tmp_path, epochs=9, callbacks=[later])
    assert bits(resumed) == bits(expected)
    assert (later.best_epoch, later.best_value) == (whole.best_epoch, whole.best_value)
    assert resumed.past.epochs < 9


def test_a_log_has_each_epoch_once(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    with pytest.raises(Killed):
        train("statistics", tmp_path / "run", callbacks=[CSVLogger(log), Killer(9)])
    with log.open("a") as file:
        file.write("3,written after the checkpoint,and lost with the process\n")
    train("statistics", tmp_path / "run", callbacks=[CSVLogger(log)])
    lines = log.read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["epoch", "1", "2", "3"]


def test_one_is_written_at_first_and_at_last_however_seldom(tmp_path: Path) -> None:
    network = with_statistics()
    options: dict[str, Any] = {"epochs": 1, "batch_size": 16, "verbose": False}
    with pytest.raises(Killed):
        network.fit(IMAGES, LABELS, checkpoint=Checkpoint(tmp_path, seconds=1e6), callbacks=[Killer(3)], **options)
    state = read(tmp_path)["state"]
    assert (state["epoch"], state["batch"], state["ended"]) == (0, 0, False)
    network = with_statistics()
    network.fit(IMAGES, LABELS, checkpoint=Checkpoint(tmp_path, seconds=1e6), resume=True, **options)
    assert read(tmp_path)["state"]["ended"]


def test_further_entries_are_kept(tmp_path: Path) -> None:
    place = Checkpoint(tmp_path, about={"who": "me", "sizes": [1, 2.5]})
    with_statistics().fit(IMAGES, LABELS, epochs=1, verbose=False, checkpoint=place)
    assert about_in(tmp_path) == {"who": "me", "sizes": [1, 2.5]}


def test_batches_from_one_on_are_those_of_the_whole_epoch() -> None:
    batches = Batches(IMAGES, LABELS, 16, seed=3, augment=Augment(flip=True, shift=1))
    whole = list(batches.epoch(2))
    for first in range(len(batches) + 1):
        rest = list(batches.epoch(2, first))
        assert len(rest) == len(whole) - first
        for own, other in zip(rest, whole[first:], strict=True):
            assert all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(own, other, strict=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 4}, r"epochs is 3 there and 4 here"),
        ({"batch_size": 8}, r"batch_size is 16 there and 8 here"),
        ({"seed": 9}, r"seed is 2 there and 9 here"),
        ({"optimizer": "adam"}, r"optimizer is \{'name': 'SGD'.*learning_rate is"),
        ({"validation_split": 0.1}, r"data is 70 examples|validation is "),
        ({"callbacks": [EarlyStopping("loss")]}, r"callbacks is \[\] there and \[\{'name': 'EarlyStopping'"),
    ],
)
def test_another_training_is_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train("statistics", tmp_path, callbacks=[Killer(2)])
    with pytest.raises(TrainingError, match=words) as caught:
        train("statistics", tmp_path, **change)
    assert "is of another training" in str(caught.value)


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        (EarlyStopping("loss", patience=7), EarlyStopping("loss"), r"callbacks\[0\]\.patience is 7 there and 3 here"),
        (EarlyStopping("loss"), EarlyStopping("loss", mode="max"), r"callbacks\[0\]\.mode is auto there and max here"),
        (
            ReduceLROnPlateau("loss"),
            ReduceLROnPlateau("loss", 0.5),
            r"callbacks\[0\]\.factor is 0\.1 there and 0\.5 here",
        ),
    ],
)
def test_callbacks_with_other_arguments_are_refused(
    there: Callback, here: Callback, words: str, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        train("statistics", tmp_path, callbacks=[there, Killer(2)])
    with pytest.raises(TrainingError, match=words):
        train("statistics", tmp_path, callbacks=[here])


def test_other_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train("statistics", tmp_path, callbacks=[Killer(2)])
    options: dict[str, Any] = {"epochs": 3, "batch_size": 16, "verbose": False, **TRAININGS["statistics"][2]}
    with pytest.raises(TrainingError, match="data is 70 examples"):
        with_statistics().fit(IMAGES, (LABELS + 1) % 3, checkpoint=tmp_path, resume=True, **options)


def test_a_checkpoint_is_not_overwritten_unasked(tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 1, "verbose": False}
    with_statistics().fit(IMAGES, LABELS, checkpoint=tmp_path, **options)
    before = (tmp_path / STATE_FILE).read_bytes()
    with pytest.raises(TrainingError, match=r"holds a checkpoint. Write resume=True to go on from it"):
        with_statistics().fit(IMAGES, LABELS, checkpoint=tmp_path, **options)
    assert (tmp_path / STATE_FILE).read_bytes() == before
    with_statistics().fit(IMAGES, LABELS, checkpoint=Checkpoint(tmp_path, replace=True), **options)


def test_arguments_that_can_not_work(tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 1, "verbose": False}
    with pytest.raises(TrainingError, match=r"resume=True goes on from a checkpoint; say where it is"):
        with_statistics().fit(IMAGES, LABELS, resume=True, **options)
    with pytest.raises(TrainingError, match=r"checkpoint must be a folder or a Checkpoint, not 3"):
        with_statistics().fit(IMAGES, LABELS, checkpoint=3, **options)  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="seconds"):
        Checkpoint(tmp_path, seconds=-1)


def test_damaged_checkpoints_say_so(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train("statistics", tmp_path / "a", callbacks=[Killer(2)])
    damages: list[tuple[Callable[[Path], object], str]] = [
        (lambda folder: (folder / ARRAYS_FILE).unlink(), r"Can't read .*checkpoint.safetensors"),
        (lambda folder: (folder / ARRAYS_FILE).write_bytes(b"x" * 9), r"was changed or is damaged"),
        (lambda folder: (folder / STATE_FILE).write_text("{"), r"is not a JSON file"),
        (lambda folder: (folder / STATE_FILE).write_text("{}"), r"is not a checkpoint of this version"),
        (lambda folder: (folder / STATE_FILE).write_text('{"format": 2}'), r"was changed or is damaged: 'about'"),
    ]
    for damage, words in damages:
        copy = shutil.copytree(tmp_path / "a", tmp_path / "b", dirs_exist_ok=True)
        damage(copy)
        with pytest.raises(DataError, match=words):
            train("statistics", copy)
    with pytest.raises(DataError, match=r"holds no checkpoint \(checkpoint.json\), so there is nothing to resume"):
        about_in(tmp_path)


def test_a_state_that_lacks_a_part_is_told(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train("statistics", tmp_path, callbacks=[Killer(2)])
    content = json.loads((tmp_path / STATE_FILE).read_text())
    del content["state"]["keeper"]
    (tmp_path / STATE_FILE).write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"The checkpoint was changed or is damaged: 'keeper'"):
        train("statistics", tmp_path)


def test_it_goes_on_with_the_engine_that_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others give other bits, also where nobody asked for one and the first is no longer there."""
    with pytest.raises(Killed):
        train("statistics", tmp_path, callbacks=[Killer(2)], epochs=1)
    state = json.loads((tmp_path / STATE_FILE).read_text())["training"]["engine"]
    other = {"halide": "oracle", "oracle": "halide"}[state]
    monkeypatch.setattr("convgrad.compute.halide.available", lambda: (other == "halide", ""))
    with pytest.raises(TrainingError, match=f"engine is {state} there and {other} here"):
        train("statistics", tmp_path, epochs=1)


def test_a_signal_during_an_import_is_no_reason_for_another_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def interrupted(name: str, *arguments: Any, **named: Any) -> Any:
        if name != "halide":
            return real(name, *arguments, **named)
        try:
            interruption.interrupt(signal.SIGTERM, None)
        except KeyboardInterrupt:
            raise ImportError("initialization failed") from None

    monkeypatch.setattr(interruption, "_received", [])
    monkeypatch.setattr(builtins, "__import__", interrupted)
    with using(Cache(None)):  # which would say that Halide can be imported
        with pytest.raises(KeyboardInterrupt):
            available.__wrapped__()
        assert not available.__wrapped__()[0]  # the signal was told
