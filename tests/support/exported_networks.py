"""Networks that leave Python, and what they are trained on.

`python exported_networks.py NAME FILE.npz` trains one of them, for whatever processor its environment names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad import Network
from convgrad.layers import (
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Equation,
    Flatten,
    GlobalAvgPool2D,
    Input,
    ReLU,
    Sigmoid,
    Tanh,
    UpSampling2D,
)
from convgrad.models import load_model
from convgrad.models.parts import residual
from convgrad.optimizers import SGD, Adam, Optimizer, RMSprop

Array = npt.NDArray[Any]
STEPS, BATCHES, SEED = 100, 4, 2**33 + 5


def lenet() -> Network:
    return load_model("lenet5", (28, 28, 1), 10).network


def resnet() -> Network:
    image = Input((8, 10, 3))
    node = ReLU()(BatchNorm()(Conv2D(4, 3, padding="same")(image)))
    node = residual(residual(node, 4, 1, False), 6, 2, True)
    return Network(inputs=image, outputs=Dense(5)(GlobalAvgPool2D()(node)))


def autoencoder() -> Network:
    coder = (Conv2D(6, 3, strides=2, padding="same"), Tanh(), Conv2D(2, (3, 1), padding="same"), Tanh())
    decoder = (UpSampling2D(2), Conv2D(4, 3, padding="same"), ReLU(), Conv2D(1, 3, padding="same"), Sigmoid())
    return Network(*coder, *decoder, input_shape=(8, 12, 1))


def own() -> Network:
    """A layer of one's own: each channel times a gate that depends on its mean."""
    gate = Equation(
        "m[c] = 1/I/J * sum[i,j](o[i,j,c])\ng[c] = 1 / (1 + exp(-(s[c] * m[c] + b[c])))\nx[i,j,c] = g[c] * o[i,j,c]"
    )
    return Network(Conv2D(5, (3, 2)), gate, Dropout(0.25), Flatten(), Dense(3), input_shape=(7, 9, 2))


@dataclass(frozen=True)
class Case:
    """A network, and how it is trained."""

    make: Callable[[], Network]
    optimizer: Optimizer
    batch: int
    loss: str = "softmax_cross_entropy"

    def network(self) -> Network:
        network = self.make()
        network.initialize(seed=4)
        return network

    def examples(self) -> tuple[Array, Array]:
        """Inputs and targets of some batches."""
        network, rng, count = self.make(), np.random.default_rng(8), BATCHES * self.batch
        x = rng.random((count, *network.input_shape), np.float32)
        if self.loss == "mse":
            return x, x
        return x, rng.integers(0, network.output_shape[0], count)


CASES = {
    "lenet": Case(lenet, SGD(0.05, momentum=0.9), 16),
    "resnet": Case(resnet, Adam(0.003), 6),
    "autoencoder": Case(autoencoder, SGD(0.5, momentum=0.9, nesterov=True), 5, "mse"),
    "own": Case(own, RMSprop(0.002), 7),
}


def trained(case: Case, steps: int = STEPS) -> dict[str, Array]:
    """What comes out in Python: predictions before and after, the losses, weights, and the optimizer's state."""
    network, (x, t), batch = case.network(), case.examples(), case.batch
    before = network.predict(x)
    step = network.training_step(case.loss, case.optimizer, batch, seed=SEED)
    losses = []
    for number in range(steps):
        first = number % BATCHES * batch
        step.run(x[first : first + batch], t[first : first + batch])
        losses.append(step.loss)
    found = {"before": before, "losses": np.array(losses, np.float32), "after": network.predict(x)}
    return {**found, **network.get_weights(), **{name: array.copy() for name, array in step.optimizer_state.items()}}


if __name__ == "__main__":
    np.savez(sys.argv[2], **trained(CASES[sys.argv[1]]))  # type: ignore[arg-type]  # its stubs take allow_pickle for one
