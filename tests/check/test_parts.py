"""Parts of checking on their own: layouts, messages, bounds, equivalence."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

import convgrad
from convgrad.check import check
from convgrad.check.derivations.equivalence import same
from convgrad.check.functions.layouts import fits, place_in_equation, present
from convgrad.check.functions.maps import drawn, pattern
from convgrad.check.problems.bound import error_bounds
from convgrad.check.problems.families import FAMILIES
from convgrad.check.problems.subject import subject_of
from convgrad.check.submissions import worker
from convgrad.compute.oracle import central_difference
from convgrad.notation.parsing.parser import parse

LABELS = ("batch", "h", "v", "g", "c")


def test_layouts_keep_every_element() -> None:
    array = np.arange(2 * 3 * 5 * 2 * 7).reshape(2, 3, 5, 2, 7)
    laid = present(array, LABELS, "batch (g c) h v")
    assert laid.shape == (2, 14, 3, 5)
    for place in ((0, 0, 0, 0), (1, 9, 2, 3), (0, 13, 1, 4)):
        assert array[place_in_equation(place, LABELS, array.shape, "batch (g c) h v")] == laid[place]
    assert fits(LABELS, (1, 3, 5, 1, 1), "h v")
    assert not fits(LABELS, (2, 3, 5, 1, 1), "h v")


def test_messages_come_through_unchanged() -> None:
    stream = io.BytesIO()
    arrays = [np.arange(6.0).reshape(2, 3), np.array(True), np.zeros((0, 4), np.float32)]
    worker.write_message(stream, {"a": 1}, arrays)
    stream.seek(0)
    tree, found = worker.read_message(stream)
    assert tree == {"a": 1}
    for sent, came in zip(arrays, found, strict=True):
        np.testing.assert_array_equal(sent, came)
        assert sent.dtype == came.dtype
    with pytest.raises(EOFError):
        worker.read_message(stream)


def test_messages_hold_no_objects() -> None:
    stream = io.BytesIO(b'{"tree": {}, "arrays": [["|O", [1]]]}\n12345678')
    with pytest.raises(ValueError, match="arrays of objects are not sent"):
        worker.read_message(stream)


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match=r"STYLES in planted/planted_right\.py is a tuple and can't be called"):
        worker.find_function("planted/planted_right.py:STYLES")


@pytest.mark.parametrize("name", [n for n in FAMILIES if "max_pool" not in n])
def test_expected_gradients_agree_with_differences(name: str) -> None:
    problem = subject_of(name, {}, None, {})[0].problem()
    values = problem.values()
    if name in ("relu", "leaky_relu", "elu", "relu6", "selu"):
        o = problem.arrays["o"]
        problem = problem.with_arrays(o=np.where(o == 0, 0.5, o))  # a difference means nothing at a kink
        values = problem.values()
    if problem.of != problem.bound.result.name:
        return  # BatchNorm's last definitions are moving values
    tensor = problem.wrt[-1]
    slope = central_difference(problem.bound, problem.arrays, tensor, problem.arrays[problem.upstream])
    np.testing.assert_allclose(values[f"d{tensor}"], slope, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", FAMILIES)
def test_float32_stays_within_the_bound(name: str) -> None:
    problem = subject_of(name, {}, None, {})[0].problem()
    values = problem.values()
    rng = np.random.default_rng(3)
    shaken = problem.with_arrays(
        **{n: a * (1 + 2.0**-24 * rng.choice([-1, 1], a.shape)) for n, a in problem.arrays.items()}
    )
    if "max[" in problem.recipe.equation.source and "max_pool" in name:
        return  # shaking breaks ties
    for output, (magnitude, operations) in error_bounds(problem, values).items():
        if output in problem.outputs:
            change = np.abs(shaken.values()[output] - values[output])
            assert (change <= operations * np.finfo(np.float32).eps * magnitude).all(), output


@pytest.mark.parametrize(
    ("one", "two", "are"),
    [
        ("y[i] = sum[m,n](a[m] * c[n,i])", "y[k] = sum[n](sum[m](c[n,k] * a[m]))", True),
        ("y[i] = a[i] - c[i]", "y[i] = -c[i] + a[i]", True),
        ("y[i] = a[i] - c[i]", "y[i] = c[i] - a[i]", False),
        ("y[i] = sum[m](a[m] * c[m,i])", "y[i] = sum[m](a[m] * c[i,m])", False),
        ("y[i] = a[i]^2", "y[i] = a[i]^3", False),
        ("y[i] = max(a[i], 0)", "y[i] = min(a[i], 0)", False),
        ("y[i] = a[i] * 2 * c[i]", "y[i] = 2 * c[i] * a[i]", True),
        ("y[i,j] = a[i,j]", "y[j,i] = a[i,j]", False),
        ("y[i] = a[i]", "y = a[0]", False),
    ],
)
def test_same_up_to_names_and_order(one: str, two: str, are: bool) -> None:
    assert same(parse(one).result, parse(two).result) is are


def test_maps() -> None:
    mask = np.zeros((6, 7), bool)
    mask[1::2] = True
    assert pattern(mask) == "in every second row only, which points to the stride"
    assert drawn(mask)[:2] == [".......", "#######"]
    far = np.zeros((6, 7), bool)
    far[-1] = True
    assert pattern(far) == "only along the border, which points to the padding"
    assert pattern(np.ones((3, 3), bool)) == ""


def test_a_mistake_in_the_forward_pass() -> None:
    report = check(lambda x, w, b: x @ w - b, "dense")
    assert not report.ok
    assert "x" in report.returned


def test_checking_is_imported_when_it_is_asked_for() -> None:
    code = (
        "import sys, convgrad\n"
        "assert not any(name.startswith('convgrad.check') for name in sys.modules)\n"
        "assert convgrad.check(lambda dx, o: dx * (o > 0), 'relu').ok\n"
        "from convgrad import assert_gradient_correct, check\n"
        "assert_gradient_correct(lambda dx, o: dx * (o > 0), 'relu')\n"
        "assert check(lambda dx, o: dx, 'relu').causes == ('activation-missing',)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_the_package_does_not_have() -> None:
    with pytest.raises(AttributeError, match="module 'convgrad' has no attribute 'chek'"):
        _ = convgrad.chek
