"""Programs kept as they are run: planned once, the same bits, and never a reason to fail or to leave memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("halide")

from convgrad import Network
from convgrad.compute.contract import Request
from convgrad.compute.halide import planned, recorded
from convgrad.compute.halide.options import scheduling
from convgrad.compute.halide.poison import SUBNORMAL, poison
from convgrad.compute.halide.program import Program, compile_program
from convgrad.compute.halide.runtime import native, surroundings
from convgrad.compute.halide.runtime.cache import Cache, using
from convgrad.compute.halide.runtime.compile import Compiler
from convgrad.compute.halide.runtime.libraries import Libraries
from convgrad.layers import BatchNorm, Conv2D, Dense, Flatten, MaxPool2D, ReLU
from convgrad.optimizers import SGD
from engine_runs import run_python
from engine_support import bound, compare

pytestmark = pytest.mark.skipif(
    native.compiler() is None or not surroundings.quick_surroundings(),
    reason="programs are kept on Linux, with a C compiler",
)
TEXT = """
x[e,i,k] = sum[m](w[m,k] * o[e,i+m-1 else 0])
y[e,i,k] = max(x[e,i,k], 0)
s[k] = sum[e,i](y[e,i,k]^2)
z[e,i,k] = y[e,i,k] / (1 + s[k])
b_next[k] = b[k] + s[k]
"""
SIZES = {"I": 71}
SHAPES = {"o": (16, 71), "w": (3, 37), "b": (37,)}

CHAIN = """
y[e,p,q,c] = max(g[c] * (z[e,p,q,c] - mu[c]) + h[c], 0)
x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * y[e,2*i+m-1,2*j+n-1,c else 0]) + b[k]
mean_x[k] = mean[e,i,j](x[e,i,j,k])
variance[k] = mean[e,i,j]((x[e,i,j,k] - mean_x[k])^2)
"""
CHAIN_SHAPES = {"z": (12, 20, 14, 16), "w": (3, 3, 16, 32), "b": (32,), "g": (16,), "h": (16,), "mu": (16,)}


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cache]:
    """An empty cache, in a process that has compiled nothing yet."""
    renewed(monkeypatch)
    with using(Cache(tmp_path / "cache")) as chosen:
        yield chosen


def renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has compiled nothing yet."""
    libraries = Libraries()
    monkeypatch.setattr(recorded, "LIBRARIES", libraries)
    monkeypatch.setattr("convgrad.compute.halide.runtime.calls.COMPILER", Compiler(libraries))


def program(**more: Any) -> Program:
    return compile_program(bound(TEXT, shapes=SHAPES, sizes=SIZES), ["z", "s"], in_place={"b_next": "b"}, **more)


def results(made: Program) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    for name in ("o", "w", "b"):
        made.set(name, rng.standard_normal(made.arrays[name].shape))
    made.run()
    return {name: made.arrays[name].copy() for name in ("z", "s", "b_next")}


def check_same(made: Program, expected: dict[str, np.ndarray]) -> None:
    for name, found in results(made).items():
        np.testing.assert_array_equal(found, expected[name], strict=True)


def refuse(*_: object) -> None:
    raise AssertionError("a kept program is planned by nobody")


def entry(kept: Cache) -> str:
    """The name of the only program that is kept."""
    assert kept.folder is not None
    (file,) = kept.folder.glob("program-*")
    return file.name.removesuffix(".kept")


