"""Which places of an input an answer comes from.

Both maps are made from gradients of a class's score, the number that the network returns for it, which are those of
`Network.gradients` with the score in place of a loss.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import takes
from convgrad.errors import DataError, suggestion
from convgrad.layers.pool import Pooling
from convgrad.losses import Loss
from convgrad.network.activations import inputs_of, layers_called
from convgrad.network.placed import PlacedLayer
from convgrad.network.plain import NETWORK, PlainNetwork
from convgrad.network.plan import INPUT
from convgrad.network.step import evaluated
from convgrad.notation.terms import gradient_name

Array = npt.NDArray[Any]
AT_ONCE = 64
"""Examples of one batch. A power of two: the mean over a batch, times their number, is then the sum to the bit."""


class Score(Loss):
    """E = sum[k](t[k] * y[k]), whose derivative is t: the output of the class for which t is 1."""

    @property
    def text(self) -> str:
        return "E = sum[k](t[k] * y[k])"


@takes(DataError, network=NETWORK)
def saliency(
    network: PlainNetwork, x: npt.ArrayLike, classes: npt.ArrayLike | None = None, *, engine: str = "auto"
) -> Array:
    """m[e,i,j] = max[c](abs(dy[e,k]/dx[e,i,j,c])): how much a class's score changes with the input at each place.

    The score y[e,k] is what the network returns for class k when it predicts.

    >>> import numpy as np
    >>> from convgrad import Network
    >>> from convgrad.layers import Dense, Flatten
    >>> network = Network(Flatten(), Dense(2), input_shape=(2, 1, 1), dtype="float64")
    >>> network.set_weights({"dense1.w": np.array([[1.0, -3.0], [0.5, 0.0]]), "dense1.b": np.zeros(2)})
    >>> saliency(network, np.ones((1, 2, 1, 1)), 1)
    array([[[3.],
            [0.]]])

    Args:
        x: (N, *input_shape) inputs, N at least 1.
        classes: the class of each example (N,), or one for all; by default the one with the greatest output.

    Returns: (N, *places), of the network's dtype, not negative: an image's rows and columns (a signal's times), the
    last axis being that of channels; of an input with one axis its elements.

    Raises: DataError where inputs or classes don't fit, or the network does not return one row of numbers.
    ModelError for several inputs or outputs.

    Reference: Simonyan, Vedaldi and Zisserman, Deep inside convolutional networks, 2013, section 3.1.
    """
    network.ends.check_only()
    name = gradient_name(INPUT)
    gradients = np.abs(_of_scores(network, x, classes, name, None, engine, "saliency")[name])
    return gradients if gradients.ndim == 2 else np.asarray(gradients.max(axis=-1))


@takes(DataError, network=NETWORK)
def grad_cam(
    network: PlainNetwork,
    x: Any,
    classes: npt.ArrayLike | None = None,
    *,
    layer: str | None = None,
    engine: str = "auto",
) -> Array:
    """m[e,i,j] = max(0, sum[c](mean[p,q](dy[e,k]/da[e,p,q,c]) * a[e,i,j,c])): what speaks for a class, and where.

    a is the result of the layer, and y[e,k] what the network returns for class k when it predicts.

    >>> import numpy as np
    >>> from convgrad import Network
    >>> from convgrad.layers import Conv2D, Dense, GlobalAvgPool2D
    >>> network = Network(Conv2D(1, 1, name="c"), GlobalAvgPool2D(), Dense(2, name="d"), input_shape=(2, 1, 1))
    >>> weights = {"c.w": np.full((1, 1, 1, 1), 2.0), "d.w": np.array([[1.0, -3.0]])}
    >>> network.set_weights(weights | {"c.b": np.zeros(1), "d.b": np.zeros(2)})
    >>> grad_cam(network, np.array([[[[1.0]], [[-1.0]]]]), 0).tolist()
    [[[1.0], [0.0]]]

    Args:
        x: (N, *input_shape) inputs, N at least 1.
        classes: the class of each example (N,), or one for all; by default the one with the greatest output.
        layer: its name. By default the last one whose result has several places, each with channels, and that is no
            pooling: that of a ReLU behind the last convolution, say.

    Returns: (N, *places of the layer's result), of the network's dtype, not negative.

    Raises: DataError where inputs or classes don't fit, the network does not return one row of numbers, or the layer
    has no places.

    Reference: Selvaraju et al., Grad-CAM: Visual explanations from deep networks, 2017, equations 1 and 2.
    """
    seen = layer_with_places(network, layer)
    found = _of_scores(network, x, classes, seen.delta, seen.output, engine, "grad_cam")
    shape = (-1, *seen.built.output_shape)
    results, gradients = found[seen.output].reshape(shape), found[seen.delta].reshape(shape)
    places = tuple(range(1, results.ndim - 1))
    weights = gradients.mean(axis=places, keepdims=True)
    return np.asarray(np.maximum((weights * results).sum(axis=-1), 0))


def layer_with_places(network: PlainNetwork, name: str | None) -> PlacedLayer:
    """The layer of that name, or the last whose result has several places with channels, not a pooling if possible.

    Raises:
        DataError: there is none, or it has no places.
    """
    fitting = [layer for layer in network.layers if _has_places(layer)]
    if name is None and fitting:
        finer = [layer for layer in fitting if not isinstance(layer.layer, Pooling)]
        return (finer or fitting)[-1]
    if name is None:
        raise DataError("grad_cam: no layer of the network has a result with several places. Take saliency instead.")
    layer = layers_called(network, (name,))[0]
    if not _has_places(layer):
        other = suggestion(name, [layer.name for layer in fitting])
        shape = layer.built.output_shape
        raise DataError(f"grad_cam: {layer.name} returns shape {shape}, which has no places with channels.{other}")
    return layer


def _has_places(layer: PlacedLayer) -> bool:
    *places, _ = layer.built.output_shape
    return prod(places) > 1


def _of_scores(
    network: PlainNetwork,
    x: Any,
    classes: npt.ArrayLike | None,
    gradient: str,
    result: str | None,
    engine: str,
    where: str,
) -> dict[str, Array]:
    """A gradient of the scores of classes, and a result beside it, for all examples, batch by batch."""
    if len(network.output_shape) != 1:
        raise DataError(
            f"{where}: the network returns shape {network.output_shape}, not one row of numbers with a score for each "
            "class."
        )
    inputs = inputs_of(network, x, where)
    count = network.output_shape[0]
    given = None if classes is None else _classes(classes, len(inputs), count, where)
    scores = next(layer.output for layer in network.layers if layer.name == network.ends.output)
    parts: dict[str, list[Array]] = {name: [] for name in (gradient, result) if name is not None}
    wanted = list(dict.fromkeys((*parts, *([scores] if given is None else []))))
    size = min(AT_ONCE, 1 << (len(inputs) - 1).bit_length())

    def computed(rows: Array, targets: Array) -> dict[str, Array]:
        return evaluated(network, inputs[rows], targets, Score(), engine, wanted, training=False)

    for start in range(0, len(inputs), size):
        rows = np.arange(start, start + size).clip(max=len(inputs) - 1)  # the last fills up
        if given is None:  # the same program says what it would answer, so that only one is compiled
            named = computed(rows, np.zeros((size, count)))[scores].reshape(size, count).argmax(axis=1)
        else:
            named = given[rows]
        found = computed(rows, np.eye(count)[named])
        for name in parts:
            parts[name].append(found[name][: len(inputs) - start] * (size if name == gradient else 1))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _classes(classes: npt.ArrayLike, count: int, known: int, where: str) -> npt.NDArray[np.int64]:
    found = np.asarray(classes)
    if found.dtype.kind not in "iu" or found.shape not in ((), (count,)):
        raise DataError(
            f"{where}: classes must be whole numbers, one for each of the {count} examples or one for all, but have "
            f"shape {found.shape} and dtype {found.dtype}."
        )
    if found.min() < 0 or found.max() >= known:
        wrong = int(found.min() if found.min() < 0 else found.max())
        raise DataError(f"{where}: there is no class {wrong}; the network has {known}, 0..{known - 1}.")
    return np.broadcast_to(found, (count,)).astype(np.int64)
