"""JAX's side of whole networks: convgrad's layers as JAX functions in the same order of axes, compiled by XLA."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.jax_layers import convolution
from benchmarks.timing import Call
from benchmarks.torch_networks import MOMENTUM, TIMED_RATE
from benchmarks.verify import Array
from convgrad.models.network import Network
from convgrad.network.placed import PlacedLayer

Tensors = dict[str, Any]


def steps(network: Network, x: Array, t: Array, loss: str) -> dict[str, Call]:
    """One training step with momentum, parameters and velocities kept from call to call."""

    def step(parameters: Tensors, velocities: Tensors, state: Tensors, x: Any, t: Any) -> Any:
        def total(parameters: Tensors) -> Any:
            y, moved = _forward(network, parameters, state, x, training=True)
            return _loss(loss, y, t), moved

        (error, moved), gradients = jax.value_and_grad(total, has_aux=True)(parameters)
        velocities = {name: MOMENTUM * velocities[name] + gradient for name, gradient in gradients.items()}
        parameters = {name: p - TIMED_RATE * velocities[name] for name, p in parameters.items()}
        return parameters, velocities, moved, error

    compiled = jax.jit(step)
    kept = [jax.device_put(dict(network.parameters)), {}, jax.device_put(dict(network.state))]
    kept[1] = {name: jnp.zeros_like(p) for name, p in kept[0].items()}
    given = jax.device_put(x), jax.device_put(t)

    def call() -> Any:
        *kept[:], error = compiled(*kept, *given)
        return error.block_until_ready()

    return {"jax": call}


def predictions(network: Network, x: Array) -> dict[str, Call]:
    """The network's results."""
    compiled = jax.jit(lambda p, s, x: _forward(network, p, s, x, training=False)[0])
    given = [jax.device_put(value) for value in (dict(network.parameters), dict(network.state), x)]
    return {"jax": lambda: compiled(*given).block_until_ready()}


def _loss(name: str, y: Any, t: Any) -> Any:
    if name == "softmax_cross_entropy":
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(y), t[:, None], 1))
    return ((t - y) ** 2).sum() / (2 * len(y))


def _forward(network: Network, parameters: Tensors, state: Tensors, x: Any, training: bool) -> tuple[Any, Tensors]:
    """The results and the new moving values."""
    values, moved = {"input": x}, dict(state)
    for placed in network.layers:
        own = {key: parameters[placed.tensor(key)] for key in placed.built.parameters}
        inputs = [values[source] for source in placed.sources]
        if type(placed.layer).__name__ == "BatchNorm":
            values[placed.name] = _batch_norm(placed, inputs[0], own, moved, training)
        else:
            values[placed.name] = _layer(placed, inputs, own)
    return values[network.layers[-1].name], moved


def _layer(placed: PlacedLayer, inputs: list[Any], own: Tensors) -> Any:
    layer: Any = placed.layer
    kind, o = type(layer).__name__, inputs[0]
    if kind in ("Conv2D", "DepthwiseConv2D"):
        pads, groups = layer.window.pad(o.shape[1:3]), o.shape[-1] if kind == "DepthwiseConv2D" else 1
        w = own["w"][:, :, None] if groups > 1 else own["w"]
        return convolution(o, w, layer.window.strides[0], pads[0][0], groups) + own.get("b", 0)
    if kind == "MaxPool2D":
        window = layer.window
        pads = [(0, 0), *window.pad(o.shape[1:3]), (0, 0)]
        sizes, strides = (1, *window.kernel, 1), (1, *window.strides, 1)
        return jax.lax.reduce_window(o, -jnp.inf, jax.lax.max, sizes, strides, pads)
    simple = {
        "Dense": lambda: o @ own["w"] + own.get("b", 0),
        "ReLU": lambda: jax.nn.relu(o),
        "Sigmoid": lambda: jax.nn.sigmoid(o),
        "Flatten": lambda: o.reshape(len(o), -1),
        "GlobalAvgPool2D": lambda: o.mean((1, 2)),
        "Add": lambda: inputs[0] + inputs[1],
    }
    return simple[kind]()


def _batch_norm(placed: PlacedLayer, o: Any, own: Tensors, moved: Tensors, training: bool) -> Any:
    """Also puts the new moving values into `moved`."""
    layer: Any = placed.layer
    mean, variance = placed.tensor("moving_mean"), placed.tensor("moving_variance")
    mu, v = (o.mean((0, 1, 2)), o.var((0, 1, 2))) if training else (moved[mean], moved[variance])
    if training:
        stays = layer.momentum
        moved[mean] = stays * moved[mean] + (1 - stays) * mu
        moved[variance] = stays * moved[variance] + (1 - stays) * v
    return own["gamma"] * (o - mu) / jnp.sqrt(v + layer.epsilon) + own["beta"]
