"""Each suite of the benchmarks from end to end, on small cases: what it verifies before it takes a time. No speeds."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from benchmarks import __main__ as command
from benchmarks import machine, startup, verify
from benchmarks.cases import LAYERS, PASSES, LayerCase

from convgrad.compute.halide.options import scheduling
from convgrad.data import load
from convgrad.errors import EngineError
from convgrad.layers import (
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAvgPool2D,
    Input,
    MaxPool2D,
    ReLU,
)
from convgrad.models.network import Network
from convgrad.notation import bind, parse
from measured import BRIEF, KEYS, TINY, peak
from optional import compiled as needs_engine

TELLS = platform.machine() in ("x86_64", "AMD64")


def test_the_command_names_what_it_does_not_know(capsys: pytest.CaptureFixture[str], torch: ModuleType) -> None:
    assert command.main(["layers", "--case", "nothing"]) == 1
    assert command.main(["layers", "--against", "torch,theano"]) == 1
    assert command.main(["report"]) == 1
    told = capsys.readouterr().err
    assert "layers has no case ['nothing']. Available: 5x5 1->20 at 28, " in told
    assert "--against takes torch and jax, with a comma between, not 'theano'." in told
    assert "report needs the file that the suites wrote: --json FILE." in told


@needs_engine
@pytest.mark.torch
@pytest.mark.parametrize("case", TINY, ids=lambda case: case.name)
def test_a_layer_is_verified_and_timed(case: LayerCase, torch: ModuleType) -> None:
    from benchmarks import layers

    found = list(layers.run(peak(), BRIEF, cases=[case]))
    assert [row.part for row in found] == ["forward", "input gradient", "weight gradient"]
    assert all(row.ours_ms and row.torch_ms and row.rival for row in found)


@needs_engine
@pytest.mark.torch
def test_a_wrong_layer_is_not_timed(torch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import layers

    from convgrad.compute.halide.program import compile_program

    wrong = bind(parse("x[e,k] = 1.001 * sum[c](w[c,k] * o[e,c])"), shapes={"o": (3, 7), "w": (7, 5)})
    monkeypatch.setattr(layers, "program_for", lambda case, part: compile_program(wrong, ["x"]))
    with pytest.raises(verify.WrongResult, match="dense, forward: element"):
        next(layers.run(peak(), BRIEF, cases=[TINY[2]]))


@needs_engine
@pytest.mark.torch
def test_a_network_is_verified_and_timed(torch: ModuleType) -> None:
    from benchmarks import models, networks

    case = replace(models.named("example"), steps=(3,), predictions=(2,))
    found = list(networks.run(peak(), BRIEF, cases=[case], compiled=False))
    assert [row.part for row in found] == ["step, batch 3", "prediction, batch 2"]
    forward = 2e-9 * (4 * 4 * 2 * 2 + 4 * 2)  # a 2x2 kernel at 4x4 places, then 4 -> 2
    assert found[1].gflop == pytest.approx(2 * forward)
    assert found[0].gflop == pytest.approx(3 * 2e-9 * (2 * 64 + 3 * 8))
    assert found[0].rival.startswith("eager ")


@needs_engine
@pytest.mark.torch
def test_a_wrong_step_is_not_timed(torch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import models, networks

    case = models.named("example")
    monkeypatch.setattr(networks, "LEARNING_RATE", 0.0101)  # ours; PyTorch's is another name
    with pytest.raises(verify.WrongResult, match="tiny: "):
        networks.verify_step("tiny", case, *networks.batch_of(case, 3))


@needs_engine
@pytest.mark.torch
def test_decisions_of_relu_and_pooling_are_ours(torch: ModuleType) -> None:
    """PyTorch's step with our decisions is its own where they agree, and another where one number falls on the other
    side: the comparison does not depend on that, and a wrong gradient still shows."""
    from benchmarks import networks, torch_networks
    from benchmarks.models import NetworkCase

    def make() -> Network:
        layers = [Conv2D(5, 3, padding=1), ReLU(), MaxPool2D(3, 2, 1), Conv2D(4, 2), ReLU(), Flatten(), Dense(3)]
        return Network(*layers, input_shape=(9, 8, 2))

    case = NetworkCase("small", make)
    x, t = networks.batch_of(case, 3)
    network = networks.prepared(case)
    values = networks.decisions(network.training_step(case.loss, "sgd", 3), x)
    flipped = {name: array.copy() for name, array in values.items()}
    place = np.unravel_index(int(flipped["relu2.x"].argmax()), flipped["relu2.x"].shape)
    flipped["relu2.x"][place] = 0
    found = []
    for given in (None, values, flipped):
        trained = torch_networks.Trained(network, x, t, case.loss, dtype=torch.float64)
        if given is not None:
            trained.decide(given)
        trained.step()
        found.append(trained.parameters())
    plain, same, other = found
    for name in plain:
        np.testing.assert_allclose(same[name], plain[name], rtol=0, atol=1e-13)
    assert np.abs(other["conv1.weight"] - plain["conv1.weight"]).max() > 1e-6
    networks.verify_step("small", case, x, t)


@needs_engine
@pytest.mark.torch
@pytest.mark.parametrize("chains", [True, False])
def test_decisions_are_those_of_the_step_itself(torch: ModuleType, chains: bool) -> None:
    """What a step stores in slices, with a border or in another's shape comes out whole; its own arrays stay."""
    from benchmarks import networks
    from benchmarks.models import NetworkCase

    def make() -> Network:
        layers = [Conv2D(6, 3, padding=1), BatchNorm(), ReLU(), DepthwiseConv2D(3, padding=1), BatchNorm(), ReLU()]
        return Network(*layers, Conv2D(5, 1), ReLU(), MaxPool2D(2), Flatten(), Dense(3), input_shape=(9, 8, 2))

    case = NetworkCase("small", make)
    x, t = networks.batch_of(case, 16)
    with scheduling(chains=chains):
        network = networks.prepared(case)
        step = network.training_step(case.loss, "sgd", 16)
        before = {name: array.copy() for name, array in step.program.arrays.items()}
        names = {"relu1.x", "relu2.x", "relu3.x", "batchnorm1.x"}
        stored, decided = networks._stored(step, x, names), networks.decisions(step, x)
        networks.verify_step("small", case, x, t)
    assert {"relu1.x", "relu2.x", "relu3.x"} <= {*stored}
    assert all(np.array_equal(array, before[name]) for name, array in step.program.arrays.items())
    exact = network.activations(x, training=True)
    for name, array in stored.items():
        assert np.array_equal(decided[name].ravel(), array.ravel())
        np.testing.assert_allclose(decided[name].ravel(), exact[name].ravel(), rtol=1e-4, atol=1e-5)


