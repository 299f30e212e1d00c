"""Check many submissions by one specification: a table of marks, and which mistakes were made how often.

A specification is a TOML file. For numbers by hand it is a sheet (its own results don't count), and each submission is
a TOML file with `results`. For code it says what is asked:

    layer = "conv2d"
    function = "backward"
    [settings]
    strides = 2

and each submission is a Python file with that function, run in a process of its own with limits on time and memory.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convgrad.arguments import COUNT, PATH, POSITIVE, takes
from convgrad.check.checking import check
from convgrad.check.person import MEGABYTES, SECONDS
from convgrad.check.sheet import mark
from convgrad.check.sheet_file import read_decimals, read_results, read_trace, toml_numbers
from convgrad.errors import ConvgradError, DataError, suggestion
from convgrad.explain.trace import Trace

CODE = ("layer", "function", "settings", "input_shape", "dtype", "roles")
LARGEST = 2**20
"""Bytes of a submission."""


@dataclass(frozen=True)
class Row:
    """The mark of one submission. `causes`: short names of what is wrong."""

    file: str
    ok: bool
    causes: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class ClassReport:
    """All marks."""

    rows: tuple[Row, ...]

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How often each mistake was made, the most frequent first."""
        return Counter(cause for row in self.rows for cause in row.causes).most_common()

    def write(self, path: Path) -> None:
        """As a CSV file. Raises: DataError."""
        try:
            with path.open("w", newline="", encoding="utf-8") as stream:
                table = csv.writer(stream)
                table.writerow(["file", "ok", "causes", "report"])
                table.writerows([_plain(r.file), r.ok, " ".join(r.causes), _plain(r.words)] for r in self.rows)
        except OSError as error:
            raise DataError(f"{path} can't be written: {error.strerror}.") from None

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        rows = [{"file": r.file, "ok": r.ok, "causes": list(r.causes), "report": r.words} for r in self.rows]
        return {"submissions": rows, "mistakes": dict(self.counts)}

    def __str__(self) -> str:
        lines = [f"{r.file}: {'right' if r.ok else ', '.join(r.causes)}" for r in self.rows]
        lines.append(f"{sum(r.ok for r in self.rows)} of {len(self.rows)} are right.")
        return "\n".join(lines + [f"{count:4} x {cause}" for cause, count in self.counts])


@takes(DataError, folder=PATH, specification=PATH, seconds=POSITIVE, megabytes=COUNT)
def check_class(
    folder: Path, specification: Path, *, seconds: float = SECONDS, megabytes: int = MEGABYTES
) -> ClassReport:
    """Check every submission in a folder; what one of them does never stops the rest.

    seconds: what one call of a submission's function may take. megabytes: what its process may use of memory.

    Raises: DataError where the folder or the specification can't be used.
    """
    content = toml_numbers(specification)
    by_code = isinstance(content.get("layer"), str)
    if by_code:
        _check_code(content, specification)
        trace, decimals = None, {}
    else:
        trace = read_trace(content, specification)
        decimals = read_decimals(content, specification, trace)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.")
    ending = ".py" if by_code else ".toml"
    files = sorted(p for p in folder.iterdir() if p.suffix == ending and p.resolve() != specification.resolve())
    if not files:
        raise DataError(f"{folder} has no submission, that is, no file *{ending}.")

    def one(path: Path) -> Row:
        return _code(path, content, seconds, megabytes) if trace is None else _numbers(path, trace, decimals)

    return ClassReport(tuple(_safely(path, one) for path in files))


def _safely(path: Path, one: Callable[[Path], Row]) -> Row:
    """A row even where the submission can't be used."""
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"it is larger than {LARGEST} bytes")
        return one(path)
    except (ConvgradError, ValueError, OSError, RecursionError, MemoryError, OverflowError) as error:
        return Row(path.name, False, ("unusable",), str(error) or type(error).__name__)


def _code(path: Path, content: Mapping[str, Any], seconds: float, megabytes: int) -> Row:
    settings: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in content.get("settings", {}).items()
    }
    report = check(
        f"{path.resolve()}:{content['function']}",
        content["layer"],
        input_shape=content.get("input_shape"),
        roles=content.get("roles"),
        dtype=content.get("dtype", "float64"),
        seconds=seconds,
        megabytes=megabytes,
        **settings,
    )
    return Row(path.name, report.ok, report.causes, str(report))


def _check_code(content: Mapping[str, Any], path: Path) -> None:
    for key in content:
        if key not in CODE:
            raise DataError(f"{path}: there is no {key!r} in a specification.{suggestion(key, CODE)}")
    if "function" not in content:
        raise DataError(f"{path}: a specification must have `function`, the name that all submissions use.")


def _numbers(path: Path, trace: Trace, decimals: Mapping[str, int]) -> Row:
    report = mark(trace, read_results(toml_numbers(path), path), path, decimals)
    unfinished = ("unfinished",) if report.still_open else ()
    return Row(path.name, report.ok, (*report.causes, *unfinished), str(report))


def _plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
