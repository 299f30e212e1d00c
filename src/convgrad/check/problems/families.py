"""What is known of each kind of layer: names of axes, the layouts that people use, sizes that tell mistakes apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from convgrad.check.problems.courses import COURSES
from convgrad.layers import (
    activation,
    channels,
    conv,
    conv_transpose,
    dense,
    depthwise,
    instance_norm,
    norm,
    pool,
    resize,
)
from convgrad.layers.base import Layer
from convgrad.layers.batch_norm import BatchNorm

SPACE = {1: "h", 2: "h v", 3: "t h v"}
"""Names of an image's axes; `v` is the column, so that `w` stays the kernel."""
PLACES = {1: "i", 2: "i j", 3: "i j l"}
PLACES_IN_ROWS = "[batch, places, features]"
"""The layout of arrays whose batch is written as two axes, for what works along the last one."""
OFFSETS = {1: "m", 2: "m n", 3: "m n r"}
IMAGE_LETTERS = {1: "L", 2: "HW", 3: "DHW"}
KERNEL_LETTERS = {1: "l", 2: "h,w", 3: "d,h,w"}
"""What layouts are called by."""


@dataclass(frozen=True)
class Family:
    """A kind of layer.

    labels: tensor -> names of its axes without the batch, those of groups included.
    images: layout's name -> tensor -> pattern (`convgrad.check.functions.layouts`), for what goes with examples.
    kernels: layout's name -> tensor -> pattern, for what does not.
    defaults: arguments of the layer where the caller gives none; `square` where the first ones have not worked.
    input_shape: of one example, the least that tells mistakes apart; grown to fit where it depends on arguments.
    unrolled: the equation's index over all places is written as rows and columns, as people's images have them.
    only: arguments of a layer object with which it is of this family; with others its equation has other axes.
    row: a layer object is of this family where its input is one row; others are known by their equation.
    """

    layer: type[Layer]
    labels: Mapping[str, tuple[str, ...]]
    images: Mapping[str, Mapping[str, str]]
    kernels: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {"": {}})
    defaults: Mapping[str, Any] = field(default_factory=dict)
    square: Mapping[str, Any] = field(default_factory=dict)
    input_shape: tuple[int, ...] = (7,)
    unrolled: bool = False
    only: Mapping[str, Any] = field(default_factory=dict)
    row: bool = False

    @property
    def slides(self) -> bool:
        """Whether a window or kernel slides over an image."""
        return "kernel_size" in self.defaults or "pool_size" in self.defaults


def _images(axes: int) -> dict[str, dict[str, str]]:
    h, i = SPACE[axes], PLACES[axes]
    letters = IMAGE_LETTERS[axes]
    channels = "(g c)", "(g k c q)"
    orders = {
        f"N{letters}C": "batch {0} {1}",
        f"NC{letters}": "batch {1} {0}",
        f"{letters}C": "{0} {1}",
        f"C{letters}": "{1} {0}",
        letters: "{0}",
        f"{letters}CN": "{0} {1} batch",
    }
    found = {
        name: {"o": order.format(h, channels[0]), "x": order.format(i, channels[1])} for name, order in orders.items()
    }
    if axes == 2:  # one image of one channel, and several filters
        found |= {"HW to HWF": {"o": h, "x": f"{i} (g k c q)"}, "HW to FHW": {"o": h, "x": f"(g k c q) {i}"}}
    return found


def _kernels(axes: int) -> dict[str, dict[str, str]]:
    m = OFFSETS[axes]
    letters = KERNEL_LETTERS[axes]
    orders = {
        f"[{letters},in,out]": f"{m} c (g k)",
        f"[out,in,{letters}]": f"(g k) c {m}",
        f"[out,{letters},in]": f"(g k) {m} c",
        f"[in,out,{letters}]": f"c (g k) {m}",
        f"[in,{letters},out]": f"c {m} (g k)",
        f"[{letters}]": m,
    } | ({"[out,h,w]": f"(g k) {m}", "[h,w,out]": f"{m} (g k)"} if axes == 2 else {})
    return {name: {"w": order, "b": "(g k)"} for name, order in orders.items()}


