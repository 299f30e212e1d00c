"""Losses: what training makes small. Each is one equation from an example's prediction y and target t to a number E.

The mean over a batch, and the weights of examples in it, are the network's affair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from convgrad.arguments import POSITIVE, SHAPE, at_least, between, optional, shown, takes
from convgrad.errors import ModelError, suggestion
from convgrad.notation.batch import batched
from convgrad.notation.binding.bind import bind
from convgrad.notation.terms import Equation
from convgrad.notation.written import Written

Shape = tuple[int, ...]
LABEL = at_least(-(2**24), 2**24)
"""Whole numbers that are exact in float32."""


@dataclass(frozen=True)
class BuiltLoss:
    """A loss on predictions of a known shape.

    equation: parsed, not bound; reads `y` and `t` of one example and defines the scalar `E` last.
    prediction_shape: y as the equation sees it, a row-major view of the prediction.
    target_shape: t as the equation sees it; () for a label.
    sizes, integers, numbers: for `convgrad.notation.binding.bind.bind`.
    """

    equation: Equation
    prediction_shape: Shape
    target_shape: Shape
    sizes: dict[str, int] = field(default_factory=dict)
    integers: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)

    @takes(ModelError, batch=optional(at_least(1)))
    def bound(self, batch: int | None) -> Equation:
        """The equation with its sizes, for a batch of that many examples; None for one example without a batch axis."""
        shapes = {"y": self.prediction_shape, "t": self.target_shape}
        read = {name: shape for name, shape in shapes.items() if name in self.equation.inputs}
        single = bind(self.equation, shapes=read, sizes=self.sizes, integers=self.integers, numbers=self.numbers)
        return single if batch is None else batched(single, {"y", "t"}, batch)


@dataclass(frozen=True)
class Loss(Written):
    """Base of all losses: a frozen dataclass whose fields are the arguments. A subclass gives `text`."""

    @property
    def takes_labels(self) -> bool:
        """Whether a target is a label, a whole number 0..K-1, and not an array of the prediction's shape."""
        return False

    @property
    def takes_label_maps(self) -> bool:
        """Whether a target has a label for each place of an image: the prediction's shape without its channels."""
        return False

    @property
    def ignored_label(self) -> int | None:
        """The label of examples, or of places, that don't count; None where all do."""
        return None

    @property
    def target_limits(self) -> tuple[float, float] | None:
        """The least and the greatest number that a target may hold; None where any will do."""
        return None

    @property
    def numbers(self) -> dict[str, float]:
        """Values of the named numbers in the equation."""
        return {}

    def build(self, output_shape: Shape) -> BuiltLoss:
        """The loss on predictions of this shape (without the batch). Raises: ModelError where it has no meaning."""
        SHAPE.keep(self.label, "output_shape", output_shape, ModelError)
        row = (prod(output_shape),)
        return BuiltLoss(self.equation, row, row, numbers=self.numbers)

    def build_on_classes(self, output_shape: Shape, name: str) -> BuiltLoss:
        """As `build`, on one row of a number for each class, and a label. name: the loss, for messages."""
        SHAPE.keep(self.label, "output_shape", output_shape, ModelError)
        if len(output_shape) != 1:
            raise ModelError(
                f"{name} takes one row of numbers for each example, one for each class, but the network "
                f"returns shape {output_shape}. End it with Flatten() or GlobalAvgPool2D() and Dense(classes), or use "
                "'pixel_cross_entropy' for a label at each place."
            )
        if output_shape[0] < 2:
            raise ModelError(
                f"{name} takes a number for each of 2 classes or more, but the network returns one only. "
                "End it with Dense(2), or use the loss 'binary_cross_entropy'."
            )
        return BuiltLoss(self.equation, output_shape, (), numbers=self.numbers)


class HalfSquaredError(Loss):
    """E = 1/2 * sum[k]((t[k] - y[k])^2), whose derivative is y - t.

    y: the prediction, all its elements in a row. t: the target, as many numbers.

    Reference: Rumelhart, Hinton and Williams, Learning representations by back-propagating errors, 1986, eq. 3.
    """

    @property
    def text(self) -> str:
        return "E = 1/2 * sum[k]((t[k] - y[k])^2)"


