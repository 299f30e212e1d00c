"""What courses ask for, by the names that they give it: classifiers, regressions, recurrent networks, embeddings.

One name may stand for several calculations, such as a penalty with and without a half: that one is meant whose loss a
person's function returns.
"""

from __future__ import annotations

from collections.abc import Mapping

from convgrad.check.problems.recurrent import RECURRENT
from convgrad.check.problems.written import COLUMNS, Layouts, Written

PENALTY = 0.375
"""How much a penalty counts: no factor that anybody would take for another one."""
_TARGETS = "t target targets label labels ytrue truth ytrain gt"
_DATA = "x data inputs input features xtrain xbatch"
_WEIGHTS = "w weights weight theta params coef"
_PENALTY = (
    "reg lambda lambd lam l2 l2reg regularization regstrength regparam regularizationstrength alpha weightdecay c"
)
_SURELY_PENALTY = "reg lambda lambd lam l2 l2reg regularization regstrength regparam regularizationstrength weightdecay"
"""A calculation without a penalty has no such argument, whatever it is when nobody gives it."""
_ROWS = "[examples, features]"

_SOFTMAX = """right[n] = sum[k](where(k == y[n], s[n,k], 0))
top[n] = max[k](s[n,k])
E = mean[n](log(sum[k](exp(s[n,k] - stop(top[n])))) + stop(top[n]) - right[n])"""
_HINGE = """right[n] = sum[k](where(k == y[n], s[n,k], 0))
E = mean[n](sum[k](where(k == y[n], 0, max(0, s[n,k] - right[n] + 1))))"""
_LINEAR = "s[n,k] = sum[f](X[n,f] * W[f,k])"


def _penalties(weights: Mapping[str, str]) -> list[tuple[str, str]]:
    """A term for each way to punish large weights, with words: none, the sum of squares, half of it, and more."""
    squares = " + ".join(f"sum[{i}]({w}[{i}] * {w}[{i}])" for w, i in weights.items())
    whole = f"({squares})" if len(weights) > 1 else squares
    return [
        (f" + reg * {whole}", "the penalty is reg times the sum of squares"),
        (f" + reg * {whole} / 2", "the penalty is reg / 2 times the sum of squares"),
        (f" + reg * {whole} / (2 * N)", "the penalty is reg / (2 N) times the sum of squares"),
        (f" + reg * {whole} / N", "the penalty is reg / N times the sum of squares"),
        ("", "no penalty"),
    ]


def _with_penalties(
    program: str, wrt: tuple[str, ...], weights: Mapping[str, str], sizes: Mapping[str, int], layouts: Layouts,
    names: Mapping[str, str], whole: Mapping[str, str], words: str = "",
) -> list[Written]:  # fmt: skip
    found = []
    for text, said in _penalties(weights):
        own = {**names, **({"reg": _PENALTY} if text else {})}
        numbers, absent = ({"reg": PENALTY}, "") if text else ({}, _SURELY_PENALTY)
        told = ", ".join(w for w in (words, said) if w)
        found.append(Written(program + text, wrt, (), sizes, own, whole, numbers, layouts, wrt, absent, told))
    return found


_CLASSIFIED = {"X": _DATA, "y": f"y {_TARGETS}"}
_LINEAR_LAYOUTS: Layouts = {
    _ROWS: {"X": "batch f", "W": "f k"},
    "[examples, features], W [classes, features]": {"X": "batch f", "W": "k f"},
    COLUMNS: {"X": "f batch", "W": "k f"},
}


def _linear(loss: str) -> list[Written]:
    sizes = {"F": 4, "K": 5}
    bias = _LINEAR + " + b[k]"
    names = _CLASSIFIED | {"W": _WEIGHTS}
    return [
        *_with_penalties(f"{_LINEAR}\n{loss}", ("W",), {"W": "f,k"}, sizes, _LINEAR_LAYOUTS, names, {"y": "k"}),
        *_with_penalties(
            f"{bias}\n{loss}", ("W", "b"), {"W": "f,k"}, sizes, _LINEAR_LAYOUTS, names | {"b": "b bias"}, {"y": "k"}
        ),
    ]