def _convolution(layer: type[Layer], axes: int, kernel: tuple[int, ...], image: tuple[int, ...]) -> Family:
    h, i, m = (tuple(s[axes].split()) for s in (SPACE, PLACES, OFFSETS))
    return Family(
        layer,
        {"o": (*h, "g", "c"), "w": (*m, "c", "g", "k"), "b": ("g", "k"), "x": (*i, "g", "k")},
        _images(axes),
        _kernels(axes),
        {"filters": 5, "kernel_size": kernel},
        {"kernel_size": 3},
        (*image, 4),
    )


def _pooling(layer: type[Layer], axes: int, size: tuple[int, ...], image: tuple[int, ...]) -> Family:
    labels = {"o": (*SPACE[axes].split(), "c"), "x": (*PLACES[axes].split(), "c")}
    defaults, square = {"pool_size": size}, {"pool_size": 2}
    return Family(layer, labels, _images(axes), defaults=defaults, square=square, input_shape=(*image, 4))


def _global_pooling(layer: type[Layer], axes: int, image: tuple[int, ...]) -> Family:
    places, letters = PLACES[axes], IMAGE_LETTERS[axes]
    orders = {
        f"N{letters}C": "batch {0} c",
        f"NC{letters}": "batch c {0}",
        f"{letters}C": "{0} c",
        f"C{letters}": "c {0}",
    }
    images = {
        name: {"o": order.format(places), "x": "batch c" if "N" in name else "c"} for name, order in orders.items()
    }
    return Family(layer, {"o": (*places.split(), "c"), "x": ("c",)}, images, input_shape=(*image, 4))


def _transposed(layer: type[Layer], axes: int, kernel: tuple[int, ...], image: tuple[int, ...]) -> Family:
    h, i, m = SPACE[axes], PLACES[axes], OFFSETS[axes]
    letters = KERNEL_LETTERS[axes]
    orders = {
        f"[{letters},out,in]": f"{m} k c",
        f"[in,out,{letters}]": f"c k {m}",
        f"[out,in,{letters}]": f"k c {m}",
        f"[{letters},in,out]": f"{m} c k",
        f"[{letters}]": m,
    }
    return Family(
        layer,
        {"o": (*h.split(), "c"), "w": (*m.split(), "k", "c"), "b": ("k",), "x": (*i.split(), "k")},
        _images(axes),
        {name: {"w": order, "b": "k"} for name, order in orders.items()},
        {"filters": 5, "kernel_size": kernel, "padding": 0},
        {"kernel_size": 3},
        (*image, 4),
        only={"groups": 1},
    )


ROWS = {
    "[batch, features]": {"o": "batch f c", "x": "batch f k", "y": "batch k", "t": "batch k"},
    "[features, batch]": {"o": "f c batch", "x": "f k batch", "y": "k batch", "t": "k batch"},
    "[features]": {"o": "f c", "x": "f k", "y": "k", "t": "k"},
    "[features, 1]": {"o": "f c 1", "x": "f k 1", "y": "k 1", "t": "k 1"},
    "[1, features]": {"o": "1 f c", "x": "1 f k", "y": "1 k", "t": "1 k"},
}
RARE = ("[1, features]", "LCN", "HWCN", "DHWCN", "HW to HWF", "HW to FHW")
"""Layouts that are tried where others gave nothing."""
_SAME = {name: {**rows, "x": rows["o"]} for name, rows in ROWS.items()}
_LAST_AXIS = {
    "[batch, features]": "batch c",
    PLACES_IN_ROWS: "batch c",
    "[features, batch]": "c batch",
    "[features]": "c",
}

_SCALE = {"": {"gamma": "(g c)", "beta": "(g c)"}}
_NORMED = {
    "NHWC": {"o": "batch h v (g c)", "x": "batch h v (g c)"},
    "NCHW": {"o": "batch (g c) h v", "x": "batch (g c) h v"},
}

