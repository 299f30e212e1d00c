"""How people call tensors, settings, and functions that are gradients: names without case and underscores."""

from __future__ import annotations

from collections.abc import Sequence

from convgrad.check.problems.families import FAMILIES

UPSTREAM = [
    "dx",
    "dy",
    "dz",
    "da",
    "dout",
    "do",
    "gradoutput",
    "gradout",
    "gradoutputs",
    "gradsout",
    "gradsoutput",
    "gradients",
    "outputgrad",
    "outputgradient",
    "gradientoutput",
    "gradz",
    "grady",
    "gradx",
    "grad",
    "gradient",
    "g",
    "gy",
    "gz",
    "delta",
    "deltas",
    "upstream",
    "upstreamgrad",
    "upstreamgradient",
    "dupstream",
    "dldout",
    "dldy",
    "dldx",
    "dldz",
    "dlda",
    "dldo",
    "gout",
    "error",
    "doutput",
    "doutputs",
    "dvalues",
    "topdiff",
    "accumgrad",
    "dh",
    "ds",
    "dscores",
    "dnext",
    "deltanext",
    "nextdelta",
    "gradnext",
    "dlogits",
    "dxhat",
    "dxnorm",
]
INPUT = [
    "o",
    "x",
    "input",
    "inputs",
    "inp",
    "ain",
    "aprev",
    "prev",
    "image",
    "images",
    "img",
    "imgs",
    "data",
    "features",
    "a",
    "xin",
    "h",
    "hprev",
    "aprevpad",
    "lastinput",
    "layerinput",
    "inputdata",
    "inputtensor",
    "z",
    "logits",
    "scores",
    "v",
    "signal",
    "src",
]
RESULT = ["x", "y", "out", "output", "outputs", "result", "a", "z", "act", "activation", "probs", "p", "s", "yhat"]
KERNEL = [
    "w",
    "weight",
    "weights",
    "kernel",
    "kernels",
    "filter",
    "filters",
    "filt",
    "f",
    "k",
    "theta",
    "wt",
    "weightmatrix",
]
BIAS = ["b", "bias", "biases", "beta", "b0", "bvec"]
TARGET = [
    "t",
    "target",
    "targets",
    "label",
    "labels",
    "ytrue",
    "truth",
    "true",
    "groundtruth",
    "gt",
    "desired",
    "expected",
    "actual",
    "onehot",
    "classes",
    "yonehot",
    "d",
    "y",
]
"""`y` comes last: beside a target it is the prediction."""
PREDICTION = [
    "y",
    "ypred",
    "pred",
    "predicted",
    "prediction",
    "predictions",
    "yhat",
    "logits",
    "scores",
    "x",
    "z",
    "o",
    "output",
    "outputs",
    "out",
    "a",
    "al",
    "h",
]
PROBABILITIES = [
    "probs",
    "prob",
    "probabilities",
    "p",
    "s",
    "softmax",
    "softmaxout",
    "softmaxoutput",
    "yprob",
    "yproba",
]
SETTINGS = {
    "strides": "stride strides s step",
    "padding": "pad padding paddings p pads zeropadding",
    "dilation": "dilation dilations dilate d rate",
    "groups": "group groups g numgroups ngroups",
    "pool_size": "poolsize size pool window kernelsize ksize k windowsize filtersize kernel f kernelshape poolshape",
    "kernel_size": "kernelsize ksize filtersize size f",
    "size": "size sizes scale scales scalefactor factor factors upscale upscalefactor times k s r stride strides",
    "epsilon": "eps epsilon",
    "negative_slope": "slope alpha negativeslope leak",
    "alpha": "alpha",
}
ALONG = {
    "strides": ("stride_h sh stride_y sy stride_height row_stride", "stride_w sw stride_x sx stride_width col_stride"),
    "padding": ("pad_h padding_h pad_y pad_height", "pad_w padding_w pad_x pad_width"),
    "pool_size": (
        "pool_height pool_h ph hp kh k_h kernel_h f_h fh window_h pool_rows size_h hh",
        "pool_width pool_w pw wp kw k_w kernel_w f_w fw window_w pool_cols size_w ww",
    ),
    "kernel_size": (
        "kernel_height kernel_h kh k_h fh f_h filter_h filter_height hh",
        "kernel_width kernel_w kw k_w fw f_w filter_w filter_width ww",
    ),
}
"""Of settings with a number for each axis: how one for rows and one for columns are called."""
CACHE = ["cache", "ctx", "saved", "memory", "caches", "context", "stored"]
WINNERS = [
    "mask",
    "masks",
    "maxmask",
    "poolmask",
    "maskpool",
    "winners",
    "switches",
    "switch",
    "argmax",
    "argmaxes",
    "argmaxs",
    "maxarg",
    "idx",
    "idxs",
    "index",
    "indices",
    "inds",
    "maxidx",
    "maxidxs",
    "maxindex",
    "maxindices",
    "maxinds",
    "maxpos",
    "maxpositions",
    "maxlocations",
    "poolindices",
    "poolidx",
]
"""What a max pooling keeps of its forward pass: which element of each window is the greatest."""
DICTIONARY = [
    "convparam",
    "poolparam",
    "params",
    "param",
    "settings",
    "config",
    "hparams",
    "hparameters",
    "hyperparams",
]
SPECIAL = {"mode": "train", "activation": "activation", "activationname": "activation", "act": "activation"}
"""Arguments that are no tensors, and what is told by them."""
POOLING = [
    "mode",
    "method",
    "pooling",
    "pooltype",
    "poolmode",
    "poolingtype",
    "poolingmode",
    "poolmethod",
    "type",
    "kind",
    "op",
]
"""Arguments that say in a word whether a pooling takes the maximum or the mean."""
POOLINGS = {
    "max": ["max", "maximum", "maxpool", "maxpooling"],
    "mean": ["average", "avg", "mean", "ave", "avgpool", "averagepool", "meanpool", "avgpooling", "averagepooling"],
}
GRADIENT = ("backward", "backprop", "bprop", "derivative", "deriv", "prime", "grad", "jacobian", "vjp")
"""Parts of a function's name that say that it is a gradient."""


