"""A network as C: a header, tables, the objects of its kernels, a runtime, an example and a CMake file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from math import prod

import numpy as np

from convgrad.export import tables
from convgrad.export.contents import PREDICT, STEP, Contents, Tensor
from convgrad.export.symbols import Symbol
from convgrad.network.plan import INPUT, LOSS_MEAN, LOSS_WEIGHTS, TARGET

C_TYPES = {"float32": "float", "float64": "double"}
RUNTIME = "convgrad.compute.halide.runtime"
ALONE = ("structs.h", "floats.c", "alone.c")
THREADS = ("structs.h", "floats.c", "filling.c", "runner.c", "memory.c", "pool.c")
TEMPLATES = ("net.h", "net.c", "main.c", "CMakeLists.txt")


def c_files(found: Contents, name: str, inside: bool, target: str) -> dict[str, bytes]:
    """The texts by their paths. inside: whether the weights' numbers are constants of the program."""
    values = _values(found, name, inside, target)
    texts = {
        path.replace("net", name, 1) if path.startswith("net") else path: filled(path, values) for path in TEMPLATES
    }
    texts[f"{name}_runtime.c"] = _runtime()
    return {path: text.encode() for path, text in texts.items()}


def weights_bytes(found: Contents) -> bytes:
    """All weights one after the other, as `net_load` takes them."""
    kept = [
        array
        for tensor in found.weights
        for array in ([tensor.values] if tensor.whole is None else [tensor.whole.numbers, tensor.whole.scales])
    ]
    return b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in kept)


def _runtime() -> str:
    parts = {
        names: "\n".join(files(RUNTIME).joinpath(name).read_text() for name in names) for names in (THREADS, ALONE)
    }
    return f"#ifdef NET_THREADS\n#define _GNU_SOURCE\n{parts[THREADS]}\n#else\n{parts[ALONE]}\n#endif\n"


def filled(template: str, values: dict[str, str]) -> str:
    """A template with `@NAME@` replaced; a line such as `@IF TRAINING@` begins what ends with `@END@`."""
    lines, wanted = [], [True]
    for line in files("convgrad.export.templates").joinpath(f"{template}.in").read_text().splitlines():
        if line.startswith("@IF "):
            wanted.append(bool(values[line[4:-1]]))
        elif line == "@END@":
            wanted.pop()
        elif all(wanted):
            lines.append(line)
    text = "\n".join(lines) + "\n"
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _values(found: Contents, name: str, inside: bool, target: str) -> dict[str, str]:
    network, training = found.network, found.training
    c_type = C_TYPES[network.dtype]
    constants = found.constants(inside)
    lists = "\n\n".join("\n".join(tables.calls(each, listed)) for each, listed in found.listing.calls.items())
    values = {
        "name": name,
        "NAME": name.upper(),
        "real": c_type,
        "WHAT": network.name or "A network",
        "TARGET": target,
        "BATCH": str(found.batch_size),
        "INPUT": str(prod(network.input_shape)),
        "INPUT_SHAPE": _shape(network.input_shape),
        "OUTPUT": str(prod(network.output_shape)),
        "OUTPUT_SHAPE": _shape(network.output_shape),
        "WEIGHTS": str(len(found.weights)),
        "WEIGHT_BYTES": str(sum(tensor.kept_bytes for tensor in found.weights)),
        "KERNELS": "\n".join(tables.kernels(found.listing)),
        "MEMORY": "\n".join(tables.blocks(found.listing, constants, c_type)),
        "MEMORY_BYTES": str(found.memory_bytes(inside)),
        "LISTS": lists,
        "STRUCTS": files(RUNTIME).joinpath("structs.h").read_text(),
        **_tensors(found.weights, "weight"),
        "PREDICT_COUNT": str(len(found.listing.calls[PREDICT])),
        "PREDICT_INPUT": tables.address(found.memory(PREDICT, INPUT)),
        "PREDICT_OUTPUT": tables.address(found.memory(PREDICT, found.output)),
        "PREPARE": _preparation(found),
        "CLEARED": "\n".join(_cleared(found, constants)),
        "STARTS": "\n".join(_starts(found, c_type)) if inside and training else "",
        "BEGIN": "\n".join(_begin(found, c_type, inside)),
        "BESIDE": "" if inside else "1",
        "TRAINING": "1" if training else "",
        **_whole_values(found, inside),
    }
    return values | (_training_values(found, c_type) if training else dict.fromkeys(TRAINING_VALUES, "0"))


