"""Trainings to be killed, of three networks on three sources, each in a process of its own that is ready at once.

Two of the networks are trained with a mean of their weights as well, clipped, frozen and accumulated.

`python tests/support/killed_trainings.py` is a nursery: it has imported everything and uses no threads. For each line
`{"network": ..., "source": ..., "data": FOLDER, "run": FOLDER, "threads": 2, "checkpoint": true}` it forks a training,
and prints its process's number; for the line `wait` it prints the exit code of that process, negative for a signal.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convgrad.data import Augment, Data
from convgrad.layers import (
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Input,
    MaxPool2D,
    Node,
    ReLU,
    Reshape,
)
from convgrad.models.network import Network
from convgrad.optimizers import SGD
from convgrad.system.interruption import exit_code, take_over
from convgrad.training import SWA, Checkpoint
from convgrad.training.resuming import digest

SHAPE, COUNT, CLASSES = (13, 11, 1), 45, 3
SOURCES = ("arrays", "map", "folder")
DONE = "done.json"


def lenet() -> Network:
    layers = [Conv2D(4, 3), ReLU(), MaxPool2D(2), Conv2D(6, 3), ReLU(), MaxPool2D(2), Flatten()]
    return Network(*layers, Dense(20), ReLU(), Dense(CLASSES), input_shape=SHAPE)


def resnet8() -> Network:
    """A convolution, three blocks of two, and a dense layer; BatchNorm after each convolution, and dropout."""
    image = Input(SHAPE)
    node: Node = ReLU()(BatchNorm()(Conv2D(4, 3, padding="same", bias=None)(image)))
    for filters, stride in ((4, 1), (6, 2), (8, 2)):
        narrow = stride > 1
        first = Conv2D(filters, 3, strides=stride, padding="same", bias=None)(node)
        second = Conv2D(filters, 3, padding="same", bias=None)(ReLU()(BatchNorm()(first)))
        short = Conv2D(filters, 1, strides=stride, padding="same", bias=None)(node) if narrow else node
        node = ReLU()(Add()(BatchNorm()(second), short))
    return Network(inputs=image, outputs=Dense(CLASSES)(Dropout(0.3)(GlobalAvgPool2D()(node))))


def autoencoder() -> Network:
    layers = [Conv2D(3, 3, strides=2), ReLU(), Flatten(), Dense(7), ReLU(), Dense(143)]
    return Network(*layers, Reshape(SHAPE), input_shape=SHAPE)


TRAININGS: dict[str, tuple[Callable[[], Network], dict[str, Any]]] = {
    "lenet": (lenet, {"optimizer": "momentum", "schedule": "one-cycle", "learning_rate": 0.05}),
    "resnet8": (resnet8, {"optimizer": "nesterov", "schedule": "cosine", "augment": Augment(flip=True, shift=1)}),
    "autoencoder": (autoencoder, {"optimizer": "adam", "loss": "mse"}),
    "mean": (lenet, {"optimizer": SGD(0.1, global_clipnorm=1.0), "average": "ema", "accumulate": 2, "frozen": "conv1"}),
    "last epochs": (resnet8, {"optimizer": "adamw", "average": SWA(0.3)}),
}


def make_data(folder: Path) -> None:
    """Images by class as files, and the same as arrays, in the order of the files."""
    rng = np.random.default_rng(5)
    labels = np.sort(rng.integers(0, CLASSES, COUNT))
    images = rng.integers(0, 200, (COUNT, *SHAPE), np.uint8)
    images += np.uint8(25) * labels[:, None, None, None].astype(np.uint8)
    for n, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / "files" / f"class {label}" / f"{n:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[:, :, 0]).save(place)
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", labels)


def data_of(source: str, folder: Path, images_as_targets: bool) -> Data:
    """The same examples from each source."""
    if source == "folder":
        files = folder / "files"
        return Data.folder(files, targets=files if images_as_targets else None, threads=2)
    images = np.load(folder / "images.npy", mmap_mode="r" if source == "map" else None)
    if images_as_targets:
        return Data(images, np.load(folder / "images.npy").astype(np.float32) / np.float32(255))
    return Data(images, np.load(folder / "labels.npy"))


def train(network: str, source: str, data: str, run: str, checkpoint: bool, **options: Any) -> None:
    """One training, to its end or to that of the process. Its results are known by run/done.json."""
    make, own = TRAININGS[network]
    place: dict[str, Any] = {"checkpoint": Checkpoint(run, seconds=0), "resume": True} if checkpoint else {}
    examples = data_of(source, Path(data), own.get("loss") == "mse")
    validated: dict[str, Any] = {"validation_split": 0.2} if source != "folder" else {}
    trained = make()
    history = trained.fit(
        examples, epochs=3, batch_size=8, seed=4, verbose=False, **own, **validated, **place, **options
    )
    if history.interrupted:
        os._exit(exit_code())
    found = {"weights": {name: digest(array) for name, array in trained.get_weights().items()}}
    written = {**found, "figures": history.figures, "past": trained.past.to_config()}
    unfinished = Path(run) / f"{DONE}.part"
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    unfinished.write_text(json.dumps(written))
    unfinished.rename(Path(run) / DONE)


def forked(asked: dict[str, Any]) -> int:
    """Fork a training; returns the number of its process."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.environ["HL_NUM_THREADS"] = str(asked.pop("threads"))
        take_over()
        train(**asked)
        code = 0
    except KeyboardInterrupt:
        code = exit_code()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


class Nursery:
    """The same from the other side: starts trainings, and tells how they ended."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def start(self, **asked: Any) -> int:
        """Start a training; returns the number of its process, which stays its own until `wait`."""
        return int(self._asked(json.dumps(asked)))

    def wait(self) -> int:
        """The exit code of the process that was started last."""
        return int(self._asked("wait"))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def _asked(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        return self._process.stdout.readline()


def main() -> None:
    child = 0
    for line in sys.stdin:
        if line.strip() == "wait":
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        else:
            child = forked(json.loads(line))
            print(child, flush=True)


if __name__ == "__main__":
    main()
