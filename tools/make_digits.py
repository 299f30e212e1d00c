"""Make the bundled sample of MNIST: as many of each digit, drawn by a fixed seed from each published part.

    python tools/make_digits.py --data-dir FOLDER

FOLDER holds the four published files (packed or not), or a folder `mnist` with them. Running it again writes the same
bytes, as far as the zlib in use packs alike.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from convgrad.data.idx import read_idx, write_idx
from convgrad.data.idx_folder import FILE_NAMES

SEED = 2026
TRAIN_PER_DIGIT, TEST_PER_DIGIT = 600, 100
TARGET = Path(__file__).parent.parent / "src" / "convgrad" / "data" / "digits"


def drawn(labels: np.ndarray, per_digit: int, generator: np.random.Generator) -> np.ndarray:
    """Positions of `per_digit` images of each digit, in the order of the published file."""
    return np.sort(
        np.concatenate(
            [generator.choice(np.flatnonzero(labels == digit), per_digit, replace=False) for digit in range(10)]
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    folder: Path = parser.parse_args().data_dir
    folder = folder / "mnist" if (folder / "mnist").is_dir() else folder

    def read(name: str) -> np.ndarray:
        return read_idx(folder / name if (folder / name).exists() else folder / f"{name}.gz")

    TARGET.mkdir(exist_ok=True)
    generator = np.random.Generator(np.random.Philox(SEED))
    for names, per_digit in ((FILE_NAMES[:2], TRAIN_PER_DIGIT), (FILE_NAMES[2:], TEST_PER_DIGIT)):
        images, labels = (read(name) for name in names)
        positions = drawn(labels, per_digit, generator)
        for name, array in zip(names, (images, labels), strict=True):
            write_idx(TARGET / f"{name}.gz", array[positions])
            size = (TARGET / f"{name}.gz").stat().st_size
            print(f"{name}.gz: {array[positions].shape}, {size:,} bytes")


if __name__ == "__main__":
    main()
