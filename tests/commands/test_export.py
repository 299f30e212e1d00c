"""`convgrad export`: a run as a program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.numpy import load

from command_runs import TINY, convgrad
from optional import compiled, find_webassembly

pytestmark = compiled


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("exported")
    (folder / "tiny.toml").write_text(TINY)
    options = ("--epochs", 1, "--optimizer", "momentum", "--weight-decay", 0.01, "--clip-norm", 2)
    convgrad("train", "digits", "--model", folder / "tiny.toml", *options, "--out", folder / "run", "--quiet")
    return folder / "run"


def test_a_run_with_the_step_that_it_was_trained_with(run: Path) -> None:
    told = json.loads(convgrad("export", run, "--training", "--batch-size", 8, "--json").stdout)
    assert told["folder"] == str(run / "c")
    header = (run / "c" / "net.h").read_text()
    assert "#define NET_BATCH 8 " in header
    assert "SGD(learning_rate=0.01, momentum=0.9, nesterov=False, weight_decay=0.01, global_clipnorm=2.0)" in header
    assert "SoftmaxCrossEntropy(" in header


def test_sizes_are_told(run: Path, tmp_path: Path) -> None:
    done = convgrad("export", run, "--out", tmp_path / "made", "--name", "digits", "--weights", "beside")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"wrote {tmp_path / 'made'} for ")
    assert [line.split()[0] for line in lines[1:]] == ["code", "weights", "memory"]
    weights = (tmp_path / "made" / "digits.weights").stat().st_size
    assert lines[2].split()[1:] == [f"{weights:,}", "bytes"]
    assert "digits_step" not in (tmp_path / "made" / "digits.h").read_text()


def test_another_optimizer(run: Path, tmp_path: Path) -> None:
    convgrad(
        "export", run, "--training", "--optimizer", "adam", "--loss", "mse", "--seed", 5, "--out", tmp_path / "made"
    )
    header = (tmp_path / "made" / "net.h").read_text()
    assert "Adam(" in header
    assert "MeanSquaredError()" in header


def test_a_run_as_webassembly_with_some_of_its_examples(run: Path) -> None:
    find_webassembly()
    options = ("--to", "wasm", "--training", "--batch-size", 4, "--examples", 50)
    told = json.loads(convgrad("export", run, *options, "--json").stdout)
    assert told["folder"] == str(run / "wasm")
    assert told["target"] == "wasm-32-wasmrt-wasm_simd128"
    assert told["module_bytes"] == (run / "wasm" / "net.wasm").stat().st_size > told["gzip_bytes"] > 0
    examples = load((run / "wasm" / "examples.safetensors").read_bytes())
    assert examples["x"].shape == (50, 28, 28, 1)
    assert set(examples["t"]) == set(range(10))
    lines = convgrad("export", run, "--to", "wasm").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["code", "weights", "memory", ".wasm", "gzipped"]
    assert not (run / "wasm" / "examples.safetensors").exists()


def test_weights_as_int8(run: Path, tmp_path: Path) -> None:
    plain = json.loads(convgrad("export", run, "--out", tmp_path / "plain", "--json").stdout)
    told = json.loads(convgrad("export", run, "--quantize", "--out", tmp_path / "made", "--json").stdout)
    assert "quantized" not in plain
    assert told["quantized"]["float_bytes"] == plain["weight_bytes"] > 3 * told["weight_bytes"]
    assert told["quantized"]["tensors"] == ["conv1.w", "dense1.w"]
    assert 0 < told["quantized"]["difference"] < 0.05 * told["quantized"]["scale"]
    lines = convgrad("export", run, "--quantize", "--out", tmp_path / "made").stdout.splitlines()
    sizes = [f"{told['weight_bytes']:,}", "bytes,", f"{plain['weight_bytes']:,}", "without", "--quantize"]
    assert lines[2].split()[1:] == sizes
    found = told["quantized"]
    assert lines[-2:] == [
        "  quantized to int8: conv1.w, dense1.w",
        f"  results differ by up to {found['difference']:.3g}, of results up to {found['scale']:.3g}, on random inputs",
    ]


def test_a_saved_network_has_no_optimizer(run: Path, tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    for name in ("config.json", "weights.safetensors"):
        (tmp_path / "saved" / name).write_bytes((run / name).read_bytes())
    message = convgrad("export", tmp_path / "saved", "--training", code=2).stderr
    assert "has no run.toml, which says how it was trained. Write --optimizer NAME." in message


def test_a_run_whose_record_was_changed(run: Path, tmp_path: Path) -> None:
    for name in ("config.json", "weights.safetensors", "run.toml"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    del config["training"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    message = convgrad("export", tmp_path, "--training", code=2).stderr
    assert "config.json was changed or is damaged: 'training'. Write --optimizer NAME." in message


def test_a_step_keeps_what_was_said_of_some_weights(run: Path, tmp_path: Path) -> None:
    options = ("--no-decay", "*.b", "--weight-decay", 0.01, "--quiet", "--epochs", 1)
    model = ("--model", run.parent / "tiny.toml")
    convgrad("train", "digits", *model, *options, "--out", tmp_path / "run")
    convgrad("export", tmp_path / "run", "--training")
    assert "no_decay=('*.b',)" in (tmp_path / "run" / "c" / "net.h").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", "pascal"), "--to is 'pascal'. Networks are exported to: c, wasm, onnx."),
        (("--examples", 3), "--examples is for the page of --to wasm. Leave it out."),
        (("--to", "onnx", "--target", "arm-64"), "--target is for programs: --to c or wasm. Leave it out."),
        (("--to", "onnx", "--training"), "--training is for programs: --to c or wasm. Leave it out."),
        (("--to", "onnx", "--quantize", "--training"), "--training is for programs: --to c or wasm. Leave it out."),
        (("--quantize", "--training"), "for predictions, or an optimizer (--training) for a training step."),
        (("--target", "z80"), "There is no target 'z80'"),
        (("--weights", "apart"), "weights is 'apart'"),
        (("--name", "a b"), "name is 'a b', which is no name in C"),
    ],
    ids=[
        "kind",
        "examples",
        "target of onnx",
        "step of onnx",
        "int8 step of onnx",
        "int8 step",
        "target",
        "weights",
        "name",
    ],
)
def test_what_is_refused(run: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    assert message in convgrad("export", run, *options, "--out", tmp_path / "made", code=2).stderr
    assert not (tmp_path / "made").exists()
