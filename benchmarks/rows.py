"""What a run finds out, one row a case and pass, and the JSON file of it.

The file is a list of `{suite, case, pass, ours_ms, torch_ms, ratio, gflops, peak_fraction}` with
ratio = torch_ms / ours_ms: above 1 we are faster. What could not be measured is null. Rows on memory have `ours_mib`
and `torch_mib` instead of times; rows of a run against JAX have `jax_ms`, too, and those of random shapes `floor_ms`.
`processor` says where a row was measured: a file may hold rows of several. Beside `results.json` lies
`results.about.json`: machine, versions and settings of each suite's run, by processor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convgrad.system.files import write_text

OPTIONAL = ("jax_ms", "ours_mib", "torch_mib", "processor", "floor_ms")
"""What an entry has only where it was measured."""


@dataclass(frozen=True)
class Row:
    """One line of a table.

    suite, case, part: what was measured; `part` is `pass` in JSON.
    ours_ms, torch_ms, jax_ms: median milliseconds a call. ours_mib, torch_mib: memory instead.
    gflop: arithmetic of a call in 10^9 operations, multiplications and additions counted singly.
    peak: measured peak of the machine in GFLOP/s.
    rival: which of PyTorch's ways was the best one.
    processor: what it was measured on.
    floor_ms: what the machine needs at least.
    """

    suite: str
    case: str
    part: str
    ours_ms: float | None = None
    torch_ms: float | None = None
    gflop: float | None = None
    peak: float | None = None
    rival: str = ""
    jax_ms: float | None = None
    ours_mib: float | None = None
    torch_mib: float | None = None
    processor: str = ""
    floor_ms: float | None = None

    @property
    def ratio(self) -> float | None:
        """PyTorch's time (or memory) divided by ours."""
        ours, theirs = (self.ours_ms, self.torch_ms) if self.ours_mib is None else (self.ours_mib, self.torch_mib)
        return theirs / ours if ours and theirs is not None else None

    @property
    def gflops(self) -> float | None:
        """Our 10^9 operations a second."""
        return self.gflop / self.ours_ms * 1e3 if self.gflop and self.ours_ms else None

    @property
    def peak_fraction(self) -> float | None:
        """Our share of the measured peak; above 1 where an algorithm (Winograd's) saves operations."""
        return self.gflops / self.peak if self.gflops and self.peak else None

    def to_json(self) -> dict[str, Any]:
        """The row as the file has it."""
        result: dict[str, Any] = {
            "suite": self.suite,
            "case": self.case,
            "pass": self.part,
            "ours_ms": self.ours_ms,
            "torch_ms": self.torch_ms,
            "ratio": self.ratio,
            "gflops": self.gflops,
            "peak_fraction": self.peak_fraction,
        }
        optional = {key: getattr(self, key) for key in OPTIONAL}
        return result | {key: value for key, value in optional.items() if value not in (None, "")}

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Row:
        """The row that `to_json` wrote."""
        gflops, fraction, ours = entry["gflops"], entry["peak_fraction"], entry["ours_ms"]
        return cls(
            entry["suite"],
            entry["case"],
            entry["pass"],
            ours,
            entry["torch_ms"],
            gflop=gflops * ours / 1e3 if gflops and ours else None,
            peak=gflops / fraction if gflops and fraction else None,
            **{key: entry[key] for key in OPTIONAL if key in entry},
        )

    @property
    def key(self) -> tuple[str, str, str]:
        return self.suite, self.case, self.part

    @property
    def place(self) -> tuple[str, ...]:
        """What a row of a later run has to agree in to replace this one."""
        return (self.processor, *self.key)


def read(file: Path) -> list[Row]:
    """The rows of a file that `merge` wrote."""
    return [Row.from_json(entry) for entry in json.loads(file.read_text())]


def merge(file: Path, rows: Sequence[Row]) -> None:
    """Write rows into a file; what it already holds of the same processor, suite, case and pass is replaced."""
    by_place = {row.place: row for row in ([*read(file)] if file.exists() else [])}
    by_place |= {row.place: row for row in rows}
    _write(file, [row.to_json() for row in by_place.values()])


def keep(file: Path, wanted: Callable[[Row], bool]) -> None:
    """Remove all other rows from a file."""
    _write(file, [row.to_json() for row in read(file) if wanted(row)])


def by_processor(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Processor -> its rows, in the order in which they come."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.processor, []).append(row)
    return found


def about_file(file: Path) -> Path:
    """Where the description of the runs in `file` lies."""
    return file.with_suffix(".about.json")


def read_about(file: Path) -> dict[str, Any]:
    """Processor -> suite -> description of its run."""
    about = about_file(file)
    return dict(json.loads(about.read_text())) if about.exists() else {}


def merge_about(file: Path, suite: str, description: dict[str, Any], rows: Iterable[Row]) -> None:
    """Write down what machine a suite ran on, and which of PyTorch's ways was the best in each row."""
    about = read_about(file)
    here = about.setdefault(description.get("processor", ""), {})
    rivals = dict(here.get(suite, {}).get("rivals", {}))
    rivals |= {f"{row.case}: {row.part}": row.rival for row in rows if row.rival}
    here[suite] = {**description, "rivals": rivals}
    _write(about_file(file), about)


def _write(file: Path, content: Any) -> None:
    """All or nothing: a run may be cut at any moment, and what it found before must stay."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(content, indent=1) + "\n")