def plain(name: str) -> str:
    """A name without case and underscores."""
    return name.lower().replace("_", "")


def is_gradient(function: str) -> bool:
    """Whether a function's name says that it is a gradient, and no forward pass.

    >>> [is_gradient(name) for name in ("sigmoid_derivative", "reluPrime", "d_tanh", "dsigmoid", "dense", "dropout")]
    [True, True, True, True, False, False]
    """
    name = plain(function.rpartition(".")[2])
    whole = function.rpartition(".")[2].lower()
    after_d = name[1:] if name.startswith("d") else ""
    known = (*(n.replace("_", "") for n in FAMILIES), "logistic", "swish", "activation", "loss")
    return any(part in name for part in GRADIENT) or after_d in known or whole.startswith(("d_", "bwd"))


def axis_setting(name: str, known: set[str]) -> tuple[str, int] | None:
    """The setting and the axis that a name such as `pool_height` stands for, of those that are known.

    >>> axis_setting("pool_width", {"pool_size", "strides"}), axis_setting("kh", {"kernel_size"})
    (('pool_size', 1), ('kernel_size', 0))
    """
    wanted = plain(name)
    for key, axes in ALONG.items():
        if key == "kernel_size" and "pool_size" in known:
            continue
        for axis, names in enumerate(axes):
            if key in known and wanted in (plain(n) for n in names.split()):
                return key, axis
    return None


def pooling_words(kind: str, default: object, said: Sequence[str]) -> list[str]:
    """The words by which a function may call a kind of pooling: its default, those of its text, or the usual one.

    >>> pooling_words("mean", "max", ["max", "avg"]), pooling_words("max", "Max", ["Avg"])
    (['avg'], ['Max'])
    """
    words = POOLINGS[kind]
    own = [default] if isinstance(default, str) else []
    return [w for w in (*own, *said) if plain(w) in words] or words[:1]
