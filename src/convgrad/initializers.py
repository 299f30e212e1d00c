"""Values that parameters begin with. Each is a function (rng, shape, fan_in, fan_out) -> float64 array of `shape`.

`fan_in` is how many values one result is made of, `fan_out` how many results one value goes into: for a kernel
w[m,n,c,k], M*N*C and M*N*K. The generator is passed in, so one seed gives one network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from convgrad.arguments import SHAPE, an, at_least, real_array, shown, takes
from convgrad.errors import ModelError, suggestion

Array = np.ndarray[Any, np.dtype[np.float64]]
Initializer = Callable[[np.random.Generator, tuple[int, ...], int, int], Array]


GENERATOR = an(np.random.Generator, "a generator, as numpy.random.default_rng(seed) makes it")
FANS = {"rng": GENERATOR, "shape": SHAPE, "fan_in": at_least(1), "fan_out": at_least(1)}
"""What the functions here take."""


@takes(ModelError, **FANS)
def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """Uniform on [-a, a) with a = sqrt(6 / (fan_in + fan_out)).

    Reference: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, 2010,
    eq. 16.
    """
    a = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-a, a, shape)


@takes(ModelError, **FANS)
def he_normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """Normal with variance 2 / fan_in, for layers before ReLU.

    Reference: He, Zhang, Ren and Sun, Delving deep into rectifiers, 2015, eq. 10. Keras cuts the normal
    distribution off at two standard deviations; this one is whole.
    """
    return rng.normal(0, np.sqrt(2 / fan_in), shape)


@takes(ModelError, **FANS)
def lecun_normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """Normal with variance 1 / fan_in.

    Reference: LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998, eq. 16.
    """
    return rng.normal(0, np.sqrt(1 / fan_in), shape)


@takes(ModelError, **FANS)
def zeros(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """All 0."""
    return np.zeros(shape)


@takes(ModelError, **FANS)
def ones(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """All 1."""
    return np.ones(shape)


registry: dict[str, Initializer] = {f.__name__: f for f in (glorot_uniform, he_normal, lecun_normal, zeros, ones)}


def check_initializer(initializer: str | Initializer) -> None:
    """Raises: ModelError where there is none of this name."""
    if isinstance(initializer, str):
        if initializer not in registry:
            raise ModelError(
                f"There is no initializer called {initializer!r}.{suggestion(initializer, registry)} "
                f"A function (rng, shape, fan_in, fan_out) -> array works, too."
            )
    elif not callable(initializer) or isinstance(initializer, type):
        raise ModelError(
            f"An initializer is a name or a function (rng, shape, fan_in, fan_out) -> array, not {shown(initializer)}."
        )


@takes(ModelError, **FANS)
def initial_values(
    initializer: str | Initializer, rng: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
) -> Array:
    """Values by an initializer, which is a name in `registry` or a function of one's own.

    Returns: float64 of `shape`. Raises: ModelError where the function returns another shape, or numbers that are not
    finite.

    >>> initial_values("zeros", np.random.default_rng(0), (2, 3), 2, 3).shape
    (2, 3)
    """
    check_initializer(initializer)
    function = registry[initializer] if isinstance(initializer, str) else initializer
    values = real_array("An initializer", "its result", function(rng, shape, fan_in, fan_out), ModelError)
    # What a function of one's own returns may be an array that it keeps.
    values = values.astype(np.float64, copy=not isinstance(initializer, str))
    if values.shape != shape:
        raise ModelError(f"An initializer must return shape {shape}, but it returned {values.shape}.")
    if not np.isfinite(values).all():
        raise ModelError("An initializer returned numbers that are not finite.")
    return values