def test_a_kept_program_is_neither_planned_nor_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    first = program()
    expected, size = results(first), first.intermediate_bytes
    renewed(monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(planned, "planned", refuse)
        patched.setattr(native, "link", refuse)
        again = program()
        check_same(again, expected)
        assert again.intermediate_bytes == size > 0
        assert [again.parts_until(name) for name in ("z", "s")] == [first.parts_until(name) for name in ("z", "s")]
        assert [*again.in_parts()] == [*first.in_parts()]
        assert len(again.timed()) == len(first.kernels)


def test_it_does_not_need_halide(tmp_path: Path) -> None:
    code = """
import sys
from convgrad import Network
from convgrad.layers import Dense
network = Network(Dense(3), Dense(2), input_shape=(5,))
network.initialize(1)
print(*network.predict([[1.0, 2, 3, 4, 5]])[0], "halide" in sys.modules)
"""
    (first, loaded), (second, again) = (
        run_python(code, CONVGRAD_CACHE=str(tmp_path / "own")).rsplit(maxsplit=1) for _ in range(2)
    )
    assert first == second
    assert (loaded, again) == ("True", "False")


def test_its_kernels_are_planned_for_who_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    first = program()
    renewed(monkeypatch)
    again = program()
    assert str(again) == str(first)
    assert [kernel.key for kernel in again.kernels] == [kernel.key for kernel in first.kernels]
    results(again)
    poison(again, SUBNORMAL)  # in the memory that it computes on, or what is computed would stay
    assert not (again.arrays["s"] > 1).any()
    renewed(monkeypatch)
    compare(bound(TEXT, shapes=SHAPES, sizes=SIZES), "float32", outputs=["z", "s"], in_place={"b_next": "b"})


def chain() -> Program:
    """Three kernels, run slice by slice of the batch."""
    with scheduling(chains=True):
        return compile_program(bound(CHAIN, shapes=CHAIN_SHAPES, sizes={"I": 10, "J": 7}), ["x", "variance"])


def chain_results(made: Program) -> list[np.ndarray]:
    rng = np.random.default_rng(6)
    for name, shape in CHAIN_SHAPES.items():
        made.set(name, rng.standard_normal(shape))
    made.run()
    return [made.arrays[name].copy() for name in ("x", "variance")]


def test_options_count_where_its_kernels_are_planned_later(monkeypatch: pytest.MonkeyPatch) -> None:
    first = chain()
    expected = chain_results(first)
    renewed(monkeypatch)
    again = chain()
    for found, wanted in zip(chain_results(again), expected, strict=True):
        np.testing.assert_array_equal(found, wanted, strict=True)
    assert [kernel.key for kernel in again.kernels] == [kernel.key for kernel in first.kernels]
    assert max(kernel.slices for kernel in again.kernels) == 12


@pytest.mark.parametrize("part", ["slices", "movement", "together"])
def test_a_chain_that_would_leave_its_memory_is_made_anew(
    part: str, kept: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, key = chain_results(chain()), entry(kept)
    whole = kept.read(key)
    assert whole is not None
    told = json.loads(whole)
    call = next(call for call in told["calls"] if call[2] > 1)
    if part == "movement":
        next(moved for moved in call[1] if moved[6][0])[6][0] *= 2
    else:
        call[{"slices": 2, "together": 3}[part]] += 1
    kept.write(key, json.dumps(told).encode())
    renewed(monkeypatch)
    for found, wanted in zip(chain_results(chain()), expected, strict=True):
        np.testing.assert_array_equal(found, wanted, strict=True)
    assert kept.read(key) == whole


def test_training_of_a_network_has_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    x, t = rng.standard_normal((24, 14, 10, 3)), rng.integers(0, 4, 24)

    def weights() -> dict[str, np.ndarray]:
        layers = (Conv2D(7, 3, padding="same"), BatchNorm(), ReLU(), MaxPool2D(2), Flatten(), Dense(4))
        network = Network(*layers, input_shape=(14, 10, 3))
        network.initialize(2)
        step = network.training_step("softmax_cross_entropy", SGD(0.1, momentum=0.9), 24)
        for _ in range(3):
            step.run(x, t)
        return network.parameters

    first = weights()
    renewed(monkeypatch)
    monkeypatch.setattr(planned, "planned", refuse)
    for name, array in weights().items():
        np.testing.assert_array_equal(array, first[name], strict=True)


Change = Callable[[dict[str, Any]], object]


def other(name: str, value: object) -> Change:
    return lambda entry: entry.update({name: value})


def argument(place: int, value: object) -> Change:
    """Change a part of the first argument of the first kernel."""

    def change(entry: dict[str, Any]) -> None:
        entry["calls"][0][1][0][place] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        other("key", "program-0123"),
        other("calls", []),
        other("calls", None),
        other("titles", []),
        other("memory", [["given", "nobody"]]),
        other("memory", [["elsewhere", 5]]),
        other("shared", 64),
        lambda entry: entry.pop("writes"),
        lambda entry: [place.insert(1, -64) or place.pop(2) for place in entry["memory"] if place[0] == "shared"],
        argument(0, 1000),
        argument(0, -1),
        argument(1, -4),
        argument(1, 1 << 40),
        argument(2, "float31"),
        argument(3, [1 << 30, 1 << 30]),
        argument(3, [0, 1]),
        argument(3, [1]),
        argument(4, [1 << 30, 1]),
        argument(4, [-1, 1]),
        argument(6, [1 << 40, 0]),
        argument(6, [1]),
        lambda entry: entry["calls"][0].__setitem__(3, 5),
        lambda entry: entry["calls"][0].__setitem__(2, 0),
        lambda entry: entry["calls"][0].__setitem__(2, 1 << 40),
    ],
)
def test_an_entry_that_says_something_else_is_made_anew(
    change: Change, kept: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its checksum is right. None may make a kernel leave its memory."""
    expected, key = results(program()), entry(kept)
    whole = kept.read(key)
    assert whole is not None
    told = json.loads(whole)
    change(told)
    kept.write(key, json.dumps(told).encode())
    renewed(monkeypatch)
    check_same(program(), expected)
    assert kept.read(key) == whole


@pytest.mark.parametrize("content", [b"", b"no JSON", b"[]", b"[" * 100_000, b"\xff"])
def test_an_entry_that_is_none_is_made_anew(content: bytes, kept: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, key = results(program()), entry(kept)
    whole = kept.read(key)
    kept.write(key, content)
    renewed(monkeypatch)
    check_same(program(), expected)
    assert kept.read(key) == whole


def test_a_damaged_entry_is_made_anew(kept: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, key = results(program()), entry(kept)
    assert kept.folder is not None
    file = kept.folder / f"{key}.kept"
    whole = file.read_bytes()
    file.write_bytes(whole[:-9] + b"x" + whole[-8:])
    renewed(monkeypatch)
    check_same(program(), expected)
    assert file.read_bytes() == whole


def test_a_program_whose_library_is_gone_is_linked_again(kept: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = results(program())
    assert kept.folder is not None
    (library,) = kept.folder.glob("library-*")
    for content in (None, b"no library"):
        library.unlink()
        if content is not None:
            kept.write(library.name.removesuffix(".kept"), content)
        renewed(monkeypatch)
        check_same(program(), expected)
        assert library.exists()


def test_all_that_is_asked_for_is_in_the_name() -> None:
    equation = bound(
        "x[e,i] = sum[m](w[m] * o[e,i+m]); v_next[m] = v[m] + w[m]", shapes={"o": (4, 9), "w": (3,), "v": (3,)}
    )
    requests = [
        Request(equation, ("x",)),
        Request(equation, ("x", "v_next")),
        Request(equation, ("x",), in_place={"v_next": "v"}),
        Request(equation, ("x",), examples=("o",)),
        Request(bound("x[e,i] = sum[m](w[m] * o[e,i+m])", shapes={"o": (4, 8), "w": (3,)}), ("x",)),
        Request(bound("x[e,i] = sum[m](w[m] * o[e,i+m+1])", shapes={"o": (4, 9), "w": (3,)}), ("x",)),
        Request(equation, ("x",), views={"v": "w"}),
    ]
    keys = {recorded.Asked.now(request, {}, "float32").key for request in requests}
    keys.add(recorded.Asked.now(requests[0], {}, "float64").key)
    for options in ({"winograd": False}, {"reduction": "plain"}, {"chains": True}):
        with scheduling(**options):
            keys.add(recorded.Asked.now(requests[0], {}, "float32").key)
    assert len(keys) == len(requests) + 4
    assert recorded.Asked.now(requests[0], {}, "float32").key in keys


@pytest.mark.parametrize(
    ("name", "value"),
    [("LOADED", "other source"), ("halide_files", lambda: "other"), ("_processor", lambda _: "flags")],
)
def test_what_it_depends_on_is_in_the_name(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(bound("x[i] = 3*o[i]", shapes={"o": (5,)}), ("x",))
    key = recorded.Asked.now(request, {}, "float32").key
    monkeypatch.setattr(surroundings, name, value)
    monkeypatch.setattr(recorded, "quick_surroundings", surroundings.quick_surroundings.__wrapped__)
    assert recorded.Asked.now(request, {}, "float32").key not in (key, "")


def test_another_target_is_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    before = surroundings.quick_surroundings.__wrapped__()
    monkeypatch.setenv("CONVGRAD_TARGET", "x86-64-linux-avx2")
    assert surroundings.quick_surroundings.__wrapped__() != before


@pytest.mark.parametrize("text", [None, "", "model name : a processor\n\nflags : of another\n"])
def test_nothing_is_kept_where_the_processor_is_not_told(
    text: str | None, tmp_path: Path, kept: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(surroundings, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(recorded, "quick_surroundings", surroundings.quick_surroundings.__wrapped__)
    results(program())
    assert kept.folder is not None
    assert not [*kept.folder.glob("program-*")]


def test_a_plan_has_nothing_that_is_not_kept() -> None:
    """Whoever adds a part to what a plan says of running it adds it to `record` and `recorded`, too."""
    assert {field.name for field in fields(planned.Planned)} == {
        "kernels",
        "rows",
        "together",
        "first",
        "shared",
        "intermediate_bytes",
    }
