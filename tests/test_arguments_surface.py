"""Public functions with odd values for each argument, one at a time: what is refused is refused by an error of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convgrad
from convgrad import Network, bind, layers, losses, models, optimizers, parse
from convgrad.calculus import simplify
from convgrad.check import check, check_document, check_equation, check_sheet
from convgrad.compute.oracle import central_difference, compile_program, directional_difference, evaluate
from convgrad.data import Augment, Batches, load_images, load_npz, read_idx, stratified_split, write_idx
from convgrad.errors import ConvgradError, DataError, ModelError, TrainingError, UnknownName
from convgrad.examples import load_example
from convgrad.initializers import glorot_uniform, initial_values
from convgrad.layers import Conv2D, Dense, Equation, Flatten, Input, Node, Parameter, ReLU
from convgrad.models.saved import load
from convgrad.network.step import TrainingStep, gradients
from convgrad.notation import joined, mathml, rename, text
from convgrad.training import EarlyStopping, History, Metric, cosine, one_cycle, save, steps, top_k
from convgrad.worksheet import worksheet
from odd_values import Unfriendly


def numbers() -> Iterator[int]:
    yield 1


def wrong() -> list[Any]:
    return [
        *(None, "abc", "", "a\0b", "\ud800", b"abc", -1, 0, True, 2.5, float("nan"), float("inf"), 10**30, 10**400, 1j),
        *([], (), {}, [1, 2], ("a", "b"), [None], [[1], [2, 3]], {1: 2}, {"zz": 1}, {"w": None}, {1, 2}, numbers()),
        *(np.zeros(3), np.zeros((2, 3, 4, 5)), np.array(2), np.zeros(0), np.array([None, 1], object), np.array(["a"])),
        *(np.ones(3, complex), np.full((4, 5, 3, 1), np.nan), np.array(["2020"], "M8[D]"), np.zeros(3, [("a", "f4")])),
        *(np.ma.masked_array(np.zeros((4, 5, 3, 1)), mask=True), np.int64(3), np.float32(0.5), np.str_("abc")),
        *(
            ReLU,
            int,
            ReLU(),
            Input((3,)),
            optimizers.SGD(),
            losses.MeanSquaredError(),
            EQUATION,
            Path("nowhere"),
            Unfriendly(),
        ),
    ]


EQUATION = parse("x[i] = sum[m](w[m] * o[i+m])")
BOUND = bind(EQUATION, shapes={"w": (3,), "o": (7,)})
VALUES = {"w": np.arange(3.0), "o": np.arange(7.0)}
X, LABELS = np.linspace(0, 1, 60, dtype=np.float32).reshape(4, 5, 3, 1), np.array([0, 1, 1, 0])
ENGINE = {"engine": "oracle"}


def network() -> Network:
    made = Network(Conv2D(2, (3, 2)), Flatten(), Dense(2), input_shape=(5, 3, 1))
    made.initialize(1)
    return made


def fit(**arguments: Any) -> History:
    return network().fit(X, LABELS, **{"epochs": 1, "verbose": False, **ENGINE, **arguments})


SURFACE: dict[Callable[..., Any], dict[str, Any]] = {
    Conv2D: {"filters": 2, "kernel_size": 2, "strides": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": None},
    layers.ConvTranspose2D: {"filters": 2, "kernel_size": 2, "strides": 1, "padding": 0, "output_padding": 0},
    layers.DepthwiseConv2D: {"kernel_size": 2, "depth_multiplier": 1, "kernel_initializer": "zeros", "name": "a"},
    Dense: {"units": 2, "bias": None, "kernel_initializer": "zeros", "name": "a"},
    layers.MaxPool2D: {"pool_size": 2, "strides": 1, "padding": 0},
    layers.BatchNorm: {"momentum": 0.9, "epsilon": 0.1},
    layers.GroupNorm: {"groups": 2, "epsilon": 0.1},
    layers.Dropout: {"rate": 0.5},
    layers.ELU: {"alpha": 1.0},
    layers.LeakyReLU: {"negative_slope": 0.1},
    layers.Reshape: {"target_shape": (3, 4)},
    layers.ZeroPadding2D: {"padding": 1},
    Equation: {"definition": "x[i] = o[i] + b", "inputs": ("o",), "sizes": {}, "shapes": {"b": ()}, "initial": {}},
    Input: {"shape": (3, 4), "name": "a"},
    Node: {"layer": Flatten(), "inputs": (Input((3,)),)},
    Parameter: {"shape": (2,), "initializer": "zeros", "fans": (1, 2)},
    Conv2D.from_config: {"config": {"filters": 2, "kernel_size": 2}},
    glorot_uniform: {"rng": np.random.default_rng(0), "shape": (2,), "fan_in": 1, "fan_out": 1},
    initial_values: {"initializer": "ones", "rng": np.random.default_rng(0), "shape": (2,), "fan_in": 1, "fan_out": 1},
    optimizers.SGD: {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    optimizers.Adam: {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.9, "eps": 0.1, "weight_decay": 0.1},
    optimizers.Adam().scalars: {"step": 1, "learning_rate": 0.1},
    optimizers.optimizer_from: {"chosen": "sgd"},
    losses.loss_from: {"chosen": "mse"},
    losses.SoftmaxCrossEntropy: {"label_smoothing": 0.1},
    losses.MeanSquaredError().build: {"output_shape": (3,)},
    Network: {"input_shape": (3,), "name": "a", "dtype": "float32", "inputs": None, "outputs": None},
    Network.from_config: {"config": network().to_config()},
    network().initialize: {"seed": 1},
    network().set_weights: {"weights": network().get_weights()},
    network().predict: {"x": X, "batch_size": 2, **ENGINE},
    network().evaluate: {"x": X, "y": LABELS, "metrics": ["accuracy"], "batch_size": 2, "loss": "mse", **ENGINE},
    network().trace: {"x": X[0], "target": [0, 1], "loss": "mse", "deltas": {}, "pins": {}, "seed": 1},
    fit: {
        "batch_size": 2,
        "optimizer": "sgd",
        "loss": "mse",
        "learning_rate": 0.1,
        "schedule": "cosine",
        "seed": 1,
        "validation_split": 0.0,
        "metrics": [],
        "callbacks": [],
        "augment": None,
        "shuffle": True,
        "verbose": False,
        "validation_data": (X, LABELS),
    },
    TrainingStep: {"network": network(), "loss": "mse", "optimizer": "sgd", "batch_size": 2, "seed": 1, **ENGINE},
    gradients: {"network": network(), "loss": "mse", "x": X, "t": np.zeros((4, 2)), **ENGINE},
    parse: {"text": "x[i] = o[i]"},
    bind: {"equation": EQUATION, "shapes": {"w": (3,), "o": (7,)}, "sizes": {}, "integers": {}, "numbers": {}},
    convgrad.batched: {"equation": BOUND, "examples": ("o",), "size": 3},
    convgrad.latex: {"obj": EQUATION},
    mathml: {"obj": EQUATION, "display": "block"},
    text: {"obj": EQUATION},
    rename: {"equation": EQUATION, "names": {"w": "v"}},
    joined: {"equations": [EQUATION]},
    convgrad.gradients: {"equation": EQUATION, "wrt": ["w"], "of": "x"},
    convgrad.derivation: {"equation": EQUATION, "wrt": "w", "of": "x"},
    simplify: {"term": EQUATION.result.term, "ranges": {}},
    evaluate: {"equation": BOUND, "arrays": VALUES, "block": 100},
    compile_program: {"equation": BOUND, "outputs": ["x"], "dtype": "float64", "in_place": {}, "buffers": {}},
    central_difference: {"equation": BOUND, "arrays": VALUES, "wrt": "w", "upstream": 1.0, "step": 0.01},
    directional_difference: {"equation": BOUND, "arrays": VALUES, "direction": {"w": [1, 2, 3]}, "step": 0.01},
    convgrad.Dataset: {
        "name": "d",
        "train_images": X,
        "train_labels": LABELS,
        "test_images": X,
        "test_labels": LABELS,
        "class_names": ("a", "b"),
    },
    convgrad.load_data: {"source": "digits", "data_dir": None, "image_size": None, "progress": None},
    Augment: {"flip": True, "shift": 1},
    Augment(True, 1): {"images": X, "seed": 1, "epoch": 0},
    Batches: {
        "images": X,
        "labels": LABELS,
        "batch_size": 2,
        "seed": 1,
        "shuffle": True,
        "augment": None,
        "rows": None,
    },
    stratified_split: {"labels": LABELS, "fraction": 0.5, "seed": 1},
    load_npz: {"path": "a.npz"},
    load_images: {"path": "a.zip", "image_size": (2, 3), "progress": None},
    read_idx: {"path": "a.idx"},
    write_idx: {"path": "a.idx", "array": np.zeros(3, np.uint8)},
    EarlyStopping: {"monitor": "loss", "patience": 1, "min_delta": 0.0, "mode": "min", "restore_best": True},
    Metric: {"name": "a", "each": len},
    History: {"figures": {"loss": [1.0]}, "images": 3, "compile_seconds": 1.0, "interrupted": False},
    History.from_json: {"text": History().to_json()},
    cosine: {"warmup": 0.1, "floor": 0.1},
    one_cycle: {"rise": 0.1, "start": 0.1, "end": 0.1},
    steps: {"at": (0.5,), "factor": 0.1},
    top_k: {"k": 1},
    save: {"network": network(), "folder": "run", "about": {}},
    load: {"folder": "run"},
    models.build: {"name": "lenet5", "input_shape": (28, 28, 1), "classes": 10},
    models.load_model: {"source": "lenet5", "input_shape": None, "classes": 10},
    load_example: {"name": "classic"},
    worksheet: {"example": None, "blanks": 2, "difficulty": "easy", "seed": 1},
    check: {"layer": "relu", "input_shape": None, "roles": None, "dtype": "float64", "binding": None},
    check_equation: {"equation": "do[i] = dx[i]", "of": "x[i] = o[i]", "integers": None, "sizes": None},
    check_sheet: {"path": "a.toml"},
    check_document: {"path": "a.md", "programs": None, "seconds": 10.0, "sandbox": False},
}
ALONE = {check: {"function": lambda dx, o: dx * (o > 0)}}


@pytest.mark.parametrize("call", SURFACE, ids=lambda call: getattr(call, "__qualname__", type(call).__name__))
def test_odd_arguments_raise_no_errors_of_others(
    call: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    right = {**ALONE.get(call, {}), **SURFACE[call]}
    refused = 0
    for argument in right:
        for value in wrong():
            try:
                call(**{**right, argument: value})
            except ConvgradError:
                refused += 1
            except Exception as error:
                pytest.fail(f"{argument}, a {type(value).__name__}: {type(error).__name__}: {error}")
    assert refused >= len(right)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [  # A type checker refuses most of these as well, and is told to let them pass.
        (lambda: network().fit(X, LABELS, epoch=3), TrainingError, r"no argument 'epoch'\. Did you mean 'epochs'\?"),  # type: ignore[call-arg]
        (
            lambda: network().evaluate(X),
            DataError,
            r"test data: y is missing\. Give x and y, or one convgrad\.data\.Data",
        ),
        (
            lambda: Network(inputs=[Input((3,)), 5], outputs=Flatten()(Input((3,)))),  # type: ignore[list-item]
            ModelError,
            "inputs must be the Input of a graph, or several in a list or a table from names",
        ),
        (lambda: Network([ReLU()], input_shape=(3,)), ModelError, r"Write Network\(\*layers, input_shape=\.\.\.\)"),  # type: ignore[arg-type]
        (lambda: Network(ReLU, input_shape=(3,)), ModelError, r"got the class ReLU\. Write ReLU\(\.\.\.\), an object"),  # type: ignore[arg-type]
        (lambda: Network(Input((3,)), input_shape=(3,)), ModelError, r"Write a graph as Network\(inputs="),  # type: ignore[arg-type]
        (lambda: Network(ReLU(), input_shape=(3,)).training_step("mse", "sgd", 2), TrainingError, "has no parameters"),
        (lambda: Node(ReLU, ()), ModelError, r"A node is a layer and a tuple of nodes, not the class ReLU and \(\)"),  # type: ignore[arg-type]
        (lambda: layers.Concatenate().build((), ()), convgrad.ShapeError, "must have an axis to concatenate along"),
        (lambda: network().predict([[1], [2, 3]]), DataError, "predict: x must be an array of real numbers"),
        (lambda: evaluate(BOUND, {**VALUES, "w": [[1], [2, 3]]}), DataError, "evaluate: w must be an array of real"),
        (
            lambda: compile_program(BOUND, ["x"]).set("w", [[1], [2, 3]]),
            DataError,
            "this is neither an array nor lists of",
        ),
        (
            lambda: compile_program(BOUND, ["x"]).set("w", np.ma.masked_array(VALUES["w"], mask=True)),
            DataError,
            "w can't be set from an array with masked values",
        ),
        (
            lambda: save(network(), "run", {"a": X}),
            DataError,
            "save: about must hold values that JSON can represent, not",
        ),
        (lambda: network().gradients(X[0], LABELS, "mse"), DataError, r"gradients: x must have shape \(N, 5, 3, 1\)"),
        (lambda: fit(metrics=5), TrainingError, "metrics must be a list of names or Metric objects, not 5"),
        (lambda: fit(callbacks=5), TrainingError, "callbacks must be a list of Callback objects, not 5"),
        (lambda: fit(schedule=5), TrainingError, "schedule must be a name or a function from the fraction done, not 5"),
        (lambda: fit(epochs=10**30), TrainingError, r"not 1000000000.*\. The limit is 2,147,483,647\."),
        (lambda: stratified_split([0, 1], 0.5, 1), DataError, r"labels must be a NumPy array of integers .*\[0, 1\]"),  # type: ignore[arg-type]
        (
            lambda: Augment(True, 1).apply(X, np.zeros(2, np.uint64)),
            DataError,
            r"but draws have shape \(2,\)",
        ),
        (lambda: History()["acc"], UnknownName, r"^The history has no figure 'acc'\. There are none\.$"),
        (lambda: network().trace()[3], UnknownName, r"^Tensors have names, such as 'conv1\.dw', not 3\.$"),  # type: ignore[index]
    ],
)
def test_messages(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_tables_of_figures_and_tensors_are_mappings() -> None:
    assert History().get("loss") is None
    assert "loss" not in History()
    assert network().trace().get("zz") is None


def test_a_network_without_parameters_still_predicts_and_has_gradients() -> None:
    flat = Network(Flatten(), input_shape=(3,))
    flat.initialize()
    assert flat.predict(np.ones((2, 3)), engine="oracle").tolist() == [[1, 1, 1]] * 2
    assert flat.gradients(np.ones((2, 3)), np.zeros((2, 3)), "mse", engine="oracle")["dinput"].shape == (2, 3)