def _whole_values(found: Contents, inside: bool) -> dict[str, str]:
    """Of weights that are kept as int8."""
    arrays, rows = [], []
    for number, tensor in enumerate(found.weights):
        whole = tensor.whole
        if whole is None:
            rows.append("    {0},")
            continue
        steps = np.where(np.array(whole.scales.shape) > 1, np.array(whole.scales.strides) // whole.scales.itemsize, 0)
        arrays.append(f"static const int steps_{number}[] = {{{', '.join(map(str, steps))}}};")
        if inside:
            arrays += [
                f"static const int8_t numbers_{number}[] = {{\n    {tables.numbers(whole.numbers)}}};",
                f"static const float scales_{number}[] = {{\n    {tables.numbers(whole.scales)}}};",
            ]
        lie = f"numbers_{number}, scales_{number}" if inside else "0, 0"
        rows.append(f"    {{{whole.scales.size}, steps_{number}, {lie}}},")
    return {
        "WHOLE": "1" if arrays else "",
        "WHOLE_INSIDE": "1" if arrays and inside else "",
        "WHOLE_ARRAYS": "\n".join(arrays),
        "WHOLE_LIST": "\n".join(rows),
        "MOST_AXES": str(max((tensor.values.ndim for tensor in found.weights), default=0)),
    }


TRAINING_VALUES = (
    *("TARGET_SIZE", "TARGET_TEXT", "STATE", "STATE_SHAPES", "STATE_LIST", "STEP_COUNT", "STEP_INPUT", "STEP_TARGET"),
    *("STEP_LOSS", "SCALARS", "SEEDS", "SEEDING", "UPDATES", "LOSS", "OPTIMIZER"),
)


def _training_values(found: Contents, c_type: str) -> dict[str, str]:
    training = found.training
    assert training is not None
    plan = training.plan
    scalars = training.optimizer.worked_out(Symbol("(double)steps"), Symbol("learning_rate"))
    shape = plan.shapes[TARGET]
    return {
        "TARGET_SIZE": str(prod(shape[1:])),
        "TARGET_TEXT": "the number of its class" if len(shape) == 1 else f"{_shape(shape[1:])} numbers",
        "STATE": str(len(found.state)),
        **_tensors(found.state, "state"),
        "STEP_COUNT": str(len(found.listing.calls[STEP])),
        "STEP_INPUT": tables.address(found.memory(STEP, INPUT)),
        "STEP_TARGET": tables.address(found.memory(STEP, TARGET)),
        "STEP_LOSS": tables.address(found.memory(STEP, LOSS_MEAN)),
        "SCALARS": "\n".join(
            f"    *({c_type} *)({tables.address(found.memory(STEP, plan.scalars[each]))}) = ({c_type})({value});"
            for each, value in scalars.items()
        ),
        "SEEDS": "\n".join(
            f"    *({c_type} *)({tables.address(found.memory(STEP, each))}) = ({c_type})drawn_seed({number});"
            for number, each in enumerate(plan.seeds)
        ),
        "SEEDING": filled("seeding.c", {"SEED": str(training.seed)}) if plan.seeds else "",
        "UPDATES": str(found.network.past.updates),
        "LOSS": repr(training.loss),
        "OPTIMIZER": repr(training.optimizer),
    }


def _tensors(tensors: Iterable[Tensor], kind: str) -> dict[str, str]:
    """The values of a table of tensors: `<KIND>_SHAPES`, `<KIND>_LIST`."""
    shapes, rows = [], []
    for number, tensor in enumerate(tensors):
        shape, own = tensor.values.shape, f"{kind}_{number}_shape"
        if shape:
            shapes.append(f"static const int {own}[] = {{{', '.join(map(str, shape))}}};")
        data = f"(void *)({tables.address(tensor.memory)})"
        rows.append(f'    {{"{tensor.name}", {data}, {len(shape)}, {own if shape else 0}, {tensor.values.size}}},')
    return {f"{kind.upper()}_SHAPES": "\n".join(shapes), f"{kind.upper()}_LIST": "\n".join(rows or ["    {0}"])}


def _cleared(found: Contents, constants: Mapping[int, object]) -> Iterator[str]:
    for block in range(len(found.listing.blocks)):
        if block not in constants:
            name = tables.memory_name(block)
            yield f"    memset({name}, 0, sizeof({name}));"


def _starts(found: Contents, c_type: str) -> Iterator[str]:
    """What the weights begin with, where they will change."""
    for number, tensor in enumerate(found.weights):
        yield (
            f"static const {c_type} start_{number}[{tensor.values.size}] = {{\n    {tables.numbers(tensor.values)}}};"
        )


def _begin(found: Contents, c_type: str, inside: bool) -> Iterator[str]:
    """Statements that give memory what it begins with."""
    if found.training is None:
        return
    if inside:
        for number, tensor in enumerate(found.weights):
            yield f"    memcpy({tables.address(tensor.memory)}, start_{number}, sizeof(start_{number}));"
    for tensor in found.state:
        if tensor.values.size and (first := float(tensor.values.flat[0])):
            yield f"    fill({tables.address(tensor.memory)}, {tensor.values.size}, ({c_type}){first!r});"
    share = f"({c_type})(1.0 / {found.batch_size})"
    yield f"    fill({tables.address(found.memory(STEP, LOSS_WEIGHTS))}, {found.batch_size}, {share});"


def _preparation(found: Contents) -> str:
    """How a byte of a channel becomes a number."""
    preparation, c_type = found.network.preparation, C_TYPES[found.network.dtype]
    one = f"({c_type})pixels[n] / 255"
    if not preparation.mean:
        return f"        input[n] = {one};"
    channels = len(preparation.mean)
    suffix = "f" if c_type == "float" else ""
    lists = [
        f"        static const {c_type} {each}[] = {{{', '.join(f'{value!r}{suffix}' for value in values)}}};"
        for each, values in (("mean", preparation.mean), ("deviation", preparation.deviation))
    ]
    return "\n".join([*lists, f"        input[n] = ({one} - mean[n % {channels}]) / deviation[n % {channels}];"])


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "1"
