"""Training, evaluating and predicting from sources of all kinds: the bits of arrays in memory."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from convgrad.data import Augment, Data
from convgrad.errors import DataError, TrainingError
from convgrad.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, ReLU, Reshape
from convgrad.models.network import Network
from convgrad.training import Checkpoint, CSVLogger, ProgressTable
from killed import Killed, Killer
from optional import compiled

COUNT, SHAPE = 39, (6, 5, 3)
IMAGES = np.random.default_rng(3).integers(0, 256, (COUNT, *SHAPE), np.uint8)
LABELS = np.random.default_rng(4).integers(0, 3, COUNT)
OPTIONS: dict[str, Any] = {"epochs": 3, "batch_size": 8, "verbose": False, "engine": "oracle", "seed": 2}


def network() -> Network:
    return Network(Conv2D(2, (3, 2)), BatchNorm(), ReLU(), Flatten(), Dropout(0.4), Dense(3), input_shape=SHAPE)


def autoencoder() -> Network:
    return Network(Flatten(), Dense(4), ReLU(), Dense(90), Reshape(SHAPE), input_shape=SHAPE)


def bits(trained: Network) -> bytes:
    return b"".join(array.tobytes() for array in trained.get_weights().values())


def folder_of_images(folder: Path) -> Path:
    """PNG by class; in natural order of classes and names they are IMAGES, sorted by LABELS."""
    for n, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True)):
        place = folder / f"class {label}" / f"{n}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    return folder


class Pairs:
    """Items that can be asked by several threads."""

    def __init__(self, images: Any = IMAGES, labels: Any = LABELS):
        self.pairs = list(zip(images, labels, strict=True))

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, n: int) -> Any:
        return self.pairs[n]


def memory_map(folder: Path, array: np.ndarray, name: str = "x") -> np.ndarray:
    np.save(folder / f"{name}.npy", array)
    return np.load(folder / f"{name}.npy", mmap_mode="r")  # type: ignore[no-any-return]


def of_map(folder: Path, threads: int) -> Data:
    return Data(memory_map(folder, IMAGES), memory_map(folder, LABELS, "y"))


def of_items(folder: Path, threads: int) -> Data:
    return Data.items(Pairs(), threads=threads)


def of_folder(folder: Path, threads: int) -> Data:
    return Data.folder(folder_of_images(folder / "images"), threads=threads)


SOURCES = {"map": of_map, "items": of_items, "folder": of_folder}


def expected_arrays(kind: str) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(LABELS, kind="stable") if kind == "folder" else np.arange(COUNT)
    return IMAGES[order], LABELS[order]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", SOURCES)
def test_all_sources_train_to_the_bits_of_arrays(kind: str, threads: int, tmp_path: Path) -> None:
    """With a split, augmentation, dropout, statistics of batches, and a last batch that is not whole."""
    options = {**OPTIONS, "validation_split": 0.2, "augment": Augment(shift=1), "metrics": ["accuracy", "mae"]}
    images, labels = expected_arrays(kind)
    whole, streamed = network(), network()
    first = whole.fit(images, labels, **options)
    history = streamed.fit(SOURCES[kind](tmp_path, threads), **options)
    assert bits(streamed) == bits(whole)
    assert history.figures == first.figures
    assert history.images == first.images == COUNT - sum(round(0.2 * (labels == n).sum()) for n in range(3))
    assert streamed.past.trained.keys() == whole.past.trained.keys()
    assert all((streamed.past.trained[key] == mask).all() for key, mask in whole.past.trained.items())
    data = SOURCES[kind](tmp_path, threads)
    assert streamed.evaluate(data, batch_size=5, engine="oracle") == whole.evaluate(images, labels, engine="oracle")
    np.testing.assert_array_equal(
        streamed.predict(data, batch_size=7, engine="oracle"), whole.predict(images, engine="oracle")
    )


@compiled
@pytest.mark.parametrize("threads", [1, 3])
def test_compiled_code_sees_the_same_bits(threads: int, tmp_path: Path) -> None:
    options = {**OPTIONS, "engine": "halide", "validation_split": 0.2, "augment": Augment(shift=1)}
    whole, streamed = network(), network()
    first = whole.fit(*expected_arrays("folder"), **options)
    history = streamed.fit(of_folder(tmp_path, threads), **options)
    assert bits(streamed) == bits(whole)
    assert history.figures == first.figures


def test_a_memory_map_given_as_x_is_not_read_as_a_whole(tmp_path: Path) -> None:
    whole, streamed = network(), network()
    whole.fit(IMAGES, LABELS, **OPTIONS)
    history = streamed.fit(memory_map(tmp_path, IMAGES), LABELS, **OPTIONS)
    assert bits(streamed) == bits(whole)
    assert len(history.waiting_seconds) == 3
    assert all(
        0 < waited < seconds for waited, seconds in zip(history.waiting_seconds, history.epoch_seconds, strict=True)
    )
    assert 0 < history.waiting_share < 1


def test_pictures_as_targets_are_read_with_their_inputs(tmp_path: Path) -> None:
    shares = (IMAGES / np.float32(255)).astype(np.float32)
    options = {**OPTIONS, "loss": "mse", "optimizer": "adam", "augment": Augment(shift=1), "validation_split": 0.25}
    whole = autoencoder()
    first = whole.fit(IMAGES, shares, **options)
    for data in (
        Data(memory_map(tmp_path, IMAGES), memory_map(tmp_path, shares, "y")),
        Data.items(Pairs(IMAGES, shares), threads=2),
    ):
        streamed = autoencoder()
        assert streamed.fit(data, **options).figures == first.figures
        assert bits(streamed) == bits(whole)
    masks = folder_of_images(tmp_path / "images")
    order = np.argsort(LABELS, kind="stable")
    whole, streamed = autoencoder(), autoencoder()
    whole.fit(IMAGES[order], shares[order], **options)
    streamed.fit(Data.folder(masks, targets=masks), **options)
    assert bits(streamed) == bits(whole)


@pytest.mark.parametrize("after", [0, 3, 8])
@pytest.mark.parametrize("kind", SOURCES)
def test_a_training_on_any_source_with_an_order_is_resumed_to_the_same_bits(
    kind: str, after: int, tmp_path: Path
) -> None:
    options = {**OPTIONS, "validation_split": 0.2, "augment": Augment(shift=1)}
    place = Checkpoint(tmp_path / "run", seconds=0)
    whole, killed, resumed = network(), network(), network()
    first = whole.fit(SOURCES[kind](tmp_path, 2), **options)
    with pytest.raises(Killed):
        killed.fit(SOURCES[kind](tmp_path, 3), checkpoint=place, callbacks=[Killer(after)], **options)
    history = resumed.fit(SOURCES[kind](tmp_path, 1), checkpoint=place, resume=True, **options)
    assert bits(resumed) == bits(whole)
    assert history.figures == first.figures
    assert resumed.past.to_config() == whole.past.to_config()
    assert len(history.waiting_seconds) == 3


def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    place = Checkpoint(tmp_path / "run", seconds=0)
    with pytest.raises(Killed):
        network().fit(of_items(tmp_path, 1), checkpoint=place, callbacks=[Killer(2)], **OPTIONS)
    other = Data.items(Pairs(IMAGES, (LABELS + 1) % 3))
    with pytest.raises(TrainingError, match="data is 39 examples"):
        network().fit(other, checkpoint=place, resume=True, **OPTIONS)


def test_a_batched_source_trains_batch_by_batch(tmp_path: Path) -> None:
    """Another order than that of arrays, but the same with any size of the batches that are trained on."""
    source = [(IMAGES[n : n + 8], LABELS[n : n + 8]) for n in range(0, COUNT, 8)]
    seen: list[bytes] = []
    for threads in (1, 2):
        net = network()
        net.fit(Data.items(source, batched=True, threads=threads), **OPTIONS)
        seen.append(bits(net))
    assert seen[0] == seen[1]
    plain = network()
    plain.fit(Data.items(source, batched=True), shuffle=False, **OPTIONS)
    whole = network()
    whole.fit(IMAGES, LABELS, shuffle=False, **OPTIONS)
    assert bits(plain) == bits(whole)


def generator(images: Any = IMAGES, labels: Any = LABELS) -> Callable[[], Iterator[Any]]:
    return lambda: iter(zip(images, labels, strict=True))


def test_a_stream_trains_in_its_own_order() -> None:
    whole, streamed = network(), network()
    first = whole.fit(IMAGES, LABELS, shuffle=False, validation_data=(IMAGES[:7], LABELS[:7]), **OPTIONS)
    history = streamed.fit(
        Data.stream(generator(), COUNT),
        validation_data=Data.stream(generator(IMAGES[:7], LABELS[:7]), 7),
        **OPTIONS,
    )
    assert bits(streamed) == bits(whole)
    assert history["loss"] == first["loss"]
    assert history["val_loss"] == first["val_loss"]
    data = Data.stream(generator(), COUNT)
    assert streamed.evaluate(data, engine="oracle")["loss"] > 0
    np.testing.assert_array_equal(streamed.predict(data, engine="oracle"), streamed.predict(IMAGES, engine="oracle"))


def test_what_a_stream_can_not_do_is_said(tmp_path: Path) -> None:
    data = Data.stream(generator(), COUNT)
    with pytest.raises(TrainingError, match=r"validation_split can't hold examples of a stream out"):
        network().fit(data, validation_split=0.2, **OPTIONS)
    for options in ({"x": data}, {"x": IMAGES, "y": LABELS, "validation_data": data}):
        with pytest.raises(TrainingError, match=r"can't be kept in a checkpoint: a generator can't be put back"):
            network().fit(**options, checkpoint=tmp_path / "run", **OPTIONS)
    assert not (tmp_path / "run").exists()


def test_names_go_with_the_network(tmp_path: Path) -> None:
    names = np.array(["zebra", "ape", "cat"])[LABELS]
    trained, other = network(), network()
    trained.fit(IMAGES, names, **OPTIONS)
    assert trained.preparation.class_names == ("ape", "cat", "zebra")
    other.fit(IMAGES, np.array([2, 0, 1])[LABELS], **OPTIONS)
    assert bits(trained) == bits(other)
    few = (names == "cat") | (names == "zebra")  # numbered as the network's outputs, not as they come
    expected = other.evaluate(IMAGES[few], np.array([2, 0, 1])[LABELS][few], engine="oracle")
    assert trained.evaluate(IMAGES[few], names[few], engine="oracle") == expected
    again = trained.fit(IMAGES, LABELS, validation_data=(IMAGES[few], names[few]), **OPTIONS)
    assert "val_accuracy" in again
    with pytest.raises(DataError, match=r"test data: there is a class 'dog', which the network does not know"):
        trained.evaluate(IMAGES[:2], ["dog", "cat"], engine="oracle")
    with pytest.raises(DataError, match=r"validation data: there is a class 'dog'"):
        trained.fit(IMAGES, names, validation_data=(IMAGES[:2], ["dog", "cat"]), **OPTIONS)


def test_several_names_are_answers() -> None:
    tags = [[name for n, name in enumerate("abc") if (7 * k + n) % 3] for k in range(COUNT)]
    net = network()
    history = net.fit(IMAGES, tags, loss="binary_cross_entropy", validation_split=0.2, **OPTIONS)
    assert net.preparation.class_names == ("a", "b", "c")
    assert "accuracy" in history


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: network().fit(IMAGES, **OPTIONS), r"training data: y is missing. Give x and y, or one convgrad"),
        (lambda: network().fit(Data(IMAGES, LABELS), LABELS, **OPTIONS), r"training data: y is given beside a Data"),
        (lambda: network().fit(Data(IMAGES), **OPTIONS), r"training data: there are no targets. Give them to Data"),
        (
            lambda: network().fit(Data.items(Pairs(IMAGES[:, 1:])), **OPTIONS),
            r"training data: examples have shape \(5, 5, 3\), but the network takes \(6, 5, 3\)",
        ),
        (
            lambda: network().fit(Data.items(Pairs(labels=LABELS + 1)), **OPTIONS),
            r"training data: label 3 of example \d+ is out of range: the network has 3 classes",
        ),
    ],
)
def test_what_can_be_known_beforehand_is_told_before_anything_is_compiled(make: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


def test_what_is_read_later_is_told_with_its_place() -> None:
    many, labels = np.zeros((300, *SHAPE), np.float32), np.zeros(300, int)
    many[101, 2, 3, 1] = np.nan
    with pytest.raises(DataError, match=r"training data: image 101 holds NaN or infinity"):
        network().fit(Data.items(Pairs(many, labels)), **OPTIONS)
    labels[102] = 7
    with pytest.raises(DataError, match=r"training data, example 102: label 7 of example 0 is out of range"):
        network().fit(Data.items(Pairs(np.zeros_like(many), labels)), **OPTIONS)


def test_progress_shows_the_share_of_waiting_where_data_are_read(tmp_path: Path) -> None:
    def shown(*data: Any, terminal: bool = False) -> str:
        text = io.StringIO()
        console = Console(file=text, width=100, force_terminal=terminal, no_color=True)
        network().fit(*data, callbacks=[ProgressTable(console)], **OPTIONS)
        return text.getvalue()

    lines = shown(of_items(tmp_path, 1)).splitlines()
    assert lines[0].split() == ["epoch", "loss", "accuracy", "images/s", "data", "wait"]
    assert all(re.fullmatch(r" +\d/3 .* \d+%", line) for line in lines[1:])
    assert "wait" not in shown(IMAGES, LABELS)
    assert re.search(r"images/s, \d+% waiting for data", shown(of_items(tmp_path, 1), terminal=True))
    log = tmp_path / "log.csv"
    network().fit(IMAGES, LABELS, callbacks=[CSVLogger(log)], **OPTIONS)
    assert "wait" not in log.read_text()


PEAK = """
import sys
import numpy as np
from pathlib import Path
from convgrad import Network
from convgrad.data import Data
from convgrad.layers import Dense, Flatten, MaxPool2D