class MeanSquaredError(Loss):
    """E = mean[k]((t[k] - y[k])^2).

    y: the prediction, all its elements in a row. t: the target, as many numbers.
    """

    @property
    def text(self) -> str:
        return "E = mean[k]((t[k] - y[k])^2)"


class BinaryCrossEntropy(Loss):
    """E = mean[k](softplus(y[k]) - t[k] * y[k]), for yes-or-no answers

    This is -t*log(p) - (1-t)*log(1-p) with p = sigmoid(y), written so that nothing overflows.

    y: what comes before the sigmoid, all its elements in a row. t: as many numbers from 0 (no) to 1 (yes).
    """

    @property
    def text(self) -> str:
        return "E = mean[k](softplus(y[k]) - t[k] * y[k])"

    @property
    def target_limits(self) -> tuple[float, float]:
        return (0, 1)


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """E = log(sum[k](exp(y[k]))) - y[t], for one of K classes

    This is -log(p[t]) with p the softmax of y. The greatest value is taken off first, so that nothing overflows:

        h = stop(max[k](y[k]))
        z[k] = y[k] - h
        s = sum[k](exp(z[k]))
        E = log(s) - sum[k](where(k == t, z[k], 0))

    y: what comes before softmax, (K,). t: the label, a whole number 0..K-1.

    label_smoothing: a; the target of the right class is then 1 - a + a/K and that of every other a/K.
    ignore: a label of examples that don't count, such as -1 for what nobody labelled: E is 0 for them, and neither the
        mean of a batch nor any metric takes them in, as with PyTorch's ignore_index.

    Reference: Szegedy et al., Rethinking the Inception architecture, 2016, section 7 (label smoothing).

    Raises: ModelError for a smoothing outside 0..1, and at `build` for predictions that are not a row of 2 or more.
    """

    label_smoothing: float = 0.0
    ignore: int | None = None

    def __post_init__(self) -> None:
        self.require(label_smoothing=between(0, 1), ignore=optional(LABEL))

    @property
    def text(self) -> str:
        lines = ["h = stop(max[k](y[k]))", "z[k] = y[k] - h", "s = sum[k](exp(z[k]))"]
        if self.label_smoothing:
            error = "log(s) - sum[k]((where(k == t, 1 - a, 0) + a/K) * z[k])"
        else:
            error = "log(s) - sum[k](where(k == t, z[k], 0))"
        return "\n".join([*lines, _unless_ignored(error, self.ignore)])

    @property
    def ignored_label(self) -> int | None:
        return None if self.ignore is None else int(self.ignore)

    @property
    def takes_labels(self) -> bool:
        return True

    @property
    def numbers(self) -> dict[str, float]:
        return {"a": float(self.label_smoothing)} if self.label_smoothing else {}

    def build(self, output_shape: Shape) -> BuiltLoss:
        return self.build_on_classes(output_shape, "softmax_cross_entropy")


