"""A function that is pasted into the page: which one is meant, against which layer, and its verdict."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from convgrad.check.submissions import in_place
from convgrad.errors import ConvgradError, DataError
from convgrad.questions import functions
from convgrad.questions.functions import checkable, found_function, found_layer, function
from convgrad.questions.reading import LONGEST_TEXT
from convgrad.questions.rights import Rights

RUNS = Rights(runs_programs=True)
RIGHT = "def dense_backward(dx, o, w):\n    return dx @ w.T, o.T @ dx, dx.sum(axis=0)\n"
WRONG = RIGHT.replace("o.T", "-o.T")
CLASS = """
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        self.w, self.b = np.ones((n_in, n_out)), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, dout):
        self.dw, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.w.T
"""


def asked(text: str, **more: Any) -> dict[str, Any]:
    return function({"text": text, **more}, RUNS)


def test_a_server_that_runs_no_programs_says_how_one_does() -> None:
    with pytest.raises(DataError, match="This server runs no programs, so it can't check a function"):
        function({"text": RIGHT, "layer": "dense"}, Rights())


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({}, 'A check of a function takes {"text": "...", "layer": "...", "options": {..}}.'),
        ({"text": RIGHT, "layer": 3}, "A check of a function takes"),
        ({"text": RIGHT, "options": ["strides"]}, "A check of a function takes"),
        ({"text": "#" * (LONGEST_TEXT + 1)}, "The program has 100,001 characters; a page checks at most 100,000."),
        ({"text": RIGHT, "options": {"seconds": 900}}, "A page can't set 'seconds'; use `convgrad check`"),
        ({"text": "def f(:"}, "what you pasted, line 1, is not Python: "),
        ({"text": "x = 1\0"}, "is not Python"),
        ({"text": "x = " + "(" * 150}, "is not Python"),
        ({"text": "x = 1"}, "There is no function and no class at the top of the program"),
        ({"text": "def f(x): return x\ndef g(x): return x"}, "The program has several: f, g. Say which one"),
        ({"text": "def f(dx): return dx"}, "The name f does not say which layer it belongs to. Choose the layer."),
        ({"text": RIGHT, "layer": "conv9"}, "There is no layer called 'conv9' to check."),
        ({"text": RIGHT, "layer": "dense", "options": {"strides": 2}}, "dense has no argument 'strides'"),
    ],
)
def test_what_cannot_be_asked(question: dict[str, Any], words: str) -> None:
    with pytest.raises(ConvgradError, match=re.escape(words)):
        function(question, RUNS)


def test_what_is_not_python_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def deep(text: str) -> None:
        raise RecursionError

    monkeypatch.setattr(ast, "parse", deep)
    with pytest.raises(DataError, match=r"^What you pasted is not Python that can be read\.$"):
        found_function("x")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("def conv(o, w): ...", "conv"),
        ("def forward(o): ...\ndef backward(dx): ...", "backward"),
        ("def pad(o): ...\ndef conv_grad(dx): pad(dx)\n", "conv_grad"),
        ("def backward(dx): return pad(dx)\ndef grad_of_pad(o): ...\ndef pad(o): return grad_of_pad(o)", "backward"),
        ("class Helper: ...\nclass Conv:\n    def forward(self): ...\n    def backward(self): ...", "Conv"),
        ("def helper(o): ...\ndef whole(o): return helper(o)", "whole"),
        ("def f(o): ...\ndef f(o): ...", "f"),
    ],
)
def test_which_function_is_meant(text: str, name: str) -> None:
    assert found_function(text) == name


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("conv_backward", "conv2d"),
        ("ReLU", "relu"),
        ("MaxPool2D", "max_pool2d"),
        ("my_fc_bwd", "dense"),
        ("softmaxCrossEntropyGrad", "softmax_cross_entropy"),
    ],
)
def test_the_layer_that_a_name_says(name: str, layer: str) -> None:
    assert found_layer(name) == layer


@pytest.mark.parametrize("name", ["backward", "softmax_loss", "affine_relu_backward", "f"])
def test_a_name_that_says_more_or_nothing_names_no_layer(name: str) -> None:
    with pytest.raises(DataError, match=f"The name {name} does not say which layer"):
        found_layer(name)


@pytest.fixture(params=["apart", "in place"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a person's code runs: in a process of its own, or, as in a browser, here."""
    if request.param == "in place":
        monkeypatch.setattr(in_place, "HAS_PROCESSES", False)
    return str(request.param)


def test_verdicts_are_the_same_in_place(place: str) -> None:
    right = asked(RIGHT)
    assert (right["verdict"], right["ok"], right["layer"]) == ("RIGHT", True, "dense")
    wrong = asked(WRONG, layer="dense")
    assert (wrong["verdict"], wrong["causes"]) == ("WRONG", ["sign"])
    assert wrong["text"].startswith("WRONG: dense_backward, against Dense(")
    assert asked(CLASS)["verdict"] == "RIGHT"
    assert asked(CLASS.replace("self.x.T @ dout", "2 * self.x.T @ dout"))["verdict"] == "WRONG"
    pooled = asked("def backward(dx):\n    return dx\n", layer="max_pool2d", options={"pool_size": [2, 2]})
    assert pooled["verdict"] != "RIGHT"


def test_what_code_does_is_told(place: str) -> None:
    raises = asked("def relu_backward(dx, o):\n    print('seen')\n    return undefined\n")
    assert raises["verdict"] == "NOT CHECKED"
    assert "NameError" in raises["text"]
    assert "pasted.py, line 3" in raises["text"]
    importing = asked("import nothing_at_all\ndef relu_backward(dx, o):\n    return dx\n")
    assert "nothing_at_all" in importing["text"]
    assert "it ends the program" in asked("def relu_backward(dx, o):\n    raise SystemExit\n")["text"]


def test_a_call_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "SECONDS", 0.5)
    report = asked("def relu_backward(dx, o):\n    while True: pass\n")
    assert report["verdict"] == "NOT CHECKED"
    assert "took longer than 0.5 s and was stopped" in report["text"]


CHANGES = """
import os, random, sys, warnings
import numpy as np
np.set_printoptions(precision=1)
np.seterr(all="raise")
np.random.seed(1)
random.seed(1)
os.environ["CHANGED"] = "1"
os.chdir("/")
sys.path.insert(0, "/nowhere")
warnings.simplefilter("error")

def relu_backward(dx, o):
    np.seterr(all="raise")
    return dx * (o > 0)
"""


def test_what_code_changes_in_place_is_put_back() -> None:
    """In a process of its own, since this one would be changed where the test fails."""
    program = f"""
    import os, random, sys, warnings
    import numpy as np
    from convgrad.check.submissions import in_place
    from convgrad.questions.functions import function
    from convgrad.questions.rights import Rights
    in_place.HAS_PROCESSES = False
    def state():
        return (np.get_printoptions(), np.geterr(), str(np.random.get_state()), random.getstate(), dict(os.environ),
                os.getcwd(), [*sys.path], [*warnings.filters])
    function({{"text": "def relu_backward(dx, o): return dx * (o > 0)"}}, Rights(True))
    before = state()
    report = function({{"text": {CHANGES!r}}}, Rights(True))
    assert report["verdict"] == "RIGHT", report["text"]
    assert state() == before
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)


def test_each_name_that_can_be_chosen_is_one_that_is_checked() -> None:
    for name in checkable():
        assert asked("def f():\n    return 0\n", layer=name)["verdict"] != "RIGHT"
