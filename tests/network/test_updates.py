"""Clipped gradients, and parameters with a rate and a decay of their own: as PyTorch does it, in the program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convgrad.errors import ModelError, TrainingError
from convgrad.layers import BatchNorm, Conv2D, Dense, Flatten, LayerNorm, ReLU
from convgrad.models.network import Network
from convgrad.network.step import TrainingStep, gradients
from convgrad.optimizers import BIASES_AND_NORMS, LAMB, SGD, Adagrad, Adam, AdamW, Group, Lion, Optimizer, RMSprop
from convgrad.training import Checkpoint
from killed import Killed, Killer
from optional import engines

RNG = np.random.default_rng(2)
X, LABELS = RNG.normal(size=(11, 6, 5, 2)), RNG.integers(0, 3, 11)
RATES = (0.1, 0.05, 0.2)


def network(dtype: str = "float64") -> Network:
    made = Network(
        Conv2D(4, (3, 2)),
        LayerNorm(),
        ReLU(),
        Flatten(),
        Dense(5),
        ReLU(),
        Dense(3),
        input_shape=(6, 5, 2),
        dtype=dtype,
    )
    made.initialize(3)
    rng = np.random.default_rng(9)
    for array in made.parameters.values():
        array += 0.1 * rng.normal(size=array.shape).astype(dtype)
    return made


NO_DECAY = ("conv1.b", "layernorm1.gamma", "layernorm1.beta", "dense1.b", "dense2.b")
Settings = dict[str, dict[str, float]]
"""Parameter -> what is its own in PyTorch's groups."""
GROUPS: list[tuple[Optimizer, str, dict[str, Any], Settings]] = [
    (
        SGD(weight_decay=0.3, no_decay=BIASES_AND_NORMS),
        "SGD",
        {"weight_decay": 0.3},
        {name: {"weight_decay": 0} for name in NO_DECAY},
    ),
    (
        AdamW(weight_decay=0.3, no_decay="conv1"),
        "AdamW",
        {"weight_decay": 0.3},
        {name: {"weight_decay": 0} for name in ("conv1.w", "conv1.b")},
    ),
    (
        SGD(0.1, momentum=0.9, groups=[Group("conv*", 0.01), Group(("dense2", "dense1.b"), weight_decay=0.2)]),
        "SGD",
        {"momentum": 0.9},
        {
            **{n: {"scale": 0.1} for n in ("conv1.w", "conv1.b")},
            **{n: {"weight_decay": 0.2} for n in ("dense2.w", "dense2.b", "dense1.b")},
        },
    ),
    (
        Adam(0.1, weight_decay=0.1, no_decay="*.b", groups=[Group("dense*", 0.3, 0.5), Group("conv1", 0.02)]),
        "Adam",
        {"weight_decay": 0.1},
        {
            "dense1.w": {"scale": 3, "weight_decay": 0.5},
            "dense2.w": {"scale": 3, "weight_decay": 0.5},
            "dense1.b": {"scale": 3, "weight_decay": 0},
            "dense2.b": {"scale": 3, "weight_decay": 0},
            "conv1.w": {"scale": 0.2},
            "conv1.b": {"scale": 0.2, "weight_decay": 0},
        },
    ),
]
CLIPPED: list[Optimizer] = [
    SGD(clipvalue=0.01),
    SGD(clipnorm=0.03),
    SGD(global_clipnorm=0.05, momentum=0.9),
    Adam(global_clipnorm=1e3),
    AdamW(clipvalue=0.02, weight_decay=0.2),
    RMSprop(global_clipnorm=0.1, weight_decay=0.1),
    LAMB(clipnorm=0.1),
    Lion(global_clipnorm=0.1),
]


def trained(optimizer: Optimizer, engine: str, **options: Any) -> dict[str, np.ndarray]:
    """Weights after a step at each of RATES."""
    made = network()
    step = TrainingStep(made, "softmax_cross_entropy", optimizer, len(X), engine=engine, **options)
    for rate in RATES:
        step.run(X, LABELS, rate)
    return made.get_weights()


def by_hand(
    optimizer: Optimizer, clip: Callable[[dict[str, Any]], dict[str, Any]], torch: ModuleType
) -> dict[str, Any]:
    """The same with PyTorch's clipping of our own gradients, and our own optimizer's equation on each parameter."""
    made, plain = network(), optimizer.variant()
    steps = {}
    for rate in RATES:
        found = gradients(made, X, LABELS, "softmax_cross_entropy", engine="oracle")
        dw = {name: torch.tensor(found[name.replace(".", ".d")]) for name in made.parameters}
        for name, gradient in clip(dw).items():
            if name not in steps:  # a network of one parameter, whose gradient is what we say
                size = gradient.numel()
                one = Network(Dense(size, bias=None, name="d"), input_shape=(1,), dtype="float64")
                one.initialize(0)
                one.parameters["d.w"][...] = made.parameters[name].reshape(1, size)
                steps[name] = TrainingStep(one, "half_squared_error", plain, 1, engine="oracle")
            step = steps[name]
            weights = step.network.parameters["d.w"]
            step.run(np.ones((1, 1)), weights - gradient.numpy().reshape(weights.shape), rate)
            made.parameters[name][...] = weights.reshape(gradient.shape)
    return made.get_weights()


