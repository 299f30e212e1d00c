"""Traces: the classic example as published, pins and deltas, laziness, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad import Network
from convgrad.errors import DataError, ModelError
from convgrad.examples import NAMES, load_example
from convgrad.explain import Trace
from convgrad.layers import Add, BatchNorm, Conv2D, Dense, Dropout, Flatten, Input, MaxPool2D, ReLU
from convgrad.layers import Equation as Written
from convgrad.optimizers import Adam

WEIGHTS = [[0.044606, 0.094061], [0.011262, 0.068288]]


@pytest.fixture
def classic() -> Trace:
    return load_example("classic").trace()


def test_the_published_example(classic: Trace) -> None:
    np.testing.assert_allclose(classic["conv1.dw"].values, WEIGHTS, atol=5e-7)
    text = classic["conv1.dw"][0, 0].explain().numbers
    assert text == "0.0686*0.88 + 0.0364*0.62 + 0.0467*0.20 - 0.0681*0.70 = 0.044606"
    assert classic["dense1.dx"].values.tolist() == [0.25, -0.15]
    assert classic["conv1.w_next"][0, 0].explain().numbers == "-0.13 - 0.5*0.044606 = -0.152303"


def test_without_the_last_rounding(classic: Trace) -> None:
    freed = classic.without_pins(["conv1.dx"])
    deltas = freed["conv1.dx"].values
    assert [round(deltas[place], 10) for place in ((1, 1), (0, 2), (2, 1), (3, 3))] == [
        0.0364182,
        0.068628,
        0.04675125,
        -0.06818625,
    ]
    assert np.count_nonzero(deltas) == 4
    assert freed["conv1.dw"][0, 0].written == "0.0445918"


def test_with_nothing_pinned_but_the_deltas(classic: Trace) -> None:
    expected = [[0.0447573, 0.0943846], [0.0112961, 0.0685618]]
    np.testing.assert_allclose(classic.without_pins()["conv1.dw"].values, expected, atol=5e-8)
    np.testing.assert_allclose(load_example("classic").trace(exact=True)["conv1.dw"].values, expected, atol=5e-8)


def test_a_convolution_before_it() -> None:
    trace = load_example("two-convolutions").trace()
    deltas, kernel = trace["conv2.dx"].values, trace["conv2.w"].values
    from scipy.signal import convolve2d, correlate2d

    np.testing.assert_allclose(trace["conv1.dx"].values, convolve2d(deltas, kernel, "full"), atol=1e-15)
    weights = correlate2d(trace["input"].values, trace["conv1.dx"].values, "valid")
    np.testing.assert_allclose(trace["conv1.dw"].values, weights, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_no_example_depends_on_rounding(name: str) -> None:
    """The greatest of each window is so by more than rounding."""
    trace = load_example(name).trace(exact=True)
    for tensor in trace.values():
        if tensor.definition is not None and tensor.name.endswith("_arg") and len(tensor) < 100:
            for element in tensor:
                values = sorted(c.value for c in element.explain().node.children)
                assert values[-1] - values[-2] > 1e-9 or values[-1] == 0, element


def test_only_what_is_asked_for_is_computed() -> None:
    trace = load_example("lenet-digit").trace()
    assert not set(trace.definitions) & set(trace._values)
    trace["relu1.x"][3, 3, 0].explain()
    assert not set(trace.definitions) & set(trace._values)
    assert trace["relu1.x"][3, 3, 0].explain().numbers
    assert set(trace.definitions) & set(trace._values) == {"conv1.x", "relu1.x"}


def test_values_are_read_only(classic: Trace) -> None:
    with pytest.raises(ValueError, match="read-only"):
        classic["conv1.x"].values[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        classic["input"].values[0, 0] = 1


def test_explanations_go_down_to_what_was_given(classic: Trace) -> None:
    pending, seen = [classic.without_pins()["conv1.w_next"][1, 0]], set()
    while pending:
        element = pending.pop()
        if element.name not in seen:
            seen.add(element.name)
            assert element.tensor.role == "given" or element.explain().made_from or element.value == 0
            pending += element.explain().made_from
    assert {"input[4,4]", "conv1.w[0,0]", "dense1.w[1,1,1]", "optimizer.eta", "pool1.x_arg[0,1]"} <= seen


def test_a_pinned_element_says_what_its_equation_gives(classic: Trace) -> None:
    explanation = classic["conv1.dx"][0, 2].explain()
    assert str(explanation).startswith("conv1.dx[0,2] = 0.0686, pinned\n")
    assert explanation.numbers == "0.068628"
    assert "conv1.dx[0,2] is pinned: 0.0686 stands in its place." in explanation.notes
    assert "pool1.x_arg[0,1] = 0 equals 0, so the term counts" in explanation.notes
    content = explanation.to_json()
    assert content["terms"] == [
        {"factors": [{"tensor": "conv1.dx", "index": [0, 2], "value": 0.0686}], "value": 0.0686}
    ]
    assert content["pinned"]
    assert content["computed"] == pytest.approx(0.068628)
    assert len(content["terms_of_equation"]) == 4


def test_a_branch_that_is_taken_and_is_zero_does_not_just_count() -> None:
    trace = load_example("two-channels").trace()
    notes = trace.at("conv1.dx[0,1,0]").explain().notes
    assert "conv1.x[0,1,0] = 0.46 is greater than 0, so the term counts, but it is 0" in notes
    assert "conv1.x[0,0,0] = 1.07 is greater than 0, so the term counts" in trace.at("conv1.dx[0,0,0]").explain().notes


def test_which_element_is_the_greatest(classic: Trace) -> None:
    explanation = classic["pool1.x"][0, 0].explain()
    assert explanation.numbers == "max(0.2491, -0.1648, 0.1089, 0.3092) = 0.3092"
    assert explanation.notes == ("conv1.x[1,1] = 0.3092 is the greatest of 4, place 3",)
    assert [element.name for element in explanation.made_from][3] == "conv1.x[1,1]"


def test_why_a_delta_is_zero(classic: Trace) -> None:
    notes = classic.without_pins()["conv1.dx"][0, 0].explain().notes
    assert notes == (
        "(4 terms are 0, 3 of them read outside)",
        "pool1.x_arg[0,0] = 3 is not 0, so the other value counts",
    )


def test_a_view_shows_another_tensor() -> None:
    trace = load_example("two-channels").trace()
    explanation = trace["flatten1.o"][1].explain()
    assert explanation.with_indices == "flatten1.o[1] = pool1.x[0,0,1]"
    assert [element.name for element in explanation.made_from] == ["pool1.x[0,0,1]"]
    assert trace["flatten1.o"].equation == "flatten1.o = pool1.x, in row-major order as 2"


def test_a_batch_comes_first() -> None:
    trace = load_example("batch-of-two").trace()
    assert trace["conv1.x"].shape == (2, 2, 2)
    assert trace.loss == pytest.approx(trace["loss.E"].values.mean())
    assert trace["dense1.dx"][1, 0].explain().equation == "dense1.dx[e,k] = loss.dE[e] * (dense1.x[e,k] - target[e,k])"


def test_layers_that_mix_examples_get_a_batch_of_one() -> None:
    network = Network(Conv2D(2, 2), BatchNorm(), ReLU(), Flatten(), Dense(3), input_shape=(4, 3, 1), dtype="float64")
    x = np.random.default_rng(0).random((4, 3, 1))
    trace = network.trace(x, 2, loss="softmax_cross_entropy", deltas={"dense1": [1, 0, -1]})
    assert trace["conv1.x"].shape == (1, 3, 2, 2)
    assert trace["dense1.dx"].values.tolist() == [[1, 0, -1]]
    assert "batchnorm1.moving_mean_next" in trace


def test_random_numbers_are_those_of_the_first_step() -> None:
    network = Network(Dropout(0.5), Dense(2), input_shape=(40,), dtype="float64")
    network.initialize(0)
    weights = network.get_weights()
    x, t = np.ones((1, 40)), np.zeros((1, 2))
    trace = network.trace(x, t, optimizer="adam")
    step = network.training_step("half_squared_error", "adam", 1, engine="oracle")
    step.run(x, t)
    np.testing.assert_allclose(trace["dense1.w_next"].values, network.parameters["dense1.w"], rtol=1e-12)
    assert not np.array_equal(weights["dense1.w"], network.parameters["dense1.w"])


def test_the_update_is_the_optimizer_s() -> None:
    network = Network(Dense(1, bias=None), input_shape=(1,), dtype="float64")
    network.set_weights({"dense1.w": [[2.0]]})
    trace = network.trace([1.0], [0.0], optimizer=Adam(0.1))
    assert trace["dense1.w_next"].values[0, 0] == pytest.approx(1.9, abs=1e-8)
    assert trace["dense1.w_next"].definition is not None
    assert trace["dense1.w_next"].definition.indices == trace["dense1.dw"].definition.indices  # type: ignore[union-attr]
    assert trace.learning_rate == 0.1


def test_a_person_may_start_anywhere() -> None:
    network = load_example("classic").network
    trace = network.trace(deltas={"pool1": [[1, 2], [3, 4]]}, pins={"pool1.x_arg": [[0, 1], [2, 3]]})
    assert trace["conv1.dx"].values.tolist() == [[1, 0, 0, 2], [0, 0, 0, 0], [0, 0, 0, 0], [3, 0, 0, 4]]
    assert trace["dinput"].shape == (5, 5)
    assert "conv1.dw" not in trace
    assert trace.loss is None
    with pytest.raises(DataError, match=r"`conv1.dw` can't be computed without `input`, which was not given. Give x"):
        trace["conv1.dw"]
    with pytest.raises(DataError, match=r"`dense1.dx` can't be computed without `input`"):
        trace["dense1.dx"]
    with pytest.raises(DataError, match=r"`target` was not given. Give a target, or the deltas of a layer"):
        trace["target"]


def test_deltas_need_no_target() -> None:
    trace = load_example("classic").network.trace(np.ones((5, 5)), deltas={"dense1": [0.5, 0.25]})
    explanation = trace["dense1.dx"][1].explain()
    assert str(explanation).split("\n")[0] == "dense1.dx[1] = 0.25, a delta that was given"
    assert explanation.substituted == "dense1.dx[1] = 0.25, a delta that was given"
    assert explanation.numbers == "0.25"
    assert explanation.latex.splitlines()[1] == r"\mathrm{d}x_{1}^{\mathrm{dense1}} &= 0.25"
    assert explanation.to_json()["computed"] == 0.25
    assert trace["conv1.dw"].values.any()


# Deltas where a gradient is another one seen in its shape


def two_by_two() -> Network:
    network = Network(Conv2D(1, 2, bias=None), input_shape=(3, 3, 1), dtype="float64")
    network.set_weights({"conv1.w": np.ones((2, 2, 1, 1))})
    return network


@pytest.mark.parametrize("deltas", [np.ones((2, 2, 1)), np.ones((2, 2)), [1, 1, 1, 1]])
@pytest.mark.parametrize("target", [None, [5, 6, 7, 8]])
def test_deltas_of_a_last_layer_with_several_axes(deltas: np.ndarray | list[int], target: list[int] | None) -> None:
    trace = two_by_two().trace(np.arange(9).reshape(3, 3, 1), target, deltas={"conv1": deltas})
    assert trace["conv1.dx"].values.ravel().tolist() == [1, 1, 1, 1]
    assert trace["conv1.dw"].values.ravel().tolist() == [8, 12, 20, 24]
    assert trace["dinput"].values[..., 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert trace["conv1.w_next"].values.ravel().tolist() == pytest.approx([0.92, 0.88, 0.8, 0.76])
    assert trace.loss == (None if target is None else 0.5 * (3**2 + 6**2 + 13**2 + 16**2))
    assert str(trace["conv1.dx"][1, 0, 0].explain()) == "conv1.dx[1,0,0] = 1, a delta that was given"
    assert "conv1.dx   (a delta that was given)" in str(trace)


def test_deltas_of_the_last_layer_need_no_loss() -> None:
    network = two_by_two()
    given = {"x": np.arange(9).reshape(3, 3, 1), "loss": "softmax_cross_entropy"}
    trace = network.trace(**given, deltas={"conv1.x": [1, 0, 0, 0]})  # type: ignore[arg-type]
    assert trace["conv1.dw"].values.ravel().tolist() == [0, 1, 3, 4]
    with pytest.raises(ModelError, match=r"softmax_cross_entropy takes one row of numbers for each example"):
        network.trace(**given, target=1, deltas={"conv1": [1, 0, 0, 0]})  # type: ignore[arg-type]


def test_a_forward_pass_needs_no_loss() -> None:
    """Without a target there is none, whatever it would be."""
    trace = two_by_two().trace(np.arange(9).reshape(3, 3, 1), loss="softmax_cross_entropy")
    assert trace["conv1.x"].values.ravel().tolist() == [8, 12, 20, 24]
    assert "conv1.dx" not in trace


def test_an_input_and_elements_without_axes_of_length_one() -> None:
    network = two_by_two()
    image = np.arange(9.0).reshape(3, 3)
    for x in (image, image.ravel()):
        assert network.trace(x)["conv1.x"].values.ravel().tolist() == [8, 12, 20, 24]
    batch = network.trace(np.stack([image, image + 1]))
    assert batch["conv1.x"].values[..., 0].tolist() == [[[8, 12], [20, 24]], [[12, 16], [24, 28]]]
    assert network.trace(image).at("conv1.x[1,0]").value == network.trace(image).at("conv1.x[1,0,0]").value == 20
    with pytest.raises(DataError, match=r"conv1.x has 3 indices, \[i,j,k\], but got 1"):
        network.trace(image).at("conv1.x[1]")


@pytest.mark.parametrize("name", ["conv1", "conv1.x", "conv1.dx"])
def test_deltas_under_any_of_their_names(name: str) -> None:
    trace = two_by_two().trace(np.arange(9).reshape(3, 3, 1), deltas={name: [1, 0, 0, 0]})
    assert trace["conv1.dw"].values.ravel().tolist() == [0, 1, 3, 4]


def test_deltas_before_flatten() -> None:
    """The winners of the windows get the deltas; without them, the loss's way back is what it was."""
    network = Network(MaxPool2D(2), Flatten(), Dense(3), input_shape=(4, 6, 1), dtype="float64")
    network.initialize(0)
    x = np.random.default_rng(3).permutation(24).reshape(4, 6, 1)
    trace = network.trace(x, [0, 0, 1], deltas={"maxpool1": [[10, 20, 30], [40, 50, 60]]})
    windows = x.reshape(2, 2, 3, 2).transpose(0, 2, 1, 3).reshape(2, 3, 4)
    expected = np.zeros((2, 3, 4))
    for (row, column), winner in np.ndenumerate(windows.argmax(-1)):
        expected[row, column, winner] = 10 * (3 * row + column + 1)
    expected = expected.reshape(2, 3, 2, 2).transpose(0, 2, 1, 3).reshape(4, 6)
    np.testing.assert_array_equal(trace["dinput"].values[..., 0], expected)
    bare = network.trace(x, [0, 0, 1])
    np.testing.assert_array_equal(trace["flatten1.do"].values, bare["flatten1.do"].values)
    assert bare["maxpool1.dx"].shows == "flatten1.do"
    same = network.trace(x, deltas={"flatten1": [10, 20, 30, 40, 50, 60]})
    np.testing.assert_array_equal(same["dinput"].values[..., 0], expected)


