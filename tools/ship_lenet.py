"""Write the weights of the example `lenet-trained` from a run of convgrad: rounded to hundredths, with their accuracy.

    convgrad train mnist --data-dir FOLDER --model lenet5 --augment --epochs 12 --seed 0 --out runs/lenet5
    python tools/ship_lenet.py runs/lenet5 --data-dir FOLDER

FOLDER holds MNIST's four published files. The same seed gives the same weights, and these the same file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from convgrad import load_data
from convgrad.data.dataset import Dataset
from convgrad.examples.trained import read_weights, write_weights
from convgrad.models.saved import load

TARGET = Path(__file__).parent.parent / "src" / "convgrad" / "examples" / "lenet-trained.npz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    network = load(options.run)
    write_weights(TARGET, network.get_weights())
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes")
    sets = {"digits": load_data("digits")}
    if options.data_dir is not None:
        sets["mnist"] = load_data("mnist", data_dir=options.data_dir)
    for words in ("as trained", "in hundredths"):
        for name, data in sets.items():
            images, labels = tested(data)
            result = network.evaluate(images, labels)
            print(f"{name}, {words}: {result['accuracy']:.2%} of {len(images):,}, loss {result['loss']:.5f}")
        network.set_weights(read_weights(TARGET))
    images, labels = tested(sets["digits"])
    print("wrong among the bundled test digits:", *np.flatnonzero(network.predict(images).argmax(axis=1) != labels))


def tested(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels to test on."""
    assert data.test_images is not None
    assert data.test_labels is not None
    return data.test_images, data.test_labels


if __name__ == "__main__":
    main()
