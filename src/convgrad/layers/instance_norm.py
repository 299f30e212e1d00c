"""Normalization of each channel of an example by itself, without a mean, and by neighbouring channels."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.arguments import NOT_NEGATIVE, POSITIVE, at_least
from convgrad.layers.base import Built, Layer, Parameter, Shape
from convgrad.layers.norm import scale_and_shift


@dataclass(frozen=True, eq=False, repr=False)
class InstanceNorm(Layer):
    """x[f,c] = gamma[c] * (o[f,c] - mu[c]) * r[c] + beta[c], each channel of an example by itself

        mu[c] = mean[f](o[f,c])
        v[c] = mean[f]((o[f,c] - stop(mu[c]))^2)
        r[c] = 1 / sqrt(v[c] + eps)

    o, x: any rank with C channels last; f runs over all axes before them. gamma, beta: (C,), beginning at 1 and 0.

    epsilon: eps, 0.001 as for the other normalizations (PyTorch has 1e-5, and no gamma and beta by default).

    Reference: Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016, eq. 2.

    >>> InstanceNorm().build((5, 7, 3)).output_shape
    (5, 7, 3)
    """

    epsilon: float = 1e-3

    def check(self) -> None:
        self.require(epsilon=POSITIVE)

    @property
    def text(self) -> str:
        return (
            "mu[c] = mean[f](o[f,c])\n"
            "v[c] = mean[f]((o[f,c] - stop(mu[c]))^2)\n"  # stop: as for LayerNorm
            "r[c] = 1 / sqrt(v[c] + eps)\n"
            "x[f,c] = gamma[c] * (o[f,c] - mu[c]) * r[c] + beta[c]"
        )

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=((prod(shape[:-1]), shape[-1]),),
            output_shape=shape,
            parameters=scale_and_shift(shape[-1:]),
            numbers={"eps": float(self.epsilon)},
        )


@dataclass(frozen=True, eq=False, repr=False)
class RMSNorm(Layer):
    """x[f,c] = gamma[c] * o[f,c] * r[f], over the last axis, with r[f] = 1 / sqrt(mean[c](o[f,c]^2) + eps)

    o, x: (C,) or any rank with C last; f runs over all axes before it. gamma: (C,), beginning at 1.

    epsilon: eps, 1e-6 as in Keras (PyTorch has the distance from 1 to the next number of the type).

    Reference: Zhang and Sennrich, Root mean square layer normalization, 2019, eq. 4.

    >>> print(RMSNorm())
    r[f] = 1 / sqrt(mean[c](o[f,c]^2) + eps)
    x[f,c] = gamma[c] * o[f,c] * r[f]
    """

    epsilon: float = 1e-6

    def check(self) -> None:
        self.require(epsilon=POSITIVE)

    @property
    def text(self) -> str:
        return "r[f] = 1 / sqrt(mean[c](o[f,c]^2) + eps)\nx[f,c] = gamma[c] * o[f,c] * r[f]"

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=((prod(shape[:-1]), shape[-1]),),
            output_shape=shape,
            parameters={"gamma": Parameter(shape[-1:], "ones")},
            numbers={"eps": float(self.epsilon)},
        )


@dataclass(frozen=True, eq=False, repr=False)
class LocalResponseNorm(Layer):
    """x[f,c] = o[f,c] * (k + alpha/M * s[f,c])^(-beta), with s[f,c] = sum[m](o[f,c+m-p else 0]^2)

    s adds up the squares of M neighbouring channels, p = floor(M/2) of them before c. beta is written as a number.

    o, x: any rank with C channels last; f runs over all axes before them.

    size: M. alpha, beta, k: numbers; names and defaults are those of PyTorch.

    Reference: Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural networks, 2012,
    section 3.3 (without the division of alpha by M).

    >>> print(LocalResponseNorm(5))
    s[f,c] = sum[m](o[f,c+m-p else 0]^2)
    x[f,c] = o[f,c] * (k + alpha * s[f,c] / M)^(-0.75)
    """

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def check(self) -> None:
        self.require(size=at_least(1), alpha=NOT_NEGATIVE, beta=POSITIVE, k=POSITIVE)

    @property
    def text(self) -> str:
        read = "o[f,c+m-p else 0]" if self.size > 1 else "o[f,c+m else 0]"
        return f"s[f,c] = sum[m]({read}^2)\nx[f,c] = o[f,c] * (k + alpha * s[f,c] / M)^(-{self.beta:.12g})"

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=((prod(shape[:-1]), shape[-1]),),
            output_shape=shape,
            sizes={"M": int(self.size)},
            integers={"p": self.size // 2} if self.size > 1 else {},
            numbers={"alpha": float(self.alpha), "k": float(self.k)},
        )
