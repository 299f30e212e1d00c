"""Batch normalization: the layer that mixes the examples of a batch, so its equation names the batch axis, e."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from convgrad.arguments import POSITIVE, between
from convgrad.layers.base import Built, Layer, Shape
from convgrad.layers.norm import scale_and_shift
from convgrad.notation.parsing.parser import parse


@dataclass(frozen=True, eq=False, repr=False)
class BatchNorm(Layer):
    """x[e,f,c] = gamma[c] * (o[e,f,c] - mu[c]) * r[c] + beta[c]

        mu[c] = mean[e,f](o[e,f,c])
        v[c] = mean[e,f]((o[e,f,c] - stop(mu[c]))^2)
        r[c] = 1 / sqrt(v[c] + eps)
        moving_mean_next[c] = 0.99 * moving_mean[c] + 0.01 * mu[c]
        moving_variance_next[c] = 0.99 * moving_variance[c] + 0.01 * v[c]

    and to predict, where an example's result must not depend on others in its batch:

        x[e,f,c] = gamma[c] * (o[e,f,c] - moving_mean[c]) / sqrt(moving_variance[c] + eps) + beta[c]

    o, x: any rank with the channels last; f runs over all axes before them. gamma, beta: (C,), beginning at 1 and 0;
    moving_mean, moving_variance: (C,), beginning at 0 and 1.

    momentum: the part of the moving values that stays, 0.99 as in Keras (PyTorch counts the other part, 0.1).
    epsilon: eps, 0.001 as in Keras (PyTorch has 1e-5).

    The variance is the biased one, both for normalizing and for the moving value, as in Keras (PyTorch's moving value
    is unbiased, v * n/(n-1)).

    Rows of weight 0, which fill up the last batch of an epoch, are not among the examples. Where a channel has one
    number in all, of a single example without further axes, the variance is 0 and the result beta.

    Reference: Ioffe and Szegedy, Batch normalization, 2015, algorithms 1 and 2.
    """

    momentum: float = 0.99
    epsilon: float = 1e-3

    def check(self) -> None:
        self.require(momentum=between(0, 1), epsilon=POSITIVE)

    @property
    def text(self) -> str:
        # Literal numbers: the equation to predict has no momentum, and 1 - momentum is exact to float32 this way.
        stays, comes = f"{self.momentum:.12g}", f"{1 - self.momentum:.12g}"
        return (
            "mu[c] = mean[e,f](o[e,f,c])\n"
            # stop: the deviations from a mean add up to 0, so v does not change with mu; no need to add them up again.
            "v[c] = mean[e,f]((o[e,f,c] - stop(mu[c]))^2)\n"
            "r[c] = 1 / sqrt(v[c] + eps)\n"
            "x[e,f,c] = gamma[c] * (o[e,f,c] - mu[c]) * r[c] + beta[c]\n"
            f"moving_mean_next[c] = {stays} * moving_mean[c] + {comes} * mu[c]\n"
            f"moving_variance_next[c] = {stays} * moving_variance[c] + {comes} * v[c]"
        )

    @property
    def predict_text(self) -> str:
        """The equation to predict with, as it is written."""
        return (
            "r[c] = 1 / sqrt(moving_variance[c] + eps)\n"
            "x[e,f,c] = gamma[c] * (o[e,f,c] - moving_mean[c]) * r[c] + beta[c]"
        )

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        channels = shape[-1:]
        return Built(
            equation=self.equation,
            predict=parse(self.predict_text),
            inputs=("o",),
            input_shapes=((prod(shape[:-1]), *channels),),
            output_shape=shape,
            parameters=scale_and_shift(channels),
            state={"moving_mean": (channels, 0.0), "moving_variance": (channels, 1.0)},
            numbers={"eps": float(self.epsilon)},
            batch_index="e",
        )
