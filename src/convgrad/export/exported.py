"""A trained network as a program that needs no Python."""

from __future__ import annotations

import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal, cast

from convgrad.arguments import COUNT, SEED, takes
from convgrad.compute.halide import available
from convgrad.errors import ArgumentError, EngineError
from convgrad.export.targets import HOST, for_target, in_words_of_halide
from convgrad.losses import Loss, loss_from
from convgrad.network.plain import PlainNetwork
from convgrad.optimizers import Optimizer, optimizer_from
from convgrad.system.files import temporary_folder, write_folder

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        folder: where it lies; files: their paths in it.
        target: in Halide's words.
        code_bytes: of the object files of `kernels` kernels.
        weight_bytes: of all weights, memory_bytes: of the static memory that the program writes.
    """

    folder: Path
    files: tuple[str, ...]
    target: str
    kernels: int
    code_bytes: int
    weight_bytes: int
    memory_bytes: int


@takes(ArgumentError, batch_size=COUNT, seed=SEED)
def export(
    network: PlainNetwork,
    path: str | PathLike[str],
    *,
    name: str = "net",
    batch_size: int = 1,
    target: str = HOST,
    weights: Literal["inside", "beside"] = "inside",
    optimizer: str | Optimizer | None = None,
    loss: str | Loss | None = None,
    seed: int = 0,
) -> Exported:
    """Write a network as C that needs neither Python nor Halide: `net.h`, `net.c`, kernels, a runtime, an example.

    On one target it computes the bits that Python does, on any number of threads.

    Args:
        network: with its weights.
        path: the folder, made anew; other files in it stay.
        name: what files and functions begin with, a name in C: `net_init`, `net_predict`.
        batch_size: examples of a prediction and of a step, at least 1.
        target: `host`, `x86-64` (or -v2, -v3, -v4), `arm-64`, `arm-64-osx`, `arm-32-noos`, or Halide's words.
        weights: "inside" the program as constants, or "beside" it in `net.weights`, which `net_load` takes.
        optimizer: exports a training step, too, `net_step`, which begins like a new call of `fit`.
        loss: of that step; by default the one that the network was last trained with.
        seed: what the step draws dropout with, as `fit(seed=...)`.

    Returns: what was written, and the bytes that it takes.

    Raises: ArgumentError where the network has no weights, or there is no such target, name or place of weights;
    ModelError where it has several inputs or outputs;
    EngineError where Halide is not available here, or can't compile for the target; DataError where the folder can't
    be written.

    >>> from tempfile import mkdtemp
    >>> from convgrad import Network
    >>> from convgrad.layers import Dense
    >>> small = Network(Dense(3), input_shape=(4,))
    >>> small.initialize(seed=0)
    >>> found = export(small, mkdtemp())
    >>> found.weight_bytes, [file for file in found.files if not file.startswith("kernels/")]
    (60, ['CMakeLists.txt', 'main.c', 'net.c', 'net.h', 'net_runtime.c'])
    """
    from convgrad.export.job import KERNELS, Job, Made, made  # it loads Halide

    there, reason = available()
    if not there:
        raise EngineError(f"Networks can't be exported here: {reason}")
    if not NAME.fullmatch(name):
        raise ArgumentError(f"name is {name!r}, which is no name in C. Write letters, digits and _, a letter first.")
    if weights not in ("inside", "beside"):
        raise ArgumentError(f'weights is {weights!r}. Write "inside" or "beside".')
    if not network.initialized:
        raise ArgumentError("The network has no weights yet. Train it, load it, or call network.initialize(seed).")
    network.ends.check_only()
    words = in_words_of_halide(target)
    function = None if optimizer is None else loss_from(network.loss_of_one if loss is None else loss)
    chosen = None if optimizer is None else optimizer_from(optimizer)
    job = Job(network, name, batch_size, function, chosen, seed, weights == "inside", words)
    with temporary_folder() as folder:
        if words == in_words_of_halide(HOST):
            with network.lock:
                result = made(job, folder)
        else:
            result = cast(Made, for_target(job, words, folder))
    before = [f"{KERNELS}/{kernel.name}" for kernel in Path(path, KERNELS).glob("convgrad_*.o")]
    write_folder(path, result.files, {*result.files, *before})
    files = tuple(sorted(result.files))
    sizes = (result.kernels, result.code_bytes, result.weight_bytes, result.memory_bytes)
    return Exported(Path(path), files, words, *sizes)
