"""What all layers have in common: names, arguments, configurations, graphs, equations."""

from __future__ import annotations

import json

import numpy as np
import pytest

import convgrad.layers
from convgrad.errors import ModelError, ShapeError
from convgrad.initializers import registry as initializers
from convgrad.layers import Add, Conv2D, Dense, Dropout, Equation, Input, Layer, MaxPool2D, Node, Reshape, registry
from convgrad.layers.base import Parameter
from convgrad.losses import Loss
from convgrad.notation.parsing.parser import parse
from convgrad.notation.printing.latex import latex
from convgrad.optimizers import Optimizer

ARGUMENTS = {
    "Conv1D": (8, 3),
    "Conv2D": (8, (2, 3)),
    "Conv3D": (8, (2, 3, 1)),
    "ConvTranspose1D": (8, 3),
    "ConvTranspose2D": (8, 3),
    "ConvTranspose3D": (8, 3),
    "Dense": (8,),
    "DepthwiseConv2D": (3,),
    "Dropout": (0.25,),
    "Equation": ("x[f] = a * w[f] * o[f]", ("o",), {}, {}, {"a": 2.0}, {"w": (7,)}),
    "LocalResponseNorm": (5,),
    "Permute": ((2, 1),),
    "PixelShuffle": (2,),
    "Reshape": ((7, -1),),
}
LAYERS = [kind(*ARGUMENTS.get(name, ())) for name, kind in sorted(registry.items())]


def test_registry_holds_all_layers_of_the_front_door() -> None:
    kinds = {name: kind for name, kind in vars(convgrad.layers).items() if isinstance(kind, type)}
    layers = {n: k for n, k in kinds.items() if issubclass(k, Layer) and k is not Layer}
    ours = {name: kind for name, kind in registry.items() if kind.__module__.startswith("convgrad.")}
    assert ours == layers  # other tests have layers of their own
    assert set(layers) | {"Built", "Input", "Layer", "Node", "Parameter", "registry"} == set(convgrad.layers.__all__)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_repr_makes_the_layer_again(layer: Layer) -> None:
    again = eval(repr(layer), dict(registry))
    assert repr(again) == repr(layer)
    assert again.config() == layer.config()


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_config_makes_the_layer_again(layer: Layer) -> None:
    config = json.loads(json.dumps(layer.config()))
    assert repr(type(layer).from_config(config)) == repr(layer)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_printing_a_layer_shows_its_equation(layer: Layer) -> None:
    assert parse(str(layer)) == layer.equation
    assert latex(layer.equation) in layer._repr_latex_()


def test_config_keeps_all_arguments() -> None:
    layer = Conv2D(8, (2, 3), strides=2, padding=((1, 2), 0), groups=2, bias=None, name="conv1")
    assert layer.config() == {
        "name": "conv1",
        "filters": 8,
        "kernel_size": [2, 3],
        "strides": 2,
        "padding": [[1, 2], 0],
        "dilation": 1,
        "groups": 2,
        "bias": None,
        "kernel_initializer": "glorot_uniform",
    }


def test_numbers_of_numpy_will_do() -> None:
    layer = Conv2D(np.int64(8), np.int32(3))
    assert json.dumps(layer.config())
    assert layer.build((7, 5, 1)).output_shape == (5, 3, 8)
    assert Dropout(np.float32(0.25)).config()["rate"] == 0.25


def test_refuses_arguments_it_does_not_have() -> None:
    with pytest.raises(ModelError, match=r"Conv2D has no argument 'filtres'. Did you mean 'filters'\?"):
        Conv2D.from_config({"filtres": 8, "kernel_size": 3})


def test_refuses_to_write_functions() -> None:
    layer = Dense(8, kernel_initializer=lambda rng, shape, fan_in, fan_out: np.ones(shape))
    with pytest.raises(
        ModelError, match=r"argument 'kernel_initializer' is a function, which can't be written to a file"
    ):
        layer.config()


@pytest.mark.parametrize("name", ["1st", "a.b", "a b", "", "größe"])
def test_refuses_names_that_equations_cannot_hold(name: str) -> None:
    with pytest.raises(ModelError, match=r"A layer can't be called .* Use letters, digits and `_`"):
        Dense(8, name=name)


def test_messages_call_a_layer_by_its_name() -> None:
    with pytest.raises(ShapeError, match=r"^layer `pool3`, MaxPool2D\(pool_size=3, name='pool3'\): "):
        MaxPool2D(3, name="pool3").build((2, 2, 1))


