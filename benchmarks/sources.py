"""What reading costs: images per second from arrays, a memory map and a folder, share of waiting, peak of memory.

    python -m benchmarks.sources --gigabytes 4 --folder /tmp/sources

Each source is made once at that size (of bytes, as the memory map holds them; JPEG files take less room), and trained
on in a process of its own, whose peak is asked of Linux. Arrays are a part of the same images, so that they fit. Before
a time is printed, the weights from a part of the memory map are compared with those from the same part in memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from convgrad import Network
from convgrad.data import Data
from convgrad.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU

SHAPE = (96, 96, 3)
CLASSES = 8
BATCH = 64
BLOCK = 512
"""Images that are made and written at a time."""
HELD = 4096
"""Images that arrays in memory are measured with: 0.45 GB of floats, which are made of them."""
KINDS = ("arrays", "map", "folder")


def block(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with something to see: a blurred pattern in a place that tells the class. The same for the same number."""
    rng = np.random.default_rng(number)
    labels = rng.integers(0, CLASSES, BLOCK)
    coarse = rng.integers(0, 256, (BLOCK, SHAPE[0] // 8, SHAPE[1] // 8, SHAPE[2]), np.uint8)
    images = coarse.repeat(8, axis=1).repeat(8, axis=2)
    for n, label in enumerate(labels):
        images[n, 12 * label : 12 * label + 12] //= 4
    return images, labels


def count_for(gigabytes: float) -> int:
    """Images of that size, in whole blocks."""
    return max(1, round(gigabytes * 1e9 / (BLOCK * prod(SHAPE)))) * BLOCK


def make(folder: Path, count: int) -> None:
    """Write the memory map and the folder of JPEG files, unless they are there."""
    from PIL import Image

    done = folder / f"made-{count}"
    if done.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    images = np.lib.format.open_memmap(folder / "x.npy", "w+", np.uint8, (count, *SHAPE))
    labels = np.empty(count, np.int64)
    for start in range(0, count, BLOCK):
        part, labels[start : start + BLOCK] = block(start // BLOCK)
        images[start : start + BLOCK] = part
        for n, image in enumerate(part, start):
            place = folder / "images" / f"{labels[n]}" / f"{n}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place, quality=90)
    images.flush()
    np.save(folder / "y.npy", labels)
    done.touch()


def data_of(kind: str, folder: Path) -> Data:
    """One of the three sources."""
    if kind == "folder":
        return Data.folder(folder / "images", image_size=SHAPE[:2], channels=3)
    x, y = np.load(folder / "x.npy", mmap_mode="r"), np.load(folder / "y.npy")
    return Data(x, y) if kind == "map" else Data(np.array(x[:HELD]), y[:HELD])


def network() -> Network:
    """Small, so that reading is not hidden behind arithmetic: 0.02 GFLOP an image."""
    layers = (Conv2D(8, 3, strides=2), ReLU(), MaxPool2D(2), Conv2D(16, 3), ReLU(), MaxPool2D(2))
    return Network(*layers, Flatten(), Dense(CLASSES), input_shape=SHAPE)


def peak() -> float:
    """MB of memory that this process has had at most. (That of getrusage is of the process that started it, too.)"""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


def measure(kind: str, folder: Path, epochs: int) -> dict[str, Any]:
    """Train from one source in this process."""
    data = data_of(kind, folder)
    began = time.perf_counter()
    history = network().fit(data, epochs=epochs, batch_size=BATCH, verbose=False)
    return {
        "kind": kind,
        "images": len(data),
        "images_per_second": history.images_per_second,
        "waiting_share": history.waiting_share,
        "peak_mb": peak(),
        "seconds": time.perf_counter() - began,
    }


def same_bits(folder: Path) -> bool:
    """Whether the memory map trains to the weights of arrays."""
    x, y = np.load(folder / "x.npy", mmap_mode="r")[:BLOCK], np.load(folder / "y.npy")[:BLOCK]
    weights = []
    for images in (x, np.array(x)):
        trained = network()
        trained.fit(images, y, epochs=1, batch_size=BATCH, verbose=False)
        weights.append(b"".join(array.tobytes() for array in trained.get_weights().values()))
    return weights[0] == weights[1]


def main(arguments: list[str] | None = None) -> int:
    """Make the sources, and measure each of them in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sources", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=4.0, help="size of the memory map [4]")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/convgrad-sources"), help="where they are made")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, help="measure one of them in this process, and print JSON")
    options = parser.parse_args(arguments)
    if options.kind:
        print(json.dumps(measure(options.kind, options.folder, options.epochs)))
        return 0
    make(options.folder, count_for(options.gigabytes))
    if not same_bits(options.folder):
        print("The memory map does not train to the weights of arrays: no times are given.", file=sys.stderr)
        return 1
    print(f"{'source':10} {'images':>9} {'images/s':>9} {'waiting':>8} {'peak MB':>8}")
    for kind in KINDS:
        command = [sys.executable, "-m", "benchmarks.sources", "--folder", str(options.folder), "--kind", kind]
        command += ["--epochs", str(options.epochs)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        print(
            f"{kind:10} {found['images']:9,} {found['images_per_second']:9,.0f} {found['waiting_share']:8.0%} "
            f"{found['peak_mb']:8,.0f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