def _of_scores(loss: str) -> Written:
    sizes = {"K": 5}
    names = {"s": "s x scores logits z f", "y": f"y {_TARGETS}"}
    return Written(loss, ("s",), (), sizes, names, {"y": "k"}, words="of scores")


def _network() -> list[Written]:
    names = _CLASSIFIED | {"W1": "w1", "W2": "w2", "b1": "b1", "b2": "b2"}
    wrt, sizes = ("W1", "b1", "W2", "b2"), {"F": 4, "H": 6, "K": 5}
    found = []
    for function in ("relu", "sigmoid", "tanh"):
        called = "max(0, {})" if function == "relu" else f"{function}({{}})"
        inner = called.format("sum[f](X[n,f] * W1[f,h]) + b1[h]")
        program = f"hidden[n,h] = {inner}\ns[n,k] = sum[h](hidden[n,h] * W2[h,k]) + b2[k]\n{_SOFTMAX}"
        layouts: Layouts = {_ROWS: {"X": "batch f"}}
        weights = {"W1": "f,h", "W2": "h,k"}
        found += _with_penalties(program, wrt, weights, sizes, layouts, names, {"y": "k"}, f"{function} between")
    return found


_COLUMN = {"X": "f batch", "w": "f 1", "b": "", "y": "1 batch"}
_REGRESSION_LAYOUTS: Layouts = {
    _ROWS: {"X": "batch f", "w": "f", "y": "batch"},
    "[examples, features], w and y columns": {"X": "batch f", "w": "f 1", "y": "batch 1"},
    "[features, examples], y a row": _COLUMN,
    "[features, examples], w and y rows": {"X": "f batch", "w": "1 f", "y": "1 batch"},
    "[features, examples], y a row, b 1 x 1": _COLUMN | {"b": "1 1"},
}


def _regression(loss: str, words: str = "") -> list[Written]:
    names = {"X": _DATA, "y": f"y {_TARGETS}", "w": _WEIGHTS, "b": "b bias intercept"}
    found = []
    for bias in (True, False):
        program = f"z[n] = sum[f](X[n,f] * w[f]){' + b' if bias else ''}\n{loss}"
        wrt = ("w", "b") if bias else ("w",)
        own = names if bias else {n: v for n, v in names.items() if n != "b"}
        layouts = {n: {t: p for t, p in laid.items() if bias or t != "b"} for n, laid in _REGRESSION_LAYOUTS.items()}
        found += _with_penalties(program, wrt, {"w": "f"}, {"F": 4}, layouts, own, {}, words)
    return found


def _one_feature(loss: str) -> Written:
    names = {"x": _DATA, "y": f"y {_TARGETS}", "w": _WEIGHTS, "b": "b bias intercept"}
    return Written(f"z[n] = x[n] * w + b\n{loss}", ("w", "b"), (), {}, names, words="one feature")


def _embedding(place: str, words: str) -> Written:
    names = {
        "x": "x idx ids indices index tokens words inputs input", "out": "out output y",
        "W": "w weight weights embedding embeddings table", "dout": "dout grad gradoutput dy dvalues upstream",
    }  # fmt: skip
    program = f"out[{place},d] = sum[v](where(v == x[{place}], W[v,d], 0))"
    sizes = {"T": 4, "V": 6, "D": 5}
    return Written(program, ("W",), ("out",), sizes, names, {"x": "v"}, parameters=("W",), words=words)


def _binary_hinge(targets: str, total: str, words: str) -> Written:
    """Targets are 1 and -1, or 1 and 0."""
    text = f"E = {total}[n](max(0, 1 - {targets} * s[n]))"
    names = {"s": "ypred pred predictions scores score yhat output fx x z", "y": f"y {_TARGETS}"}
    layouts: Layouts = {
        "[examples]": {},
        "columns": {"s": "batch 1", "y": "batch 1"},
        "rows": {"s": "1 batch", "y": "1 batch"},
    }
    return Written(text, ("s",), (), {}, names, layouts=layouts, words=words)


