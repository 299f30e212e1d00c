"""Check many submissions by one specification: a table of marks, and which mistakes were made how often.

A specification is a TOML file. For numbers by hand it is a sheet (its own results don't count), and each submission is
a TOML file with `results`. For code it says what is asked:

    layer = "conv2d"
    function = "backward"
    [settings]
    strides = 2

and each submission is a Python file with that function, copied into a folder of its own and run there, in a process of
its own with limits on time and memory. Nothing that a submission is, holds, says or does stops the rest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from convgrad.arguments import COUNT, PATH, POSITIVE, takes
from convgrad.check.functions.checking import check
from convgrad.check.functions.person import MEGABYTES, SECONDS
from convgrad.check.sheets.sheet import mark
from convgrad.check.sheets.sheet_file import read_decimals, read_results, read_text, read_trace, toml_numbers
from convgrad.check.submissions.sandbox import require_sandbox
from convgrad.check.submissions.submissions import copied, read_submission, shown_name, submissions
from convgrad.check.submissions.table import table_text, write_table
from convgrad.check.submissions.texts import printable
from convgrad.errors import ConvgradError, DataError, suggestion
from convgrad.explain.trace.trace import Trace

CODE = ("layer", "function", "settings", "input_shape", "dtype", "roles")
COLUMNS = ("file", "ok", "causes", "report")
WORDS = 20_000
"""Characters of a report that are kept."""
PARTS = 8
"""Of a name in a sheet, which has dots between: `conv1.dw` has two."""
DIGITS = 80
"""Characters of a number in a sheet."""
NAME = r"(?:[\w-]+|\"[^\"\n]*\"|'[^'\n]*')"
LONG_NAME = re.compile(rf"(?<![\w-]){NAME}(?:[ \t]*\.[ \t]*{NAME}){{{PARTS},}}", re.ASCII)
LONG_NUMBER = re.compile(rf"[0-9_]{{{DIGITS},}}|[eE][+-]?[0-9_]{{5,}}")


@dataclass(frozen=True)
class Row:
    """The mark of one submission. `causes`: short names of what is wrong."""

    file: str
    ok: bool
    causes: tuple[str, ...]
    words: str

    def __str__(self) -> str:
        return f"{self.file}: {'right' if self.ok else ', '.join(self.causes)}"


@dataclass(frozen=True)
class ClassReport:
    """All marks."""

    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether all are right."""
        return all(row.ok for row in self.rows)

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How often each mistake was made, the most frequent first."""
        return Counter(cause for row in self.rows for cause in row.causes).most_common()

    def write(self, path: Path) -> None:
        """As a CSV file. Raises: DataError."""
        rows = [(r.file, str(r.ok), " ".join(r.causes), r.words) for r in self.rows]
        write_table(path, table_text([COLUMNS, *rows]))

    def to_json(self) -> dict[str, Any]:
        """As data that JSON can hold."""
        rows = [{"file": r.file, "ok": r.ok, "causes": list(r.causes), "report": r.words} for r in self.rows]
        return {"submissions": rows, "mistakes": dict(self.counts)}

    @property
    def summary(self) -> str:
        """How many are right, and how often each mistake was made."""
        lines = [f"{sum(r.ok for r in self.rows)} of {len(self.rows)} are right."]
        return "\n".join(lines + [f"{count:4} x {cause}" for cause, count in self.counts])

    def __str__(self) -> str:
        return "\n".join([*map(str, self.rows), self.summary])


@takes(DataError, folder=PATH, specification=PATH, seconds=POSITIVE, megabytes=COUNT)
def check_class(
    folder: Path,
    specification: Path,
    *,
    seconds: float = SECONDS,
    megabytes: int = MEGABYTES,
    sandbox: bool = False,
) -> ClassReport:
    """Check every submission in a folder; what one of them does never stops the rest.

    seconds: what one call of a submission's function may take. megabytes: what its process may use of memory.
    sandbox: whether each submission's code is shut in by bubblewrap (Linux).

    Raises: DataError where the folder or the specification can't be used, SandboxError where there is no sandbox.
    """
    _, rows = marks(folder, specification, seconds=seconds, megabytes=megabytes, sandbox=sandbox)
    return ClassReport(tuple(rows))


def marks(
    folder: Path,
    specification: Path,
    *,
    seconds: float = SECONDS,
    megabytes: int = MEGABYTES,
    sandbox: bool = False,
) -> tuple[int, Iterator[Row]]:
    """How many submissions there are, and the mark of each as it comes. Raises: as `check_class`."""
    content = toml_numbers(specification)
    by_code = isinstance(content.get("layer"), str)
    if by_code:
        _check_code(content, specification)
        trace, decimals = None, {}
    else:
        trace = read_trace(content, specification)
        decimals = read_decimals(content, specification, trace)
    files = submissions(folder, ".py" if by_code else ".toml", specification)
    if sandbox and by_code:
        require_sandbox()

    def one(path: Path) -> Row:
        return _code(path, content, seconds, megabytes, sandbox) if trace is None else _numbers(path, trace, decimals)

    return len(files), (_safely(path, one) for path in files)


def _safely(path: Path, one: Callable[[Path], Row]) -> Row:
    """A row even where the submission can't be used."""
    try:
        row = one(path)
    except ConvgradError as error:
        return Row(shown_name(path), False, ("unusable",), printable(str(error), WORDS))
    except Exception as error:
        words = f"convgrad failed here, which is a bug of convgrad; please report it: {type(error).__name__}: {error}"
        return Row(shown_name(path), False, ("not-checked",), printable(words, WORDS))
    return replace(row, file=shown_name(path), words=printable(row.words, WORDS, keep="\n"))


def _code(path: Path, content: Mapping[str, Any], seconds: float, megabytes: int, sandbox: bool) -> Row:
    settings: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in content.get("settings", {}).items()
    }
    with copied(path.name, read_submission(path)) as copy:
        report = check(
            f"{copy}:{content['function']}",
            content["layer"],
            input_shape=content.get("input_shape"),
            roles=content.get("roles"),
            dtype=content.get("dtype", "float64"),
            seconds=seconds,
            megabytes=megabytes,
            folder=copy.parent,
            sandbox=sandbox,
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
    try:
        text = read_submission(path).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"it is not a TOML file: {error}") from None
    if LONG_NAME.search(text):
        raise DataError(f"it has a name of more than {PARTS} parts; `conv1.dw` has two")
    if LONG_NUMBER.search(text):
        raise DataError(f"it has a number of more than {DIGITS} digits, or with an exponent of more than 4")
    name = Path(shown_name(path))
    try:
        results = read_results(read_text(text, str(name)), name, needed=True)
    except (RecursionError, ValueError, OverflowError) as error:
        raise DataError(f"it is not a sheet: {type(error).__name__}: {error}") from None
    report = mark(trace, results, name, decimals, told=False)
    unfinished = ("unfinished",) if report.still_open else ()
    return Row(path.name, report.ok, (*report.causes, *unfinished), str(report))