@dataclass(frozen=True)
class PixelCrossEntropy(Loss):
    """E = mean[f](log(sum[k](exp(y[f,k]))) - y[f,t[f]]), for one of K classes at each place of an image

    The greatest value of a place is taken off first, so that nothing overflows:

        h[f] = stop(max[k](y[f,k]))
        z[f,k] = y[f,k] - h[f]
        s[f] = sum[k](exp(z[f,k]))
        r[f] = log(s[f]) - sum[k](where(k == t[f], z[f,k], 0))
        E = mean[f](r[f])

    y: what comes before softmax, (H, W, K) or any rank with K last, seen as (F, K). t: labels 0..K-1, (H, W), as (F,).

    ignore: a label of places that don't count, such as 255 for what nobody labelled. The mean is then over the other
        places of the example, 0 where there are none (PyTorch's is over the other places of the whole batch).

    Reference: Long, Shelhamer and Darrell, Fully convolutional networks for semantic segmentation, 2015, section 4.

    Raises: ModelError at `build` for predictions that are not an image of 2 channels or more.
    """

    ignore: int | None = None

    def __post_init__(self) -> None:
        self.require(ignore=optional(LABEL))

    @property
    def text(self) -> str:
        lines = [
            "h[f] = stop(max[k](y[f,k]))",
            "z[f,k] = y[f,k] - h[f]",
            "s[f] = sum[k](exp(z[f,k]))",
            "r[f] = log(s[f]) - sum[k](where(k == t[f], z[f,k], 0))",
        ]
        if self.ignore is None:
            return "\n".join([*lines, "E = mean[f](r[f])"])
        counted = f"n = sum[f](where(t[f] == {int(self.ignore)}, 0, 1))"
        return "\n".join([*lines, counted, f"E = sum[f](where(t[f] == {int(self.ignore)}, 0, r[f])) / max(n, 1)"])

    @property
    def takes_label_maps(self) -> bool:
        return True

    @property
    def ignored_label(self) -> int | None:
        return None if self.ignore is None else int(self.ignore)

    def build(self, output_shape: Shape) -> BuiltLoss:
        SHAPE.keep(self.label, "output_shape", output_shape, ModelError)
        if len(output_shape) < 2 or output_shape[-1] < 2:
            raise ModelError(
                f"pixel_cross_entropy takes an image with a channel for each of 2 classes or more, but the network "
                f"returns shape {output_shape}. End it with Conv2D(classes, 1), or use 'softmax_cross_entropy' for one "
                f"label an example."
            )
        places = prod(output_shape[:-1])
        return BuiltLoss(self.equation, (places, output_shape[-1]), (places,))


@dataclass(frozen=True)
class NegativeLogLikelihood(Loss):
    """E = -sum[k](where(k == t, y[k], 0)), for one of K classes, on logarithms of probabilities

    y: what LogSoftmax gives, (K,). t: the label, a whole number 0..K-1. LogSoftmax and this loss together are
    softmax_cross_entropy.

    ignore: a label of examples that don't count, as `SoftmaxCrossEntropy` says.
    """

    ignore: int | None = None

    def __post_init__(self) -> None:
        self.require(ignore=optional(LABEL))

    @property
    def text(self) -> str:
        return _unless_ignored("-sum[k](where(k == t, y[k], 0))", self.ignore)

    @property
    def ignored_label(self) -> int | None:
        return None if self.ignore is None else int(self.ignore)

    @property
    def takes_labels(self) -> bool:
        return True

    def build(self, output_shape: Shape) -> BuiltLoss:
        return self.build_on_classes(output_shape, "negative_log_likelihood")


@dataclass(frozen=True)
class MultiMargin(Loss):
    """E = sum[k](where(k == t, 0, max(margin - h + y[k], 0))) / K, with h = y[t], for one of K classes

    Each other class should be behind the right one by the margin.

    y: a number for each class, (K,). t: the label, a whole number 0..K-1. margin: 1 as in PyTorch.

    Reference: Crammer and Singer, On the algorithmic implementation of multiclass kernel-based vector machines, 2001,
    section 3 (with the sum over the other classes in place of the greatest of them).
    """

    margin: float = 1.0

    def __post_init__(self) -> None:
        self.require(margin=POSITIVE)

    @property
    def text(self) -> str:
        return (
            "h = sum[k](where(k == t, y[k], 0))\n"
            f"E = sum[k](where(k == t, 0, max({float(self.margin)!r} - h + y[k], 0))) / K"
        )

    @property
    def takes_labels(self) -> bool:
        return True

    def build(self, output_shape: Shape) -> BuiltLoss:
        return self.build_on_classes(output_shape, "multi_margin")


class MeanAbsoluteError(Loss):
    """E = mean[k](abs(t[k] - y[k])), with derivative 0 where both are equal.

    y: the prediction, all its elements in a row. t: the target, as many numbers.
    """

    @property
    def text(self) -> str:
        return "E = mean[k](abs(t[k] - y[k]))"


