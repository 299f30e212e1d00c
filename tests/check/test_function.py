"""Checking functions: how they are read, what they may do, what the report says."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checked_functions import Layer
from convgrad import layers
from convgrad.check import assert_gradient_correct, check
from convgrad.check.functions.person import Call, Person
from convgrad.check.verdict import Verdict
from convgrad.errors import ModelError, ShapeError
from planted_convolution import backward
from planted_layers import softmax_loss
from planted_norms import sigmoid_forward
from planted_right import by_windows, one_example

FILE = "planted/checked_functions.py"


@pytest.fixture(autouse=True)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(request.config.rootpath)


def test_a_function_can_be_named_by_file() -> None:
    assert check(f"{FILE}:right", "dense").ok


def test_report_says_how_the_function_was_read() -> None:
    report = check(by_windows(1, 0, 1, 1), "conv2d")
    assert "NHWC arrays, kernel [h,w,in,out], arguments (inputs = o, kernel = w, grad_output = dx)" in report.reading
    assert report.returned == ("dw", "do", "db"), "in the order of its dictionary"
    assert "CHW arrays, kernel [in,out,h,w], one example" in check(one_example(1, 0, 1, 1), "conv2d").reading


def test_results_are_told_in_the_order_in_which_they_come_back() -> None:
    def backward(dout: np.ndarray, *, weight: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return dout @ weight, dout.T @ inputs

    assert check(backward, "dense").returned == ("do", "dw")


def test_report_names_cause_change_and_proof() -> None:
    text = " ".join(str(check(backward({"gradient-rotated"}, 1, 0, 1), "conv2d")).split())
    assert "WRONG" in text
    assert "expected" in text
    assert "dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,i+m,j+n,c])" in text
    assert "indices dw[0,0,0,0] = sum[e,i,j](dx[e,i,j,0] * o[e,i,j,0]) numbers " in text
    assert "Cause: dw is rotated once too often" in text
    assert "Change: Leave out the rotation of dw" in text
    assert "after rotating your dw by 180 degrees the largest difference is" in text


def test_report_as_json() -> None:
    data = json.loads(json.dumps(check(backward({"sign"}, 1, 0, 1), "conv2d").to_json()))
    assert data["causes"] == ["sign"]
    assert [o["name"] for o in data["outputs"] if not o["right"]] == ["dw"]
    assert data["explanations"][0]["outputs"] == ["dw"]


def test_a_map_shows_the_border() -> None:
    def pads_with_nothing(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> object:
        dx, dw, db = backward((), 1, 1, 1)(dout, x, w)
        dx[:, :, 0] = dx[:, :, -1] = 0
        dx[:, :, :, 0] = dx[:, :, :, -1] = 0
        return dx, dw, db

    report = check(pads_with_nothing, "conv2d", padding=1)
    text = " ".join(str(report).split())
    assert report.causes == ("part-missing",)
    assert "only along the border, which points to the padding" in text
    assert re.search(r"#\.+#", text)
    assert "do is right for rows 1 to 6 only and for columns 1 to 4 only; all else is 0" in text


COULD_NOT_BE_CALLED = ("raises", "hangs", "crashes", "wrong-count", "not-found", "no-arguments")


@pytest.mark.parametrize(
    ("name", "cause", "words"),
    [
        ("raises", "raises", "KeyError: 'missing' (checked_functions.py, line 16"),
        ("hangs", "hangs", "took longer than 1 s and was stopped"),
        ("ends", "crashes", "its process ended with code 3"),
        ("leaves_a_child", "crashes", "its process ended"),
        ("sends_nonsense", "crashes", "its process ended"),
        ("ends_politely", "raises", "it ends the program"),
        ("too_many", "wrong-count", "it returns 6 arrays"),
        ("nothing", "wrong-count", "it returns nothing"),
        ("text", "raises", "not an array of real numbers"),
        ("wrong_shape", "wrong-shape", "it must have"),
        ("not_a_number", "not-a-number", "do holds 1 entries that are infinite or no number"),
        ("absent", "not-found", "has no absent; it has right, raises, hangs, ends"),
        ("whole_number", "not-found", "has no whole_number; it has whole_numbers"),
        ("segfaults", "crashes", "its process ended with signal 11, SIGSEGV (the limit on memory is 4096 MB)"),
        ("interrupts", "raises", "KeyboardInterrupt (checked_functions.py, line"),
        ("generates", "raises", "the result holds a generator, which is not an array"),
        ("complex_numbers", "raises", "the result holds an array of complex128, which is not an array of real numbers"),
        ("whole_numbers", "whole-numbers", "Cause: do is cut off to whole numbers"),
        ("far_too_large", "raises", "the result has 4000000 numbers, shape (2000, 2000): far too many"),
        ("any_arguments", "no-arguments", "Its arguments are none, or *args or **kwargs. Write a function"),
        ("changes_its_arguments", "argument-changed", "It changes its arguments dout, x in place"),
        ("wrong_after_half_a_second", "unexplained", "No known mistake"),
    ],
)
def test_bad_functions_get_a_clear_report(name: str, cause: str, words: str) -> None:
    report = check(f"{FILE}:{name}", "dense", seconds=1)
    assert report.verdict is (Verdict.NOT_CHECKED if cause in COULD_NOT_BE_CALLED else Verdict.WRONG)
    assert str(report).startswith(f"{report.verdict}: {name}, against Dense(")
    assert cause in report.causes
    assert words in " ".join(str(report).split())
    assert "Traceback" not in str(report)


def test_memory_is_limited() -> None:
    assert "MemoryError" in str(check(f"{FILE}:too_large", "dense"))
    assert "MemoryError" in str(check(f"{FILE}:fills_memory", "dense", megabytes=300))


def test_an_output_that_was_closed() -> None:
    assert check(f"{FILE}:closes_its_output", "dense").causes in ((), ("raises",))


def test_a_slow_function_is_tried_on_fewer_inputs() -> None:
    report = check(f"{FILE}:takes_half_a_second", "dense", seconds=0.6)
    assert report.ok
    assert "so fewer inputs were tried than usual" in " ".join(str(report).split())


def test_all_calls_together_are_limited() -> None:
    with Person(f"{FILE}:wrong_after_half_a_second", seconds=0.6) as person:
        call = Call([np.ones((3, 5)), np.ones((3, 4)), np.ones((4, 5))])
        troubles = [person.call(call).trouble for _ in range(5)]
    assert troubles[0] is None
    assert "all calls on small inputs together took longer than 1.8 s" in str(troubles[-1])


def test_a_layout_that_would_be_wrong_is_told() -> None:
    def mean_of_rows(y: np.ndarray, t: np.ndarray) -> object:
        return 2 * (y - t) / len(y)

    report = check(mean_of_rows, "mse")
    assert report.ok
    assert "on [batch, features] arrays it runs, too, but is wrong" in " ".join(str(report).split())


def test_printing_is_a_note() -> None:
    report = check(f"{FILE}:prints", "dense")
    assert report.ok
    assert "It prints: shapes:" in str(report)


def test_an_object_that_can_be_called() -> None:
    assert check(Layer(), "dense").ok
    assert check(f"{FILE}:Layer", "dense").ok


def test_modules_of_ours_are_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "report.py").write_text("FACTOR = 1\n")
    (tmp_path / "mine.py").write_text(
        "import numbers\nfrom report import FACTOR\n\n\n"
        "def backward(dout, x):\n    assert isinstance(FACTOR, numbers.Number)\n    return FACTOR * dout * (x > 0)\n"
    )
    assert check(f"{tmp_path / 'mine.py'}:backward", "relu").ok


def test_a_file_that_does_not_exist() -> None:
    assert "there is no file" in str(check("nowhere.py:f", "dense"))


def test_a_hang_in_this_process_is_noticed() -> None:
    def waits(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
        time.sleep(0.5)

    before = sys.stdout, sys.stderr
    assert check(waits, "dense", seconds=0.2).causes == ("hangs",)
    assert (sys.stdout, sys.stderr) == before
    sys.stdout = io.StringIO()
    replaced = sys.stdout
    time.sleep(0.5)
    sys.stdout, found = before[0], sys.stdout
    assert found is replaced  # the function that came to its end has put nothing back


def test_arguments_that_names_do_not_tell() -> None:
    def odd(p1: np.ndarray, p2: np.ndarray, p3: np.ndarray) -> object:
        return p1 @ p3.T, p2.T @ p1

    assert check(odd, "dense").ok
    assert check(odd, "dense", roles={"p1": "dx", "p2": "o", "p3": "w"}).ok

    def unclear(
        p1: np.ndarray, p2: np.ndarray, p3: np.ndarray, p4: np.ndarray, p5: np.ndarray, p6: np.ndarray, p7: np.ndarray
    ) -> object:
        return p1

    assert check(unclear, "dense").causes == ("not-understood",)


def test_a_layer_object_and_an_equation() -> None:
    def conv(dx: np.ndarray, o: np.ndarray, w: np.ndarray) -> object:
        return backward((), 2, 0, 1)(dx, o, w)

    assert check(conv, layers.Conv2D(3, (2, 3), strides=2)).ok

    def derived(dx: np.ndarray, o: np.ndarray, w: np.ndarray) -> object:
        return {"dw": np.correlate(o, dx)}

    assert check(derived, "x[i] = sum[m](w[m] * o[i+m])").ok
    assert check(lambda dx, o, w: {"dw": np.correlate(o, dx)[::-1]}, "x[i] = sum[m](w[m] * o[i+m])").causes == (
        "gradient-rotated",
    )


def test_settings_are_passed_on() -> None:
    def pooled(dout: np.ndarray, x: np.ndarray, stride: int) -> np.ndarray:
        dx = np.zeros_like(x)
        for i in range(dout.shape[1]):
            for j in range(dout.shape[2]):
                window = (slice(None), slice(i * stride, i * stride + 2), slice(j * stride, j * stride + 2))
                dx[window] += dout[:, i : i + 1, j : j + 1] / 4
        return dx

    assert check(pooled, "avg_pool2d", pool_size=2).ok
    assert check(pooled, "avg_pool2d", pool_size=2, strides=3).ok


def overwriting_pool(size: int, step: int) -> Callable[..., np.ndarray]:
    def pool(dout: np.ndarray, x: np.ndarray, pool_size: int = size, stride: int = step) -> np.ndarray:
        dx = np.zeros_like(x)
        for n, i, j, c in np.ndindex(dout.shape):
            at = np.s_[n, i * stride : i * stride + pool_size, j * stride : j * stride + pool_size, c]
            m, k = np.unravel_index(x[at].argmax(), x[at].shape)
            dx[n, i * stride + m, j * stride + k, c] = dout[n, i, j, c]
        return dx

    return pool


def test_windows_side_by_side_do_not_hide_a_mistake() -> None:
    """A trap: with a stride as large as the window, = and += give the same."""
    assert check(overwriting_pool(2, 2), "max_pool2d").causes == ("overlaps-overwritten",)
    assert check(overwriting_pool(2, 2), "max_pool2d", pool_size=2).causes == ("overlaps-overwritten",)
    fixed = overwriting_pool(2, 2)

    def without_arguments(dout: np.ndarray, x: np.ndarray) -> object:
        return fixed(dout, x)

    report = check(without_arguments, "max_pool2d", pool_size=2)
    assert report.ok
    assert "is not distinguishable with these shapes; it would be with strides=1" in " ".join(str(report).split())


def test_sums_that_come_out_equal_do_not_hide_a_mistake() -> None:
    """Two traps: inputs of ones, and comparing means."""

    def right_mean(dout: np.ndarray, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> object:
        dx, dw, db = backward((), 1, 0, 1)(dout, x, w)
        return np.roll(dx, 1, axis=2), dw[:, :, ::-1], np.full_like(db, db.mean())

    causes = check(right_mean, "conv2d").causes
    assert "unexplained" in causes

    def right_on_ones(dout: np.ndarray, x: np.ndarray) -> object:
        return dout * (1 - np.tanh(1.0) ** 2)

    assert not check(right_on_ones, "tanh").ok


def test_conventions_are_notes() -> None:
    report = check(lambda dout, x: dout * (x >= 0), "relu")
    assert report.ok
    assert "at exactly 0 your derivative of relu is 1" in " ".join(str(report).split())


def test_single_precision_inside_is_right() -> None:
    assert check(lambda dout, x: (dout * (1 - np.tanh(x.astype(np.float32)) ** 2)).astype(np.float64), "tanh").ok


def test_shapes_that_do_not_tell_two_causes_apart() -> None:
    def mean(dout: np.ndarray, x: np.ndarray, w: np.ndarray) -> object:
        return dout @ w.T, x.T @ dout / 3, dout.sum(0)

    report = check(mean, layers.Dense(3), input_shape=(4,))
    assert report.causes == ("mean-over-batch",)
    assert "Not distinguishable from mean-over-elements with these shapes; it would be with" in " ".join(
        str(report).split()
    )


def test_the_pytest_helper() -> None:
    assert_gradient_correct(f"{FILE}:right", "dense")
    with pytest.raises(AssertionError, match="the gradient is wrong"):
        assert_gradient_correct(lambda dout, x: dout, "sigmoid")


def test_a_call_with_other_arguments_is_told_so() -> None:
    with pytest.raises(ModelError, match="assert_gradient_correct needs layer, which is missing"):
        assert_gradient_correct(lambda dx, o: dx)  # type: ignore[call-arg]
    with pytest.raises(ModelError, match="assert_gradient_correct takes 2 positional arguments, but got 3"):
        assert_gradient_correct(lambda dx, o: dx, "relu", (3,))  # type: ignore[call-arg]
    with pytest.raises(ModelError, match="relu has no argument 'shape'"):
        assert_gradient_correct(lambda dx, o: dx, "relu", shape=(3,))


@pytest.mark.parametrize(
    ("layer", "arguments", "words"),
    [
        ("conv9", {}, "There is no layer called 'conv9' to check"),
        ("conv2d", {"stride": 2}, "conv2d has no argument 'stride'. Did you mean 'strides'?"),
        ("conv_transpose2d", {"groups": 2}, "conv_transpose2d is checked by its name with groups=1 only. In Python,"),
        ("layer_norm", {"axis": (-2, -1)}, "layer_norm is checked by its name with axis=(-1,) only."),
        ("conv2d+dense", {}, "'dense' is not an activation"),
        (7, {}, "check: layer must be a layer, its name or an equation, not 7"),
        ("dense", {"dtype": "int8"}, "check: dtype must be 'float64' or 'float32', not 'int8'"),
    ],
)
def test_what_can_not_be_checked(layer: Any, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError) as error:
        check(lambda dx, o: dx, layer, **arguments)
    assert words in str(error.value)


def test_a_layer_of_its_own_needs_a_shape() -> None:
    own = layers.Equation("x[i] = w[i] * o[i]")
    with pytest.raises(ShapeError, match="give the shape of its input"):
        check(lambda dx, o, w: dx * w, own)
    assert check(lambda dx, o, w: dx * w, own, input_shape=(5,)).ok


@pytest.mark.parametrize(("layer", "factory"), [("softmax_cross_entropy", softmax_loss), ("sigmoid", sigmoid_forward)])
def test_an_overflow_is_a_note(layer: str, factory: Callable[..., Callable[..., Any]]) -> None:
    report = check(factory(("overflow",)), layer)
    assert report.ok
    assert "exp overflows" in " ".join(str(report).split()) or "or exp overflows" in str(report)
    assert "overflow" not in str(check(factory(()), layer))


def test_the_gradient_from_above_may_be_changed_with_a_note() -> None:
    def masked(dout: Any, x: Any) -> Any:
        dout[x <= 0] = 0
        return dout

    report = check(masked, "relu")
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "Note: It changes its argument dout in place. Work on a copy where" in " ".join(str(report).split())


def test_a_local_derivative_is_called_one() -> None:
    def sigmoid_prime(z: Any) -> Any:
        return z * (1 - z)

    report = check(sigmoid_prime, "sigmoid")
    assert report.verdict is Verdict.RIGHT, str(report)
    words = "read as the local derivative, dx/do, which is multiplied by the gradient from above. Its z was read as the"
    assert words in " ".join(str(report).split())


def test_the_input_of_a_softmax_may_be_called_z() -> None:
    def softmax_backward(dout: Any, z: Any) -> Any:
        s = np.exp(z - z.max(axis=1, keepdims=True))
        s /= s.sum(axis=1, keepdims=True)
        return s * (dout - (dout * s).sum(axis=1, keepdims=True))

    report = check(softmax_backward, "softmax")
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "[batch, features] arrays" in report.reading