kind, place = sys.argv[1:]
shape = (64, 61, 3)
net = Network(MaxPool2D(8), Flatten(), Dense(3), input_shape=shape)
if kind == "map":
    x = np.load(Path(place), mmap_mode="r")
    data = Data(x, np.arange(len(x)) % 3)
else:
    data = Data.folder(place, threads=3)
net.fit(data, epochs=1, batch_size=16, verbose=False, engine="oracle", validation_split=0.1)
net.evaluate(data, engine="oracle", batch_size=16)
net.predict(data, engine="oracle", batch_size=16)
# Not getrusage: its peak is that of the process that this one was started by, too.
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
@pytest.mark.parametrize("kind", ["map", "folder"])
def test_the_peak_of_memory_does_not_grow_with_the_source(kind: str, tmp_path: Path) -> None:
    """Many times as many images, 70 MB of bytes or floats more; batches and what is read ahead take the same."""
    peaks = []
    more = 1500 * 64 * 61 * 3 * 4 / 2**20
    for count in (200, 1700):
        images = np.random.default_rng(0).integers(0, 256, (count, 64, 61, 3), np.uint8)
        if kind == "map":
            place = tmp_path / f"{count}.npy"
            np.save(place, np.tile(images, (4, 1, 1, 1)))
        else:
            place = tmp_path / str(count)
            for n, image in enumerate(images):
                (place / f"{n % 3}").mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(place / f"{n % 3}/{n}.bmp")
        done = subprocess.run(
            [sys.executable, "-c", PEAK, kind, str(place)], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] - peaks[0] < more / 4, peaks


def test_names_are_as_many_as_the_classes_of_the_network() -> None:
    """Else what the network says could not be named."""
    x = np.zeros((5, *IMAGES.shape[1:]), np.float32)
    for names in (["a"] * 5, list("abbab")):
        message = (
            f"there are {len({*names})} class names ({', '.join(sorted({*names}))}), but the network has 3 outputs"
        )
        with pytest.raises(DataError, match=re.escape(message)):
            network().fit(x, names, **OPTIONS)