FAMILIES: dict[str, Family] = {
    "conv1d": _convolution(conv.Conv1D, 1, (3,), (9,)),
    "conv2d": _convolution(conv.Conv2D, 2, (3, 2), (7, 6)),
    "conv3d": _convolution(conv.Conv3D, 3, (1, 3, 2), (3, 6, 5)),
    "depthwise_conv2d": Family(
        depthwise.DepthwiseConv2D,
        {"o": ("h", "v", "c"), "w": ("m", "n", "c", "q"), "b": ("c", "q"), "x": ("i", "j", "c", "q")},
        {
            name: {"o": orders["o"], "x": orders["x"].replace("(g k c q)", "(c q)")}
            for name, orders in _images(2).items()
        },
        {
            "[h,w,channel,multiplier]": {"w": "m n c q", "b": "(c q)"},
            "[channel*multiplier,1,h,w]": {"w": "(c q) 1 m n", "b": "(c q)"},
            "[h,w,channel]": {"w": "m n c", "b": "c"},
            "[channel,h,w]": {"w": "c m n", "b": "c"},
            "[h,w]": {"w": "m n", "b": "c"},
        },
        {"kernel_size": (3, 2)},
        {"kernel_size": 3},
        (7, 6, 4),
    ),
    "conv_transpose1d": _transposed(conv_transpose.ConvTranspose1D, 1, (3,), (5,)),
    "conv_transpose2d": _transposed(conv_transpose.ConvTranspose2D, 2, (3, 2), (3, 6)),
    "conv_transpose3d": _transposed(conv_transpose.ConvTranspose3D, 3, (1, 3, 2), (2, 3, 5)),
    "max_pool1d": _pooling(pool.MaxPool1D, 1, (3,), (10,)),
    "max_pool2d": _pooling(pool.MaxPool2D, 2, (2, 3), (6, 7)),
    "max_pool3d": _pooling(pool.MaxPool3D, 3, (1, 2, 3), (3, 5, 7)),
    "avg_pool1d": _pooling(pool.AvgPool1D, 1, (3,), (10,)),
    "avg_pool2d": _pooling(pool.AvgPool2D, 2, (2, 3), (6, 7)),
    "avg_pool3d": _pooling(pool.AvgPool3D, 3, (1, 2, 3), (3, 5, 7)),
    "global_avg_pool1d": _global_pooling(pool.GlobalAvgPool1D, 1, (6,)),
    "global_avg_pool2d": _global_pooling(pool.GlobalAvgPool2D, 2, (5, 6)),
    "global_avg_pool3d": _global_pooling(pool.GlobalAvgPool3D, 3, (2, 3, 5)),
    "global_max_pool1d": _global_pooling(pool.GlobalMaxPool1D, 1, (6,)),
    "global_max_pool2d": _global_pooling(pool.GlobalMaxPool2D, 2, (5, 6)),
    "global_max_pool3d": _global_pooling(pool.GlobalMaxPool3D, 3, (2, 3, 5)),
    "dense": Family(dense.Dense, {"o": ("c",), "w": ("c", "k"), "b": ("k",), "x": ("k",)},
                    {**ROWS, PLACES_IN_ROWS: ROWS["[batch, features]"]}, {
        "[in,out]": {"w": "c k", "b": "k"}, "[out,in]": {"w": "k c", "b": "k"},
    }, {"units": 5}, {}, (4,)),
    "softmax": Family(activation.Softmax, {"o": ("f", "k"), "x": ("f", "k")}, {
        name: {"o": rows["y"], "x": rows["y"]} for name, rows in ROWS.items()
    }, input_shape=(5,)),
    "layer_norm": Family(
        norm.LayerNorm, {"o": ("f", "c"), "x": ("f", "c"), "gamma": ("c",), "beta": ("c",)},
        {name: {"o": rows, "x": rows} for name, rows in _LAST_AXIS.items()},
        {"": {"gamma": "c", "beta": "c"}}, input_shape=(5,), only={"axis": (-1,)},
    ),
    "rms_norm": Family(
        instance_norm.RMSNorm, {"o": ("f", "c"), "x": ("f", "c"), "gamma": ("c",)},
        {name: {"o": rows, "x": rows} for name, rows in _LAST_AXIS.items()}, {"": {"gamma": "c"}},
        input_shape=(5,), row=True,
    ),
    "glu": Family(channels.GLU, {"o": ("f", "s", "c"), "x": ("f", "c")}, {
        "[batch, features]": {"o": "batch (s c)", "x": "batch c"}, PLACES_IN_ROWS: {"o": "batch (s c)", "x": "batch c"},
        "[features]": {"o": "(s c)", "x": "c"},
    }, input_shape=(6,), row=True),
    "upsampling2d": Family(resize.UpSampling2D, {"o": ("i", "j", "c"), "x": ("i", "m", "j", "n", "c")}, {
        "NHWC": {"o": "batch i j c", "x": "batch (i m) (j n) c"},
        "NCHW": {"o": "batch c i j", "x": "batch c (i m) (j n)"},
        "HWC": {"o": "i j c", "x": "(i m) (j n) c"}, "CHW": {"o": "c i j", "x": "c (i m) (j n)"},
        "HW": {"o": "i j", "x": "(i m) (j n)"},
    }, defaults={"size": (2, 3)}, square={"size": 2}, input_shape=(4, 5, 7)),
    "batch_norm": Family(BatchNorm, {"o": ("f", "c"), "x": ("f", "c"), "gamma": ("c",), "beta": ("c",)}, {
        "[batch, features]": {"o": "batch c", "x": "batch c"}, "[features, batch]": {"o": "c batch", "x": "c batch"},
    }, {"": {"gamma": "c", "beta": "c"}}, input_shape=(5,)),
    "batch_norm2d": Family(
        BatchNorm, {"o": ("h", "v", "c"), "x": ("h", "v", "c"), "gamma": ("c",), "beta": ("c",)},
        _NORMED, _SCALE, input_shape=(3, 2, 5), unrolled=True,
    ),
    "group_norm": Family(
        norm.GroupNorm,
        {"o": ("h", "v", "g", "c"), "x": ("h", "v", "g", "c"), "gamma": ("g", "c"), "beta": ("g", "c")},
        {**_NORMED, "HWC": {"o": "h v (g c)", "x": "h v (g c)"}, "CHW": {"o": "(g c) h v", "x": "(g c) h v"}},
        _SCALE, {"groups": 2}, input_shape=(4, 5, 6), unrolled=True,
    ),
}  # fmt: skip
for _name, _layer in (
    ("relu", activation.ReLU),
    ("leaky_relu", activation.LeakyReLU),
    ("elu", activation.ELU),
    ("sigmoid", activation.Sigmoid),
    ("tanh", activation.Tanh),
    ("gelu", activation.GELU),
    ("silu", activation.SiLU),
    ("relu6", activation.ReLU6),
    ("selu", activation.SELU),
    ("softplus", activation.Softplus),
    ("softsign", activation.Softsign),
    ("mish", activation.Mish),
    ("hard_sigmoid", activation.HardSigmoid),
    ("hard_swish", activation.HardSwish),
):
    FAMILIES[_name] = Family(_layer, {"o": ("f",), "x": ("f",)}, _SAME, input_shape=(7,))

