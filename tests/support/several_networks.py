"""Networks of several inputs and outputs, and with shared layers, for tests; and the same in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from convgrad import Network
from convgrad.layers import BatchNorm, Concatenate, Conv2D, Dense, Dropout, Equation, Flatten, Input, ReLU

Table = dict[str, Any]


def two_heads(dtype: str = "float64") -> Network:
    """One image, a class and a box."""
    image = Input((6, 5, 2))
    hidden = Dense(7, name="hidden")(Flatten()(ReLU()(Conv2D(3, (3, 2), name="conv")(image))))
    ends = {"class": Dense(4, name="scores")(ReLU()(hidden)), "box": Dense(2, name="corners")(hidden)}
    return Network(inputs=image, outputs=ends, dtype=dtype)


def two_inputs(dtype: str = "float64") -> Network:
    """An image and numbers about it, and a class."""
    image, meta = Input((6, 5, 2)), Input((3,))
    seen = Flatten()(ReLU()(Conv2D(3, (3, 2), name="conv")(image)))
    joined = Concatenate()(seen, ReLU()(Dense(4, name="about")(meta)))
    return Network(inputs={"image": image, "meta": meta}, outputs=Dense(4, name="scores")(joined), dtype=dtype)


def both(dtype: str = "float32", drop: float = 0.25) -> Network:
    """Two inputs and two heads, with examples that meet, and elements that are left out at random."""
    image, meta = Input((6, 5, 2)), Input((3,))
    seen = Flatten()(ReLU()(BatchNorm(name="norm")(Conv2D(3, (3, 2), name="conv")(image))))
    hidden = Dropout(drop)(Concatenate()(seen, meta))
    ends = {"class": Dense(4, name="scores")(hidden), "box": Dense(2, name="corners")(hidden)}
    return Network(inputs={"image": image, "meta": meta}, outputs=ends, dtype=dtype)


def siamese(dtype: str = "float64") -> Network:
    """How far apart two images are: sqrt(sum of (p[k] - q[k])^2), with p and q from the same layers."""
    left, right = Input((6, 5, 1), name="left"), Input((6, 5, 1), name="right")
    conv, dense = Conv2D(3, (3, 2), name="conv"), Dense(4, name="code")
    codes = [dense(Flatten()(ReLU()(conv(image)))) for image in (left, right)]
    far = Equation("x[k] = sqrt(sum[c]((p[c] - q[c])^2) + a[k])", inputs=("p", "q"), shapes={"a": (1,)}, name="far")
    return Network(inputs=[left, right], outputs=far(*codes), dtype=dtype)


def examples(count: int, seed: int = 0) -> tuple[Table, Table]:
    """Inputs of `both`, and their targets."""
    rng = np.random.default_rng(seed)
    x = {"image": rng.random((count, 6, 5, 2)), "meta": rng.standard_normal((count, 3))}
    return x, {"class": rng.integers(0, 4, count), "box": rng.random((count, 2))}
