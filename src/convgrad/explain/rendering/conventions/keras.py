"""As Keras has it: channels last and kernels (k1, k2, C, K), the order that convgrad has, too."""

from __future__ import annotations

from convgrad.errors import ModelError
from convgrad.explain.rendering.conventions.kinds import Convolution, Dense, Elementwise, Flat, Kind, Pooling, Windowed
from convgrad.explain.rendering.conventions.listing import Listing, channels_last, example, nested, with_batch
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.trace import Trace
from convgrad.layers.window import same_padding
from convgrad.losses import HalfSquaredError, MeanSquaredError, SoftmaxCrossEntropy
from convgrad.network.plan import INPUT, TARGET

HEAD = [
    "# Keras: images are (N, rows, columns, C), kernels (rows, columns, C, K), dense weights (inputs, K), as here.",
    "# Its Conv2D is a correlation, as here. padding='same' with a stride may add one more after than before.",
    "import keras",
    "import numpy as np",
    "import tensorflow as tf",
    "",
    'keras.backend.set_floatx("float64")',
]


def keras(trace: Trace) -> str:
    """A program for Keras (on TensorFlow) that computes what the trace says."""
    listing = Listing(trace, "Keras")
    values = with_batch(trace[INPUT].values, trace)
    image = f"{example(trace)}[..., None]" if values.ndim == 3 else example(trace)
    listing.add(f"x = {listing.array(INPUT, values, channels_last, image)}", "")
    shape = trace.network.input_shape
    listing.add("model = keras.Sequential([", f"    keras.Input({(*shape, 1) if len(shape) == 2 else shape}),")
    found = listing.kinds
    for kind in found:
        listing.add(*(f"    keras.layers.{line}," for line in _layers(trace, kind)))
    listing.add("])")
    weighted = [kind for kind in found if isinstance(kind, (Convolution, Dense))]
    for kind in weighted:
        listing.add(f'model.get_layer("{kind.name}").set_weights([{", ".join(_weights(listing, kind))}])')
    _run(listing)
    for kind in weighted:
        _gradients(listing, kind)
    return listing.text(HEAD)


def _layers(trace: Trace, kind: Kind) -> list[str]:
    if isinstance(kind, Convolution):
        if max(kind.strides) > 1 and max(kind.dilation) > 1:
            raise ModelError(f"`{kind.name}` has strides and dilation, which Keras does not allow in one layer.")
        before, padding = _padding(kind)
        options = f", strides={kind.strides}" if kind.strides != (1, 1) else ""
        options += f", dilation_rate={kind.dilation}" if kind.dilation != (1, 1) else ""
        options += f', padding="{padding}"' if padding != "valid" else ""
        options += ", use_bias=False" if kind.b is None else ""
        return [*before, f'Conv2D({kind.kernel.shape[3]}, {kind.size}{options}, name="{kind.name}")']
    if isinstance(kind, Pooling):
        before, padding = _padding(kind)
        if before:
            raise ModelError(f"`{kind.name}` has a padding that Keras can't express: ZeroPadding2D adds zeros.")
        layer = "MaxPooling2D" if kind.kind == "max" else "AveragePooling2D"
        options = f', padding="{padding}"' if padding != "valid" else ""
        return [*before, f'{layer}({kind.size}, strides={kind.strides}{options}, name="{kind.name}")']
    if isinstance(kind, Elementwise):
        return [f'Activation("{kind.function}", name="{kind.name}")']
    if isinstance(kind, Flat):
        return [f'Flatten(name="{kind.name}")']
    assert isinstance(kind, Dense)
    flat = ["Flatten()"] if len(kind.inputs) > 1 else []
    return [*flat, f'Dense({kind.w.shape[-1]}{", use_bias=False" if kind.b is None else ""}, name="{kind.name}")']