@needs_engine
def test_each_schedule_in_poisoned_memory(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks import poison

    from convgrad.compute.halide.runtime import native

    if native.compiler() is None or not TELLS:
        pytest.skip("memory can be filled, and looked at, where kernels are linked, on x86-64")
    monkeypatch.setattr(poison, "LAYERS", (TINY[2],))
    monkeypatch.setattr(poison, "NETWORK", "example")
    monkeypatch.setattr(poison, "MOST", 1e9)  # no speeds here
    assert command.main(["poison", "--rounds", "1"]) == 0
    told = capsys.readouterr().out
    for schedule in poison.SCHEDULES:
        assert f"{schedule}: 0 of 4 programs compute with poison; poisoned / clean is " in told
    assert machine.processor() in told
    monkeypatch.setattr(poison, "SCHEDULES", {"chosen": {}})
    monkeypatch.setattr(poison, "computing_with_poison", lambda _: ["The kernel of x"])
    assert command.main(["poison", "--rounds", "1"]) == 1
    assert "chosen, dense, forward: computes with memory that nobody wrote." in capsys.readouterr().err
    monkeypatch.setattr(poison, "computing_with_poison", lambda _: [])
    monkeypatch.setattr(poison, "MOST", 0.0)
    assert command.main(["poison", "--rounds", "1"]) == 1
    assert " times as long." in capsys.readouterr().err
    monkeypatch.setattr(native, "compiler", lambda: None)
    with pytest.raises(EngineError, match="Memory can't be filled where kernels are compiled in memory"):
        next(poison.run(1))


@pytest.mark.torch
def test_the_twin_computes_the_same(torch: ModuleType) -> None:
    """A dense layer after Flatten sees channels in another order; a result that two read must not be overwritten."""
    from benchmarks import torch_networks
    from benchmarks.models import NetworkCase
    from benchmarks.networks import batch_of, prepared

    def flat() -> Network:
        return Network(Conv2D(3, 2), ReLU(), MaxPool2D(2), Flatten(), Dense(4), input_shape=(6, 7, 2))

    def graph() -> Network:
        image = Input((7, 6, 2))
        first = BatchNorm()(DepthwiseConv2D(3, 1, 1)(image))
        total = Add()(ReLU()(first), first, image)
        return Network(inputs=image, outputs=Dense(3)(GlobalAvgPool2D()(total)))

    for make in (flat, graph):
        case = NetworkCase("twin", make)
        network, (x, _) = prepared(case), batch_of(case, 1)
        exact = torch_networks.exact_prediction(network, x)
        verify.check("twin", network.predict(x, engine="oracle"), exact, 1e-5)


@pytest.mark.torch
def test_padding_that_pytorch_does_not_have_is_refused(torch: ModuleType) -> None:
    from benchmarks.torch_twin import twin

    with pytest.raises(ValueError, match=r"PyTorch pads both sides alike, but the layer has \(\(0, 1\), \(0, 1\)\)"):
        twin(Network(Conv2D(2, 3, strides=2, padding="same"), input_shape=(8, 8, 1)))


@needs_engine
@pytest.mark.torch
def test_time_to_an_accuracy(torch: ModuleType) -> None:
    from benchmarks import accuracy

    digits = load("digits")
    assert digits.test_images is not None
    assert digits.test_labels is not None
    data = replace(
        digits,
        train_images=digits.train_images[:320],
        train_labels=digits.train_labels[:320],
        test_images=digits.test_images[:200],
        test_labels=digits.test_labels[:200],
    )

    def make() -> Network:
        return Network(MaxPool2D(4), Flatten(), Dense(10), input_shape=(28, 28, 1))

    case = accuracy.AccuracyCase("tiny", "digits", make, goal=0.2, epochs=5, pieces=2, rate=0.1, halving=1.0)
    row = accuracy.measure(case, data)
    assert row.part == "time to 20.0%"
    assert row.ratio
    never = accuracy.measure(replace(case, goal=1.01, epochs=1), data)
    assert (never.ours_ms, never.torch_ms, never.ratio) == (None, None, None)


@pytest.mark.torch
def test_a_process_measures_itself(torch: ModuleType) -> None:
    figures = startup.child(["torch", "lenet5", "NCHW"])
    assert sorted(figures) == ["first_step", "import", "peak_mib"]
    assert all(value > 0 for value in figures.values())


def test_a_process_that_fails_is_told() -> None:
    with pytest.raises(startup.ChildFailed, match="convgrad nothing ended with 1:"):
        startup.child(["convgrad", "nothing"])


@needs_engine
@pytest.mark.torch
def test_the_command_writes_rows_and_the_page(
    torch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("convgrad.compute.halide.runtime.peak.measured", peak)
    monkeypatch.setattr("benchmarks.cases.LAYERS", (replace(TINY[2], name=LAYERS[-1].name),))
    file = tmp_path / "results.json"
    assert command.main(["layers", "--rounds", "1", "--block", "0", "--json", str(file)]) == 0
    entries = json.loads(file.read_text())
    assert [list(entry) for entry in entries] == [[*KEYS, "processor"]] * 3
    assert {(entry["suite"], entry["case"]) for entry in entries} == {("layers", "dense 4096->10")}
    assert "not measured" in capsys.readouterr().out
    assert command.main(["report", "--json", str(file), "--docs", str(tmp_path)]) == 0
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| dense 4096->10 | weight gradient |" in page
    assert "Measured peak 100 GFLOP/s, memory 10 GB/s." in page
    assert (tmp_path / "roofline.png").read_bytes().startswith(b"\x89PNG")


@needs_engine
def test_errors_of_winograd_are_measured_and_written_into_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import winograd_error

    wide = LayerCase("3x3 64->32 at 12", "conv", 4, 12, 64, 32, 3, 1, 1)
    monkeypatch.setattr("benchmarks.cases.LAYERS", (wide, TINY[2]))
    page = tmp_path / "winograd.md"
    page.write_text(f"before\n{winograd_error.BEGIN}\nold\n{winograd_error.END}\nafter\n")
    assert command.main(["winograd-error", "--docs", str(tmp_path)]) == 0
    lines = page.read_text().splitlines()
    assert lines[0] == "before"
    assert lines[-1] == "after"
    assert [line.split(" | ")[:2] for line in lines[4:-2]] == [[f"| {wide.name}", part] for part in PASSES]
    for line in lines[4:-2]:
        by_winograd, bound, direct = map(float, line.strip("| ").split(" | ")[2:])
        assert 0 < by_winograd < bound
        assert 0 < direct < bound
    assert command.main(["winograd-error", "--case", "nothing"]) == 1
    assert "winograd-error has no case ['nothing']. Available: 3x3 64->32 at 12, " in capsys.readouterr().err
    monkeypatch.setattr(winograd_error, "promised_error", lambda *_: 1e-9)
    assert command.main(["winograd-error", "--case", wide.name]) == 1
    assert "beyond the bound: 3x3 64->32 at 12, forward" in capsys.readouterr().err
