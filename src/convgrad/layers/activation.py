"""Functions of single elements, and softmax. Inputs of any rank: seen as o[f], all elements in a row."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, prod, sqrt

from convgrad.arguments import FLAG, NOT_NEGATIVE
from convgrad.layers.base import Built, Layer, Shape


@dataclass(frozen=True, eq=False, repr=False)
class Elementwise(Layer, abstract=True):
    """x[f] = a function of o[f]. A subclass says which, in `text`."""

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        return Built(self.equation, ("o",), ((prod(shape),),), shape, numbers=self.numbers)

    @property
    def numbers(self) -> dict[str, float]:
        """Values of the named numbers in `text`."""
        return {}


class ReLU(Elementwise):
    """x[f] = max(o[f], 0), with derivative 0 at 0."""

    @property
    def text(self) -> str:
        return "x[f] = max(o[f], 0)"


@dataclass(frozen=True, eq=False, repr=False)
class LeakyReLU(Elementwise):
    """x[f] = where(o[f] > 0, o[f], slope * o[f]), with derivative `slope` at 0.

    negative_slope: the slope below 0, 0.3 as in Keras (PyTorch has 0.01).
    """

    negative_slope: float = 0.3

    def check(self) -> None:
        self.require(negative_slope=NOT_NEGATIVE)

    @property
    def text(self) -> str:
        return "x[f] = where(o[f] > 0, o[f], slope * o[f])"

    @property
    def numbers(self) -> dict[str, float]:
        return {"slope": float(self.negative_slope)}


@dataclass(frozen=True, eq=False, repr=False)
class ELU(Elementwise):
    """x[f] = where(o[f] > 0, o[f], alpha * (exp(min(0, o[f])) - 1))

    The min changes nothing where the branch is taken; it keeps exp from overflowing where it is not.

    Reference: Clevert, Unterthiner and Hochreiter, ELUs, 2016, eq. 15.
    """

    alpha: float = 1.0

    def check(self) -> None:
        self.require(alpha=NOT_NEGATIVE)

    @property
    def text(self) -> str:
        below = "exp(min(0, o[f])) - 1" if self.alpha == 1 else "alpha * (exp(min(0, o[f])) - 1)"
        return f"x[f] = where(o[f] > 0, o[f], {below})"

    @property
    def numbers(self) -> dict[str, float]:
        return {} if self.alpha == 1 else {"alpha": float(self.alpha)}


class Sigmoid(Elementwise):
    """x[f] = sigmoid(o[f]) = 1 / (1 + exp(-o[f]))."""

    @property
    def text(self) -> str:
        return "x[f] = sigmoid(o[f])"


class Tanh(Elementwise):
    """x[f] = tanh(o[f])."""

    @property
    def text(self) -> str:
        return "x[f] = tanh(o[f])"


@dataclass(frozen=True, eq=False, repr=False)
class GELU(Elementwise):
    """x[f] = o[f] * (1 + erf(o[f] / sqrt(2))) / 2, or where approximate is True

        x[f] = o[f] * (1 + tanh(r * (o[f] + 0.044715 * o[f]^3))) / 2, r = sqrt(2/pi)

    approximate: the form with tanh, which differs from the exact one by up to 0.0005; as in Keras.

    Reference: Hendrycks and Gimpel, Gaussian error linear units, 2016, section 2.
    """

    approximate: bool = False

    def check(self) -> None:
        self.require(approximate=FLAG)

    @property
    def text(self) -> str:
        if self.approximate:
            return "x[f] = o[f] * (1 + tanh(r * (o[f] + 0.044715 * o[f]^3))) / 2"
        return "x[f] = o[f] * (1 + erf(o[f] / sqrt(2))) / 2"

    @property
    def numbers(self) -> dict[str, float]:
        return {"r": sqrt(2 / pi)} if self.approximate else {}


class SiLU(Elementwise):
    """x[f] = o[f] * sigmoid(o[f]), also called swish.

    Reference: Elfwing, Uchibe and Doya, Sigmoid-weighted linear units, 2018, eq. 5.
    """

    @property
    def text(self) -> str:
        return "x[f] = o[f] * sigmoid(o[f])"


class ReLU6(Elementwise):
    """x[f] = min(max(o[f], 0), 6), with derivative 0 at 0 and at 6.

    Reference: Howard et al., MobileNets, 2017 (low-precision arithmetic keeps it in range).
    """

    @property
    def text(self) -> str:
        return "x[f] = min(max(o[f], 0), 6)"


class SELU(Elementwise):
    """x[f] = scale * where(o[f] > 0, o[f], alpha * (exp(min(0, o[f])) - 1))

    scale = 1.0507... and alpha = 1.6732... keep a mean of 0 and a variance of 1 from layer to layer, with weights by
    `lecun_normal`.

    Reference: Klambauer, Unterthiner, Mayr and Hochreiter, Self-normalizing neural networks, 2017, eq. 2.
    """

    @property
    def text(self) -> str:
        return "x[f] = scale * where(o[f] > 0, o[f], alpha * (exp(min(0, o[f])) - 1))"

    @property
    def numbers(self) -> dict[str, float]:
        return {"scale": 1.0507009873554804934, "alpha": 1.6732632423543772848}


class Softplus(Elementwise):
    """x[f] = softplus(o[f]) = log(1 + exp(o[f])), evaluated without overflow."""

    @property
    def text(self) -> str:
        return "x[f] = softplus(o[f])"


class Softsign(Elementwise):
    """x[f] = o[f] / (1 + abs(o[f]))."""

    @property
    def text(self) -> str:
        return "x[f] = o[f] / (1 + abs(o[f]))"


class Mish(Elementwise):
    """x[f] = o[f] * tanh(softplus(o[f])).

    Reference: Misra, Mish: A self regularized non-monotonic activation function, 2020, eq. 1.
    """

    @property
    def text(self) -> str:
        return "x[f] = o[f] * tanh(softplus(o[f]))"


class HardSigmoid(Elementwise):
    """x[f] = min(max(o[f] + 3, 0), 6) / 6, with derivative 0 at -3 and at 3.

    Reference: Howard et al., Searching for MobileNetV3, 2019, section 5.2.
    """

    @property
    def text(self) -> str:
        return "x[f] = min(max(o[f] + 3, 0), 6) / 6"


class HardSwish(Elementwise):
    """x[f] = o[f] * min(max(o[f] + 3, 0), 6) / 6; at -3 and at 3 only the first factor is differentiated.

    Reference: Howard et al., Searching for MobileNetV3, 2019, section 5.2.
    """

    @property
    def text(self) -> str:
        return "x[f] = o[f] * min(max(o[f] + 3, 0), 6) / 6"


@dataclass(frozen=True, eq=False, repr=False)
class Softmax(Layer):
    """x[f,k] = exp(o[f,k]) / sum[k](exp(o[f,k])), over the last axis

    The greatest value is taken off first, so that nothing overflows; as it cancels out, it is held constant in the
    derivative:

        h[f] = stop(max[k](o[f,k]))
        z[f,k] = exp(o[f,k] - h[f])
        s[f] = sum[k](z[f,k])
        x[f,k] = z[f,k] / s[f]

    o, x: (K,) or any rank with K last; f runs over all axes before it. Leave it out before the loss
    softmax_cross_entropy, which takes what comes before softmax.
    """

    @property
    def text(self) -> str:
        return "h[f] = stop(max[k](o[f,k]))\nz[f,k] = exp(o[f,k] - h[f])\ns[f] = sum[k](z[f,k])\nx[f,k] = z[f,k] / s[f]"

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        return Built(self.equation, ("o",), ((prod(shape[:-1]), shape[-1]),), shape)