@pytest.mark.torch
@engines
@pytest.mark.parametrize("optimizer", CLIPPED, ids=repr)
def test_clipped_as_in_torch(optimizer: Optimizer, engine: str, torch: ModuleType) -> None:
    utils = torch.nn.utils

    def clip(dw: dict[str, Any]) -> dict[str, Any]:
        parameters = {name: torch.nn.Parameter(gradient.clone()) for name, gradient in dw.items()}
        for name, parameter in parameters.items():
            parameter.grad = dw[name]
            if optimizer.clipnorm is not None:
                utils.clip_grad_norm_([parameter], optimizer.clipnorm)
        if optimizer.global_clipnorm is not None:
            utils.clip_grad_norm_(parameters.values(), optimizer.global_clipnorm)
        if optimizer.clipvalue is not None:
            utils.clip_grad_value_(parameters.values(), optimizer.clipvalue)
        return {name: parameter.grad for name, parameter in parameters.items()}

    expected, found = by_hand(optimizer, clip, torch), trained(optimizer, engine)
    # PyTorch divides by the norm + 1e-6, which makes gradients shorter by 1e-6 / 0.03 at most.
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], rtol=2e-4, atol=2e-5, err_msg=name)


@pytest.mark.torch
@engines
@pytest.mark.parametrize(("optimizer", "kind", "arguments", "own"), GROUPS, ids=lambda v: repr(v)[:60])
def test_groups_as_in_torch(
    optimizer: Optimizer, kind: str, arguments: dict[str, Any], own: Settings, engine: str, torch: ModuleType
) -> None:
    """The groups of PyTorch's optimizer, on our own gradients."""
    made = network()
    theirs = {name: torch.nn.Parameter(torch.tensor(array.copy())) for name, array in made.parameters.items()}
    settings = {name: dict(own.get(name, {})) for name in theirs}
    scales = [settings[name].pop("scale", 1) for name in theirs]
    groups = [{"params": [parameter], **settings[name]} for name, parameter in theirs.items()]
    reference = getattr(torch.optim, kind)(groups, lr=1.0, **arguments)
    for rate in RATES:
        for group, scale in zip(reference.param_groups, scales, strict=True):
            group["lr"] = scale * rate
        found = gradients(made, X, LABELS, "softmax_cross_entropy", engine="oracle")
        for name, parameter in theirs.items():
            parameter.grad = torch.tensor(found[name.replace(".", ".d")])
        reference.step()
        for name, parameter in theirs.items():
            made.parameters[name][...] = parameter.detach().numpy()
    for name, array in trained(optimizer, engine).items():
        np.testing.assert_allclose(array, made.parameters[name], rtol=1e-9, atol=1e-10, err_msg=name)


@engines
def test_the_norm_of_all_is_that_of_what_is_trained(engine: str) -> None:
    """Frozen gradients are not there to be measured."""
    whole = trained(SGD(global_clipnorm=0.05), engine)
    part = trained(SGD(global_clipnorm=0.05), engine, frozen="conv1")
    assert not np.allclose(whole["dense1.w"], part["dense1.w"], rtol=1e-6)
    start = network()
    step = TrainingStep(
        start, "softmax_cross_entropy", SGD(global_clipnorm=0.05), len(X), engine=engine, frozen="conv1"
    )
    before = start.get_weights()
    step.run(X, LABELS, 1.0)
    moved = np.sqrt(sum(((array - before[name]) ** 2).sum() for name, array in start.get_weights().items()))
    assert moved == pytest.approx(0.05, rel=1e-9)


def test_gradients_that_are_short_are_left_alone() -> None:
    free = trained(SGD(), "oracle")
    for optimizer in (SGD(clipnorm=1e6), SGD(global_clipnorm=1e6), SGD(clipvalue=1e6)):
        for name, array in trained(optimizer, "oracle").items():
            np.testing.assert_array_equal(array, free[name])


