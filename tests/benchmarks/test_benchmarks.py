"""The measuring harness is right: what it counts, in which order it runs, that it refuses wrong results. No speeds."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from convgrad.compute.halide import available
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

sys.path.append(str(Path(__file__).parents[2]))  # `benchmarks` is not part of the package

from benchmarks import __main__ as command
from benchmarks import machine, report, rows, simplechains, startup, tables, timing, verify
from benchmarks.cases import LAYERS, PASSES, LayerCase
from benchmarks.rows import Row
from benchmarks.targets import TARGETS, Target
from benchmarks.timing import Effort

TELLS = machine.platform.machine() in ("x86_64", "AMD64")
needs_engine = pytest.mark.skipif(not available()[0], reason=available()[1])
BRIEF = Effort(rounds=1, block_seconds=0.0)
PEAK = SimpleNamespace(gflops=100.0, gbytes=10.0)
KEYS = ["suite", "case", "pass", "ours_ms", "torch_ms", "ratio", "gflops", "peak_fraction"]
TINY = [
    LayerCase("conv", "conv", 2, 7, 3, 5, kernel=3, stride=2, padding=1),
    LayerCase("depthwise", "depthwise", 2, 7, 3, 3, kernel=3, padding=1),
    LayerCase("dense", "dense", 3, 0, 7, 5),
]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch's threads wait for each other busily, which takes long where other tests use the processors, too."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HL_NUM_THREADS", "1")
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    if torch:
        torch.set_num_threads(1)
    yield
    if torch:
        torch.set_num_threads(before)


class Clock:
    """Goes on only when a contender works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.ran: list[str] = []

    def __call__(self) -> float:
        return self.now

    def contender(self, name: str, seconds: Iterator[float]) -> timing.Call:
        def call() -> None:
            self.ran.append(name)
            self.now += next(seconds)

        return call


def test_contenders_take_turns_and_each_begins_in_turn() -> None:
    clock = Clock()
    calls = {name: clock.contender(name, itertools.repeat(1.0)) for name in "abc"}
    timing.interleaved(calls, Effort(rounds=4, block_seconds=0.5), clock)
    warming = "aabbcc"
    assert "".join(clock.ran) == warming + "abc" + "bca" + "cab" + "abc"


def test_a_block_has_as_many_calls_as_fill_it_and_gives_the_time_of_one() -> None:
    clock = Clock()
    calls = {"a": clock.contender("a", itertools.repeat(0.25))}
    seconds = timing.interleaved(calls, Effort(rounds=3, block_seconds=1.0), clock)
    assert seconds == {"a": [0.25, 0.25, 0.25]}
    assert len(clock.ran) == 2 + 3 * (1 + 4)  # to estimate; then each block's first call is not timed


def test_the_median_round_counts() -> None:
    clock = Clock()
    warming, blocks = [9.0, 1.0], [1.0, 7.0, 3.0]
    calls = {"a": clock.contender("a", iter(warming + blocks))}
    assert timing.medians(timing.interleaved(calls, Effort(3, 0.0), clock)) == {"a": 3000.0}


def test_of_many_rivals_the_fastest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def interleaved(contenders: dict[str, timing.Call], effort: Effort) -> dict[str, list[float]]:
        taken.append(list(contenders))
        return {name: [{"ours": 1e-3, "p": 4e-3, "q": 2e-3, "r": 3e-3}[name]] for name in contenders}

    monkeypatch.setattr(timing, "interleaved", interleaved)
    rivals: dict[str, timing.Call] = dict.fromkeys("pqr", lambda: None)
    assert timing.against_best(lambda: None, rivals, BRIEF) == (1.0, "q", 2.0)
    assert taken == [["p", "q", "r"], ["ours", "q", "r"]]


def test_geometric_mean() -> None:
    assert timing.geometric_mean([1.0, 4.0, 16.0]) == pytest.approx(4)
    assert timing.geometric_mean([]) is None


def test_a_row_in_json() -> None:
    row = Row("layers", "a", "forward", ours_ms=2.0, torch_ms=5.0, gflop=0.1, peak=200.0, rival="NCHW")
    entry = row.to_json()
    assert list(entry) == KEYS
    assert entry["ratio"] == 2.5
    assert entry["gflops"] == pytest.approx(50)
    assert entry["peak_fraction"] == pytest.approx(0.25)
    assert Row.from_json(entry).to_json() == entry


def test_what_was_not_measured_is_null() -> None:
    entry = Row("accuracy", "mnist", "time to 99.0%", ours_ms=7.0).to_json()
    assert [entry[key] for key in KEYS[4:]] == [None] * 4


def test_memory_has_a_ratio_too() -> None:
    row = Row("startup", "lenet", "peak memory", ours_mib=100.0, torch_mib=250.0)
    assert row.ratio == 2.5
    assert Row.from_json(row.to_json()) == row


