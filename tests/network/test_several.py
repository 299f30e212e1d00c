"""Networks of several inputs and outputs, and layers in several places: names, weights, predictions, refusals."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convgrad import DataError, ModelError, Network, ShapeError, from_torch
from convgrad.compute.halide import available
from convgrad.inspection import grad_cam, health
from convgrad.layers import Add, BatchNorm, Conv2D, Dense, Dropout, Flatten, GlobalAvgPool2D, Input, ReLU
from convgrad.losses import Loss, SoftmaxCrossEntropy
from convgrad.network.losses import Losses, loss_for
from several_networks import both, examples, siamese, two_heads, two_inputs

ENGINES = ["oracle", pytest.param("halide", marks=pytest.mark.skipif(not available()[0], reason=available()[1]))]
LOSSES = Losses({"class": "softmax_cross_entropy", "box": "mse"}, {"box": 0.5})


def ready(network: Network, seed: int = 1) -> Network:
    network.initialize(seed)
    return network


# Names and shapes


def test_ends_have_names() -> None:
    network = both()
    assert network.input_shapes == {"image": (6, 5, 2), "meta": (3,)}
    assert network.output_shapes == {"class": (4,), "box": (2,)}
    assert two_heads().input_shape == (6, 5, 2)
    assert two_inputs().output_shape == (4,)


def test_ends_of_lists_are_called_after_their_layers_and_inputs() -> None:
    a, b = Input((3,)), Input((3,), name="other")
    network = Network(inputs=[a, b], outputs=[Dense(2, name="y")(a), Dense(4)(b)])
    assert network.input_shapes == {"input1": (3,), "other": (3,)}
    assert network.output_shapes == {"y": (2,), "dense1": (4,)}


def test_one_in_a_list_is_one() -> None:
    image = Input((3,))
    assert Network(inputs=[image], outputs=[Dense(2)(image)]).output_shape == (2,)


def test_one_in_a_table_has_its_name() -> None:
    image = Input((3,))
    network = ready(Network(inputs={"x": image}, outputs={"y": Dense(2)(image)}))
    assert network.predict({"x": np.ones((5, 3))}, engine="oracle")["y"].shape == (5, 2)


def test_a_result_may_be_an_output_and_go_on() -> None:
    image = Input((3,))
    code = Dense(2, name="code")(image)
    network = ready(Network(inputs=image, outputs={"code": code, "again": Dense(3)(code), "same": code}))
    found = network.predict(np.ones((4, 3)), engine="oracle")
    assert [array.shape for array in found.values()] == [(4, 2), (4, 3), (4, 2)]
    t = {"code": np.ones((4, 2)), "again": np.zeros((4, 3)), "same": np.ones((4, 2))}
    once = network.gradients(np.ones((4, 3)), t, Losses(dict.fromkeys(t, "mse")), engine="oracle")
    twice = Network(inputs=image, outputs={"code": code, "again": network.layers[1].layer(code)})
    twice.set_weights(network.get_weights())
    del t["same"]
    other = twice.gradients(np.ones((4, 3)), t, Losses(dict.fromkeys(t, "mse"), {"code": 2}), engine="oracle")
    np.testing.assert_allclose(once["code.dw"], other["code.dw"], rtol=1e-6)


def test_tensors_are_called_after_the_ends() -> None:
    network = both()
    network.initialize(0)
    text = str(network.training_step(LOSSES, "sgd", 4, engine="oracle").plan.equation)
    assert "loss.E[e] = loss.class.E[e] + 0.5 * loss.box.E[e]" in text
    assert "loss.box.dE[e] = loss.dE[e] * 0.5" in text or "loss.box.dE[e] = 0.5 * loss.dE[e]" in text
    assert "input.image[e,i+m,j+n,c]" in text
    assert "target.class[e]" in text


def test_the_summary_names_ends_and_whose_weights_a_place_has() -> None:
    text = both().summary().text(100)
    assert "input.image" in text
    assert "outputs class (of scores), box (of corners)" in text
    rows = siamese().summary().text(100).splitlines()
    assert any(line.split()[:2] == ["conv_2", "input.right"] and "of conv" in line for line in rows)
    assert max(map(len, siamese().summary().text(60).splitlines())) <= 60
    assert "of conv" in siamese()._repr_html_()


# Shared layers


def test_a_shared_layer_has_its_weights_once() -> None:
    network = siamese()
    assert [name for name in network.parameters if name.startswith("conv")] == ["conv.w", "conv.b"]
    assert network.parameter_count == 3 * 2 * 3 + 3 + 48 * 4 + 4 + 1


@pytest.mark.parametrize("engine", ENGINES)
def test_the_gradient_of_a_shared_layer_is_the_sum_over_its_places(engine: str) -> None:
    """Against the same network with a layer of its own, of equal weights, in each place."""
    image = Input((6, 5, 2))
    kinds = [Conv2D(2, 3, padding="same", name=name) for name in ("c", "d")]
    alone = ready(Network(inputs=image, outputs=Dense(3, name="y")(Flatten()(kinds[1](ReLU()(kinds[0](image)))))))
    shared = kinds[0](ReLU()(kinds[0](image)))
    one = ready(Network(inputs=image, outputs=Dense(3, name="y")(Flatten()(shared))), 2)
    weights = one.get_weights()
    alone.set_weights(weights | {f"d.{key}": weights[f"c.{key}"] for key in "wb"})
    x, t = np.random.default_rng(0).random((4, 6, 5, 2)), [2, 0, 1, 1]
    found = one.gradients(x, t, "softmax_cross_entropy", engine=engine)
    parts = alone.gradients(x, t, "softmax_cross_entropy", engine=engine)
    for key in "wb":
        wanted = parts[f"c.d{key}"] + parts[f"d.d{key}"]
        np.testing.assert_allclose(found[f"c.d{key}"], wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["dinput"], parts["dinput"], rtol=1e-5, atol=1e-6)


def test_a_shared_layer_may_see_images_of_two_sizes() -> None:
    small, large = Input((5, 4, 2), name="small"), Input((7, 9, 2), name="large")
    conv = Conv2D(3, 3)
    network = ready(
        Network(inputs=[small, large], outputs=Add()(GlobalAvgPool2D()(conv(small)), GlobalAvgPool2D()(conv(large))))
    )
    assert network.parameter_count == 3 * 3 * 2 * 3 + 3
    assert network.predict([np.ones((2, 5, 4, 2)), np.ones((2, 7, 9, 2))], engine="oracle").shape == (2, 3)


def test_a_shared_layer_with_another_number_of_weights_is_refused() -> None:
    a, b = Input((3,), name="a"), Input((5,), name="b")
    dense = Dense(2)
    with pytest.raises(ShapeError, match=r"`dense1` is shared.*need different weights: `dense1.w` has shape \(3, 2\)"):
        Network(inputs=[a, b], outputs=Add()(dense(a), dense(b)))


@pytest.mark.parametrize("engine", ENGINES)
def test_moving_statistics_of_a_shared_layer_go_through_all_its_places(engine: str) -> None:
    """m -> 0.9 m + 0.1 b1 -> 0.9 (0.9 m + 0.1 b1) + 0.1 b2, as where the layer is called twice elsewhere."""
    a, b = Input((3,), name="a"), Input((3,), name="b")
    norm = BatchNorm(momentum=0.9, name="norm")
    network = ready(Network(inputs=[a, b], outputs=Dense(1)(Add()(norm(a), norm(b))), dtype="float64"))
    rng = np.random.default_rng(3)
    x = [rng.standard_normal((7, 3)), 2 + rng.standard_normal((7, 3))]
    network.training_step("mse", "sgd", 7, engine=engine).run(x, np.zeros((7, 1)))
    wanted = 0.9 * (0.1 * x[0].mean(0)) + 0.1 * x[1].mean(0)
    np.testing.assert_allclose(network.state["norm.moving_mean"], wanted, rtol=1e-12)


def test_dropout_in_two_places_draws_twice() -> None:
    a, b = Input((50,), name="a"), Input((50,), name="b")
    drop = Dropout(0.5)
    network = ready(Network(inputs=[a, b], outputs={"p": drop(a), "q": Dense(1)(drop(b))}))
    found = network.activations([np.ones((1, 50))] * 2, training=True, engine="oracle")
    assert (found["dropout1.x"] != found["dropout1_2.x"]).any()


def test_frozen_shared_layers_stay() -> None:
    network = ready(siamese("float32"))
    before = network.get_weights()
    step = network.training_step("mse", "adam", 3, frozen="conv")
    rng = np.random.default_rng(0)
    step.run([rng.random((3, 6, 5, 1)) for _ in range(2)], rng.random((3, 1)))
    after = network.get_weights()
    same = {name for name in before if (before[name] == after[name]).all()}
    assert same == {"conv.w", "conv.b", "code.b"}  # a bias falls out of the difference
    assert "conv.dw" not in str(step.plan.equation)


def test_a_head_whose_layers_are_frozen_still_counts_in_the_loss() -> None:
    network = ready(two_heads("float32"))
    x, y = examples(5)
    step = network.training_step(LOSSES, "sgd", 5, frozen=("scores", "conv", "hidden"), engine="oracle")
    before = network.get_weights()
    step.run(x["image"], y)
    assert step.loss == pytest.approx(step.losses["class"] + 0.5 * step.losses["box"], rel=1e-6)
    changed = {name for name, array in network.get_weights().items() if (array != before[name]).any()}
    assert changed == {"corners.w", "corners.b"}


# Predictions and gradients


@pytest.mark.parametrize("engine", ENGINES)
def test_predictions_depend_on_no_other_example(engine: str) -> None:
    network = ready(both())
    x, _ = examples(37)
    whole = network.predict(x, engine=engine)
    for rows in (slice(0, 1), slice(3, 20), slice(30, 37)):
        part = network.predict({name: array[rows] for name, array in x.items()}, engine=engine, batch_size=5)
        for name, array in part.items():
            np.testing.assert_array_equal(array, whole[name][rows])
    assert {
        name: array.shape
        for name, array in network.predict({name: array[:0] for name, array in x.items()}, engine=engine).items()
    } == {"class": (0, 4), "box": (0, 2)}


def test_bytes_become_shares_of_one() -> None:
    network = ready(both())
    image = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 2)).astype(np.uint8)
    meta = np.ones((4, 3))
    found = network.predict([image, meta])
    wanted = network.predict([image.astype(np.float32) / 255, meta])
    np.testing.assert_array_equal(found["class"], wanted["class"])


def test_gradients_of_all_inputs() -> None:
    network = ready(both("float64", drop=0.0))
    x, y = examples(5)
    found = network.gradients(x, y, LOSSES)
    twin = network.gradients([x["image"], x["meta"]], [y["class"], y["box"]], LOSSES, engine="oracle")
    assert found["input.dimage"].shape == (5, 6, 5, 2)
    assert found["input.dmeta"].shape == (5, 3)
    for name, array in twin.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-11, atol=1e-14)


def test_activations_by_name() -> None:
    network = ready(siamese("float32"))
    images = np.random.default_rng(0).random((3, 6, 5, 1))
    found = network.activations([images, images], "code*")
    np.testing.assert_array_equal(found["code.x"], found["code_2.x"])


def test_rows_without_weight_are_left_out_where_examples_meet() -> None:
    network, other = ready(both(drop=0.0)), ready(both(drop=0.0))
    x, y = examples(6)
    padded = network.training_step(LOSSES, "sgd", 6)
    padded.run(x, y, weights=np.array([1.0, 1, 1, 1, 0, 0]))
    exact = other.training_step(LOSSES, "sgd", 4)
    exact.run({n: a[:4] for n, a in x.items()}, {n: a[:4] for n, a in y.items()})
    for name, array in network.get_weights().items():
        np.testing.assert_allclose(array, other.get_weights()[name], rtol=1e-5, atol=1e-6)
    assert padded.losses == pytest.approx(exact.losses, rel=1e-5)
    assert np.isnan(padded.output["box"][4:]).all()
    np.testing.assert_allclose(padded.output["box"][:4], exact.output["box"], rtol=1e-5, atol=1e-6)


def test_what_layers_do_and_where_a_class_was_seen() -> None:
    x, y = examples(5)
    assert [layer.name for layer in health(ready(both()), x, y, loss=LOSSES).layers][:2] == ["conv", "norm"]
    assert grad_cam(ready(two_inputs()), x).shape == (5, 4, 4)


def test_weights_from_elsewhere_come_to_a_shared_layer_once() -> None:
    network = siamese("float32")
    state = {
        "a.weight": np.ones((3, 1, 3, 2)),
        "a.bias": np.zeros(3),
        "b.weight": np.ones((4, 48)),
        "b.bias": np.ones(4),
    }
    found = from_torch(state, network, partial=True)
    assert found.taken == {"conv": "a", "code": "b"}
    assert (network.parameters["code.b"] == 1).all()


def test_results_of_several_outputs_are_not_compared() -> None:
    with pytest.raises(ModelError, match="`class` and `box` are the outputs of this one"):
        from_torch({"conv.weight": np.ones((3, 2, 3, 2))}, two_heads(), partial=True, results=(ONE["x"], np.ones(4)))


# Descriptions and copies


@pytest.mark.parametrize("make", [two_heads, two_inputs, both, siamese])
def test_a_description_builds_the_same_network_again(make: Callable[..., Network]) -> None:
    network = ready(make())
    again = Network.from_config(network.to_config())
    assert again.to_config() == network.to_config()
    assert [placed.name for placed in again.layers] == [placed.name for placed in network.layers]
    again.initialize(1)
    for name, array in network.get_weights().items():
        np.testing.assert_array_equal(array, again.get_weights()[name])


def test_pickled_and_back() -> None:
    network = ready(siamese("float32"))
    twin = pickle.loads(pickle.dumps(network))
    images = [np.full((2, 6, 5, 1), value) for value in (0.1, 0.7)]
    np.testing.assert_array_equal(network.predict(images), twin.predict(images))


def test_the_second_place_finds_a_free_name() -> None:
    image = Input((3,))
    dense = Dense(3, name="d")
    network = Network(inputs=image, outputs=dense(Dense(3, name="d_2")(dense(image))))
    assert [placed.name for placed in network.layers] == ["d", "d_2", "d_3"]
    assert Network.from_config(network.to_config()).to_config() == network.to_config()


def damaged(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    config = both().to_config()
    change(config)
    return config


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["outputs"].update({"class": "nowhere"}),
        lambda config: config["outputs"].update({"class": "input.image"}),
        lambda config: config.pop("inputs"),
        lambda config: config["layers"].append({"shares": "input.image", "name": "a", "inputs": ["input.meta"]}),
        lambda config: config.update({"outputs": {}}),
    ],
)
def test_damaged_descriptions_are_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(ModelError, match="This is not a description of a network"):
        Network.from_config(damaged(change))


# Refusals

A, B = Input((3,)), Input((5,))
ONE = {"x": np.ones((4, 6, 5, 2))}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Network(inputs=[A, A], outputs=Dense(1)(A)), ModelError, "Two inputs are called `input2`, or are one"),
        (lambda: Network(inputs={"a.b": A}, outputs=Dense(1)(A)), ModelError, "An input can't be called 'a.b'"),
        (lambda: Network(inputs=A, outputs={"1": Dense(1)(A)}), ModelError, "An output can't be called '1'"),
        (lambda: Network(inputs=A, outputs=A), ModelError, "outputs must be the node of a graph"),  # type: ignore[arg-type]
        (lambda: Network(inputs=A, outputs=[]), ModelError, "outputs must be the node of a graph"),
        (lambda: Network(inputs=[], outputs=Dense(1)(A)), ModelError, "inputs must be the Input of a graph"),
        (lambda: Network(inputs=[A, B], outputs=Dense(1)(A)), ModelError, "No output depends on the input `input2`"),
        (
            lambda: Network(inputs=[A, B], outputs=Dense(1)(Input((3,)))),
            ModelError,
            "reads an Input that is not the one",
        ),
        (
            lambda: two_outputs_of_one_layer(),
            ModelError,
            r"Two outputs are called `y`. Name them: outputs={'one': node",
        ),
        (lambda: both().input_shape, ModelError, "one input and one output, but `image` and `meta` are the inputs"),
        (lambda: both().output_shape, ModelError, "but `class` and `box` are the outputs of this one. Build a part"),
        (lambda: ready(both()).trace(), ModelError, "needs a network of one input and one output"),
        (
            lambda: ready(shared_chain()).trace(),
            ModelError,
            "Layer `c` stands in several places, `c` and `c_2`, and a tr",
        ),
        (lambda: ready(both()).predict(np.ones((4, 6, 5, 2))), DataError, r"x is an array.*Write x={'image': \.\.\., "),
        (lambda: ready(both()).predict([np.ones((4, 6, 5, 2))]), DataError, "`image` and `meta`, but x is a list of 1"),
        (
            lambda: ready(both()).predict({"image": 0}),
            DataError,
            "x lacks `meta`; the network's inputs are `image` and",
        ),
        (
            lambda: ready(both()).predict({"imag": 0, "meta": 0}),
            DataError,
            "x has 'imag', but the network's inputs are",
        ),
        (
            lambda: ready(both()).predict([np.ones((4, 6, 5, 2)), np.ones((4, 2))]),
            DataError,
            r"examples of shape \(3,\)\['meta'\]|examples of shape \(3,\)",
        ),
        (
            lambda: ready(both()).predict([np.ones((4, 6, 5, 2)), np.ones((5, 3))]),
            DataError,
            "predict: x has `image` 4, `meta` 5 examples",
        ),
        (lambda: ready(two_heads()).predict(ONE), DataError, r"x is a table, \['x'\], but the network has no names"),
        (
            lambda: ready(two_heads()).gradients(ONE["x"], [[0, 1, 2, 9], np.ones((4, 2))], LOSSES),
            DataError,
            "gradients, output `class`: label 9 of example 3 is out of range",
        ),
        (
            lambda: ready(two_heads()).gradients(ONE["x"], {"class": [0] * 4}, LOSSES),
            DataError,
            "gradients: t lacks `box`; the network's outputs are `class` and `box`",
        ),
        (
            lambda: ready(two_heads()).gradients(ONE["x"], [0, 1, 2, 0], LOSSES),
            DataError,
            "outputs are `class` and `box`, but t is a list of 4",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def shared_chain() -> Network:
    conv = Conv2D(2, 3, padding="same", name="c")
    image = Input((6, 5, 2))
    return Network(inputs=image, outputs=conv(conv(image)))


def two_outputs_of_one_layer() -> Network:
    y = Dense(1, name="y")(A)
    return Network(inputs=A, outputs=[y, y])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: loss_for((), {"a": "mse"}), "The network has one output, so several losses mean nothing"),
        (lambda: loss_for((), "mse", {"a": 1}), "The network has one output, so loss_weights mean nothing"),
        (lambda: loss_for(("a", "b"), {"a": "mse"}), "loss lacks `b`; the network's outputs are `a` and `b`. To train"),
        (lambda: loss_for(("a", "b"), {"a": "mse", "c": "mse"}), "loss has 'c', but the network's outputs are `a` and"),
        (lambda: loss_for(("a", "b"), ["mse"]), r"but loss is \['mse'\]. Write loss={'a': \.\.\., 'b': \.\.\.}, or a"),
        (lambda: loss_for(("a", "b"), "mse", {"c": 2}), "loss_weights has 'c', but the network's outputs"),
        (lambda: loss_for(("a", "b"), "mse", {"a": 0}), "the weight of `a` must be a number above 0"),
        (lambda: loss_for(("a", "b"), Losses({"a": "mse"})), "loss lacks `b`"),
        (lambda: loss_for(("a", "b"), ["mse", "mes"]), "There is no loss called 'mes'"),
        (lambda: Losses({}), "there is no loss. Give one for each output"),
        (lambda: Losses({"a": "mse"}, {"b": 1.0}), "The weight of `b` has no loss"),
    ],
)
def test_losses_that_do_not_fit_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()


def test_a_loss_for_another_shape_names_the_output() -> None:
    image = Input((6, 5, 2))
    conv = Conv2D(2, 3)(image)
    network = ready(Network(inputs=image, outputs={"map": conv, "class": Dense(2)(Flatten()(conv))}))
    with pytest.raises(ModelError, match="Output `map`: softmax_cross_entropy takes one row"):
        network.gradients(np.ones((2, 6, 5, 2)), [np.zeros(2), np.zeros(2)], "softmax_cross_entropy")


def test_a_loss_that_ignores_a_label_is_refused_beside_others() -> None:
    image = Input((6, 5, 2))
    conv = Conv2D(2, 3)(image)
    network = ready(Network(inputs=image, outputs={"map": conv, "class": Dense(3)(Flatten()(conv))}))
    losses: dict[str, str | Loss] = {"map": "mse", "class": SoftmaxCrossEntropy(ignore=-1)}
    with pytest.raises(ModelError, match="Output `class`: a loss beside others can't ignore a label"):
        network.gradients(np.ones((2, 6, 5, 2)), [np.zeros((2, 4, 3, 2)), np.zeros(2)], losses)
