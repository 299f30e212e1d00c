"""A trained network as a program that needs no Python."""

from __future__ import annotations

import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal, cast

import numpy.typing as npt

from convgrad.arguments import COUNT, FLAG, SEED, shown, takes
from convgrad.compute.halide import available
from convgrad.errors import ArgumentError, EngineError
from convgrad.export.targets import HOST, for_target, in_words_of_halide
from convgrad.losses import Loss, loss_from
from convgrad.network.plain import PlainNetwork
from convgrad.network.quantizing import Quantization, measured, quantized
from convgrad.optimizers import Optimizer, optimizer_from
from convgrad.system.files import temporary_folder, write_folder

KINDS = ("c", "wasm")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        folder: where it lies; files: their paths in it.
        target: in Halide's words.
        code_bytes: of the object files of `kernels` kernels.
        weight_bytes: of all weights, memory_bytes: of the static memory that the program writes.
        module_bytes: of the .wasm, gzip_bytes: as a server sends it; 0 for C.
        quantization: which weights became int8, and what that changes, where it was asked for.
    """

    folder: Path
    files: tuple[str, ...]
    target: str
    kernels: int
    code_bytes: int
    weight_bytes: int
    memory_bytes: int
    module_bytes: int = 0
    gzip_bytes: int = 0
    quantization: Quantization | None = None


@takes(ArgumentError, batch_size=COUNT, seed=SEED, quantize=FLAG)
def export(
    network: PlainNetwork,
    path: str | PathLike[str],
    *,
    to: Literal["c", "wasm"] = "c",
    name: str = "net",
    batch_size: int = 1,
    target: str = HOST,
    weights: Literal["inside", "beside"] = "inside",
    optimizer: str | Optimizer | None = None,
    loss: str | Loss | None = None,
    seed: int = 0,
    examples: tuple[npt.ArrayLike, npt.ArrayLike | None] | None = None,
    quantize: bool = False,
) -> Exported:
    """Write a network as a program that needs neither Python nor Halide.

    As C it is `net.h`, `net.c`, kernels, a runtime and an example; on one target it computes the bits that Python does,
    on any number of threads. As WebAssembly it is `net.wasm`, which imports nothing, an ES module `net.js`, a
    `package.json` and a page that tries it.

    Args:
        network: with its weights.
        path: the folder, made anew; other files in it stay.
        to: "c" or "wasm".
        name: what files and functions begin with, a name in C: `net_init`, `net_predict`.
        batch_size: examples of a prediction and of a step, at least 1.
        target: `host`, `x86-64` (or -v2, -v3, -v4), `arm-64`, `arm-64-osx`, `arm-32-noos`, or Halide's words;
            for WebAssembly `wasm-32`, which then is what `host` means.
        weights: "inside" the program as constants, or "beside" it in `net.weights`, which `net_load` takes
            (`net.safetensors` beside WebAssembly, which `load` fetches).
        optimizer: exports a training step, too, `net_step`, which begins like a new call of `fit`.
        loss: of that step; by default the one that the network was last trained with.
        seed: what the step draws dropout with, as `fit(seed=...)`.
        examples: inputs x (N, ...) and targets t (N, ...) for the page beside WebAssembly, else it makes up noise.
        quantize: keep weights as int8 with a scale of float32 for each output channel, in a quarter of the bytes; they
            become floats in memory when the program begins. It computes what `network.quantized()` does.

    Returns: what was written, and the bytes that it takes.

    Raises: ArgumentError where the network has no weights, or there is no such kind, target, name or place of
    weights, or `examples` do not fit, or `quantize` stands beside an optimizer; ModelError where it has several inputs
    or outputs; EngineError where Halide is not available here, or can't compile for the target, or nothing links
    WebAssembly; DataError where the folder can't be written.

    >>> from tempfile import mkdtemp
    >>> from convgrad import Network
    >>> from convgrad.layers import Dense
    >>> small = Network(Dense(3), input_shape=(4,))
    >>> small.initialize(seed=0)
    >>> found = export(small, mkdtemp())
    >>> found.weight_bytes, [file for file in found.files if not file.startswith("kernels/")]
    (60, ['CMakeLists.txt', 'main.c', 'net.c', 'net.h', 'net_runtime.c'])
    """
    from convgrad.export import wasm  # they load Halide
    from convgrad.export.job import KERNELS, Job, Made, made

    if to not in KINDS:
        raise ArgumentError(f"to is {shown(to)}. Networks are exported to: {', '.join(KINDS)}.")
    if examples is not None and to != "wasm":
        raise ArgumentError('examples are for the page beside WebAssembly. Write to="wasm", or leave them out.')
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
    if quantize and optimizer is not None:
        raise ArgumentError(
            "Weights that are trained can't be int8, since a step that changes one by less than half its scale would "
            "leave it as it is: write quantize=True (--quantize) for predictions, or an optimizer (--training) for a "
            "training step."
        )
    words = in_words_of_halide(wasm.TARGET if to == "wasm" and target == HOST else target)
    if to == "wasm":
        if not words.startswith(f"{wasm.TARGET}-"):
            raise ArgumentError(f"target is {target!r}, but WebAssembly's is {wasm.TARGET}. Leave it out.")
        wasm.compiler()
    function = None if optimizer is None else loss_from(network.loss_of_one if loss is None else loss)
    chosen = None if optimizer is None else optimizer_from(optimizer)
    kept = quantized(network) if quantize else None
    whole, source = (kept.tensors, kept.network) if kept is not None else ({}, network)
    job = Job(source, name, batch_size, function, chosen, seed, weights == "inside", words, whole)
    with temporary_folder() as folder:
        if words == in_words_of_halide(HOST):
            with source.lock:
                result = made(job, folder)
        else:
            result = cast(Made, for_target(job, words, folder))
    told = None if kept is None else measured(network, kept, sum(array.nbytes for array in result.weights.values()))
    sizes = (result.kernels, result.code_bytes, result.weight_bytes, result.memory_bytes)
    if to == "wasm":
        files = wasm.folder_files(job, result, examples)
        module = files[f"{name}.wasm"]
        write_folder(path, files, {*files, wasm.EXAMPLES, f"{name}.safetensors"})
        return Exported(Path(path), tuple(sorted(files)), words, *sizes, len(module), wasm.gzip_bytes(module), told)
    before = [f"{KERNELS}/{kernel.name}" for kernel in Path(path, KERNELS).glob("convgrad_*.o")]
    write_folder(path, result.files, {*result.files, *before})
    return Exported(Path(path), tuple(sorted(result.files)), words, *sizes, quantization=told)


def why_no_webassembly() -> str:
    """What is missing here for `export(to="wasm")`, in one line; nothing where it can be made."""
    there, reason = available()
    if there:
        from convgrad.export.wasm import compiler  # it loads Halide

        try:
            compiler()
        except EngineError as error:
            reason = str(error)
    return reason