def test_refuses_a_second_class_of_one_name() -> None:
    with pytest.raises(ModelError, match=r"There is already a layer called Dense in convgrad.layers.dense"):
        type("Dense", (Layer,), {})
    assert registry["Dense"] is Dense


def test_a_layer_of_ones_own_is_registered() -> None:
    kind = type("Twice", (Layer,), {"text": "x[f] = 2 * o[f]"})
    try:
        assert registry["Twice"] is kind
        assert kind().equation == parse("x[f] = 2 * o[f]")
        with pytest.raises(NotImplementedError, match="Twice must have a method `build`"):
            kind().build((3,))
    finally:
        del registry["Twice"]


def test_base_classes_have_no_equation() -> None:
    for kind in (Layer, Loss, Optimizer):
        with pytest.raises(NotImplementedError, match=f"{kind.__name__} must say its equation in `text`"):
            print(kind())


def test_layers_are_equal_only_to_themselves() -> None:
    assert Dense(8) != Dense(8)
    assert len({Dense(8), Dense(8)}) == 2


def test_calling_a_layer_makes_a_node() -> None:
    image = Input((7, 5, 2))
    layer = Conv2D(2, 1)
    hidden = layer(image)
    total = Add()(hidden, image)
    assert isinstance(hidden, Node)
    assert hidden.layer is layer
    assert hidden.inputs == (image,)
    assert total.inputs == (hidden, image)


def test_refuses_to_be_called_on_anything_else() -> None:
    with pytest.raises(ModelError, match=r"Dense\(8\) was called with ndarray. A layer is called on nodes"):
        Dense(8)(np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"Dense\(8\) was called with nothing. Call it on a node"):
        Dense(8)()


@pytest.mark.parametrize("shape", [(), 28, (28, 0), (28, -1), (2.5,), "28", (True,)])
def test_refuses_shapes_of_inputs(shape: int | str | tuple[bool | float | int, ...]) -> None:
    with pytest.raises(ModelError, match=r"the shape of one example must be a tuple of whole numbers of at least 1"):
        Input(shape)  # type: ignore[arg-type]


def test_parameters_begin_as_the_generator_says() -> None:
    parameter = Conv2D(8, (2, 3), kernel_initializer="he_normal").build((7, 5, 4)).parameters["w"]
    first, again, other = (parameter.initial(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (2, 3, 4, 8)
    assert first.dtype == np.float64
    assert (first == again).all()
    assert (first != other).all()


@pytest.mark.parametrize(
    ("name", "variance"),
    [("glorot_uniform", 2 / (30 + 70)), ("he_normal", 2 / 30), ("lecun_normal", 1 / 30), ("zeros", 0), ("ones", 0)],
)
def test_variance_of_initial_values(name: str, variance: float) -> None:
    values = Parameter((300, 700), name, (30, 70)).initial(np.random.default_rng(0))
    # The relative error of a variance from n normal values is sqrt(2/n) = 0.3 %; five times that.
    assert values.var() == pytest.approx(variance, rel=0.016)
    assert values.mean() == pytest.approx(1 if name == "ones" else 0, abs=5 * np.sqrt(variance / values.size))


def test_glorot_stays_within_its_bounds() -> None:
    values = Parameter((300, 700), "glorot_uniform", (30, 70)).initial(np.random.default_rng(0))
    assert 0.99 * np.sqrt(6 / 100) < np.abs(values).max() <= np.sqrt(6 / 100)
    assert set(initializers) == {"glorot_uniform", "he_normal", "lecun_normal", "zeros", "ones"}


def test_refuses_initial_values_that_do_not_fit() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ModelError, match=r"An initializer must return shape \(2, 3\), but it returned \(3, 2\)"):
        Parameter((2, 3), lambda rng, shape, fan_in, fan_out: np.ones(shape[::-1])).initial(rng)
    with pytest.raises(ModelError, match=r"An initializer returned numbers that are not finite"):
        Parameter((2, 3), lambda rng, shape, fan_in, fan_out: np.full(shape, np.nan)).initial(rng)
    with pytest.raises(ModelError, match=r"There is no initializer called 'one'. Did you mean 'ones'\?"):
        Parameter((2, 3), "one").initial(rng)


def test_reshape_and_equation_take_lists() -> None:
    assert Reshape([5, -1]).build((7, 15)).output_shape == (5, 21)  # type: ignore[arg-type]
    assert Equation("x[f] = o1[f] - o2[f]", inputs=["o1", "o2"]).build((7,), (7,)).inputs == ("o1", "o2")  # type: ignore[arg-type]