def test_deltas_wherever_there_is_a_gradient() -> None:
    """In a graph, in groups of channels, with a batch: each layer's deltas act, in the shape that the next one sees."""
    image = Input((5, 6, 2))
    grouped = Conv2D(4, (2, 3), groups=2)(image)
    pooled = MaxPool2D(2)(grouped)
    network = Network(
        inputs=image, outputs=Add()(Dense(3)(Flatten()(pooled)), Dense(3)(Flatten()(grouped))), dtype="float64"
    )
    network.initialize(1)
    x, target = np.random.default_rng(0).normal(size=(7, 5, 6, 2)), np.zeros((7, 3))
    bare = network.trace(x, target)
    for placed in network.layers:
        gradient = f"{placed.output.rpartition('.')[0]}.dx"
        shape = (7, *placed.built.output_shape)
        doubled = network.trace(x, target, deltas={placed.name: 2 * bare[gradient].values.reshape(shape)})
        np.testing.assert_array_equal(doubled[gradient].values, 2 * bare[gradient].values, err_msg=gradient)
        behind = np.abs(doubled["dinput"].values - bare["dinput"].values).max()
        assert behind > 1e-3, placed.name


def test_deltas_of_a_layer_whose_result_has_another_name() -> None:
    network = Network(Written("y[i,j] = 3 * o[i,j]", name="triple"), input_shape=(2, 3), dtype="float64")
    trace = network.trace(np.ones((2, 3)), deltas={"triple": [[1, 2, 3], [4, 5, 6]]})
    assert trace["dinput"].values.tolist() == [[3, 6, 9], [12, 15, 18]]


