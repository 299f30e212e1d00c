"""What is asked of an export, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.export.c import c_files, weights_bytes
from convgrad.export.contents import contents
from convgrad.losses import Loss
from convgrad.network.plain import PlainNetwork
from convgrad.network.plan import TARGET
from convgrad.network.quantizing import Int8
from convgrad.optimizers import Optimizer

Array = npt.NDArray[Any]
KERNELS = "kernels"


@dataclass(frozen=True)
class Job:
    """What is asked of an export. whole: weights that are kept as int8, by name; the network has their values."""

    network: PlainNetwork
    name: str
    batch_size: int
    loss: Loss | None
    optimizer: Optimizer | None
    seed: int
    inside: bool
    target: str
    whole: Mapping[str, Int8] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """The files of an export by their paths, and what they take.

    Attributes:
        code_bytes: of the kernels' objects.
        memory_bytes: of static memory that is written; weight_bytes: of all weights.
        weights: by name; state: how many tensors the optimizer has.
        target_shape: of an example's target, where there is a training step.
    """

    files: dict[str, bytes]
    code_bytes: int
    memory_bytes: int
    weight_bytes: int
    kernels: int
    weights: dict[str, Array]
    state: int
    target_shape: tuple[int, ...] | None


def made(job: Job, folder: Path) -> Made:
    """The files, with objects compiled in `folder`. Raises: as `convgrad.export.export`."""
    found = contents(job.network, folder, job.batch_size, job.loss, job.optimizer, job.seed, job.whole)
    texts = c_files(found, job.name, job.inside, job.target)
    functions = sorted({call.function for calls in found.listing.calls.values() for call in calls})
    objects = {f"{KERNELS}/{function}.o": (folder / f"{function}.o").read_bytes() for function in functions}
    weights = weights_bytes(found)
    beside = {} if job.inside else {f"{job.name}.weights": weights}
    return Made(
        files={**texts, **objects, **beside},
        code_bytes=sum(map(len, objects.values())),
        memory_bytes=found.memory_bytes(job.inside),
        weight_bytes=len(weights),
        kernels=len(objects),
        weights={tensor.name: np.ascontiguousarray(tensor.values).copy() for tensor in found.weights},
        state=len(found.state),
        target_shape=None if found.training is None else found.training.plan.shapes[TARGET][1:],
    )
