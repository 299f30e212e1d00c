"""Warnings that are given before a training begins: what would run, and be something else than was meant."""

from __future__ import annotations

import warnings

from convgrad.layers import Dropout, Flatten, Reshape, Sigmoid, Softmax
from convgrad.losses import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy
from convgrad.network.losses import Losses
from convgrad.network.placed import PlacedLayer
from convgrad.network.plain import PlainNetwork
from convgrad.network.plan import examples_meet

_SHAPE_ONLY = (Flatten, Reshape, Dropout)
"""Layers that hand numbers on as they are."""

FEW = 16
"""Examples below which BatchNorm errs clearly more (Wu and He, Group normalization, 2018, figure 1)."""


class TrainingWarning(UserWarning):
    """A training does what was asked for, which is likely not what was meant."""


def warn_of_two_activations(network: PlainNetwork, loss: Loss | Losses, stacklevel: int = 2) -> None:
    """Warn where a loss that takes logits follows a layer that has already made probabilities of them."""
    effect = "with both, learning is slow and outputs are misread"
    for name, one in (loss.of if isinstance(loss, Losses) else {"": loss}).items():
        words = on_two_activations(network, one, effect, name)
        if words:
            warnings.warn(words, TrainingWarning, stacklevel=stacklevel + 1)


def warn_of_small_statistics(network: PlainNetwork, batch_size: int, stacklevel: int = 2) -> None:
    """Warn where gradients are added up over batches whose examples meet, which makes no large batch of them."""
    names = ", ".join(f"`{placed.name}`" for placed in network.layers if examples_meet(placed.built))
    words = (
        f"accumulate adds up gradients, but the examples of a batch meet in {names}, and there still in batches of "
        f"{batch_size}: the result is not that of a larger batch. LayerNorm or GroupNorm would give that."
    )
    warnings.warn(words, TrainingWarning, stacklevel=stacklevel + 1)


def warn_of_small_shards(network: PlainNetwork, rows: int, stacklevel: int = 2) -> None:
    """Warn where batches are cut into shards with too few examples for statistics over them."""
    names = ", ".join(f"`{placed.name}`" for placed in network.layers if examples_meet(placed.built))
    if rows < FEW and names:
        words = (
            f"shards cut a batch into parts of {rows} examples, and in {names} only those of a part meet: their "
            f"statistics are rough below {FEW}. Take larger batches, fewer shards, or GroupNorm."
        )
        warnings.warn(words, TrainingWarning, stacklevel=stacklevel + 1)


def on_two_activations(network: PlainNetwork, loss: Loss, effect: str = "", output: str = "") -> str:
    """Words for the same, with what comes of it; empty where the network does not end so. output: which of several."""
    if not isinstance(loss, (SoftmaxCrossEntropy, BinaryCrossEntropy)):
        return ""
    last = _last_that_computes(network, network.ends.outputs[output])
    if not isinstance(last.layer, (Sigmoid, Softmax)):
        return ""
    contains, name = ("softmax", "softmax_cross_entropy") if loss.takes_labels else ("sigmoid", "binary_cross_entropy")
    kind = type(last.layer).__name__
    twice = f"{contains} is applied twice" if kind.lower() == contains else f"it gets what {kind.lower()} makes of them"
    return (
        f"The network ends with {kind} (layer `{last.name}`), but the loss {name} contains the {contains} and expects "
        f"the numbers before it: {effect or twice}. Remove the layer; probabilities are {contains} of the outputs."
    )


def _last_that_computes(network: PlainNetwork, output: str) -> PlacedLayer:
    placed = {layer.name: layer for layer in network.layers}
    last = placed[output]
    while isinstance(last.layer, _SHAPE_ONLY) and last.sources[0] in placed:
        last = placed[last.sources[0]]
    return last
