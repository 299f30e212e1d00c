"""Normalization within one example: over groups of channels, and over the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.arguments import POSITIVE, at_least
from convgrad.errors import ShapeError
from convgrad.layers.base import Built, Layer, Parameter, Shape


@dataclass(frozen=True, eq=False, repr=False)
class LayerNorm(Layer):
    """x[f,c] = gamma[c] * (o[f,c] - mu[f]) * r[f] + beta[c], over the last axis as in Keras

        mu[f] = mean[c](o[f,c])
        v[f] = mean[c]((o[f,c] - stop(mu[f]))^2)
        r[f] = 1 / sqrt(v[f] + eps)

    o, x: (C,) or any rank with C last; f runs over all axes before it. gamma, beta: (C,), beginning at 1 and 0.

    epsilon: eps, 0.001 as in Keras (PyTorch has 1e-5).

    Reference: Ba, Kiros and Hinton, Layer normalization, 2016, eq. 3 and 4.
    """

    epsilon: float = 1e-3

    def check(self) -> None:
        self.require(epsilon=POSITIVE)

    @property
    def text(self) -> str:
        return (
            "mu[f] = mean[c](o[f,c])\n"
            # stop: the deviations from a mean add up to 0, so v does not change with mu; no need to add them up again.
            "v[f] = mean[c]((o[f,c] - stop(mu[f]))^2)\n"
            "r[f] = 1 / sqrt(v[f] + eps)\n"
            "x[f,c] = gamma[c] * (o[f,c] - mu[f]) * r[f] + beta[c]"
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
class GroupNorm(Layer):
    """x[f,g,c] = gamma[g,c] * (o[f,g,c] - mu[g]) * r[g] + beta[g,c], the channels seen as G groups

        mu[g] = mean[f,c](o[f,g,c])
        v[g] = mean[f,c]((o[f,g,c] - stop(mu[g]))^2)
        r[g] = 1 / sqrt(v[g] + eps)

    o, x: any rank with the channels last; f runs over all axes before them. gamma, beta: (G, C/G), beginning at 1, 0.

    groups: G, which must divide the channels; 32 as in Keras.
    epsilon: eps, 0.001 as in Keras (PyTorch has 1e-5).

    Reference: Wu and He, Group normalization, 2018, eq. 1 to 3 and 7.
    """

    groups: int = 32
    epsilon: float = 1e-3

    def check(self) -> None:
        self.require(groups=at_least(1), epsilon=POSITIVE)

    @property
    def text(self) -> str:
        return (
            "mu[g] = mean[f,c](o[f,g,c])\n"
            "v[g] = mean[f,c]((o[f,g,c] - stop(mu[g]))^2)\n"
            "r[g] = 1 / sqrt(v[g] + eps)\n"
            "x[f,g,c] = gamma[g,c] * (o[f,g,c] - mu[g]) * r[g] + beta[g,c]"
        )

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        channels = shape[-1]
        if channels % self.groups:
            raise ShapeError(
                f"{self.label}: {self.groups} groups don't divide the {channels} channels of its input.",
                remedy=f"Choose groups among {', '.join(str(n) for n in range(1, channels + 1) if channels % n == 0)}.",
            )
        grouped = (self.groups, channels // self.groups)
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=((prod(shape[:-1]), *grouped),),
            output_shape=shape,
            parameters=scale_and_shift(grouped),
            numbers={"eps": float(self.epsilon)},
        )


def scale_and_shift(shape: Shape) -> dict[str, Parameter]:
    """gamma, beginning at 1, and beta, beginning at 0."""
    return {"gamma": Parameter(shape, "ones"), "beta": Parameter(shape, "zeros")}
