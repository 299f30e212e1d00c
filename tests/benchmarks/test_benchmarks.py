"""The measuring harness is right: what it counts, in which order it runs, that it refuses wrong results. No speeds."""

from __future__ import annotations

import itertools
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import machine, report, rows, simplechains, tables, timing, verify
from benchmarks.cases import LAYERS
from benchmarks.rows import Row
from benchmarks.targets import TARGETS, Target
from benchmarks.timing import Effort

from measured import BRIEF, KEYS, TINY


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
    assert "| layers, worst case | aim met | 2.00 | not met | 0.50 | >= 1.10 | >= 1.30 |" in page
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
    assert machine.processor() == platform.machine()


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
    checks: tuple[Callable[[], object], ...] = (
        lambda: verify.check("x", np.zeros(2), np.zeros(2), 1.0),
        lambda: verify.check_rounding("x", np.zeros(2), np.zeros(2), np.zeros(2), 1.0, 1.0),
    )
    for check in checks:
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
        Row("networks", "vgg", "prediction, batch 1", 100.0, 140.0),
        Row("networks", "lenet", "prediction, batch 1", 100.0, 150.0),
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
    expected = [3.0, 1.5, 2.0, 1.5, 4.0, 4.0, 1.4, 60.0, 10.0, 0.5, 0.5, 0.5, 0.5, 0.8, 0.2]
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
    ticks = os.sysconf("SC_CLK_TCK")
    monkeypatch.setattr(os, "times", lambda: os.times_result((0.0, 0.0, 0.0, 0.0, 0.0)))
    monkeypatch.setattr(time, "monotonic", iter([10.0, 14.0]).__next__)
    statistics.write_text("cpu 0 0 0 5 5 0 0 0 0 0\ncpu0 ...")
    own.write_text(f"77 (a (b) c) S {os.getpid()} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0")
    others = machine.Others(tmp_path)
    statistics.write_text(f"cpu {ticks} {ticks} 0 99 99 0 0 {4 * ticks} 0 0\n")
    own.write_text(f"77 (a (b) c) S {os.getpid()} 0 0 0 0 0 0 0 0 0 {ticks} 0 0 0 20")
    assert others.processors() == pytest.approx((6 - 1) / 4)
    assert machine.Others(tmp_path / "nothing").processors() is None