FAMILIES["log_softmax"] = replace(FAMILIES["softmax"], layer=channels.LogSoftmax)
FAMILIES["instance_norm"] = replace(FAMILIES["group_norm"], defaults={"groups": FAMILIES["group_norm"].input_shape[-1]})

LOSSES: dict[str, dict[str, tuple[str, ...]]] = {
    "half_squared_error": {"y": ("k",), "t": ("k",)},
    "mse": {"y": ("k",), "t": ("k",)},
    "binary_cross_entropy": {"y": ("k",), "t": ("k",)},
    "softmax_cross_entropy": {"y": ("k",), "t": ()},
    "mae": {"y": ("k",), "t": ("k",)},
    "huber": {"y": ("k",), "t": ("k",)},
    "kl_divergence": {"y": ("k",), "t": ("k",)},
    "negative_log_likelihood": {"y": ("k",), "t": ()},
    "multi_margin": {"y": ("k",), "t": ()},
}
ALSO_CALLED = {
    "rnncell": "rnn_step",
    "lstmcell": "lstm_step",
    "grucell": "gru_step",
    "gru": "gru_step",
    "rnnlayer": "rnn",
    "lstmlayer": "lstm",
    "embedding": "word_embedding",
    "temporalaffine": "dense",
    "softmaxclassifier": "softmax_loss",
    "svmclassifier": "svm_loss",
    "svm": "svm_loss",
    "multiclasssvm": "svm_loss",
    "hinge": "hinge_loss",
    "scaleddotproductattention": "attention",
    "dotproductattention": "attention",
    "selfattention": "attention",
    "twolayernetwork": "two_layer_net",
    "linearregressor": "linear_regression",
    "convolution": "conv2d",
    "conv": "conv2d",
    "linear": "dense",
    "affine": "dense",
    "fc": "dense",
    "maxpool": "max_pool2d",
    "avgpool": "avg_pool2d",
    "depthwise": "depthwise_conv2d",
    "convtranspose": "conv_transpose2d",
    "transposedconv": "conv_transpose2d",
    "transposedconv2d": "conv_transpose2d",
    "deconv": "conv_transpose2d",
    "deconv2d": "conv_transpose2d",
    "spatialbatchnorm": "batch_norm2d",
    "maxpooling2d": "max_pool2d",
    "averagepooling2d": "avg_pool2d",
    "crossentropy": "softmax_cross_entropy",
    "crossentropyloss": "softmax_cross_entropy",
    "bce": "binary_cross_entropy",
    "bceloss": "binary_cross_entropy",
    "mseloss": "mse",
    "meansquarederror": "mse",
    "meanabsoluteerror": "mae",
    "l1loss": "mae",
    "huberloss": "huber",
    "smoothl1": "huber",
    "smoothl1loss": "huber",
    "swish": "silu",
    "hswish": "hard_swish",
    "hsigmoid": "hard_sigmoid",
    "maxpooling1d": "max_pool1d",
    "maxpooling3d": "max_pool3d",
    "averagepooling1d": "avg_pool1d",
    "averagepooling3d": "avg_pool3d",
    "globalaveragepooling1d": "global_avg_pool1d",
    "globalaveragepooling2d": "global_avg_pool2d",
    "globalaveragepooling3d": "global_avg_pool3d",
    "globalmaxpooling1d": "global_max_pool1d",
    "globalmaxpooling2d": "global_max_pool2d",
    "globalmaxpooling3d": "global_max_pool3d",
    "upsample": "upsampling2d",
    "upsampling": "upsampling2d",
    "kldiv": "kl_divergence",
    "kldivloss": "kl_divergence",
    "nll": "negative_log_likelihood",
    "nllloss": "negative_log_likelihood",
    "multimarginloss": "multi_margin",
}


