"""A network as WebAssembly: its C compiled into one module that imports nothing, in a folder for browsers."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.errors import ArgumentError, EngineError
from convgrad.export.c import filled
from convgrad.export.job import KERNELS, Job, Made
from convgrad.system.files import temporary_folder

Array = npt.NDArray[Any]
TARGET = "wasm-32"
"""As `targets` names it."""
ARRAYS = {"float32": "Float32Array", "float64": "Float64Array"}
EXAMPLES = "examples.safetensors"
STACK_BYTES = 1 << 20
SECONDS = 600
"""zig compiles its C library when it is used for the first time, which takes it half a minute alone on a machine."""
FLAGS = (
    *("-mexec-model=reactor", "-std=c11", "-O2"),
    *("-Wl,--strip-all", "-Wl,--gc-sections", f"-Wl,-z,stack-size={STACK_BYTES}"),
)
IMPORTS = 2
"""The number of the section of imports in a module."""


def compiler() -> list[str]:
    """The command that compiles and links C for WebAssembly. Raises: EngineError where there is none."""
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi"]
    if zig := shutil.which("zig"):
        return [zig, "cc", "-target", "wasm32-wasi"]
    clang = shutil.which("clang")
    if clang and shutil.which("wasm-ld"):
        return [clang, "--target=wasm32-wasi"]
    raise EngineError(
        "WebAssembly needs a compiler for it, and there is none: run `pip install 'convgrad[wasm]'` (ziglang, 100 MB), "
        "or put zig, or clang with wasm-ld and wasi-libc, on the PATH."
    )


def folder_files(job: Job, made: Made, examples: tuple[npt.ArrayLike, npt.ArrayLike | None] | None) -> dict[str, bytes]:
    """The .wasm and what belongs to it, by paths. Raises: EngineError, ArgumentError about `examples`."""
    from safetensors.numpy import save as bytes_from_tensors  # only files of weights need it

    about = _about(job, made)
    beside: dict[str, bytes] = {}
    if not job.inside:
        scales = {f"{name}.scale": whole.scales for name, whole in job.whole.items()}
        numbers = {name: whole.numbers for name, whole in job.whole.items()}
        beside[f"{job.name}.safetensors"] = bytes_from_tensors(made.weights | numbers | scales)
    if examples is not None:
        beside[EXAMPLES] = bytes_from_tensors(_examples(job, made, *examples))
    values = {
        "name": job.name,
        "NAME": job.name.upper(),
        "WHAT": job.network.name or "A network",
        "ABOUT": ", ".join(map(str, json.dumps(about).encode())),
        "TRAINING": "" if made.target_shape is None else "1",
        "dtype": job.network.dtype,
        "ARRAY": ARRAYS[job.network.dtype],
        "EXAMPLES": "false" if examples is None else "true",
    }
    texts = {
        f"{job.name}.js": filled("net.js", values),
        f"{job.name}.d.ts": filled("net.d.ts", values),
        "index.html": filled("index.html", values),
        "package.json": json.dumps(_package(job, [f"{job.name}.wasm", *beside]), indent=2) + "\n",
    }
    module = linked(job.name, {**made.files, "wasm.c": filled("wasm.c", values).encode()})
    return {f"{job.name}.wasm": module, **{path: text.encode() for path, text in texts.items()}, **beside}


def gzip_bytes(content: bytes) -> int:
    """What a server sends of it."""
    return len(gzip.compress(content, 9))


def _about(job: Job, made: Made) -> dict[str, Any]:
    """What the module says of itself."""
    network = job.network
    about: dict[str, Any] = {
        "name": job.name,
        "real": network.dtype,
        "batchSize": job.batch_size,
        "inputShape": network.input_shape,
        "outputShape": network.output_shape,
        "classNames": network.preparation.class_names,
        "weights": len(made.weights),
        "state": made.state,
        "weightsBeside": not job.inside,
    }
    if job.loss is not None and job.optimizer is not None:
        assert made.target_shape is not None
        about |= {
            "targetShape": made.target_shape,
            "loss": repr(job.loss),
            "optimizer": repr(job.optimizer),
            "learningRate": job.optimizer.learning_rate,
        }
    return about


def _examples(job: Job, made: Made, x: npt.ArrayLike, t: npt.ArrayLike | None) -> dict[str, Array]:
    """Examples as the page beside the module reads them."""
    given: dict[str, tuple[npt.ArrayLike, tuple[int, ...]]] = {"x": (x, job.network.input_shape)}
    if made.target_shape is not None:
        if t is None:
            raise ArgumentError("examples has inputs alone, but a training step needs targets. Write examples=(x, t).")
        given["t"] = (t, made.target_shape)
    found = {name: np.asarray(values, job.network.dtype, order="C") for name, (values, _) in given.items()}
    count = len(found["x"]) if found["x"].ndim else 0
    for name, (_, shape) in given.items():
        if not count or found[name].shape != (count, *shape):
            raise ArgumentError(
                f"examples: {name} has shape {found[name].shape}, but must have {('N', *shape)}, with N at least 1 "
                "and the same for inputs and targets."
            )
    return found


def _package(job: Job, beside: list[str]) -> dict[str, Any]:
    """package.json: the folder as it can be published or linked."""
    own = [f"{job.name}.js", f"{job.name}.d.ts"]
    return {
        "name": job.name.lower(),
        "version": "1.0.0",
        "description": f"{job.network.name or 'A network'}, as WebAssembly; made by convgrad",
        "type": "module",
        "exports": {
            ".": {"types": f"./{own[1]}", "default": f"./{own[0]}"},
            **{f"./{path}": f"./{path}" for path in beside},
        },
        "types": f"./{own[1]}",
        "files": [*own, "index.html", *beside],
        "sideEffects": False,
    }


def linked(name: str, files: Mapping[str, bytes]) -> bytes:
    """The module of C and objects. Raises: EngineError."""
    chosen = compiler()
    with temporary_folder() as folder:
        sources = []
        (folder / KERNELS).mkdir()
        for path, content in files.items():
            (folder / path).write_bytes(content)
            if path.endswith(".o") or path in (f"{name}.c", f"{name}_runtime.c", "wasm.c"):
                sources.append(path)
        command = [*chosen, *FLAGS, *sources, "-lm", "-o", "made.wasm"]
        environment = {**os.environ, "TMPDIR": str(folder), "ZIG_LOCAL_CACHE_DIR": str(folder / "zig")}
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"The module can't be linked: {error}") from error
        if done.returncode:
            raise EngineError(f"The module can't be linked:\n{done.stderr.strip()}")
        module = (folder / "made.wasm").read_bytes()
    if IMPORTS in sections(module):
        raise EngineError(
            f"{' '.join(chosen)} made a module that imports functions; take ziglang, or another wasi-libc."
        )
    return module


def sections(module: bytes) -> Iterator[int]:
    """The numbers of a module's sections: after 8 bytes each has its number, its length (LEB128) and its bytes."""
    place = 8
    while place < len(module):
        yield module[place]
        length = shift = 0
        place += 1
        while True:
            byte = module[place]
            length |= (byte & 127) << shift
            place, shift = place + 1, shift + 7
            if byte < 128:
                break
        place += length
