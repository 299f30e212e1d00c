"""Losses: what training makes small. Each is one equation from an example's prediction y and target t to a number E.

The mean over a batch, and the weights of examples in it, are the network's affair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from convgrad.arguments import SHAPE, at_least, between, optional, shown, takes
from convgrad.errors import ModelError, suggestion
from convgrad.notation.batch import batched
from convgrad.notation.binding.bind import bind
from convgrad.notation.terms import Equation
from convgrad.notation.written import Written

Shape = tuple[int, ...]


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

    Reference: Szegedy et al., Rethinking the Inception architecture, 2016, section 7 (label smoothing).

    Raises: ModelError for a smoothing outside 0..1, and at `build` for predictions that are not a row of 2 or more.
    """

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        self.require(label_smoothing=between(0, 1))

    @property
    def text(self) -> str:
        lines = ["h = stop(max[k](y[k]))", "z[k] = y[k] - h", "s = sum[k](exp(z[k]))"]
        if self.label_smoothing:
            lines.append("E = log(s) - sum[k]((where(k == t, 1 - a, 0) + a/K) * z[k])")
        else:
            lines.append("E = log(s) - sum[k](where(k == t, z[k], 0))")
        return "\n".join(lines)

    @property
    def takes_labels(self) -> bool:
        return True

    @property
    def numbers(self) -> dict[str, float]:
        return {"a": float(self.label_smoothing)} if self.label_smoothing else {}

    def build(self, output_shape: Shape) -> BuiltLoss:
        SHAPE.keep(self.label, "output_shape", output_shape, ModelError)
        if len(output_shape) != 1:
            raise ModelError(
                f"softmax_cross_entropy takes one row of numbers for each example, one for each class, but the network "
                f"returns shape {output_shape}. End it with Flatten() or GlobalAvgPool2D() and Dense(classes)."
            )
        if output_shape[0] < 2:
            raise ModelError(
                "softmax_cross_entropy takes a number for each of 2 classes or more, but the network returns one only. "
                "End it with Dense(2), or use the loss 'binary_cross_entropy'."
            )
        return BuiltLoss(self.equation, output_shape, (), numbers=self.numbers)


registry: dict[str, type[Loss]] = {
    "half_squared_error": HalfSquaredError,
    "mse": MeanSquaredError,
    "softmax_cross_entropy": SoftmaxCrossEntropy,
    "binary_cross_entropy": BinaryCrossEntropy,
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