def test_a_file_keeps_other_rows_and_replaces_the_same(tmp_path: Path) -> None:
    file = tmp_path / "new" / "results.json"
    first, other = Row("layers", "a", "forward", 2.0, 3.0), Row("networks", "a", "step", 4.0, 5.0)
    rows.merge(file, [first, other])
    rows.merge(file, [replace(first, ours_ms=1.0)])
    assert [row.ratio for row in rows.read(file)] == [3.0, 1.25]
    rows.merge_about(file, "layers", {"threads": 2}, [replace(first, rival="NCHW")])
    rows.merge_about(file, "layers", {"threads": 2}, [replace(first, part="dw", rival="linear")])
    assert rows.read_about(file)[""]["layers"] == {"threads": 2, "rivals": {"a: forward": "NCHW", "a: dw": "linear"}}


def test_runs_on_two_processors_are_not_mixed(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    for name, ours in (("one", 2.0), ("two", 8.0)):
        row = Row("layers", "3x3 64->64 at 32", "forward", ours, 4.0, processor=name)
        rows.merge(file, [row])
        about = {"date": "today", "processor": name, "processors": 2, "system": "S", "threads": 2, "versions": {}}
        rows.merge_about(file, "layers", about, [replace(row, rival=f"best on {name}")])
    assert [(row.processor, row.ratio) for row in rows.read(file)] == [("one", 2.0), ("two", 0.5)]
    page = report.write(file, tmp_path).read_text()
    heads = "| target | verdict, one | measured, one | verdict, two | measured, two | must | aim |"
    assert heads in page
    assert "| layers, worst case | aim met | 2.00 | not met | 0.50 | >= 1.00 | >= 1.20 |" in page
    first, second = page.partition("## Layers")[2].split("### two")
    assert "### one" in first
    assert "today, one (2 processors" in first
    assert first.count("| 3x3 64->64 at 32 | forward |") == 1
    assert "best on one" in first
    assert "today, two (2 processors" in second
    assert "best on two" in second


def test_a_processor_is_named_by_more_than_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "CPU_INFO", file)
    told = "processor : 0\nmodel name\t: AMD EPYC\ncpu family\t: 25\nmodel\t\t: 17\nflags\t: fma avx2 avx512f\n"
    file.write_text(told + "processor : 1\nmodel name\t: other\nmodel\t: 3\nflags\t: amx_tile\n")
    assert machine.processor() == "AMD EPYC (family 25 model 17, AVX2, AVX-512)"
    file.write_text("model name: ARM\n")
    assert machine.processor() == "ARM"
    file.write_text("BogoMIPS: 50\n")
    assert machine.processor() == machine.platform.machine()


def test_a_wrong_number_is_refused() -> None:
    expected = np.array([1.0, -2.0])
    verify.check("x", expected.astype(np.float32), expected, 1e-6)
    with pytest.raises(verify.WrongResult, match=r"x: element \(0,\) is 1.1, but PyTorch in float64 has 1\."):
        verify.check("x", expected + np.array([0.1, 0]), expected, 1e-2)
    with pytest.raises(verify.WrongResult, match="The difference is nan"):
        verify.check("x", expected * np.nan, expected, 1e-2)
    with pytest.raises(verify.WrongResult, match=r"the shape is \(3,\), but PyTorch's \(2,\)"):
        verify.check("x", np.ones(3), expected, 1e-2)


def test_more_than_rounding_is_refused() -> None:
    expected = np.array([1.0, -2.0])
    theirs = expected * (1 + 1e-3)
    verify.check_rounding("w", expected * (1 + 9e-3), theirs, expected, allowed=10, floor=0)
    with pytest.raises(verify.WrongResult, match=r"w: the distance .* is 1.1e-02; 1.0e-02 is allowed"):
        verify.check_rounding("w", expected * (1 + 11e-3), theirs, expected, allowed=10, floor=0)
    with pytest.raises(verify.WrongResult, match=r"the shape is \(3,\)"):
        verify.check_rounding("w", np.ones(3), theirs, expected, allowed=10, floor=0)


def test_a_comparison_with_zeros_is_refused() -> None:
    for check in (
        lambda: verify.check("x", np.zeros(2), np.zeros(2), 1.0),
        lambda: verify.check_rounding("x", np.zeros(2), np.zeros(2), np.zeros(2), 1.0, 1.0),
    ):
        with pytest.raises(verify.WrongResult, match="all 0, so that comparing them proves nothing"):
            check()


def test_arithmetic_and_traffic_of_a_layer() -> None:
    case = TINY[0]  # 4x4 places
    assert case.gflop == pytest.approx(2e-9 * 2 * 16 * 3 * 3 * 3 * 5)
    assert case.gbytes == pytest.approx(4e-9 * (2 * 7 * 7 * 3 + 2 * 16 * 5 + 3 * 3 * 3 * 5))
    assert TINY[1].gflop == pytest.approx(2e-9 * 2 * 49 * 3 * 3 * 3)
    assert TINY[2].gflop == pytest.approx(2e-9 * 3 * 7 * 5)


