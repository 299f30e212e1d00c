"""The static site as files: what it holds, what it allows, and the wheel that answers in the browser."""

from __future__ import annotations

import base64
import gzip
import importlib
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import convgrad
from convgrad.errors import DataError
from convgrad.explain.page.build import script_texts
from convgrad.questions.examples import example
from convgrad.questions.table import GET
from convgrad.site import __main__ as command
from convgrad.site import in_browser
from convgrad.site.build import COMMENT, build, policy, without_comments
from convgrad.site.pyodide import CDN, FILES, LOCK, VERSION, checked, sha384
from convgrad.site.wheel import wheel

FIRST_PAINT = 300_000
"""Bytes, packed, that the page may take until something is seen."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site") / "new"
    sizes = build(place, None)
    assert sizes == {str(f.relative_to(place).as_posix()): f.stat().st_size for f in place.rglob("*") if f.is_file()}
    return place


def settings(folder: Path) -> dict[str, Any]:
    """What the page of a site knows of it."""
    text = (folder / "index.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="site">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def test_the_page_has_no_program_of_its_own(folder: Path) -> None:
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?! type=\"application/json\")[^>]*>", html) == ['<script src="page.js">']
    assert "<style" not in html
    assert "{" not in html.partition('id="model"')[0]
    for name in re.findall(r'(?:src|href)="([^"#]+)"', html):
        assert name == "data:," or (folder / name).exists()
    fonts = set(re.findall(r"fonts/[\w-]+\.woff2", (folder / "page.css").read_text(encoding="utf-8")))
    assert fonts == {f"fonts/{font.name}" for font in (folder / "fonts").glob("*.woff2")}


def test_nothing_becomes_a_program_but_what_was_checked() -> None:
    assert policy(None)["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert policy("pyodide/")["connect-src"] == "'self'"
    assert policy(CDN)["connect-src"] == "'self' https://cdn.jsdelivr.net"
    assert "unsafe-eval" not in " ".join(policy(CDN).values()).replace("wasm-unsafe-eval", "")
    assert [name for name, value in policy(CDN).items() if "unsafe-inline" in value] == ["style-src-attr"]


def test_what_is_seen_first_is_small(folder: Path) -> None:
    first = [folder / name for name in ("index.html", "page.js", "page.css", "data/examples.json")]
    first += (folder / "fonts").glob("*.woff2")
    packed = sum(
        len(file.read_bytes() if file.suffix == ".woff2" else gzip.compress(file.read_bytes())) for file in first
    )
    assert packed < FIRST_PAINT


def test_only_comments_are_left_out() -> None:
    """None of them stands in a text over several lines, and no license is lost."""
    vendored, *own = script_texts()
    assert vendored.startswith("/*!")
    lexer = importlib.import_module("pygments.lexers").JavascriptLexer(stripnl=False, ensurenl=False)
    comments = importlib.import_module("pygments.token").Comment
    for script in own:
        kinds = {start: kind for start, kind, _ in lexer.get_tokens_unprocessed(script)}
        for comment in COMMENT.finditer(script):
            start = comment.start() + len(comment[0]) - len(comment[0].lstrip())
            assert kinds.get(start) in comments, comment[0]
            assert "/*!" not in comment[0]
    assert not COMMENT.search(without_comments("\n".join(own)))


def test_what_is_known_beforehand_is_files(folder: Path) -> None:
    answers = settings(folder)["answers"]
    assert {path.partition("?")[0] for path in answers} == {*GET}
    for path, name in answers.items():
        assert json.loads((folder / name).read_bytes()), path
    assert json.loads((folder / answers["/api/example?name=strided"]).read_bytes()) == json.loads(
        json.dumps(example("strided"))
    )


def test_a_site_says_where_python_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path / "far", CDN)
    told = settings(tmp_path / "far")["python"]
    assert (told["base"], told["version"]) == (f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/", VERSION)
    assert {name: (f["bytes"], f["sha384"]) for name, f in told["files"].items()} == FILES
    assert all(len(base64.b64decode(digest)) == 48 for _, digest in FILES.values())
    assert LOCK["info"]["version"] == VERSION
    assert not (tmp_path / "far" / "pyodide").exists()
    own = tmp_path / "own"
    own.mkdir()
    for name in FILES:
        (own / name).write_bytes(name.encode())
    monkeypatch.setattr("convgrad.site.pyodide.FILES", {n: (len(n), sha384(n.encode())) for n in FILES})
    build(tmp_path / "beside", own)
    assert settings(tmp_path / "beside")["python"]["base"] == "pyodide/"
    assert {f.name for f in (tmp_path / "beside" / "pyodide").iterdir()} == {*FILES}


def test_files_of_pyodide_that_are_not_its_own(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=rf"pyodide\.js can't be read: .* It is a file of Pyodide {re.escape(VERSION)}\."
    ):
        checked(tmp_path)
    (tmp_path / "pyodide.js").write_text("another")
    with pytest.raises(DataError, match=r"pyodide\.js is not the one of Pyodide .*: its SHA-384 is another\."):
        checked(tmp_path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "why_no_webassembly", lambda: "")
    monkeypatch.setattr(command, "training_page", lambda: {"train/index.html": b"12345", "train/digits/a.gz": b"123"})
    assert command.main([str(tmp_path / "site"), "--pyodide", "none"]) == 0
    told = capsys.readouterr()
    assert re.fullmatch(
        r".*site: \d+ files, [\d,]+ bytes\.\nindex\.html with .*: [\d,]+ bytes, .*\n"
        r"train/, which trains in the browser: 2 files, 8 bytes\.\n",
        told.out,
    )
    assert settings(tmp_path / "site")["training"] == "train/"
    assert (tmp_path / "site" / "train" / "digits" / "a.gz").read_bytes() == b"123"
    assert command.main([str(tmp_path / "other"), "--pyodide", str(tmp_path / "missing")]) == 2
    assert "pyodide.js can't be read" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_site_without_a_linker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has all else, no link to what is not there, and one line says why."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.main([str(tmp_path / "site"), "--pyodide", "none"]) == 0
    assert re.search(r"\ntrain/, which trains in the browser, is left out: [^\n]+\n$", capsys.readouterr().out)
    assert settings(tmp_path / "site")["training"] is None
    assert not (tmp_path / "site" / "train").exists()


def test_the_wheel_answers_by_itself(tmp_path: Path) -> None:
    content = wheel()
    assert content == wheel()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
        data = sum(i.compress_size for i in archive.infolist() if not i.filename.endswith(".py"))
    assert not [
        name for name in names if name.endswith((".js", ".css", ".woff2")) or "halide/" in name or "train-" in name
    ]
    assert f"convgrad-{convgrad.__version__}.dist-info/RECORD" in names
    assert data < 250_000  # the digits to test on, and the numbers of the trained network
    program = """
import json, sys
import convgrad
from convgrad.site.in_browser import answer
assert convgrad.__file__.startswith(sys.argv[1]), convgrad.__file__
status, content = answer("/api/examples", None)
assert status == 200 and "classic" in content
layers = [{"type": "Flatten"}, {"type": "Dense", "units": 2}]
status, content = answer("/api/model", json.dumps({"input_shape": [28, 28, 1], "layers": layers}))
assert status == 200 and len(json.loads(content)["digits"]) == 20
status, content = answer("/api/function", json.dumps({"text": "def relu_backward(dx, o): return dx * (o > 0)"}))
assert json.loads(content)["verdict"] == "RIGHT", content
"""
    here = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    subprocess.run([sys.executable, "-c", here + program, str(tmp_path)], check=True)


def test_too_little_memory_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str) -> None:
        raise MemoryError

    monkeypatch.setattr(in_browser, "answer_to_query", fail)
    status, content = in_browser.answer("/api/layers", None)
    assert (status, json.loads(content)) == (400, {"error": in_browser.NO_MEMORY})
    assert in_browser.NO_MEMORY.startswith("This takes more memory than the browser gives.")
