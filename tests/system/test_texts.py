"""TOML and JSON that nobody should have to read: one message each, and soon."""

from __future__ import annotations

import json
import os
import time
from decimal import Decimal
from pathlib import Path

import pytest

from convgrad.commands.check import _setting
from convgrad.errors import ConvgradError, DataError, ModelError
from convgrad.examples import load_example, read_example
from convgrad.models import read_model
from convgrad.system import texts
from convgrad.system.texts import DEEPEST, LONGEST_FILE, PARTS, as_text, file_text, json_from, toml_from
from convgrad.training.checkpoint import load_config
from convgrad.training.run import _epochs_in

LONG = "9" * 5000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x = " + "[" * 100_000,
            r"^it has tables and lists nested more than 60 deep|^it is not a TOML file",
        ),
        ("x = " + "[" * 100 + "]" * 100, r"^it has tables and lists nested more than 60 deep\.$"),
        ("x = " + "{a=" * 100 + "1" + "}" * 100, r"^it has tables and lists nested more than 60 deep\.$"),
        (".".join("a" * 20_000) + " = 1", r"^it has a name of more than 30 parts; `conv1\.dw` has two\.$"),
        ("[" + " . ".join(['"a b"'] * 31) + "]", r"^it has a name of more than 30 parts"),
        (f"x = {LONG}", r"^it is not a TOML file: it has a whole number of thousands of digits\.$"),
        (f"x = [1, {LONG[:400]}]", r"^it is not a TOML file: it has a whole number of 1,329 bits; the limit is 63\.$"),
        (
            f"x = {{ y = 0x{'f' * 5000} }}",
            r"^it is not a TOML file: it has a whole number of 20,000 bits; the limit is 63",
        ),
        ("x = 9223372036854775808", r"it has a whole number of 64 bits; the limit is 63"),
        ("x = 1e400", r"^it is not a TOML file: the number 1e400 is too large to compute with\.$"),
        ("x = 1e99999999999999999999", r"the number 1e99999999999999999999 is too large"),
        (f"x = {LONG}.0", r"the number 9{40}\.\.\. \(5,002 characters\) is too large"),
        ("x = 1\nx = 2\n", r"^it is not a TOML file: Cannot overwrite a value"),
        ("x = 'a\0b'", r"^it is not a TOML file: "),
    ],
)
@pytest.mark.parametrize("fraction", [float, Decimal])
def test_toml_that_is_refused(text: str, message: str, fraction: type) -> None:
    with pytest.raises(ModelError, match=message) as raised:
        toml_from(text, "it", ModelError, fraction)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, r"^it has tables and lists nested more than 60 deep\.$"),
        ("[" * 61 + "{}" + "]" * 61, r"^it has tables and lists nested more than 60 deep\.$"),
        (LONG, r"^it is not a JSON file, or was cut off: it has a whole number of thousands of digits\.$"),
        ("-9223372036854775809", r"it has a whole number of 64 bits; the limit is 63"),
        ("[1e400]", r"the number 1e400 is too large to compute with"),
        ('{"a": 1, "b": 2, "b": 3}', r"it has 'b' twice in one table"),
        ('{"a": "\\ud800"}', r"the text '\\ud800' has half a character"),
        ('{"\\udfff": 1}', r"the text '\\udfff' has half a character"),
        ("", r"^it is not a JSON file, or was cut off: Expecting value"),
    ],
)
def test_json_that_is_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        json_from(text, "it")
    assert len(str(raised.value)) < 400


def test_what_is_taken() -> None:
    assert toml_from("x = [9223372036854775807, -1, 1e308, 0x7f]", "it") == {"x": [2**63 - 1, -1, 1e308, 127]}
    assert toml_from("x = [0.580, inf, -inf]", "it", fraction=Decimal)["x"] == [
        Decimal("0.580"),
        *map(Decimal, ("inf", "-inf")),
    ]
    name = ".".join("a" * PARTS)
    assert toml_from(f"{name} = 1", "it")
    deep = "[" * DEEPEST + "]" * DEEPEST
    assert json.dumps(json_from(deep, "it")) == deep
    assert json_from('[Infinity, "\\u00e9", 1.5]', "it") == [float("inf"), "é", 1.5]


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_bytes(b"\xef\xbb\xbfx = 1")
    assert file_text(path) == "x = 1"
    path.write_bytes(b"x = '\xff'")
    with pytest.raises(ModelError, match=r"file\.toml is not UTF-8 text: .*0xff"):
        file_text(path, ModelError)
    with pytest.raises(ModelError, match=r"^The model file .*none\.toml can't be read: No such file"):
        file_text(tmp_path / "none.toml", ModelError, "The model file")
    with pytest.raises(DataError, match=r"is a folder"):
        file_text(tmp_path)
    with pytest.raises(DataError, match=r"^it has more than 33,554,432 bytes, the limit for a file of this kind"):
        as_text(bytes(LONGEST_FILE + 1), "it")
    with path.open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)  # takes no room
    with pytest.raises(DataError, match=r"file\.toml has more than 33,554,432 bytes"):
        file_text(path)


def test_no_memory_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(content: object) -> None:
        raise MemoryError

    monkeypatch.setattr(texts, "_check", full)
    with pytest.raises(DataError, match=r"^it does not fit in memory\.$"):
        json_from("1", "it")


def test_all_readers_keep_the_bounds(tmp_path: Path) -> None:
    deep = tmp_path / "deep.toml"
    deep.write_text("model.name = " + "[" * 70 + "]" * 70)
    config = tmp_path / "config.json"
    config.write_text("[" * 100_000)
    start = time.process_time()
    for read in (lambda: read_model(deep, (3,), 2), lambda: read_example(deep), lambda: load_config(tmp_path)):
        with pytest.raises(ConvgradError, match="tables and lists nested more than 60 deep"):
            read()
    assert time.process_time() - start < 10


def test_metrics_that_are_damaged_count_as_none(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    assert _epochs_in(tmp_path) == -1
    for content in ("", "[" * 100_000, '{"epochs": Infinity}', '{"epochs": NaN}', '{"epochs": []}', "[]", "3", LONG):
        path.write_text(content)
        assert _epochs_in(tmp_path) == -1
    path.write_text('{"epochs": 3}')
    assert _epochs_in(tmp_path) == 3


def test_settings_of_a_command_that_are_no_json_are_texts() -> None:
    deep = "[" * 5000
    assert [_setting(f"a={value}") for value in ("1e-5", "true", "same", deep, LONG)] == [
        ("a", value) for value in (1e-5, True, "same", deep, LONG)
    ]


def test_elements_with_absurd_places() -> None:
    trace = load_example("classic").trace()
    for place in (LONG, "9" * 19, "-" + LONG):
        with pytest.raises(DataError, match=r"^'conv1\.dw\[-?9+(\.\.\.|,0\])' is not an element; write a tensor"):
            trace.at(f"conv1.dw[{place},0]")