@dataclass(frozen=True)
class Huber(Loss):
    """E = mean[k](where(abs(r[k]) < delta, r[k]^2 / 2, delta * (abs(r[k]) - delta / 2))), with r[k] = t[k] - y[k]

    Squares near 0, and a slope that grows no further from delta on, so that single wild targets count less.

    y: the prediction, all its elements in a row. t: the target, as many numbers. delta: 1 as in Keras and PyTorch.

    Reference: Huber, Robust estimation of a location parameter, 1964, section 1.
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        self.require(delta=POSITIVE)

    @property
    def text(self) -> str:
        return "r[k] = t[k] - y[k]\nE = mean[k](where(abs(r[k]) < delta, r[k]^2 / 2, delta * (abs(r[k]) - delta / 2)))"

    @property
    def numbers(self) -> dict[str, float]:
        return {"delta": float(self.delta)}


class KLDivergence(Loss):
    """E = sum[k](where(t[k] > 0, t[k] * log(t[k]), 0) - t[k] * y[k]), from logarithms of probabilities to others

    y: what LogSoftmax gives, all its elements in a row. t: as many probabilities, from 0 to 1. As PyTorch's kl_div with
    reduction="batchmean" (Keras takes probabilities in place of their logarithms).

    Reference: Kullback and Leibler, On information and sufficiency, 1951, eq. 2.4.
    """

    @property
    def text(self) -> str:
        return "E = sum[k](where(t[k] > 0, t[k] * log(t[k]), 0) - t[k] * y[k])"

    @property
    def target_limits(self) -> tuple[float, float]:
        return (0, 1)


@dataclass(frozen=True)
class Dice(Loss):
    """E = 1 - (2 * sum[k](p[k] * t[k]) + smooth) / (sum[k](p[k]) + sum[k](t[k]) + smooth), with p[k] = sigmoid(y[k])

    1 minus the overlap of two regions, which does not care how large the rest of the image is.

    y: what comes before the sigmoid, all its elements in a row. t: as many numbers from 0 (outside) to 1 (inside).

    smooth: keeps the quotient defined where both are empty; E is then 0.

    Reference: Milletari, Navab and Ahmadi, V-Net, 2016, section 3 (with p in place of p^2 below the
    line, and `smooth`).
    """

    smooth: float = 1.0

    def __post_init__(self) -> None:
        self.require(smooth=POSITIVE)

    @property
    def text(self) -> str:
        return (
            "p[k] = sigmoid(y[k])\nE = 1 - (2 * sum[k](p[k] * t[k]) + smooth) / (sum[k](p[k]) + sum[k](t[k]) + smooth)"
        )

    @property
    def target_limits(self) -> tuple[float, float]:
        return (0, 1)

    @property
    def numbers(self) -> dict[str, float]:
        return {"smooth": float(self.smooth)}


def _unless_ignored(error: str, ignore: int | None) -> str:
    """The last line of a loss of labels: this error, and 0 for the label that does not count."""
    return f"E = {error}" if ignore is None else f"E = where(t == {int(ignore)}, 0, {error})"


registry: dict[str, type[Loss]] = {
    "half_squared_error": HalfSquaredError,
    "mse": MeanSquaredError,
    "softmax_cross_entropy": SoftmaxCrossEntropy,
    "binary_cross_entropy": BinaryCrossEntropy,
    "pixel_cross_entropy": PixelCrossEntropy,
    "negative_log_likelihood": NegativeLogLikelihood,
    "multi_margin": MultiMargin,
    "mae": MeanAbsoluteError,
    "huber": Huber,
    "kl_divergence": KLDivergence,
    "dice": Dice,
}


def loss_from(chosen: str | Loss) -> Loss:
    """The loss of that name, or `chosen` itself where it is one. Raises: ModelError.

    >>> loss_from("mse")
    MeanSquaredError()
    """
    if isinstance(chosen, Loss):
        return chosen
    if not isinstance(chosen, str):
        raise ModelError(f"A loss is a name or an object such as SoftmaxCrossEntropy(), not {shown(chosen)}.")
    if chosen not in registry:
        raise ModelError(f"There is no loss called {shown(chosen)}.{suggestion(chosen, registry)}")
    return registry[chosen]()
