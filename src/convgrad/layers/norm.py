"""Normalization within one example: over groups of channels, and over the last axis."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import Any

from convgrad.arguments import POSITIVE, Rule, at_least, whole
from convgrad.errors import ShapeError
from convgrad.layers.base import Built, Layer, Parameter, Shape

MOST_AXES = 9
"""As many as there are letters for: five runs of axes that are normalized over, and what is between them."""


def _counted_from_the_end(value: Any) -> bool:
    axes = value if isinstance(value, tuple) else (value,)
    numbers = [n for n in map(whole, axes) if n is not None and -MOST_AXES <= n <= -1]
    return 0 < len(numbers) == len(axes) == len(set(numbers))


FROM_THE_END = Rule("-1 for the last axis, or a tuple of different axes such as (-3, -2, -1)", _counted_from_the_end)


@dataclass(frozen=True, eq=False, repr=False)
class LayerNorm(Layer):
    """x[f,c] = gamma[c] * (o[f,c] - mu[f]) * r[f] + beta[c], over the last axis as in Keras, or over others

        mu[f] = mean[c](o[f,c])
        v[f] = mean[c]((o[f,c] - stop(mu[f]))^2)
        r[f] = 1 / sqrt(v[f] + eps)

    o, x: (C,) or any rank with C last; f runs over all axes before it. gamma, beta: (C,), beginning at 1 and 0.

    epsilon: eps, 0.001 as in Keras (PyTorch has 1e-5).
    axis: the axes that are normalized over, counted from the end: -1 for the channels, (-3, -2, -1) for whole images.
        Neighbouring ones are one index; what lies between two others gets an index of its own. gamma and beta have an
        element for each place along these axes.

    Reference: Ba, Kiros and Hinton, Layer normalization, 2016, eq. 3 and 4.

    >>> print(LayerNorm(axis=(-3, -1)).text.splitlines()[0])
    mu[f,g] = mean[c,d](o[f,c,g,d])
    """

    epsilon: float = 1e-3
    axis: int | tuple[int, ...] = -1

    def check(self) -> None:
        self.require(epsilon=POSITIVE, axis=FROM_THE_END)

    @property
    def _runs(self) -> tuple[tuple[bool, int], ...]:
        """Neighbouring axes that are normalized over, or are not: whether they are, and how many."""
        chosen = {self.axis} if isinstance(self.axis, int) else set(self.axis)
        flags = [axis in chosen for axis in range(min(chosen), 0)]
        return tuple((flag, len(list(run))) for flag, run in groupby(flags))

    @property
    def _indices(self) -> tuple[str, str, str]:
        """All indices, those that are normalized over and those that are not: `f,c`, `c`, `f`."""
        letters = {True: iter("cdlmn"), False: iter("fghij")}
        named = [(flag, next(letters[flag])) for flag in (False, *(flag for flag, _ in self._runs))]
        every = ",".join(index for _, index in named)
        over, kept = (",".join(index for flag, index in named if flag is wanted) for wanted in (True, False))
        return every, over, kept

    @property
    def text(self) -> str:
        every, over, kept = self._indices
        return (
            f"mu[{kept}] = mean[{over}](o[{every}])\n"
            # stop: the deviations from a mean add up to 0, so v does not change with mu; no need to add them up again.
            f"v[{kept}] = mean[{over}]((o[{every}] - stop(mu[{kept}]))^2)\n"
            f"r[{kept}] = 1 / sqrt(v[{kept}] + eps)\n"
            f"x[{every}] = gamma[{over}] * (o[{every}] - mu[{kept}]) * r[{kept}] + beta[{over}]"
        )

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        axes = sum(length for _, length in self._runs)
        if axes > len(shape):
            raise ShapeError(
                f"{self.label}: there is no axis {-axes}, its input has shape {shape}.",
                remedy=f"The batch is not among the axes; the first one is {-len(shape)}.",
            )
        at, sizes, over = len(shape) - axes, [prod(shape[: len(shape) - axes])], []
        for flag, length in self._runs:
            sizes.append(prod(shape[at : at + length]))
            over += sizes[-1:] if flag else []
            at += length
        return Built(
            equation=self.equation,
            inputs=("o",),
            input_shapes=(tuple(sizes),),
            output_shape=shape,
            parameters=scale_and_shift(tuple(over)),
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
