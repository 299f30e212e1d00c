"""The model of a page, and the file that it becomes."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest

from convgrad import Network
from convgrad.errors import ModelError
from convgrad.examples import NAMES, load_example
from convgrad.examples.page import example_model
from convgrad.explain.page import build
from convgrad.explain.page.build import page_html
from convgrad.explain.page.definitions import KINDS, term_data
from convgrad.explain.page.model import PACKED_FROM, page_model
from convgrad.layers import BatchNorm, Conv2D, Dense, Dropout, Equation, Flatten, Input, ReLU, Sigmoid
from convgrad.models import build as built
from convgrad.notation import terms
from page_numbers import numbers

ROLES = {"given", "target", "parameter", "state", "forward", "loss", "delta", "gradient", "update", "helper"}


def tensors(model: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {tensor["name"]: tensor for tensor in model["tensors"]}


@pytest.mark.parametrize("name", NAMES)
def test_the_model_of_an_example(name: str) -> None:
    example = load_example(name)
    trace = example.trace()
    model = json.loads(json.dumps(example_model(example, trace), allow_nan=False))
    assert (model["name"], model["title"], model["served"]) == (name, example.about, False)
    assert model["text"]
    assert list(tensors(model)) == list(trace)
    assert model["loss"] in trace
    assert model["learning_rate"] == "optimizer.eta"
    for tensor in model["tensors"]:
        own = trace[tensor["name"]]
        assert tensor["role"] in ROLES
        assert tensor["lens"] in ("forward", "backward", "update")
        assert tensor["equation"] == own.equation
        assert tensor["shape"] == list(own.shape)
        assert len(tensor["indices"]) == len(own.shape)
        assert ("values" in tensor or "packed" in tensor) == (own.role == "given" or own.pinned)
        assert (tensor["definition"] is None) == (own.definition is None)
        assert not ("packed" in tensor and own.values.size < PACKED_FROM)
        if "values" in tensor or "packed" in tensor:
            np.testing.assert_array_equal(numbers(tensor), own.values.ravel())
    assert [layer["name"] for layer in model["layers"]] == [placed.name for placed in example.network.layers]
    assert len(model["digits"]) == {"lenet-digit": 20, "lenet-trained": 25}.get(name, 0)


def test_roles_and_lenses() -> None:
    found = tensors(page_model(load_example("classic").trace(), "classic"))
    told = {name: (tensor["lens"], tensor["role"]) for name, tensor in found.items()}
    assert told == {
        "conv1.w": ("forward", "parameter"),
        "input": ("forward", "given"),
        "conv1.x": ("forward", "forward"),
        "pool1.x": ("forward", "forward"),
        "pool1.x_arg": ("forward", "helper"),
        "sigmoid1.x": ("forward", "forward"),
        "dense1.w": ("forward", "parameter"),
        "dense1.x": ("forward", "forward"),
        "target": ("forward", "target"),
        "loss.E": ("forward", "loss"),
        "dense1.dx": ("backward", "delta"),
        "dense1.dw": ("backward", "gradient"),
        "sigmoid1.dx": ("backward", "delta"),
        "pool1.dx": ("backward", "delta"),
        "conv1.dx": ("backward", "delta"),
        "conv1.dw": ("backward", "gradient"),
        "dinput": ("backward", "delta"),
        "optimizer.eta": ("update", "given"),
        "conv1.w_next": ("update", "update"),
        "dense1.w_next": ("update", "update"),
    }
    assert [name for name, tensor in found.items() if tensor["pinned"]] == ["sigmoid1.x", "dense1.dx", "conv1.dx"]
    assert [name for name, tensor in found.items() if tensor["delta"]] == ["dense1.dx"]


def test_state_seeds_views_and_labels() -> None:
    network = Network(Conv2D(2, 2), BatchNorm(), Dropout(0.5), Flatten(), Dense(3), input_shape=(4, 3, 1))
    network.initialize(0)
    trace = network.trace(np.ones((2, 4, 3, 1)), [0, 2], loss="softmax_cross_entropy", optimizer="adam")
    model = page_model(trace, "network")
    found = tensors(model)
    assert found["batchnorm1.moving_mean"]["role"] == "state"
    assert (found["batchnorm1.moving_mean_next"]["lens"], found["batchnorm1.moving_mean_next"]["role"]) == (
        "update",
    ) * 2
    assert (found["dense1.w_m"]["lens"], found["dense1.w_m"]["role"]) == ("update", "state")
    assert not found["dropout1.seed"]["editable"]
    views = {name: tensor["shows"] for name, tensor in found.items() if tensor["shows"]}
    assert views == dict(trace.views)
    assert not any(found[name]["editable"] for name in views)
    assert found["target"]["classes"] == 3
    assert found["loss.dE"]["lens"] == "backward"
    assert ["dense1.w_next", "dense1.w"] in model["updates"]
    assert {*model["each_step"]} == {"dropout1.seed", "optimizer.c1", "optimizer.c2"}
    assert all(len(values) == 500 for values in model["each_step"].values())


def test_what_is_said_of_a_layer() -> None:
    layer = page_model(load_example("classic").trace(), "classic")["layers"][0]
    assert (layer["name"], layer["type"]) == ("conv1", "Equation")
    assert layer["equation"] == "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n])"
    assert layer["latex"] == r"x_{i,j} = \sum_{m,n} w_{m,n} \, o_{i+m,j+n}"
    assert any("(H-k1+1) x (W-k2+1) = (5-2+1) x (5-2+1) = 4 x 4" in sentence for sentence in layer["sentences"])
    assert any("The sum runs over" in sentence for sentence in layer["sentences"])
    derived = {derivation["gradient"]: derivation["steps"] for derivation in layer["derivations"]}
    assert set(derived) == {"dw", "do"}
    assert "rotate the kernel" in [step["rule"] for step in derived["do"]]
    assert derived["dw"][-1]["text"] == "dw[m,n] = sum[i,j](dx[i,j] * o[i+m,j+n])"
    assert r"\frac{\partial x_{i,j}}{\partial w_{m',n'}}" in derived["dw"][0]["latex"]  # the chain rule in symbols
    assert all(step["sentence"] and step["text"] for steps in derived.values() for step in steps)


def test_every_kind_of_term_has_a_form() -> None:
    kinds = {c for c in vars(terms).values() if isinstance(c, type) and issubclass(c, terms.Term)} - {terms.Term}
    assert set(KINDS) == kinds
    assert term_data(terms.Number(float("-inf"))) == {"kind": "number", "value": "-inf"}
    assert term_data(terms.Access("o", (), float("nan")))["outside"] == "nan"


@pytest.mark.parametrize(("dtype", "size"), [("float32", 4), ("float64", 8)])
def test_many_numbers_are_bytes_that_lose_nothing(dtype: str, size: int) -> None:
    network = Network(Dense(13, bias=None), input_shape=(89,), dtype=dtype)
    network.initialize(0)
    weights = network.parameters["dense1.w"]
    weights[0, :4] = [np.inf, -np.inf, np.nan, -0.0]
    found = tensors(page_model(network.trace(np.ones(89), np.ones(13)), "network"))
    assert "values" in found["input"]
    assert found["dense1.w"]["packed"]["type"] == dtype
    assert len(base64.b64decode(found["dense1.w"]["packed"]["bytes"])) == 89 * 13 * size
    np.testing.assert_array_equal(numbers(found["dense1.w"]), weights.astype(np.float64).ravel())


def test_the_network_that_is_trained_by_default_has_a_page() -> None:
    network = built("lenet", (28, 28, 1), 10)
    network.initialize(0)
    x = np.random.default_rng(0).random((28, 28, 1), dtype=np.float32)
    html = page_html(page_model(network.trace(x, 3, loss="softmax_cross_entropy"), "lenet"))
    assert len(html) < 6_000_000


def test_a_network_that_is_too_large() -> None:
    network = Network(Dense(1500, bias=None), input_shape=(1500,))
    network.parameters["dense1.w"][...] = 1
    with pytest.raises(
        ModelError, match="The network has 2,251,501 weights and other given numbers, too many for a page"
    ):
        page_model(network.trace(deltas={"dense1": np.ones(1500)}), "network")
    network = Network(Conv2D(80, 9), input_shape=(160, 160, 8))
    with pytest.raises(ModelError, match=r"One step of the network adds up [\d,]+ terms, too many for a page"):
        page_model(network.trace(np.zeros((160, 160, 8))), "network")


def test_the_file_needs_nothing_else() -> None:
    example = load_example("classic")
    html = build.page_html(example_model(example, example.trace()))
    for marker in ("<!-- styles -->", "<!-- scripts -->", "<!-- model -->"):
        assert marker not in html
    markup = re.sub(r"(<script[^>]*>).*?</script>", r"\1", html, flags=re.DOTALL)
    assert not re.findall(r"<(?:script|img|iframe)[^>]*\bsrc=|<link[^>]*stylesheet|@import", markup)
    urls = re.findall(r"url\([\"']?([^)\"']*)", html)
    assert {url[:5] for url in urls if not url.startswith("#")} == {"data:"}  # `#` is a place of the page itself
    assert not re.search(r"\beval\(|new Function\(", build.core_script())
    [data] = re.findall(r'<script type="application/json" id="model">(.*?)</script>', html, re.DOTALL)
    assert json.loads(data)["name"] == "classic"


def test_texts_of_a_model_are_no_markup() -> None:
    model = page_model(load_example("classic").trace(), "</script><script>alert(1)</script>")
    html = build.page_html(model)
    assert "alert(1)</script>" not in html
    assert "\\u003c/script>\\u003cscript>alert(1)" in html


def test_the_program_has_all_its_files() -> None:
    names = {file.name.removesuffix(".js") for file in (build.static() / "core").iterdir()}
    assert names == set(build.CORE)


def test_deltas_are_in_the_page_even_where_the_gradient_would_be_a_view() -> None:
    network = Network(Conv2D(2, (2, 3)), input_shape=(3, 5, 1))
    x = np.ones((3, 5, 1))
    model = tensors(page_model(network.trace(x, deltas={"conv1": np.arange(12)}), "network"))
    delta = model["conv1.dx"]
    assert (delta["delta"], delta["shows"], delta["definition"], delta["editable"]) == (True, None, None, True)
    assert delta["values"] == list(range(12))
    assert (delta["role"], delta["lens"], delta["layer"]) == ("delta", "backward", "conv1")
    bare = tensors(page_model(network.trace(x, np.zeros(12)), "network"))
    assert bare["conv1.dx"]["shows"] == "loss.dy"


def test_a_layer_in_other_letters_keeps_its_place_and_its_derivations() -> None:
    """Inputs that are not called o, a result that is not x, parameters of any name: nothing is read off a name."""
    image = Input((4, 3))
    a, b = ReLU()(image), Sigmoid()(image)
    text = "h[i,j] = p[i,j] * decay[j]\nz[i] = sum[j](h[i,j] * q[i,j]) + shift[i]"
    own = Equation(text, inputs=("p", "q"), name="own")(a, b)
    network = Network(inputs=image, outputs=Dense(2)(own))
    network.initialize(0)
    trace = network.trace(np.arange(12.0).reshape(4, 3) - 5.5, [1, 0], loss="half_squared_error", optimizer="momentum")
    model = page_model(trace, "network")
    found = tensors(model)
    derivations = {name: tensor["derivation"] for name, tensor in found.items() if tensor["derivation"]}
    assert derivations == {
        "own.dz": {"layer": "dense1", "gradient": "do"},
        "relu1.dx": {"layer": "own", "gradient": "dp"},
        "sigmoid1.dx": {"layer": "own", "gradient": "dq"},
        "relu1.do": {"layer": "relu1", "gradient": "do"},
        "sigmoid1.do": {"layer": "sigmoid1", "gradient": "do"},
        "dinput": {"layer": "sigmoid1", "gradient": "do"},
        **{f"dense1.d{n}": {"layer": "dense1", "gradient": f"d{n}"} for n in "wb"},
        **{f"dense1.{n}_next": {"layer": "dense1", "gradient": f"d{n}"} for n in "wb"},
        **{f"own.d{n}": {"layer": "own", "gradient": f"d{n}"} for n in ("decay", "shift")},
        **{f"own.{n}_next": {"layer": "own", "gradient": f"d{n}"} for n in ("decay", "shift")},
        "own.dh": {"layer": "own", "gradient": "dp"},
    }
    (layer,) = [layer for layer in model["layers"] if layer["name"] == "own"]
    assert {d["gradient"]: d["of"] for d in layer["derivations"]} == {
        "ddecay": "parameter",
        "dshift": "parameter",
        "dp": "input",
        "dq": "input",
    }
    roles = {name: found[f"own.{name}"]["role"] for name in ("z", "dz", "decay", "ddecay", "decay_next")}
    assert roles == {"z": "forward", "dz": "delta", "decay": "parameter", "ddecay": "gradient", "decay_next": "update"}
    blocks = {tensor["block"] for name, tensor in found.items() if name.startswith("own.")}
    assert blocks == {"own"}
    assert found["own.decay"]["letters"] == ["j"]
    outer = {name: found[name]["block"] for name in ("input", "dinput", "target", "loss.E", "optimizer.eta")}
    assert outer == {"input": "input", "dinput": "input", "target": "loss", "loss.E": "loss", "optimizer.eta": "step"}