def test_killed_and_resumed(tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 2, "batch_size": 4, "verbose": False, "schedule": "cosine"}
    groups = [Group("conv1", 0.003), Group("dense1", weight_decay=0.1)]
    options["optimizer"] = AdamW(0.01, groups=groups, no_decay=BIASES_AND_NORMS, global_clipnorm=0.1)
    whole, again = network("float32"), network("float32")
    whole.fit(np.float32(X), LABELS, **options)
    place: dict[str, Any] = {"checkpoint": Checkpoint(tmp_path, seconds=0), "resume": True}
    with pytest.raises(Killed):
        network("float32").fit(np.float32(X), LABELS, **options, **place, callbacks=[Killer(3)])
    other = {**options, "optimizer": AdamW(0.01, groups=groups[:1], no_decay=BIASES_AND_NORMS, global_clipnorm=0.1)}
    with pytest.raises(TrainingError, match=r"optimizer\.groups is of length 2 there and of length 1 here"):
        network("float32").fit(np.float32(X), LABELS, **other, **place)
    again.fit(np.float32(X), LABELS, **options, **place)
    for name, array in whole.get_weights().items():
        assert array.tobytes() == again.get_weights()[name].tobytes(), name


def test_a_trace_has_them_too() -> None:
    optimizer = SGD(0.1, global_clipnorm=0.01, groups=[Group("dense1", 0.02)])
    made = Network(Dense(3), ReLU(), Dense(2), input_shape=(4,))
    trace = made.trace(np.ones(4), 1, loss="softmax_cross_entropy", optimizer=optimizer)
    assert float(trace["optimizer.eta2"].values) == pytest.approx(0.02)


def test_repr_says_what_was_given() -> None:
    assert repr(SGD(0.1)) == "SGD(learning_rate=0.1, momentum=0.0, nesterov=False, weight_decay=0.0)"
    told = "Lion(learning_rate=0.0001, beta1=0.9, beta2=0.99, weight_decay=0.0, clipnorm=1.0, no_decay=('*.b',))"
    assert repr(Lion(clipnorm=1.0, no_decay=["*.b"])) == told
    assert hash(SGD(groups=[Group(["a", "b"])])) == hash(SGD(groups=(Group(("a", "b")),)))


ANYTHING: Any = 7


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SGD(clipnorm=0), r"SGD: clipnorm must be .*a number above 0.*, not 0"),
        (lambda: SGD(clipnorm=1, clipvalue=1), r"SGD: clipvalue and clipnorm are given. Gradients are clipped in one"),
        (lambda: Adam(groups=ANYTHING), r"Adam: groups must be a list of Group\(...\), not 7"),
        (
            lambda: SGD(no_decay=ANYTHING),
            r"SGD: no_decay must be a name of layers or weights, such as 'conv\*', or several",
        ),
        (lambda: Group("a", learning_rate=0), r"Group: learning_rate must be"),
        (
            lambda: Group(ANYTHING),
            r"Group: names must be a name of layers or weights, such as 'conv\*', or several, not 7",
        ),
        (lambda: Bare(no_decay="*.b"), r"Bare has no weight_decay, so there is none to leave out or to change"),
    ],
)
def test_refuses(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        make()


class Bare(Optimizer):
    """Somebody's own."""

    @property
    def text(self) -> str:
        return "w_next[i] = w[i] - eta * dw[i]"


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (
            SGD(groups=[Group("conv2")]),
            r"groups: the network has no layer or weights called 'conv2'. Available: conv1,",
        ),
        (
            SGD(groups=[Group("dense*"), Group("*.b")]),
            r"groups: dense1.b is among 'dense\*' and among '\*.b'. Let each",
        ),
        (SGD(no_decay="dense1.bias"), r"no_decay: the network has no layer or weights called 'dense1.bias'"),
        (SGD(groups=[Group("relu1")]), r"groups: 'relu1' has no weights"),
    ],
)
def test_names_that_nothing_has(optimizer: Optimizer, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        TrainingStep(network(), "softmax_cross_entropy", optimizer, 4, engine="oracle")


def test_patterns_that_are_always_said_may_mean_nothing() -> None:
    """A network without normalization has no gamma."""
    plain = Network(Dense(3), input_shape=(4,))
    TrainingStep(plain, "softmax_cross_entropy", AdamW(no_decay=BIASES_AND_NORMS), 4, engine="oracle")
    with_statistics = Network(Dense(3), BatchNorm(), input_shape=(4,))
    step = TrainingStep(with_statistics, "mse", AdamW(no_decay=BIASES_AND_NORMS), 4, engine="oracle")
    decayed = {d.name for d in step.plan.definitions if "0.01 *" in str(d) and d.name.endswith("_next")}
    assert {name for name in decayed if name.removesuffix("_next") in with_statistics.parameters} == {"dense1.w_next"}
    Adagrad(no_decay="*.b")  # it has a decay, of 0
