"""Learn CIFAR-10 in ten epochs: the network and the recipe of airbench94, on a processor.

    python examples/cifar94.py cifar10
    python examples/cifar94.py images.zip        (train/CLASS/... and test/CLASS/... in it)

The first layer looks at 2x2 pixels along the directions in which they vary, each brought to the same variance; it is
not trained. Three pairs of 3x3 convolutions follow. What is unusual: convolutions begin as the identity, the biases of
normalizations learn 64 times as fast, images are mirrored in turns, all weights are drawn to a mean of themselves every
five updates, and a prediction is the mean over six views of an image. Left out: the bias of the first layer, which is
trained for three epochs there.

Reference: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024, arXiv:2404.00498, section 3 and the listing.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from convgrad import Network
from convgrad.data import Augment, load
from convgrad.layers import GELU, BatchNorm, Conv2D, Dense, Flatten, MaxPool2D
from convgrad.losses import SoftmaxCrossEntropy
from convgrad.optimizers import SGD, Group
from convgrad.training import Callback

BATCH = 1024
MOMENTUM = 0.85
RATE = 11.5 / (1 + 1 / (1 - MOMENTUM))  # 11.5 is for a step along a gradient of one, until its momentum has worn off
DECAY = 0.0153 / 11.5
GROUPS = [
    Group("*.beta", learning_rate=64 * RATE, weight_decay=DECAY / 64),
    # The reference divides what the last layer gives by 9: to the weights, these are steps of 1/81.
    Group("dense1", learning_rate=RATE / 81, weight_decay=DECAY * 81),
]
FROZEN = ("white", "*.gamma")
LOSS = SoftmaxCrossEntropy(label_smoothing=0.2)
OPTIMIZER = SGD(RATE, momentum=MOMENTUM, nesterov=True, weight_decay=DECAY, groups=GROUPS)


def uniform(rng, shape, fan_in, fan_out):
    """Numbers of -1/sqrt(fan_in)..1/sqrt(fan_in)."""
    return rng.uniform(-1, 1, shape) / np.sqrt(fan_in)


def small(rng, shape, fan_in, fan_out):
    """A ninth of these."""
    return uniform(rng, shape, fan_in, fan_out) / 9


def identity(rng, shape, fan_in, fan_out):
    """A kernel w[m,n,c,k] that hands its C channels on as the first C results; the other results are random."""
    rows, columns, *channels = shape
    kernel = uniform(rng, shape, fan_in, fan_out)
    kept = range(min(channels))
    kernel[..., kept] = 0
    kernel[rows // 2, columns // 2, kept, kept] = 1
    return kernel


def whitening(images):
    """Kernels (2, 2, C, 8C): the eigenvectors of 2x2 pixels, each divided by its deviation, and their negatives."""
    channels = images.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(images[:5000], (2, 2), (1, 2))
    pixels = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, 4 * channels).astype(np.float64)
    variances, directions = np.linalg.eigh(pixels.T @ pixels / len(pixels))
    kernels = (directions / np.sqrt(variances + 5e-4))[:, ::-1].reshape(2, 2, channels, 4 * channels)
    return np.concatenate([kernels, -kernels], axis=-1)


def pair(filters):
    """Two convolutions, with the image halved after the first."""
    first, second = (Conv2D(filters, 3, padding="same", bias=None, kernel_initializer=identity) for _ in range(2))
    norms = [BatchNorm(momentum=0.6, epsilon=1e-6) for _ in range(2)]
    return [first, MaxPool2D(2), norms[0], GELU(), second, norms[1], GELU()]


def built(images, widths):
    """The network, for images (N, 32, 32, C), or a little smaller, of mean 0 and deviation 1."""
    layers = [Conv2D(8 * images.shape[-1], 2, bias=None, name="white"), GELU()]
    for filters in widths:
        layers += pair(filters)
    layers += [MaxPool2D(3), Flatten(), Dense(10, bias=None, kernel_initializer=small)]
    network = Network(*layers, input_shape=images.shape[1:])
    network.initialize(seed=0)
    network.set_weights(network.get_weights() | {"white.w": whitening(images)})
    return network


def triangle(done):
    """From 0.2 up to 1 in the first 23 % of the training, and down to 0.07."""
    return float(np.interp(done, [0, 0.23, 1], [0.2, 1, 0.07]))


class Lookahead(Callback):
    """Every five updates, s = d * s + (1 - d) * w and w = s, with d from 0 at the beginning to 0.95^5 at the end.

    Reference: Zhang, Lucas, Hinton and Ba, "Lookahead optimizer: k steps forward, 1 step back", 2019, algorithm 1.
    """

    def on_train_begin(self, training):
        self.slow = training.network.get_weights()

    def on_batch_end(self, training):
        done = training.epoch * training.batches + training.batch + 1
        last = done == training.epochs * training.batches
        if done % 5 and not last:
            return
        stays = 1.0 if last else 0.95**5 * (done / (training.epochs * training.batches)) ** 3
        fast = training.network.get_weights()
        self.slow = {name: stays * slow + (1 - stays) * fast[name] for name, slow in self.slow.items()}
        training.network.set_weights(self.slow)


def probabilities_of_six(network, images):
    """Predictions (N, 10), the mean over an image and its mirror image: half as they are, half moved by one pixel."""
    around = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    moved = [around[:, :-2, :-2], around[:, 2:, 2:]]

    def both(seen):
        return (network.predict(seen) + network.predict(np.ascontiguousarray(seen[:, :, ::-1]))) / 2

    return both(images) / 2 + sum(both(np.ascontiguousarray(seen)) for seen in moved) / 4


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="?", default="cifar10", help="cifar10, or a folder or .zip of images by class")
    parser.add_argument("--data-dir", help="where the files of cifar10 are")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--widths", type=int, nargs=3, default=(64, 256, 256))
    parser.add_argument("--images", type=int, help="train and test on the first so many images only")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()

    data = load(chosen.data, data_dir=chosen.data_dir)
    order = np.random.default_rng(0).permutation(len(data.train_images))[: chosen.images]
    train, labels = data.train_images[order], data.train_labels[order]
    order = np.random.default_rng(0).permutation(len(data.test_images))[: chosen.images]
    test, answers = data.test_images[order], data.test_labels[order]
    mean, deviation = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2))
    train, test = (train - mean) / deviation, (test - mean) / deviation

    network = built(train, chosen.widths)
    print(f"{network.parameter_count:,} weights, {len(train):,} training images, {len(test):,} test images")
    began = time.perf_counter()
    history = network.fit(
        train,
        labels,
        epochs=chosen.epochs,
        batch_size=BATCH,
        loss=LOSS,
        optimizer=OPTIMIZER,
        schedule=triangle,
        frozen=FROZEN,
        augment=Augment(flip="alternate", shift=2, border="reflect"),
        callbacks=[Lookahead()],
        seed=chosen.seed,
    )
    print(f"trained in {time.perf_counter() - began - history.compile_seconds:.1f} s")
    print(f"one view: {np.mean(network.predict(test).argmax(axis=1) == answers):.2%}")
    print(f"test accuracy {np.mean(probabilities_of_six(network, test).argmax(axis=1) == answers):.2%}")


if __name__ == "__main__":
    main()