def test_weights_may_be_pinned() -> None:
    network = load_example("classic").network
    trace = network.trace(np.ones((5, 5)), pins={"conv1.w": [1, 2, 3, 4]})
    assert trace["conv1.x"].values.tolist() == [[10.0] * 4] * 4
    assert network.parameters["conv1.w"][0, 0] == -0.13


def test_a_network_with_weights_keeps_them() -> None:
    network = Network(Dense(1, bias=None), input_shape=(1,), dtype="float64")
    network.parameters["dense1.w"][...] = 3
    assert network.trace([2.0])["dense1.x"].values.tolist() == [6.0]
    fresh = Network(Dense(1, bias=None), input_shape=(1,))
    assert fresh.trace([2.0])["dense1.x"].values[0] != 0


def test_float32_weights_look_like_what_was_meant() -> None:
    network = Network(Dense(1, bias=None), input_shape=(2,))
    network.set_weights({"dense1.w": [[0.1], [0.7]]})
    assert network.trace([0.5, 0.2])["dense1.x"][0].explain().numbers == "0.1*0.5 + 0.7*0.2 = 0.19"


def test_an_input_without_gradient_is_no_obstacle() -> None:
    network = Network(Written("x[i] = w[i] * floor(o[i])"), input_shape=(2,), dtype="float64")
    trace = network.trace([1.5, 2.5], [0, 0])
    assert "dinput" not in trace
    assert trace["equation1.dw"].shape == (2,)