def _padding(kind: Windowed) -> tuple[list[str], str]:
    """A layer that pads, where no word does, and the word."""
    if not kind.padded:
        return [], "valid"
    dilation = kind.dilation if isinstance(kind, Convolution) else (1, 1)
    extents = [d * (m - 1) + 1 for m, d in zip(kind.size, dilation, strict=True)]
    same = tuple(same_padding(h, e, s) for h, e, s in zip(kind.inputs, extents, kind.strides, strict=False))
    return ([], "same") if same == kind.pads else ([f"ZeroPadding2D({kind.pads})"], "valid")


def _weights(listing: Listing, kind: Convolution | Dense) -> list[str]:
    if isinstance(kind, Convolution):
        code = "{}" if kind.has_channels else "{}[:, :, None, None]"
        weights = [listing.array(kind.weights, kind.w, _kernel, code)]
    else:
        weights = [listing.array(kind.weights, kind.w, _matrix, f"{{}}.reshape(-1, {kind.w.shape[-1]})")]
    if kind.b is not None:
        weights.append(listing.array(kind.bias, kind.b, lambda v: v.reshape(-1), "{}.reshape(-1)"))
    return weights


def _kernel(values: Array) -> Array:
    return values if values.ndim == 4 else values[:, :, None, None]


def _matrix(values: Array) -> Array:
    return values.reshape(-1, values.shape[-1])


def _run(listing: Listing) -> None:
    trace, start = listing.trace, listing.start
    listing.add("")
    if start is None and not listing.has_loss:
        listing.add("print(model(x).numpy())")
        return
    listing.add("with tf.GradientTape() as tape:")
    if start is not None:
        layer, deltas = start
        values = channels_last(with_batch(deltas, trace))
        inner = (
            "model"
            if layer == trace.network.layers[-1].name
            else f'keras.Model(model.inputs, model.get_layer("{layer}").output)'
        )
        listing.add(f"    y = {inner}(tf.constant(x))")
        listing.add("# the deltas are given", "gradients = tape.gradient(y, model.trainable_variables,")
        listing.add(f"                          output_gradients=tf.constant({nested(values)}, tf.float64))")
    else:
        listing.add("    y = model(tf.constant(x))", *(f"    {line}" for line in _loss(listing)))
        listing.add(
            f'print("loss", float(loss))  # {listing.expected_loss}',
            "gradients = tape.gradient(loss, model.trainable_variables)",
        )
    names = '"/".join(v.path.split("/")[-2:])'
    listing.add(f"gradients = {{{names}: g.numpy() for v, g in zip(model.trainable_variables, gradients)}}")


def _loss(listing: Listing) -> list[str]:
    target = with_batch(listing.trace[TARGET].values, listing.trace)
    found = listing.loss
    if isinstance(found, SoftmaxCrossEntropy):
        labels = [int(label) for label in target]
        function = "keras.losses.sparse_categorical_crossentropy"
        return [f"t = tf.constant({labels})", f"loss = tf.reduce_mean({function}(t, y, from_logits=True))"]
    array = listing.array(TARGET, target, lambda v: v, "{}")
    lines = [f"t = tf.constant({array})", "y = tf.reshape(y, t.shape)"]
    if isinstance(found, HalfSquaredError):
        return [
            *lines,
            "loss = 0.5 * tf.reduce_sum((t - y) ** 2) / len(t)  # MeanSquaredError would divide by all numbers",
        ]
    if isinstance(found, MeanSquaredError):
        return [*lines, "loss = tf.reduce_mean((t - y) ** 2)"]
    return [*lines, "loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(t, y))"]


def _gradients(listing: Listing, kind: Convolution | Dense) -> None:
    for tensor, theirs in ((kind.weights, "kernel"), (kind.bias, "bias")):
        gradient = listing.gradient(tensor) if tensor else None
        if gradient is None or (listing.start is None and not listing.has_loss):
            continue
        if theirs == "kernel":
            gradient = _kernel(gradient) if isinstance(kind, Convolution) else _matrix(gradient)
        path = f"{kind.name}/{theirs}"
        expected = listing.expected(gradient if theirs == "kernel" else gradient.reshape(-1))
        listing.add(f'print("{path}", gradients["{path}"])  # {expected}')
