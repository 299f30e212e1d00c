"""Files of a class, of whatever kind and name, and the table of marks."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from convgrad.check import check_class
from convgrad.check.classes import marks
from convgrad.check.submissions.submissions import copied
from convgrad.check.submissions.table import table_text, try_table, write_table
from convgrad.check.submissions.texts import printable
from convgrad.commands.cli import app
from convgrad.errors import DataError

GOOD = "def backward(dout, x):\n    return dout * (x > 0)\n"
posix = pytest.mark.skipif(os.name != "posix", reason="kinds of files that only POSIX has")


@pytest.fixture
def code(tmp_path: Path) -> tuple[Path, Path]:
    folder = tmp_path / "class"
    folder.mkdir()
    (tmp_path / "spec.toml").write_text('layer = "relu"\nfunction = "backward"\n')
    return folder, tmp_path / "spec.toml"


@posix
def test_what_is_no_file(tmp_path: Path, code: tuple[Path, Path]) -> None:
    folder, specification = code
    (folder / "good.py").write_text(GOOD)
    (folder / "itself.py").symlink_to("itself.py")
    (folder / "neighbour.py").symlink_to("good.py")
    (folder / "zero.py").symlink_to("/dev/zero")
    (folder / "folder.py").mkdir()
    os.mkfifo(folder / "pipe.py")
    with open(folder / "large.py", "wb") as stream:
        stream.truncate(2**40)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket.py"))
        rows = {row.file: row for row in check_class(folder, specification).rows}
    words = {
        "itself.py": "it is a link",
        "neighbour.py": "it is a link; put the file itself in its place",
        "zero.py": "it is a link",
        "folder.py": "it is a folder, not a file",
        "pipe.py": "it is a pipe, not a file",
        "socket.py": "it is a socket, not a file",
        "large.py": "it is larger than 1048576 bytes",
    }
    assert rows["good.py"].ok
    for name, text in words.items():
        assert text in rows[name].words
        assert rows[name].causes == ("unusable",)


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root makes devices")
def test_a_device(code: tuple[Path, Path]) -> None:
    folder, specification = code
    try:
        os.mknod(folder / "device.py", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except OSError as error:
        pytest.skip(f"no device can be made here: {error}")
    assert "it is a device, not a file" in check_class(folder, specification).rows[0].words


@posix
def test_names(code: tuple[Path, Path]) -> None:
    folder, specification = code
    names = [b"caf\xe9.py", b"a\x1b[2J.py", b"b\nRIGHT: c.py", b"=1+1;d.py", b"statistics.py", b"numpy.py", b"-x.py"]
    for name in names:
        with open(os.path.join(os.fsencode(folder), name), "w") as stream:
            stream.write("import statistics\nassert statistics.mean([1, 3]) == 2\n" + GOOD)
    report = check_class(folder, specification)
    assert report.ok, str(report)
    shown = {"caf\\xe9.py", "a\\x1b[2J.py", "b RIGHT: c.py", "=1+1;d.py", "statistics.py", "numpy.py", "-x.py"}
    assert {row.file for row in report.rows} == shown
    assert sorted(os.listdir(os.fsencode(folder))) == sorted(names)
    assert json.dumps(report.to_json())


def test_a_module_of_a_neighbour_is_not_found(code: tuple[Path, Path]) -> None:
    folder, specification = code
    (folder / "anna.py").write_text("import ben\n" + GOOD)
    (folder / "ben.py").write_text(GOOD)
    rows = check_class(folder, specification).rows
    assert "No module named 'ben'" in " ".join(rows[0].words.split())
    assert rows[1].ok


def test_a_copy_goes_whatever_it_holds() -> None:
    with copied("anna.py", b"pass") as copy:
        assert copy.name == "anna.py"
        (copy.parent / "closed").mkdir(0)
    assert not copy.parent.exists()
    with copied("os.py", b"") as copy:
        assert copy.name == "submission.py"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[results]\n" + ".".join(["a"] * 200_000) + " = 1", "a name of more than 8 parts"),
        ("[results." + ".".join(["'a'"] * 200_000) + "]", "a name of more than 8 parts"),
        ("[results]\ny = " + "9" * 100_000, "a number of more than 80 digits"),
        ("[results]\ny = 1e999999", "an exponent of more than 4"),
        ("[results]\ny = " + "[" * 100_000, "tables and lists nested more than 60 deep"),
        ("[results]\n'\\u001b[2J' = 1", "no "),
        ('[results]\n"\\u001b[2J\\nRIGHT" = 1', "\\x1b[2J RIGHT"),
        ("\xe9".encode("latin-1"), "it is not a TOML file"),
    ],
)
def test_hostile_sheets(tmp_path: Path, text: str, words: str) -> None:
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "a.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "b.toml").write_text("[results]\ny = [2.0]\n")
    specification = tmp_path / "spec.toml"
    specification.write_text('equation = "y[i] = 2 * x[i]"\n[given]\nx = [1.0]\n[results]\n')
    hostile, good = check_class(folder, specification).rows
    assert hostile.causes == ("unusable",), hostile
    assert words in hostile.words
    assert len(hostile.words) < 30_000
    assert hostile.words.isprintable()
    assert good.ok


def test_a_mistake_of_ours_stops_no_class(monkeypatch: pytest.MonkeyPatch, code: tuple[Path, Path]) -> None:
    folder, specification = code
    (folder / "anna.py").write_text(GOOD)

    def fails(*_: object, **__: object) -> None:
        raise KeyError("eta\x1b")

    monkeypatch.setattr("convgrad.check.classes.check", fails)
    (row,) = check_class(folder, specification).rows
    assert row.causes == ("not-checked",)
    assert row.words.startswith("convgrad failed here, which is a bug of convgrad; please report it: KeyError: 'eta")


def test_marks_come_one_by_one(code: tuple[Path, Path]) -> None:
    folder, specification = code
    for name in ("anna", "ben"):
        (folder / f"{name}.py").write_text(GOOD)
    count, rows = marks(folder, specification)
    assert count == 2
    assert str(next(rows)) == "anna.py: right"
    (folder / "ben.py").write_text("broken(")
    assert str(next(rows)) == "ben.py: not-found"


def test_exit_codes_and_the_table(tmp_path: Path, code: tuple[Path, Path]) -> None:
    folder, specification = code
    table = tmp_path / "marks.csv"
    (folder / "anna.py").write_text(GOOD)
    arguments = ["check", "--class", str(folder), "--spec", str(specification), "--csv"]
    result = CliRunner().invoke(app, [*arguments, str(table)])
    assert result.exit_code == 0, result.output
    (folder / "ben.py").write_text(GOOD.replace(">", "<"))
    result = CliRunner().invoke(app, [*arguments, str(table), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.output)["complete"] is True
    assert [row[:2] for row in csv.reader(table.read_text().splitlines()) if row[0].endswith("n.py")] == [
        ["ben.py", "False"]
    ]
    old = table.read_bytes()
    for place, words in ((tmp_path / "none" / "a.csv", "No such file"), (tmp_path, "it is a folder")):
        result = CliRunner().invoke(app, [*arguments, str(place)])
        assert result.exit_code == 2
        assert words in result.output
        assert "anna.py" not in result.output  # nothing was begun
    assert table.read_bytes() == old
    assert sorted(os.listdir(tmp_path)) == ["class", "marks.csv", "spec.toml"]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_cells_are_no_formulas(first: str) -> None:
    text = table_text([("file",), (f"{first}1;2",)])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["file"], [f"'{first}1;2"]]


@posix
def test_tables_in_other_places(tmp_path: Path) -> None:
    target = tmp_path / "target.csv"
    target.write_text("old")
    target.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(target)
    assert try_table(tmp_path / "link.csv")
    write_table(tmp_path / "link.csv", "new")
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert (tmp_path / "link.csv").is_symlink()
    assert not try_table(Path("/dev/null"))
    write_table(Path("/dev/null"), "all")
    with pytest.raises(DataError, match="Can't write /dev/full: No space left on device"):
        write_table(Path("/dev/full"), "all")


def test_what_may_be_shown() -> None:
    assert printable("a\ud800\x9b\u202e\u00e9") == "a\\ud800\\x9b\\u202e\u00e9"
    assert printable("\U000e0001") == "\\U000e0001"
    assert printable("x" * 3000) == "x" * 2000 + "..."
