"""Weights of PyTorch models: each network's results are those of the model, in float64."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import convgrad.layers as L
from convgrad import DataError, Network, from_torch
from optional import optional_module

BATCH = 3


def chain(nn: Any) -> tuple[Network, Any]:
    """Kernels that are not square, a dense layer on an image in a row, and a norm on the row."""
    network = Network(
        L.Conv2D(4, (3, 2), strides=(1, 2)),
        L.BatchNorm(epsilon=1e-5),
        L.ReLU(),
        L.Flatten(),
        L.BatchNorm(epsilon=1e-5),
        L.Dropout(0.5),
        L.Dense(7),
        L.Tanh(),
        L.Dense(5),
        input_shape=(8, 7, 3),
        dtype="float64",
    )
    model = nn.Sequential(
        nn.Conv2d(3, 4, (3, 2), stride=(1, 2)),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.BatchNorm1d(4 * 6 * 3),
        nn.Dropout(0.5),
        nn.Linear(4 * 6 * 3, 7),
        nn.Tanh(),
        nn.Linear(7, 5),
    )
    return network, model


def kinds(nn: Any) -> tuple[Network, Any]:
    """Groups, each channel by itself, turned kernels, norms, slopes."""
    network = Network(
        L.Conv2D(6, 3, groups=2, padding=1),
        L.GroupNorm(3, epsilon=1e-5),
        L.PReLU(),
        L.DepthwiseConv2D((2, 3), depth_multiplier=2, bias=None),
        L.ConvTranspose2D(6, (3, 2), strides=2, groups=3),
        L.GlobalAvgPool2D(),
        L.LayerNorm(epsilon=1e-5),
        L.Dense(3, bias=None),
        input_shape=(6, 7, 4),
        dtype="float64",
    )
    model = nn.Sequential(
        nn.Conv2d(4, 6, 3, groups=2, padding=1),
        nn.GroupNorm(3, 6),
        nn.PReLU(6),
        nn.Conv2d(6, 12, (2, 3), groups=6, bias=False),
        nn.ConvTranspose2d(12, 6, (3, 2), stride=2, groups=3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.LayerNorm(6),
        nn.Linear(6, 3, bias=False),
    )
    return network, model


def signal(nn: Any) -> tuple[Network, Any]:
    """One axis, and one slope for all channels."""
    network = Network(
        L.Conv1D(5, 3, dilation=2),
        L.PReLU(),
        L.Flatten(),
        L.Dense(4),
        input_shape=(11, 2),
        dtype="float64",
    )
    return network, nn.Sequential(nn.Conv1d(2, 5, 3, dilation=2), nn.PReLU(), nn.Flatten(), nn.Linear(5 * 7, 4))


def decoder(nn: Any) -> tuple[Network, Any]:
    """A row that becomes an image."""
    network = Network(
        L.Dense(2 * 3 * 5),
        L.ReLU(),
        L.Reshape((2, 3, 5)),
        L.Conv2D(2, 2),
        input_shape=(4,),
        dtype="float64",
    )
    model = nn.Sequential(nn.Linear(4, 30), nn.ReLU(), nn.Unflatten(1, (5, 2, 3)), nn.Conv2d(5, 2, 2))
    return network, model


def compared(network: Network, model: Any, seed: int = 5) -> tuple[Any, Any]:
    """Inputs, and what the model returns for them, images with channels last."""
    torch = optional_module("torch")
    torch.manual_seed(seed)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.data.uniform_(0.2, 1.3)  # variances are above 0
            if tensor.ndim > 1:
                tensor.data -= 0.75
    x = np.random.default_rng(seed).normal(size=(BATCH, *network.input_shape))
    given = torch.tensor(np.moveaxis(x, -1, 1))
    with torch.no_grad():
        y = model.double().eval()(given).numpy()
    return x, np.moveaxis(y, 1, -1)


@pytest.mark.torch
@pytest.mark.parametrize("build", [chain, kinds, signal, decoder])
def test_results_are_those_of_the_model(build: Callable[[Any], tuple[Network, Any]]) -> None:
    network, model = build(optional_module("torch").nn)
    x, y = compared(network, model)
    told = from_torch(model.state_dict(), network, results=(x, y))
    assert told.difference is not None
    assert told.difference < 1e-12
    assert not told.left
    assert not told.unused
    assert len(told.taken) == len({name.split(".")[0] for name in model.state_dict()})


@pytest.mark.torch
def test_a_module_and_what_lightning_keeps() -> None:
    network, model = signal(optional_module("torch").nn)
    x, y = compared(network, model)
    from_torch(model, network, results=(x, y))
    from_torch({"epoch": 3, "state_dict": model.state_dict()}, network, results=(x, y))


@pytest.mark.torch
def test_half_precision_is_read() -> None:
    torch = optional_module("torch")
    network, model = signal(torch.nn)
    from_torch(model.to(torch.bfloat16).state_dict(), network)
    expected = model[0].bias.detach().float().numpy()
    np.testing.assert_array_equal(network.parameters["conv1.b"], expected)


def arrays(**shapes: tuple[int, ...]) -> dict[str, Any]:
    """A state dict with these tensors, `a__weight` for `a.weight`."""
    rng = np.random.default_rng(1)
    return {name.replace("__", "."): rng.normal(size=shape) for name, shape in shapes.items()}


def dense(*units: int) -> Network:
    return Network(*(L.Dense(n) for n in units), input_shape=(3,))


LINEAR = arrays(a__weight=(4, 3), a__bias=(4,), b__weight=(5, 4), b__bias=(5,))


def test_files_keep_no_order(tmp_path: Path) -> None:
    """The tenth layer comes after the second, as the numbers in the names say, and that is told."""
    state: dict[str, Any] = {}
    for number in range(11):
        state |= {f"net.{number}.weight": np.full((3, 3), number, np.float32), f"net.{number}.bias": np.zeros(3)}
    save_file(state, tmp_path / "model.safetensors")
    network = dense(*[3] * 11)
    from_torch(tmp_path / "model.safetensors", network)
    assert [network.parameters[f"dense{n}.w"][0, 0] for n in range(1, 12)] == list(range(11))


def test_another_order_is_found_by_shapes_and_told() -> None:
    told = from_torch(dict(reversed(LINEAR.items())), dense(4, 5))
    assert told.taken == {"dense1": "a", "dense2": "b"}
    assert "found by their shapes" in str(told)


def test_names_say_which_belongs_to_which() -> None:
    state = arrays(a__weight=(3, 3), a__bias=(3,), b__weight=(3, 3), b__bias=(3,))
    network = dense(3, 3)
    told = from_torch(state, network, names={"b": "dense1"})
    assert told.taken == {"dense1": "b", "dense2": "a"}
    np.testing.assert_array_equal(network.parameters["dense2.w"], state["a.weight"].T.astype(np.float32))


def test_the_same_names_are_the_same_layers() -> None:
    state = arrays(dense2__weight=(3, 3), dense2__bias=(3,), dense1__weight=(3, 3), dense1__bias=(3,))
    assert from_torch(state, dense(3, 3)).taken == {"dense1": "dense1", "dense2": "dense2"}


def test_a_part_is_taken_and_the_rest_told() -> None:
    network = dense(4, 6)
    network.initialize(3)
    own = network.parameters["dense2.w"].copy()
    told = from_torch(LINEAR, network, partial=True)
    assert str(told).splitlines()[:3] == ["dense1  from a", "dense2 keeps its own weights", "b is not used"]
    np.testing.assert_array_equal(network.parameters["dense2.w"], own)


def test_what_a_state_dict_does_not_say_is_told() -> None:
    network = Network(L.Dense(4), L.BatchNorm(), input_shape=(3,))
    state = arrays(a__weight=(4, 3), a__bias=(4,), n__weight=(4,), n__bias=(4,), n__running_mean=(4,))
    state |= {"n.running_var": np.ones(4), "n.num_batches_tracked": np.array(7)}
    assert "batchnorm1 has epsilon=0.001; a state dict does not hold PyTorch's, 1e-05" in str(
        from_torch(state, network)
    )


def test_other_results_are_refused_and_nothing_is_changed() -> None:
    network = dense(4, 5)
    network.initialize(2)
    before = network.get_weights()
    with pytest.raises(DataError, match="differ from the given ones by up to"):
        from_torch(LINEAR, network, results=(np.ones((2, 3)), np.ones((2, 5))))
    for name, array in network.get_weights().items():
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(DataError, match=r"results have shape \(2, 4\), but the network's \(2, 5\)"):
        from_torch(LINEAR, network, results=(np.ones((2, 3)), np.ones((2, 4))))


@pytest.mark.parametrize(
    ("state", "arguments", "message"),
    [
        ("model.pt", {}, "model.pt is no .safetensors file. Files of pickles are not opened here"),
        ("none.safetensors", {}, "none.safetensors can't be read: No such file or directory."),
        ({}, {}, "weights must be a state dict, names to tensors, not {}."),
        ({"a.weight_g": np.ones(3)}, {}, "`a.weight_g` is nothing that layers here have; known are weight, bias,"),
        (LINEAR | {"a.bias": np.full(4, np.nan)}, {}, "`a.bias` holds NaN or infinity."),
        (
            arrays(a__weight=(4, 3), a__bias=(4,)),
            {},
            "has 2 layers with weights (dense1, dense2), and the state dict 1",
        ),
        (
            LINEAR | {"b.weight": np.ones((5, 9))},
            {},
            "`b` does not fit `dense2`: `weight` has shape (5, 9), and `dense2.w` (4, 5).",
        ),
        (arrays(a__weight=(4, 3), b__weight=(5, 4)), {}, "the module lacks what `dense1.b` would be"),
        (LINEAR | {"a.running_mean": np.ones(4)}, {}, "the layer has nothing for `running_mean`"),
        (LINEAR, {"names": {"aa": "dense1"}}, "names: the state dict has no `aa`."),
        (LINEAR, {"names": {"a": "dense3"}}, "names: the network has no `dense3`."),
        (LINEAR, {"names": {"a": "dense1", "b": "dense1"}}, "names give one layer two modules."),
    ],
)
def test_what_is_refused(state: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        from_torch(state, dense(4, 5), **arguments)
