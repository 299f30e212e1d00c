"""`fit(frozen=...)`: what is named stays to the bit, and neither its gradients nor what only they need is computed."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad.errors import TrainingError
from convgrad.layers import Add, BatchNorm, Conv2D, Dense, Dropout, Flatten, Input, MaxPool2D, ReLU
from convgrad.models.network import Network
from convgrad.network.step import TrainingStep
from convgrad.training import Checkpoint
from killed import Killed, Killer
from optional import engines

RNG = np.random.default_rng(8)
IMAGES = RNG.random((50, 8, 7, 2), dtype=np.float32)
LABELS = RNG.integers(0, 3, 50)
OPTIONS: dict[str, Any] = {"epochs": 2, "batch_size": 16, "optimizer": "adam", "verbose": False, "seed": 3}


def network(dtype: str = "float32") -> Network:
    layers = [Conv2D(4, (3, 2)), BatchNorm(), ReLU(), MaxPool2D(2), Conv2D(5, 2), ReLU(), Dropout(0.3), Flatten()]
    made = Network(*layers, Dense(3), input_shape=(8, 7, 2), dtype=dtype)
    made.initialize(1)
    return made


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    return {name for name, array in before.items() if array.tobytes() != after[name].tobytes()}


EVERY = set(network().get_weights())
FROZEN: list[tuple[Any, set[str]]] = [
    ("conv1", {"conv1.w", "conv1.b"}),
    (("conv*",), {"conv1.w", "conv1.b", "conv2.w", "conv2.b"}),
    (["*.b"], {"conv1.b", "conv2.b", "dense1.b"}),
    (("conv1", "batchnorm1"), {"conv1.w", "conv1.b"} | {name for name in EVERY if name.startswith("batchnorm1.")}),
    ("batchnorm1.gamma", {"batchnorm1.gamma"}),
    ("batchnorm1.moving_*", {"batchnorm1.moving_mean", "batchnorm1.moving_variance"}),
    ({"dense1.w": 1}.keys(), {"dense1.w"}),
    ((), set()),
]


@engines
@pytest.mark.parametrize(("names", "kept"), FROZEN, ids=lambda value: None if isinstance(value, set) else str(value))
def test_what_is_named_stays_to_the_bit_and_all_else_learns(names: Any, kept: set[str], engine: str) -> None:
    trained = network()
    before = trained.get_weights()
    epochs = 1 if engine == "oracle" else 2
    trained.fit(IMAGES, LABELS, **{**OPTIONS, "epochs": epochs}, frozen=names, engine=engine)
    assert EVERY - changed(before, trained.get_weights()) == kept


@pytest.mark.parametrize(("names", "gone"), [("conv1", ["conv1"]), (("conv*", "batchnorm1"), ["conv1", "conv2"])])
def test_neither_gradients_nor_what_only_they_need_is_in_the_program(names: Any, gone: list[str]) -> None:
    whole = TrainingStep(network(), "softmax_cross_entropy", "adam", 16, engine="oracle").plan
    plan = TrainingStep(network(), "softmax_cross_entropy", "adam", 16, engine="oracle", frozen=names).plan
    defined = {definition.name for definition in plan.definitions}
    for layer in gone:
        assert not {f"{layer}.{name}" for name in ("dw", "db", "dx", "w_next", "b_next", "w_m_next")} & defined
        assert not any(name.startswith(f"{layer}.w_") for name in plan.state)
    assert defined < {definition.name for definition in whole.definitions}


def test_only_a_head_is_left_of_the_way_back() -> None:
    """Of a network of which only the last layer learns: the loss's gradient, the head's two, and their updates."""
    step = TrainingStep(network(), "softmax_cross_entropy", "sgd", 16, engine="oracle", frozen=("conv*", "batch*"))
    back = [name for name, during in step.plan.passes.items() if during in ("backward", "update")]
    whole = TrainingStep(network(), "softmax_cross_entropy", "sgd", 16, engine="oracle").plan.passes
    assert [name for name in back if name.startswith("dense1")] == [
        "dense1.dx",
        "dense1.dw",
        "dense1.db",
        "dense1.w_next",
        "dense1.b_next",
    ]
    assert all(name.startswith(("dense1", "loss")) for name in back)
    assert len([during for during in whole.values() if during in ("backward", "update")]) > 3 * len(back)


def test_a_gradient_passes_through_a_frozen_layer() -> None:
    """conv2 and the head are frozen, and conv1 still learns what it learns beside them: the first step is the same."""
    free, held = network("float64"), network("float64")
    for each, names in ((free, ()), (held, ("conv2", "dense1", "batchnorm1.gamma"))):
        TrainingStep(each, "softmax_cross_entropy", "sgd", 50, frozen=names, engine="oracle").run(IMAGES, LABELS, 0.1)
    np.testing.assert_array_equal(held.parameters["conv1.w"], free.parameters["conv1.w"])
    assert not np.array_equal(held.parameters["conv2.w"], free.parameters["conv2.w"])


def test_frozen_statistics_are_those_of_prediction() -> None:
    """So that no example of a batch depends on another, and one program does for the last, short batch."""
    step = TrainingStep(network(), "softmax_cross_entropy", "sgd", 16, engine="oracle", frozen="batchnorm1")
    assert not step.examples_meet
    trained = network()
    trained.state["batchnorm1.moving_mean"][...] = 0.25
    trained.state["batchnorm1.moving_variance"][...] = 3.0
    layers = [Conv2D(4, (3, 2)), BatchNorm(), Flatten(), Dense(3)]
    plain = Network(*layers, input_shape=(8, 7, 2), dtype="float64")
    plain.initialize(2)
    plain.state["batchnorm1.moving_variance"][...] = 3.0
    expected = plain.predict(IMAGES, engine="oracle")
    step = TrainingStep(plain, "softmax_cross_entropy", "sgd", 50, engine="oracle", frozen="batchnorm1")
    step.run(IMAGES, LABELS)
    np.testing.assert_allclose(step.output, expected, rtol=1e-12, atol=1e-12)


def test_in_a_graph_what_is_read_twice_gets_a_gradient_only_where_it_is_wanted() -> None:
    start = Input((5, 4, 2))
    first = Conv2D(2, 3, padding="same", name="first")(start)
    second = Conv2D(2, 3, padding="same", name="second")(first)
    graph = Network(inputs=start, outputs=Dense(3)(Flatten()(Add()(first, second))))
    graph.initialize(4)
    before = graph.get_weights()
    graph.fit(IMAGES[:, :5, :4], LABELS, **OPTIONS, frozen="first")
    assert changed(before, graph.get_weights()) == {"second.w", "second.b", "dense1.w", "dense1.b"}


def test_killed_and_resumed_and_saved(tmp_path: Path) -> None:
    whole = network()
    whole.fit(IMAGES, LABELS, **OPTIONS, frozen=("conv1", "batchnorm1"))
    again: dict[str, Any] = {
        "checkpoint": Checkpoint(tmp_path, seconds=0),
        "frozen": ("batchnorm1", "conv1.*"),
    }  # means the same
    with pytest.raises(Killed):
        network().fit(IMAGES, LABELS, **OPTIONS, **again, callbacks=[Killer(5)])
    with pytest.raises(TrainingError, match=r"frozen is \['batchnorm1.beta', .* there and missing here"):
        network().fit(IMAGES, LABELS, **OPTIONS, checkpoint=tmp_path, resume=True)
    with pytest.raises(TrainingError, match=r"frozen is \['batchnorm1.beta', .* there and \['conv1.b'\] here"):
        network().fit(IMAGES, LABELS, **OPTIONS, checkpoint=tmp_path, resume=True, frozen="conv1.b")
    resumed = network()
    resumed.fit(IMAGES, LABELS, **OPTIONS, **again, resume=True)
    assert not changed(whole.get_weights(), resumed.get_weights())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            "conv3",
            r"frozen: the network has no layer or weights called 'conv3'. Available: batchnorm1, conv1, conv2, dense1.",
        ),
        (("conv1", "conv2.kernel"), r"no layer or weights called 'conv2.kernel'. Available: batchnorm1.beta"),
        ("cnov1", r"no layer or weights called 'cnov1'. Did you mean 'conv1'"),
        ("pool*", r"no layer or weights called 'pool\*'"),
        ("relu1", r"frozen: 'relu1' has no weights. Layers with weights are `conv1`, `batchnorm1`, `conv2`, `dense1`"),
        ("*", r"frozen names all parameters of the network, so there is nothing to train"),
        (3, r"frozen holds names of layers and weights, such as 'conv1', not 3"),
        (("conv1", 3), r"frozen holds names of layers and weights, such as 'conv1', not 3"),
    ],
)
def test_refuses(names: Any, words: str) -> None:
    made = network()
    with pytest.raises(TrainingError, match=words):
        made.fit(IMAGES, LABELS, **OPTIONS, frozen=names)
    with pytest.raises(TrainingError, match=words):
        made.training_step("softmax_cross_entropy", "sgd", 16, frozen=names)


@pytest.mark.torch
@engines
def test_as_in_torch(engine: str, torch: ModuleType) -> None:
    """Three steps of momentum with weights that ask for no gradient and a BatchNorm in evaluation."""
    ours = Network(
        Dense(6), BatchNorm(epsilon=1e-3), ReLU(), Dense(5), ReLU(), Dense(4), input_shape=(7,), dtype="float64"
    )
    ours.initialize(6)
    rng = np.random.default_rng(0)
    for name, array in ours.get_weights().items():
        (ours.parameters | ours.state)[name][...] = rng.random(array.shape) + 0.1
    nn = torch.nn
    theirs = nn.Sequential(
        nn.Linear(7, 6), nn.BatchNorm1d(6, eps=1e-3), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)
    ).double()
    pairs = {"dense1": theirs[0], "dense2": theirs[3], "dense3": theirs[5]}
    norm = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    with torch.no_grad():
        for name, module in pairs.items():
            module.weight[:] = torch.tensor(ours.parameters[f"{name}.w"].T)
            module.bias[:] = torch.tensor(ours.parameters[f"{name}.b"])
        for own, other in norm.items():
            getattr(theirs[1], other)[:] = torch.tensor((ours.parameters | ours.state)[f"batchnorm1.{own}"])
    theirs[1].eval()
    for parameter in (*theirs[1].parameters(), *theirs[3].parameters()):
        parameter.requires_grad = False
    optimizer = torch.optim.SGD([p for p in theirs.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    x, labels = rng.normal(size=(9, 7)), rng.integers(0, 4, 9)
    step = TrainingStep(ours, "softmax_cross_entropy", "momentum", 9, engine=engine, frozen=("batchnorm1", "dense2"))
    for _ in range(3):
        step.run(x, labels, 0.1)
        optimizer.zero_grad()
        nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels)).backward()
        optimizer.step()
    for name, module in pairs.items():
        np.testing.assert_allclose(
            ours.parameters[f"{name}.w"], module.weight.detach().numpy().T, rtol=1e-9, atol=1e-12
        )
        np.testing.assert_allclose(ours.parameters[f"{name}.b"], module.bias.detach().numpy(), rtol=1e-9, atol=1e-12)
    for own, other in norm.items():
        found = (ours.parameters | ours.state)[f"batchnorm1.{own}"]
        np.testing.assert_array_equal(found, getattr(theirs[1], other).detach().numpy())