@pytest.mark.parametrize(
    ("element", "message"),
    [
        ("conv1.dv[0,0]", r"There is no tensor `conv1.dv`. Did you mean 'conv1.dw' or 'conv1.dx'\?"),
        (
            "conv1.dw[0,2]",
            r"conv1.dw has no element \[0,2\]: index 2 of 2 runs over 0..1. The legal range is conv1.dw\[0..1,0..1\]",
        ),
        ("conv1.dw[-1,0]", r"conv1.dw has no element \[-1,0\]: index 1 of 2 runs over 0..1"),
        ("conv1.dw[0]", r"conv1.dw has 2 indices, \[m,n\], but got 1: \[0\]. The legal range is"),
        ("conv1.w", r"conv1.w has 2 indices, \[i1,i2\], but got 0"),
        ("loss.E[0]", r"loss.E has 0 indices, but got 1"),
        ("conv1.dw[a,b]", r"'conv1.dw\[a,b\]' is not an element; write a tensor and its indices, such as"),
        ("conv1.dw[0,0", "is not an element"),
    ],
)
def test_elements_that_are_not_there(classic: Trace, element: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        classic.at(element)


def test_an_index_is_a_whole_number(classic: Trace) -> None:
    with pytest.raises(DataError, match=r"conv1.dw takes whole numbers as indices, not \(0, 0.5\)"):
        classic["conv1.dw"][0, 0.5]  # type: ignore[index]
    assert classic["conv1.dw"][np.int64(0), np.int64(1)].written == "0.094061"
    assert classic.at("loss.E").name == "loss.E"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"x": np.ones((4, 4))},
            r"takes an example of shape \(5, 5\), or a batch of shape \(N, 5, 5\), but x has shape",
        ),
        ({"x": [[1, 2], [3]]}, r"The input must be numbers, in lists of one length, but got \[\[1, 2\], \[3\]\]"),
        ({"x": np.ones((0, 5, 5))}, r"but x has shape \(0, 5, 5\)"),
        ({"target": [1, 2, 3]}, r"The target has shape \(3,\), but the loss takes 2 numbers"),
        ({"deltas": {"dense1.x": [1, 2, 3]}}, r"dense1.x has 2 = 2 deltas, but 3 were given"),
        ({"deltas": {"conv1": [1, 2, 3]}}, r"conv1.x has 4 x 4 = 16 deltas, but 3 were given"),
        ({"deltas": {"dense2.x": [1, 2]}}, r"There is no delta for `dense2.x`. Available: conv1.w"),
        ({"pins": {"sigmoid1.x": [1, 2, 3]}}, r"`sigmoid1.x` has shape \(2, 2\), but the values given .* shape \(3,\)"),
        ({"pins": {"sigmoid1.y": [1]}}, r"There is no tensor `sigmoid1.y` to pin. Did you mean 'sigmoid1.x'\?"),
        (
            {"pins": {"sigmoid1.x": [["a"]]}},
            r"`sigmoid1.x` must be numbers, in lists of one length, but got \[\['a'\]\]",
        ),
        ({"pins": {"sigmoid1.x": [[1, 2], [3]]}}, r"`sigmoid1.x` must be numbers, in lists of one length"),
        ({"deltas": {"dense1.x": ["a", "b"]}}, r"The deltas of dense1.x must be numbers"),
    ],
)
def test_values_that_do_not_fit(given: dict[str, object], message: str) -> None:
    network = load_example("classic").network
    arguments: dict[str, object] = {"x": np.ones((5, 5)), **given}
    with pytest.raises(DataError, match=message):
        network.trace(**arguments)  # type: ignore[arg-type]


