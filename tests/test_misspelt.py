"""Arguments, keys and functions that are misspelt, or called as elsewhere: one message that says what to write."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convgrad
from convgrad import Network, derivation, initializers, layers, losses, optimizers, parse, training
from convgrad.compute.oracle import evaluate
from convgrad.elsewhere import ARGUMENTS, FORMULAS
from convgrad.errors import ConvgradError, EquationSyntaxError, ModelError
from convgrad.examples import read_example
from convgrad.functions import FUNCTIONS
from convgrad.models import load_model
from convgrad.models.toml_file import MODEL_KEYS, NUMBERS
from convgrad.notation import bind

Conv2D: Any = layers.Conv2D  # of any type, so that what is misspelt on purpose is not told before it is run
Dense: Any = layers.Dense
SGD: Any = optimizers.SGD


def public(*modules: Any) -> dict[str, Callable[..., Any]]:
    """Every class and function that people call by name."""
    found: dict[str, Callable[..., Any]] = {}
    for module in modules:
        for name in getattr(module, "__all__", dir(module)):
            thing = getattr(module, name)
            own = getattr(thing, "__module__", "").startswith("convgrad.")
            if own and callable(thing) and not (inspect.isclass(thing) and issubclass(thing, BaseException)):
                found[f"{module.__name__}.{name}"] = thing
    network = Network(Dense(2), input_shape=(3,))
    for name in dir(network):
        if not name.startswith("_") and callable(getattr(network, name)):
            found[f"network.{name}"] = getattr(network, name)
    return found


WITHOUT = {
    "convgrad.check",  # takes what a layer takes
    "convgrad.assert_gradient_correct",  # likewise
    "convgrad.layers.Built",  # made by layers, not by people
    "convgrad.training.Callback",  # subclasses have their own constructors
    "convgrad.training.Training",  # made by fit
}
CALLED = public(convgrad, layers, training)
CALLED |= {
    f"losses.{one.__name__}": one for one in vars(losses).values() if inspect.isclass(one) and one.__doc__ and
    issubclass(one, losses.Loss)
}  # fmt: skip
CALLED |= {
    f"optimizers.{one.__name__}": one for one in vars(optimizers).values() if inspect.isclass(one) and
    issubclass(one, optimizers.Optimizer)
}  # fmt: skip
CALLED |= {f"initializers.{n}": getattr(initializers, n) for n in ("glorot_uniform", "he_normal", "zeros", "ones")}


@pytest.mark.parametrize("name", sorted(set(CALLED) - WITHOUT))
def test_an_argument_that_is_not_there(name: str) -> None:
    with pytest.raises(ConvgradError, match=r"has no argument 'kernelsizze'"):
        CALLED[name](kernelsizze=3)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: Conv2D(4, kernelsize=3), "Conv2D has no argument 'kernelsize'. Did you mean 'kernel_size'?"),
        (lambda: Conv2D(4, 3, stride=2), "Conv2D has no argument 'stride'. Did you mean 'strides'?"),
        (lambda: Conv2D(4, 3, pad=1), "Conv2D has no argument 'pad'. Did you mean 'padding'?"),
        (lambda: Conv2D(4, 3, activation="relu"), "An activation is a layer of its own, behind this one"),
        (lambda: Conv2D(4, 3, in_channels=3), "Conv2D has no argument 'in_channels'. It follows from the input."),
        (lambda: Dense(4, input_shape=(3,)), "The shape of the input is said once, for the network: input_shape."),
        (lambda: SGD(momentun=0.9), "SGD has no argument 'momentun'. Did you mean 'momentum'?"),
    ],
)
def test_what_is_meant(layer: Callable[[], Any], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        layer()


def test_no_layer_has_what_is_said_not_to_be_there() -> None:
    for kind in layers.base.registry.values():
        own = {name.replace("_", "") for name in inspect.signature(kind).parameters}
        assert not own & set(ARGUMENTS)


SHAPE = "[model]\ninput_shape = [5, 5, 1]\n"
LAYER = '\n[[layer]]\ntype = "Conv2D"\nfilters = 2\nkernel_size = 3\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input_shape = [5, 5, 1]" + LAYER, "It belongs below the line [model]."),
        ("[model]\ninput = [5, 5, 1]" + LAYER, "[model] has no key 'input'. It belongs at the top of the file, above "),
        ("[model]\ninput = [5, 5, 1]" + LAYER, "The shape of an input is `input_shape`."),
        ("[model]\nweights = 3" + LAYER, "[model] has no key 'weights'. It belongs at the top of the file"),
        (LAYER + 'input = "conv1"', "What a layer reads is `inputs`."),
        (LAYER + "input_shape = [5, 5, 1]", "layer 1 (Conv2D) has no key 'input_shape'. It belongs below the line "),
        (
            LAYER + "learning_rate = 1",
            "layer 1 (Conv2D) has no key 'learning_rate'. It belongs below the line [model].",
        ),
        (LAYER.replace("kernel_size", "kernelsize"), "has no key 'kernelsize'. Did you mean 'kernel_size'?"),
        (LAYER + "stride = 2", "layer 1 (Conv2D) has no key 'stride'. Did you mean 'strides'?"),
        (LAYER + 'activation = "relu"', "has no key 'activation'. An activation is a layer of its own"),
    ],
)
def test_a_key_in_a_file(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(text if "[model]" in text or text[0] != "\n" else SHAPE + text)
    for read in (read_example, lambda p: load_model(str(p), (5, 5, 1), 10)):
        with pytest.raises(ModelError, match=re.escape(message)):
            read(path)


@pytest.mark.parametrize("key", [key for key in NUMBERS if key not in MODEL_KEYS])
def test_numbers_in_a_model_file(key: str, tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(f"{key} = 1\n{LAYER}")
    with pytest.raises(ModelError, match="It belongs to an example, which `convgrad explain` takes"):
        load_model(str(path), (5, 5, 1), 10)


def erf(a: float) -> float:
    return math.erf(a)


MEANT: dict[str, Callable[[float], float]] = {
    "relu": lambda a: max(a, 0),
    "relu6": lambda a: min(max(a, 0), 6),
    "leakyrelu": lambda a: a if a > 0 else 0.01 * a,
    "lrelu": lambda a: a if a > 0 else 0.01 * a,
    "elu": lambda a: a if a > 0 else math.expm1(a),
    "gelu": lambda a: a * 0.5 * math.erfc(-a / math.sqrt(2)),
    "silu": lambda a: a / (1 + math.exp(-a)),
    "swish": lambda a: a / (1 + math.exp(-a)),
    "mish": lambda a: a * math.tanh(math.log1p(math.exp(a))),
    "softsign": lambda a: a / (1 + abs(a)),
    "hardtanh": lambda a: min(max(a, -1), 1),
    "logsigmoid": lambda a: -math.log1p(math.exp(-a)),
    "heaviside": lambda a: float(a > 0),
    "step": lambda a: float(a > 0),
    "sign": lambda a: float(np.sign(a)),
    "sinh": math.sinh,
    "cosh": math.cosh,
    "tan": math.tan,
    "log2": math.log2,
    "log10": math.log10,
    "log1p": math.log1p,
    "expm1": math.expm1,
    "square": lambda a: a * a,
    "rsqrt": lambda a: 1 / math.sqrt(a),
    "reciprocal": lambda a: 1 / a,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_function_from_elsewhere_is_offered_as_a_formula_that_is_right(name: str) -> None:
    with pytest.raises(EquationSyntaxError, match=f"{name} is not a function of the notation") as caught:
        parse(f"x[i] = 1 + {name}(2 * o[i])")
    offered = caught.value.remedy.removeprefix("Write ")
    equation = parse(f"x[i] = 1 + {offered}")
    positive = np.array([0.125, 0.75, 2.5, 3.75])
    values = positive if name in ("log2", "log10", "log1p", "rsqrt") else np.concatenate([-positive, positive])
    found = evaluate(bind(equation, shapes={"o": values.shape}), {"o": values})["x"]
    np.testing.assert_allclose(found, [1 + MEANT[name](2 * a) for a in values], rtol=1e-12, atol=1e-12)
    assert str(derivation(equation, "o").result).startswith("do[")


def test_what_stands_in_the_brackets_is_kept() -> None:
    for given, written in (
        ("relu(o[i])", "max(o[i], 0)"),
        ("ReLU(o[i]+b)", "max((o[i]+b), 0)"),
        ("silu(o[2*i,j])", "o[2*i,j] * sigmoid(o[2*i,j])"),
        ("relu()", "max(a, 0)"),
    ):
        with pytest.raises(EquationSyntaxError, match=re.escape(f"Write {written}")):
            parse(f"x[i] = {given}")
    with pytest.raises(EquationSyntaxError, match=re.escape("x[k] = e[k] / sum[q](e[q])")):
        parse("x[k] = softmax(o[k])")


def test_no_function_of_the_notation_is_called_one_from_elsewhere() -> None:
    assert not set(FUNCTIONS) & set(FORMULAS)
    assert set(MEANT) == set(FORMULAS)