def test_names_of_layers_differ_and_the_wide_ones_are_found() -> None:
    assert len({case.name for case in LAYERS}) == len(LAYERS) == 21
    assert [case.channels for case in LAYERS if case.wide_3x3] == [64, 128, 256, 64, 128, 256, 512]


def test_verdicts_on_targets() -> None:
    highest = Target("ratio", lambda found: found[0].ratio if found else None, must=2, aim=3)
    lowest = Target("seconds", lambda found: found[0].ours_ms if found else None, must=3, aim=2, at_most=True)

    def verdict(target: Target, ours: float, theirs: float) -> str:
        return target.verdict([Row("layers", "a", "forward", ours, theirs)])

    assert [verdict(highest, 1, theirs) for theirs in (1.9, 2, 3)] == ["not met", "met", "aim met"]
    assert [verdict(lowest, ours, 1) for ours in (3.1, 3, 2)] == ["not met", "met", "aim met"]
    assert highest.verdict([]) == "not measured"


def test_every_target_reads_the_rows_that_it_names() -> None:
    found = [
        Row("layers", "3x3 64->64 at 32", "forward", 1.0, 2.0),
        Row("layers", "3x3 64->64 at 32", "weight gradient", 1.0, 1.5),
        Row("layers", "5x5 1->20 at 28", "forward", 1.0, 9.0),
        Row("networks", "vgg", "step, batch 64", 100.0, 400.0),
        Row("networks", "vgg", "prediction, batch 64", 100.0, 100.0),
        Row("networks", "lenet5", "step, batch 1", 0.1, 1.0),
        Row("networks", "example", "step, batch 1", 0.01, 0.6),
        *(
            Row("startup", case, f"first step, {how}", 500.0, 1.0)
            for case in ("lenet", "resnet18-cifar")
            for how in ("cold", "warm")
        ),
        Row("startup", "vgg", "peak memory", ours_mib=100.0, torch_mib=125.0),
        Row("startup", "vgg", "peak memory, while compiling", ours_mib=900.0, torch_mib=125.0),
        Row("accuracy", "mnist", "time to 99.0%", 10.0, 50.0),
    ]
    values = [target.value(found) for target in TARGETS]
    expected = [3.0, 1.5, 2.0, 1.5, 4.0, 4.0, 60.0, 10.0, 0.5, 0.5, 0.5, 0.5, 0.8, 0.2]
    assert values == pytest.approx(expected)
    assert all(target.value([]) is None for target in TARGETS)


def test_numbers_in_tables() -> None:
    assert [tables.number(v) for v in (None, 0.01234, 1.234, 12.34, 1234.5)] == ["-", "0.0123", "1.23", "12.3", "1,234"]
    assert [tables.share(v) for v in (None, 0.00123, 0.456, 1.5)] == ["-", "0.12%", "46%", "150%"]


def test_published_figures_of_simplechains() -> None:
    first = simplechains.PUBLISHED[0]
    assert first.images_per_second_and_core == pytest.approx(600_000 / 1.230244 / 18)
    assert simplechains.flops_per_image() == pytest.approx(2 * (3 * 281_640 - 86_400))
    table = simplechains.table([Row("networks", "lenet5", "step, batch 64", 4.0, 20.0, 0.1, 100.0)], threads=2)
    assert [line[2] for line in table.lines[:2]] == ["8,000", "1,600"]
    assert all("not measured here" in line[1] for line in table.lines[2:])


def test_others_are_what_the_system_spent_and_we_did_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statistics, own = tmp_path / "stat", tmp_path / "77" / "stat"
    own.parent.mkdir()
    ticks = machine.os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(machine.os, "times", lambda: machine.os.times_result((0.0, 0.0, 0.0, 0.0, 0.0)))
    monkeypatch.setattr(machine.time, "monotonic", iter([10.0, 14.0]).__next__)
    statistics.write_text("cpu 0 0 0 5 5 0 0 0 0 0\ncpu0 ...")
    own.write_text(f"77 (a (b) c) S {machine.os.getpid()} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0")
    others = machine.Others(tmp_path)
    statistics.write_text(f"cpu {ticks} {ticks} 0 99 99 0 0 {4 * ticks} 0 0\n")
    own.write_text(f"77 (a (b) c) S {machine.os.getpid()} 0 0 0 0 0 0 0 0 0 {ticks} 0 0 0 20")
    assert others.processors() == pytest.approx((6 - 1) / 4)
    assert machine.Others(tmp_path / "nothing").processors() is None


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

    found = list(layers.run(PEAK, BRIEF, cases=[case]))
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
        next(layers.run(PEAK, BRIEF, cases=[TINY[2]]))


@needs_engine
@pytest.mark.torch
def test_a_network_is_verified_and_timed(torch: ModuleType) -> None:
    from benchmarks import models, networks

    case = replace(models.named("example"), steps=(3,), predictions=(2,))
    found = list(networks.run(PEAK, BRIEF, cases=[case], compiled=False))
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
    from convgrad.compute.halide.runtime import peak

    monkeypatch.setattr(peak, "measured", lambda: PEAK)
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