def named(name: str) -> str:
    """The family or loss that a name stands for, whatever its case and underscores; the name itself where none does.

    >>> named("MaxPool2D"), named("fc"), named("conv9")
    ('max_pool2d', 'dense', 'conv9')
    """
    plain = name.lower().replace("_", "")
    known = {n.replace("_", ""): n for n in (*FAMILIES, *LOSSES, *COURSES)}
    return known.get(plain) or ALSO_CALLED.get(plain, name)


def in_parts(name: str) -> str:
    """A layer and its activation as courses run their names together, with a plus between; other names as they are.

    >>> in_parts("affine_relu"), in_parts("LinearSigmoid"), in_parts("leaky_relu")
    ('affine+relu', 'Linear+Sigmoid', 'leaky_relu')
    """
    if "+" in name or named(name) in {*FAMILIES, *LOSSES, *COURSES}:
        return name
    for place in range(1, len(name)):
        first, second = name[:place].rstrip("_"), name[place:].lstrip("_")
        after = FAMILIES.get(named(second))
        if named(first) in FAMILIES and after is not None and issubclass(after.layer, activation.Elementwise):
            return f"{first}+{second}"
    return name


def family_of(layer: Layer, rank: int = 1) -> str | None:
    """The family's name of a layer object with an input of so many axes; None where there is none."""
    for name, family in FAMILIES.items():
        if family.row and rank > 1:
            continue
        if type(layer) is family.layer and all(getattr(layer, n) == value for n, value in family.only.items()):
            return name
    return None
