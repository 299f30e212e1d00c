"""The benchmark beside onnxruntime, OpenVINO and ncnn, on a small network; results are compared before times."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from measured import is_ratio
from optional import compiled, large_module


@compiled
def test_a_row_has_all_contenders(torch: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("onnx", "onnxruntime", "openvino", "ncnn", "pnnx"):
        large_module(name)
    from benchmarks import runtimes

    assert runtimes.main(["--case", "lenet5", "--batch", "3", "--rounds", "1"]) == 0
    _, heading, row, mean = capsys.readouterr().out.splitlines()
    assert heading.split()[2:8] == ["ours", "predict", "PyTorch", "onnxruntime", "OpenVINO", "ncnn"]
    name, batch, *times = row.split()
    assert (name, batch) == ("lenet5", "3")
    ours, _, *rivals, worst = map(float, times[:7])
    assert is_ratio(worst, min(rivals), ours, places=3)
    assert mean.endswith(f"{worst:.2f} at the least")


def test_the_worst_ratio_is_that_of_the_quickest_in_float32(torch: ModuleType) -> None:
    from benchmarks import runtimes

    rivals = {"PyTorch": 9.0, "onnxruntime": 3.0, "OpenVINO": 5.0, "ncnn": 7.0}
    times = {"ours": 2.0, "predict": 2.5, **rivals, runtimes.HALF: 1.0}
    row, worst = runtimes.line("vgg", 1, times, 0.004)
    assert worst == 1.5
    shown = "vgg 1 2.000 2.500 9.000 3.000 5.000 7.000 1.50 1.000 4.0e-03"
    assert row.split() == shown.split()
    assert np.isclose(runtimes.line("vgg", 1, {"ours": 4.0, "onnxruntime": 3.0}, None)[1], 0.75)


def test_the_page_shows_what_was_printed(tmp_path: Path) -> None:
    from benchmarks import printed

    (tmp_path / "measured").mkdir()
    for name in ("shapes", "runtimes"):
        (tmp_path / "measured" / f"{name}.txt").write_text(f"a table of {name}\n")
    first, last = printed.sections(tmp_path)
    assert first.startswith("## Predictions beside other runtimes\n\n`python -m benchmarks.runtimes` printed:")
    assert last.endswith("```measured\na table of shapes\n```")
    (tmp_path / "measured" / "missed.txt").write_text("- **Start.** Too slow.\n")
    assert printed.sections(tmp_path) == ["## What is not met\n\n- **Start.** Too slow.", first, last]
    (tmp_path / "measured" / "shapes-other.txt").write_text("a table of another processor\n")
    assert printed.sections(tmp_path)[-1] == f"{last}\n\n```measured\na table of another processor\n```"
    page = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    kept = printed.sections(Path(__file__).parents[2] / "docs")
    assert page.endswith("\n\n".join(kept) + "\n")
