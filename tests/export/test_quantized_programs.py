"""Programs whose weights are int8: they compute the bits of `network.quantized()`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from safetensors.numpy import load as tensors_from_bytes
from safetensors.numpy import save as bytes_from_tensors

from convgrad import ArgumentError, Network
from convgrad.compute.halide.runtime import native
from convgrad.export import Exported, export
from convgrad.layers import Dense
from convgrad.models import load_model
from convgrad.network.quantizing import quantized
from optional import compiled, find_webassembly
from quantized_networks import NETWORKS, WHOLE, quantizable

STRICT = ("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-fno-sanitize-recover")
RNG = np.random.default_rng(3)
needs_cc = pytest.mark.skipif(native.compiler() is None, reason="there is no C compiler")
pytestmark = compiled


def results(made: Exported, x: np.ndarray, *flags: str) -> np.ndarray:
    """What the example prints, compiled here."""
    sources = [*made.folder.glob("*.c"), *sorted(made.folder.glob("kernels/*.o"))]
    command = ["cc", *(flags or STRICT), "-I", str(made.folder), *map(str, sources), "-lm", "-o", "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=made.folder)
    assert not done.returncode, done.stderr
    ran = subprocess.run(["./run"], input=x.tobytes(), capture_output=True, check=True, cwd=made.folder)
    return np.array([line.split() for line in ran.stdout.decode().splitlines()], x.dtype)


@needs_cc
@pytest.mark.parametrize("weights", ["inside", "beside"])
@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_are_those_of_the_quantized_network_to_the_bit(
    tmp_path: Path, name: str, weights: Literal["inside", "beside"]
) -> None:
    network = quantizable(name)
    x = RNG.normal(size=(5, *network.input_shape)).astype(np.float32)
    made = network.export(tmp_path, batch_size=3, weights=weights, quantize=True)
    expected = network.quantized().predict(x).reshape(5, -1)
    assert np.array_equal(results(made, x), expected)
    assert not np.array_equal(expected, network.predict(x).reshape(5, -1))


@needs_cc
def test_of_float64_weights_are_the_products_of_numbers_and_scales(tmp_path: Path) -> None:
    """The example prints nine digits, so weights are read from memory here."""
    network = quantizable("transposed-groups", "float64")
    made = network.export(tmp_path, quantize=True)
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "net.h"\nint main(void) {\n    if (net_init()) {\n        return 1;\n    }\n'
        "    for (int n = 0; n < NET_WEIGHTS; n++) {\n        for (size_t k = 0; k < net_weights[n].size; k++) {\n"
        '            printf("%.17g\\n", net_weights[n].data[k]);\n        }\n    }\n    return 0;\n}\n'
    )
    expected = network.quantized().get_weights().values()
    found = results(made, np.zeros(0)).ravel()
    assert np.array_equal(found, np.concatenate([array.ravel() for array in expected]))


def lenet() -> Network:
    network = load_model("lenet5", (28, 28, 1), 10).network
    network.initialize(seed=2)
    return network


@needs_cc
def test_what_gets_smaller_and_what_does_not(tmp_path: Path) -> None:
    network = lenet()
    plain, made = network.export(tmp_path / "plain"), network.export(tmp_path / "made", quantize=True)
    whole = quantized(network).tensors
    floats = sum(array.size for name, array in network.parameters.items() if name not in whole)
    assert made.quantization is not None
    assert plain.quantization is None
    assert made.quantization.tensors == ("conv1.w", "conv2.w", "dense1.w", "dense2.w", "dense3.w")
    assert made.quantization.float_bytes == plain.weight_bytes
    assert made.weight_bytes == 4 * floats + sum(one.numbers.size + 4 * one.scales.size for one in whole.values())
    assert 3.8 < plain.weight_bytes / made.weight_bytes < 4
    x = np.zeros((1, *network.input_shape), np.float32)
    for one in (plain, made):
        results(one, x, "-O2", "-s")
    programs = [(one.folder / "run").stat().st_size for one in (plain, made)]
    # The difference of the weights, but for a page and what makes floats of them.
    assert abs(programs[0] - programs[1] - (plain.weight_bytes - made.weight_bytes)) <= 2 * 4096
    # Where weights lie in the program as floats they need no memory; those that are made at the start do.
    assert made.memory_bytes - plain.memory_bytes >= 4 * sum(one.numbers.size for one in whole.values())
    header = (tmp_path / "made" / "net.h").read_text()
    assert f"#define NET_WEIGHT_BYTES {made.weight_bytes} " in header
    assert f"#define NET_MEMORY_BYTES {made.memory_bytes} " in header


def test_the_file_of_weights_beside_a_program(tmp_path: Path) -> None:
    network = quantizable("transposed-groups")
    made = network.export(tmp_path, weights="beside", quantize=True)
    kept = (tmp_path / "net.weights").read_bytes()
    whole, weights = quantized(network).tensors, network.get_weights()
    parts = [
        whole[name].numbers.tobytes() + whole[name].scales.tobytes() if name in whole else array.tobytes()
        for name, array in weights.items()
    ]
    assert kept == b"".join(parts)
    assert made.weight_bytes == len(kept) < 0.6 * sum(array.nbytes for array in weights.values())


def test_another_processor(tmp_path: Path) -> None:
    made = quantizable("groups").export(tmp_path, target="arm-64", quantize=True)
    numbers = quantized(quantizable("groups")).tensors["conv1.w"].numbers
    found = re.search(r"numbers_\d+\[\] = \{\s*([^}]*)\}", (tmp_path / "net.c").read_text())
    assert found is not None
    assert [int(number) for number in found[1].split(",")] == numbers.ravel().tolist()
    assert made.target == "arm-64-linux"


def test_arm_computes_the_same_but_for_rounding(tmp_path: Path) -> None:
    if not (shutil.which("aarch64-linux-gnu-gcc") and shutil.which("qemu-aarch64")):
        pytest.skip("there is no aarch64-linux-gnu-gcc with qemu-aarch64")
    network, x = lenet(), np.random.default_rng(0).random((5, 28, 28, 1), np.float32)
    network.export(tmp_path, batch_size=2, target="arm-64", quantize=True)
    sources = [str(path) for path in (*tmp_path.glob("*.c"), *tmp_path.glob("kernels/*.o"))]
    command = ["aarch64-linux-gnu-gcc", "-static", "-std=c11", "-O2", *sources, "-lm", "-o", str(tmp_path / "run")]
    subprocess.run(command, check=True, capture_output=True)
    done = subprocess.run(["qemu-aarch64", tmp_path / "run"], input=x.tobytes(), capture_output=True, check=True)
    found = np.array([line.split() for line in done.stdout.decode().splitlines()], np.float32)
    expected = network.quantized().predict(x)
    # Sums of at most 400 terms in another order: each result is off by rounding, relative to the sum of magnitudes.
    assert np.allclose(found, expected, rtol=0, atol=400 * 2.0**-24 * np.abs(expected).max())


def run(node: str, script: str, *arguments: object) -> str:
    command = [node, "--input-type=module", "--eval", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weights", ["inside", "beside"])
def test_a_module_has_the_quantized_weights_and_predicts_from_them(
    tmp_path: Path, weights: Literal["inside", "beside"], dtype: str
) -> None:
    node, network = find_webassembly(), quantizable("transposed-groups", dtype)
    made = network.export(tmp_path, to="wasm", weights=weights, quantize=True, batch_size=2)
    x = RNG.normal(size=(3, *network.input_shape)).astype(dtype)
    (tmp_path / "given").write_bytes(bytes_from_tensors({"x": x}))
    code = """import { readFileSync, writeFileSync } from "node:fs";
    const [folder] = process.argv.slice(1), { load, tensorsFrom } = await import(`${folder}/net.js`);
    const network = await load();
    const results = network.predict(tensorsFrom(readFileSync(`${folder}/given`)).get("x").data);
    network.weights.get("convtranspose1.w").data.fill(3);
    network.restart();
    writeFileSync(`${folder}/taken`, network.saveWeights());
    console.log(JSON.stringify([...results]));"""
    found, ours = json.loads(run(node, code, tmp_path)), network.quantized()
    taken = tensors_from_bytes((tmp_path / "taken").read_bytes())
    assert taken.keys() == ours.get_weights().keys()
    assert all(np.array_equal(taken[name], array) for name, array in ours.get_weights().items())
    # Sums of 24 products, and a normalization, in another order: rounding of magnitudes below 16.
    assert np.allclose(found, ours.predict(x).ravel(), rtol=0, atol=2 * 24 * 16 * float(np.finfo(dtype).eps))
    kept = tensors_from_bytes((tmp_path / "net.safetensors").read_bytes()) if weights == "beside" else {}
    assert {name for name, array in kept.items() if array.dtype == np.int8} == (
        WHOLE["transposed-groups"] if weights == "beside" else set()
    )
    assert made.quantization is not None


def test_a_module_is_smaller_by_what_its_weights_are(tmp_path: Path) -> None:
    find_webassembly()
    network = lenet()
    plain, made = (network.export(tmp_path, to="wasm", quantize=quantize) for quantize in (False, True))
    # But for the few hundred bytes that make floats of them.
    assert abs(plain.module_bytes - made.module_bytes - (plain.weight_bytes - made.weight_bytes)) < 1024
    assert made.gzip_bytes < 0.3 * plain.gzip_bytes


def test_scales_that_a_file_lacks_are_named(tmp_path: Path) -> None:
    node, network = find_webassembly(), quantizable("transposed-groups")
    network.export(tmp_path, to="wasm", weights="beside", quantize=True)
    kept = tensors_from_bytes((tmp_path / "net.safetensors").read_bytes())
    name, scale = "convtranspose1.w", "convtranspose1.w.scale"
    (tmp_path / "lacking").write_bytes(bytes_from_tensors({key: one for key, one in kept.items() if key != scale}))
    (tmp_path / "other").write_bytes(bytes_from_tensors(kept | {scale: np.ones((1, 2, 3, 1), np.float32)}))
    code = """import { readFileSync } from "node:fs";
    const [folder] = process.argv.slice(1), { load } = await import(`${folder}/net.js`), network = await load();
    for (const file of ["lacking", "other"]) {
        try { network.loadWeights(readFileSync(`${folder}/${file}`)); } catch (error) { console.log(String(error)); }
    }"""
    said = f"Error: {name} is of int8, but the file has no scales {scale} that go with it."
    assert run(node, code, tmp_path).splitlines() == [said, said]


@pytest.mark.parametrize("to", ["c", "wasm"])
def test_a_training_step_is_refused(tmp_path: Path, to: Literal["c", "wasm"]) -> None:
    network = Network(Dense(3), input_shape=(4,))
    network.initialize(seed=0)
    with pytest.raises(
        ArgumentError,
        match=r"Weights that are trained can't be int8, since a step that changes one by less than half its scale "
        r"would leave it as it is: write quantize=True \(--quantize\) for predictions, or an optimizer \(--training\) "
        r"for a training step\.",
    ):
        export(network, tmp_path / "made", to=to, optimizer="sgd", quantize=True)
    assert not (tmp_path / "made").exists()
    with pytest.raises(ArgumentError, match="quantize must be True or False, not 8"):
        export(network, tmp_path / "made", to=to, quantize=8)  # type: ignore[arg-type]