def test_a_view_is_not_pinned() -> None:
    network = Network(MaxPool2D(2), Flatten(), Dense(1), input_shape=(2, 2, 2))
    with pytest.raises(DataError, match=r"`flatten1.o` shows the numbers of `maxpool1.x`; pin that"):
        network.trace(np.ones((2, 2, 2)), pins={"flatten1.o": [1, 2]})


def test_pins_that_are_not_there(classic: Trace) -> None:
    with pytest.raises(DataError, match=r"`conv1.dw` is not pinned. Did you mean 'conv1.dx'\?"):
        classic.without_pins(["conv1.dw"])
    with pytest.raises(DataError, match="Nothing is pinned"):
        classic.without_pins().without_pins(["conv1.dx"])


def test_a_label_is_one_number() -> None:
    network = Network(Dense(3), input_shape=(4,))
    with pytest.raises(DataError, match=r"The target has shape \(2,\), but the loss takes a label for each example"):
        network.trace(np.ones(4), [1, 2], loss="softmax_cross_entropy")


def test_a_loss_must_fit() -> None:
    network = load_example("strided").network
    with pytest.raises(ModelError, match="softmax_cross_entropy takes one row"):
        network.trace(np.ones((5, 5)), 1, loss="softmax_cross_entropy")


def test_the_loss_is_that_of_the_training() -> None:
    network = Network(Dense(3), input_shape=(4,))
    assert type(network.trace(np.ones(4)).start.loss).__name__ == "HalfSquaredError"
    network.training_step("softmax_cross_entropy", "sgd", 1, engine="oracle")
    assert type(network.trace(np.ones(4)).start.loss).__name__ == "SoftmaxCrossEntropy"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("classic", "For dense1.dx, sigmoid1.x and conv1.dx, given numbers replace what the equations compute."),
        ("padded", "i+m-1 may run outside the 4 rows 0..3, where 0 is read: i = 3 reads up to 4."),
    ],
)
def test_the_walk_says_what_was_given_and_what_is_read_outside(name: str, words: str) -> None:
    assert words in " ".join(str(load_example(name).trace()).split())
