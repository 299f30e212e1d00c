"""Check many submissions by one specification: a table of marks, and which mistakes were made how often.

A specification is a TOML file. For numbers by hand it is a sheet with `equation` and `given`, and each submission is a
TOML file with `results`. For code it says what is asked:

    layer = "conv2d"
    function = "backward"
    [settings]
    strides = 2

and each submission is a Python file with that function, run in a process of its own with limits on time and memory.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from convgrad.check.checking import check
from convgrad.check.sheet import mark
from convgrad.errors import ConvgradError, DataError, suggestion

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SPECIFICATION = ("equation", "given", "sizes", "integers", "numbers", "shapes", "rate", "batch", "results")
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


def check_class(folder: Path, specification: Path, *, seconds: float = 10.0, megabytes: int = 2048) -> ClassReport:
    """Check every submission in a folder; what one of them does never stops the rest.

    seconds: what one call of a submission's function may take. megabytes: what its process may use of memory.

    Raises: DataError where the folder or the specification can't be used.
    """
    content = _read(specification)
    by_code = "layer" in content
    known = CODE if by_code else SPECIFICATION
    for key in content:
        if key not in known:
            raise DataError(f"{specification}: there is no {key!r} in a specification.{suggestion(key, known)}")
    needed = ("layer", "function") if by_code else ("equation", "given")
    for key in needed:
        if key not in content:
            raise DataError(f"{specification}: a specification must have `{key}`.")
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.")
    ending = ".py" if by_code else ".toml"
    files = sorted(p for p in folder.iterdir() if p.suffix == ending and p.resolve() != specification.resolve())
    if not files:
        raise DataError(f"{folder} has no submission, that is, no file *{ending}.")

    def one(path: Path) -> Row:
        return _code(path, content, seconds, megabytes) if by_code else _numbers(path, content)

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


def _numbers(path: Path, content: Mapping[str, Any]) -> Row:
    results = _read(path, exact=True).get("results")
    if not isinstance(results, Mapping):
        raise DataError("it has no [results]")
    report = mark({**content, "results": results}, path.name)
    return Row(path.name, report.ok, report.causes, str(report))


def _read(path: Path, exact: bool = False) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = tomllib.loads(
            path.read_text(encoding="utf-8"), parse_float=Decimal if exact else float
        )
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path} is no TOML file: {error}.") from None
    return loaded


def _plain(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
