"""Random shapes: what is drawn, what rows come to, and that a run that was cut goes on. No speeds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from benchmarks import rows, shapes, shapes_summary
from benchmarks.cases import LayerCase
from benchmarks.random_shapes import BATCHES, CHANNELS, DENSE_INPUTS, KINDS, SIZES, Bound, draw, kind
from benchmarks.rows import Row
from benchmarks.verify import WrongResult

from measured import BRIEF, TINY, peak
from optional import compiled as needs_engine

OTHER = [
    LayerCase("groups", "conv", 2, 7, 6, 4, kernel=3, stride=2, padding=1, groups=2),
    LayerCase("max", "max", 2, 7, 3, 3, kernel=3, stride=2, padding=1),
    LayerCase("average", "average", 2, 8, 3, 3, kernel=3, stride=2, padding=1),
]


def test_shapes_are_the_same_for_the_same_seed() -> None:
    few, many = draw(20, 7, Bound()), draw(60, 7, Bound())
    assert many.cases[:20] == few.cases
    assert draw(20, 8, Bound()).cases != few.cases
    assert len({case.name for case in many.cases}) == 60


def test_shapes_stay_in_bounds_and_every_kind_is_there() -> None:
    bound = Bound(gflop=1.0, gbytes=0.05)
    drawn = draw(300, 0, bound)
    assert {kind(case) for case in drawn.cases} == set(KINDS)
    for case in drawn.cases:
        inputs = DENSE_INPUTS if case.kind == "dense" else CHANNELS
        assert inputs[0] <= case.channels <= inputs[1]
        assert CHANNELS[0] <= case.filters <= CHANNELS[1]
        assert BATCHES[0] <= case.batch <= BATCHES[1]
        assert case.kind == "dense" or SIZES[0] <= case.size <= SIZES[1]
        assert case.stride in (1, 2)
        assert 1 <= case.kernel <= 7
        assert case.channels % case.groups == case.filters % case.groups == 0
        assert case.gflop <= bound.gflop
        assert case.gbytes <= bound.gbytes
        assert all(size > 0 for size in case.output_shape)
    assert set(drawn.left_out) == {"more than 1 GFLOP a call", "more than 0.05 GB of tensors"}
    assert draw(300, 0, Bound(1e9, 1e9)).left_out.total() == 0


def test_arithmetic_and_traffic_of_groups_and_poolings() -> None:
    groups, largest, mean = OTHER  # 4x4 places
    assert groups.gflop == pytest.approx(2e-9 * 2 * 16 * 9 * 3 * 4)
    assert largest.gflop == pytest.approx(1e-9 * 2 * 16 * 3 * 9)
    assert mean.gbytes == pytest.approx(4e-9 * 2 * 3 * (64 + 16))
    assert largest.gbytes_of("forward") == pytest.approx(4e-9 * 2 * 3 * (49 + 16))
    assert largest.gbytes_of("input gradient") == pytest.approx(4e-9 * 2 * 3 * (49 + 2 * 16))
    assert groups.passes == ("forward", "input gradient", "weight gradient")
    assert largest.passes == mean.passes == ("forward", "input gradient")


def test_the_floor_is_the_greater_of_arithmetic_and_memory() -> None:
    from benchmarks.roofline import floor_ms

    class Round:
        gflops, gbytes = 100.0, 10.0

    assert floor_ms(0.2, 0.01, Round) == pytest.approx(2)  # type: ignore[arg-type]
    assert floor_ms(0.2, 0.05, Round) == pytest.approx(5)  # type: ignore[arg-type]


def _row(name: str, ours: float, theirs: float, floor: float = 0.5) -> Row:
    return Row("shapes", name, "forward", ours, theirs, floor_ms=floor, rival="NCHW", processor="p")


def test_what_rows_come_to() -> None:
    found = [_row("conv", 2.0, 8.0), _row("depthwise", 4.0, 2.0), _row("dense", 0.016, 0.01), _row("conv", 1.0, 1.0)]
    total = shapes_summary.summary(found)
    assert (total.rows, total.slower, total.share_slower) == (4, 2, 0.5)
    assert total.mean == pytest.approx((4 * 0.5 * 0.625 * 1) ** 0.25)
    assert total.worst == 0.5
    assert shapes_summary.summary([]) == shapes_summary.Summary(0, None, 0, None)
    assert shapes_summary.summary([]).share_slower is None
    assert [row.case for row in shapes_summary.slower(found)] == ["depthwise", "dense"]
    assert [shapes_summary.is_short(row) for row in found] == [False, False, True, False]
    assert shapes_summary.of_floor(found[1]) == 0.125
    lines = shapes_summary.groups(found, {case.name: case for case in TINY}).lines
    assert lines[0] == ["all", "4", "1.06", "2", "50%", "0.50"]
    assert lines[1] == [shapes_summary.SHORT, "1", "0.62", "1", "100%", "0.62"]
    assert lines[2][:2] == [shapes_summary.LONG, "3"]
    assert [line[0].strip() for line in lines[3:]] == ["conv", "depthwise", "forward"]
    (line,) = shapes_summary.below([found[0], found[1]], "below").lines
    assert line == ["depthwise", "forward", "4.00", "2.00", "0.50", "0.50", "12%", "NCHW"]


def test_a_run_that_is_cut_goes_on() -> None:
    saved: list[Row] = []
    clock = iter([0.0, 0.0, 5.0, 20.0])

    def measure(case: LayerCase) -> list[Row]:
        return [replace(_row(case.name, 1.0, 2.0), part=part) for part in case.passes]

    first = shapes.run(TINY, [], measure, saved.extend, 10.0, lambda: next(clock))
    assert [row.case for row in saved] == ["conv"] * 3 + ["depthwise"] * 3
    assert (first.left, first.rows) == (1, saved)
    half = saved[:4]  # as if it was killed while it saved
    seen: list[str] = []

    def noted(case: LayerCase) -> list[Row]:
        seen.append(case.name)
        return measure(case)

    again = shapes.run(TINY, half, noted, lambda found: None, 10.0)
    assert seen == ["depthwise", "dense"]
    assert again.left == 0
    assert sorted({row.key for row in again.rows}) == sorted(
        {row.key for row in first.rows} | {("shapes", "dense", part) for part in TINY[2].passes}
    )
    assert len(again.rows) == 9


def test_what_goes_wrong_is_told_and_the_others_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    def measure(case: LayerCase) -> list[Row]:
        if case.name == "conv":
            raise WrongResult("conv, forward: element (0,) is 1")
        return [_row(case.name, 1.0, 2.0)]

    found = shapes.run(TINY[:2], [], measure, lambda found: None, 10.0)
    assert found.failed == {"conv": "conv, forward: element (0,) is 1"}
    assert [row.case for row in found.rows] == ["depthwise"]
    assert "conv: conv, forward: element" in capsys.readouterr().err


def test_compiling_has_its_time() -> None:
    with pytest.raises(shapes.TooSlowToCompile, match=r"not compiled within 0 s, so it was not measured\."):
        shapes.compile_within(TINY[2], 0.01)
    with pytest.raises(shapes.TooSlowToCompile, match="compiling ended with 1: "):
        shapes.compile_within(replace(TINY[2], filters=0))


def test_only_a_run_of_the_same_settings_is_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "shapes.json"
    assert shapes.already(file, "p", {"conv"}, {"rounds": 5}) == []
    found = [_row("conv", 1.0, 2.0), replace(_row("conv", 1.0, 3.0), processor="q"), _row("dense", 1.0, 2.0)]
    rows.merge_about(file, "shapes", {"processor": "p", "rounds": 5}, found[:1])
    rows.merge(file, found)
    assert shapes.already(file, "p", {"conv"}, {"rounds": 5}) == found[:1]
    told = shapes.already(file, "p", {"conv"}, {"rounds": 9})
    assert told == f"{file} was measured with rounds 5, not 9: leave out --resume."
    shapes.start_anew(file, "p")
    assert [row.processor for row in rows.read(file)] == ["q"]


@needs_engine
@pytest.mark.torch
@pytest.mark.parametrize("case", [*TINY, *OTHER], ids=lambda case: case.name)
def test_a_shape_is_verified_and_timed(case: LayerCase, torch: ModuleType) -> None:
    found = shapes.measured(case, peak(), BRIEF)
    assert [row.part for row in found] == [*case.passes]
    assert all(row.ours_ms and row.torch_ms and row.rival and row.floor_ms for row in found)


@needs_engine
@pytest.mark.torch
def test_a_wrong_shape_is_not_timed(torch: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import layers
    from benchmarks.programs import program_for

    monkeypatch.setattr(layers, "program_for", lambda case, part: program_for(replace(case, kind="average"), part))
    with pytest.raises(WrongResult, match="max, forward: element"):
        shapes.measured(OTHER[1], peak(), BRIEF)


def _times(file: Path) -> list[tuple[str, str, float]]:
    return [(entry["case"], entry["pass"], entry["ours_ms"]) for entry in json.loads(file.read_text())]


@needs_engine
@pytest.mark.torch
def test_the_command_saves_and_goes_on(
    torch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("convgrad.compute.halide.runtime.peak.measured", peak)
    monkeypatch.setattr(shapes, "compile_within", lambda case: None)
    file = tmp_path / "shapes.json"
    few = ["--rounds", "1", "--block", "0", "--gflop", "0.001", "--gbytes", "0.001", "--json", str(file)]
    assert shapes.main([*few, "--count", "2"]) == 0
    before = _times(file)
    assert "floor_ms" in json.loads(file.read_text())[0]
    told = capsys.readouterr().out
    assert "random shapes" in told
    assert "shapes drawn: " in told
    assert shapes.main([*few, "--count", "3", "--seconds", "-1", "--resume"]) == 0
    assert _times(file) == before
    assert f"1 of 3 shapes are left: go on with --resume --json {file}." in capsys.readouterr().out
    assert shapes.main([*few, "--count", "3", "--resume"]) == 0
    after = _times(file)
    assert after[: len(before)] == before
    assert len({case for case, _, _ in after}) == 3
    again = before[0][0]
    assert shapes.main([*few, "--count", "3", "--again", again]) == 0
    changed = {new[0] for old, new in zip(after, _times(file), strict=True) if old != new}
    assert changed == {again}
    assert shapes.main([*few, "--count", "3", "--rounds", "2", "--resume"]) == 1
    assert "was measured with rounds 1, not 2: leave out --resume." in capsys.readouterr().err


def test_the_programs_of_a_shape_are_compiled_for_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convgrad.compute.halide.runtime import cache, native

    if not native.compiler():
        pytest.skip("nothing is kept where nothing is linked")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    shapes.compile_within(OTHER[1])
    entries, size = cache.current().count_and_size()
    assert entries >= 5  # the runtime, kernels and libraries of two passes
    assert size