def _attention(with_weights: bool) -> Written:
    program = """s[n,i,j] = sum[d](Q[n,i,d] * K[n,j,d]) / sqrt(D)
P[n,i,j] = exp(s[n,i,j]) / sum[l](exp(s[n,i,l]))
out[n,i,c] = sum[j](P[n,i,j] * V[n,j,c])"""
    names = {
        "Q": "q query queries", "K": "k key keys", "V": "v value values", "out": "out output context z o y attention",
        "P": "p attn weights attentionweights attnweights attention a probs attentionprobs s softmax alpha",
        "above_out": "dout grad dz upstream gradoutput dy do doutput dcontext",
        "dout": "dout grad dz upstream gradoutput dy do doutput dcontext",
    }  # fmt: skip
    del names["dout" if with_weights else "above_out"]
    tensors = {"Q": "i d", "K": "j d", "V": "j c", "out": "i c", "above_out": "i c", "P": "i j", "s": "i j"}
    return Written(
        program, ("Q", "K", "V"), ("out",), {"I": 4, "J": 6, "D": 5, "C": 7}, names,
        layouts={"[batch, places, features]": {}, "one example": tensors},
        words="scaled, one head" + (", with its weights" if with_weights else ""),
        beside=("P",) if with_weights else (),
    )  # fmt: skip


_LOGISTIC = "E = mean[n](softplus(z[n]) - y[n] * z[n])"
_HALF = "E = mean[n]((z[n] - y[n])^2) / 2"
_MEAN = "E = mean[n]((z[n] - y[n])^2)"

_WINDOW = Written(
    "z = sum[i,j,c](a[i,j,c] * W[i,j,c]) + b", ("a", "W", "b"), ("z",), {"I": 3, "J": 2, "C": 4},
    {
        "a": "asliceprev aslice slice window patch region x o input", "W": "w weights kernel filter f",
        "b": "b bias", "z": "z out output s", "dz": "dz dout grad",
    },
    layouts={"[rows, columns, channels]": {}, "[rows, columns, channels], b 1 x 1 x 1": {"b": "1 1 1"}},
)  # fmt: skip

COURSES: dict[str, list[Written]] = {
    "conv_single_step": [_WINDOW],
    "softmax_loss": _linear(_SOFTMAX),
    "svm_loss": [*_linear(_HINGE), _of_scores(_HINGE)],
    "hinge_loss": [
        *(_binary_hinge("y[n]", total, f"targets 1 and -1, {total}") for total in ("mean", "sum")),
        *(_binary_hinge("(2 * y[n] - 1)", total, f"targets 1 and 0, {total}") for total in ("mean", "sum")),
        *_linear(_HINGE), _of_scores(_HINGE),
    ],
    "attention": [_attention(False), _attention(True)],
    "two_layer_net": _network(),
    "logistic_regression": _regression(_LOGISTIC),
    "linear_regression": [
        *_regression(_HALF, "half of the mean square"), *_regression(_MEAN, "the mean square"),
        _one_feature(_HALF), _one_feature(_MEAN),
    ],
    **RECURRENT,
    "word_embedding": [_embedding("n,t", "words in sentences"), _embedding("n", "one word of each example")],
    "temporal_softmax_loss": [Written(
        """right[n,t] = sum[v](where(v == y[n,t], x[n,t,v], 0))
top[n,t] = max[v](x[n,t,v])
E = sum[n,t](mask[n,t] * (log(sum[v](exp(x[n,t,v] - stop(top[n,t])))) + stop(top[n,t]) - right[n,t])) / N""",
        ("x",), (), {"T": 4, "V": 6, "M": 2}, {"x": "x scores logits", "y": f"y {_TARGETS}", "mask": "mask masks"},
        {"y": "v", "mask": "m"},
    )],
}  # fmt: skip
