"""Cells of recurrent networks whose gates have weights of their own, also on state and input laid end to end; and the
prediction that a course makes of the next state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from convgrad.check.problems.written import COLUMNS, Layouts, Written

STATE, INPUT = 5, 6
"""Sizes: of the state, and of what goes in."""
JOINED = {
    "the state first": f"sum[l](where(q == l, {{}}[n,l], 0)) + sum[d](where(q == d+{STATE}, x[n,d], 0))",
    "the input first": f"sum[l](where(q == l+{INPUT}, {{}}[n,l], 0)) + sum[d](where(q == d, x[n,d], 0))",
}
"""State and input end to end."""
_SIZES = {"D": INPUT, "J": STATE, "L": STATE, "Q": STATE + INPUT}
_LETTERS = {"f": "f", "i": "i", "g": "cg", "o": "o"}
"""The gates of an LSTM, and what people call their weights by: the candidate's go by c or g."""
_PACKED = "wx wh"
"""Names that cells with all gates in one matrix have."""

PREDICTED = """s[n,k] = sum[p](next_h[n,p] * Wy[p,k]) + by[k]
pred[n,k] = exp(s[n,k]) / sum[u](exp(s[n,u]))"""
PREDICTION_NAMES = {"Wy": "wy wya why wyh", "by": "by bya bhy", "pred": "ytpred yhat ypred yt pred prediction"}
PREDICTION_LAYOUTS = {"Wy": "k p", "by": "k 1", "pred": "k batch"}
"""In columns."""
NO_PREDICTION = "wy wya why by"


def predicting(written: Written, layouts: Layouts) -> Written:
    """The same step with a softmax of the next state, which has no gradient from above."""
    names = {**written.names, **PREDICTION_NAMES}
    for result in written.results:
        names[f"above_{result}"] = written.names.get(f"above_{result}", written.names.get(f"d{result}", ""))
    return replace(
        written,
        program=f"{written.program}\n{PREDICTED}",
        beside=("pred",),
        sizes={**written.sizes, "K": 7, "P": STATE, "U": 7},
        names={n: v for n, v in names.items() if v},
        layouts=layouts,
        absent=written.absent.replace(NO_PREDICTION, "").strip(),
        words=", ".join(w for w in (written.words, "with a prediction") if w),
    )


def _sums(gate: str, joined: bool) -> str:
    if joined:
        return f"sum[q](cat[n,q] * W{gate}[q,j]) + b{gate}[j]"
    return f"sum[d](x[n,d] * W{gate}[d,j]) + sum[l](prev_h[n,l] * U{gate}[l,j]) + b{gate}[j]"


def _lstm(join: str) -> str:
    joined = bool(join)
    first = f"cat[n,q] = {JOINED[join].format('prev_h')}\n" if joined else ""
    return (
        first
        + f"""f[n,j] = sigmoid({_sums("f", joined)})
i[n,j] = sigmoid({_sums("i", joined)})
g[n,j] = tanh({_sums("g", joined)})
o[n,j] = sigmoid({_sums("o", joined)})
next_c[n,j] = f[n,j] * prev_c[n,j] + i[n,j] * g[n,j]
next_h[n,j] = o[n,j] * tanh(next_c[n,j])"""
    )


def _gru(join: str, update: str) -> str:
    return f"""cat[n,q] = {JOINED[join].format("prev_h")}
z[n,j] = sigmoid({_sums("z", True)})
r[n,j] = sigmoid({_sums("r", True)})
reset[n,l] = r[n,l] * prev_h[n,l]
mix[n,q] = {JOINED[join].format("reset")}
g[n,j] = tanh({_sums("g", True).replace("cat[", "mix[")})
next_h[n,j] = {update}"""


def _layouts(gates: str, states: Mapping[str, str], joined: bool) -> Layouts:
    """Rows or columns of examples, and weights either way. states: tensor -> its axis beside the batch."""
    turned = {f"W{g}": "j q" if joined else "j d" for g in gates} | {f"U{g}": "j l" for g in gates}
    columns = {
        **{n: f"{axis} batch" for n, axis in states.items()},
        **({"cat": "q batch"} if joined else {}),
        **turned,
        **{f"b{g}": "j 1" for g in gates},
    }
    return {
        "[batch, features]": {},
        COLUMNS: columns,
        "[batch, features], weights [out, in]": turned,
        "one example": {n: p.replace(" batch", "").replace(" 1", "") for n, p in columns.items()},
        "[features, 1]": {n: p.replace("batch", "1") for n, p in columns.items()},
    }


_LSTM_STATES = {
    "x": "d", "prev_h": "l", "prev_c": "j", "next_h": "j", "next_c": "j", "above_next_h": "j", "above_next_c": "j",
    **dict.fromkeys("figo", "j"),
}  # fmt: skip
_GRU_STATES = {"x": "d", "prev_h": "l", "next_h": "j", **dict.fromkeys("zrg", "j")}


def _weights(letters: Mapping[str, str], joined: bool) -> dict[str, str]:
    names = {}
    for gate, own in letters.items():
        names[f"W{gate}"] = " ".join(f"w{a}" if joined else f"w{a} wx{a} w{a}x wi{a}" for a in own)
        names |= {} if joined else {f"U{gate}": " ".join(f"u{a} wh{a} w{a}h" for a in own)}
        names[f"b{gate}"] = " ".join(f"b{a} bias{a}" for a in own)
    return names


def _with_prediction(written: Written) -> list[Written]:
    columns = {**written.layouts[COLUMNS], **PREDICTION_LAYOUTS}
    return [written, predicting(written, {COLUMNS: columns, "[batch, features]": {}})]


def lstm_cells(names: Mapping[str, str]) -> list[Written]:
    """Steps of an LSTM. names: what people call states and gates."""
    found = []
    for join in (*JOINED, ""):
        joined = bool(join)
        weights = tuple(f"{kind}{g}" for g in _LETTERS for kind in ("Wb" if joined else "WUb"))
        absent = f"{_PACKED} {'uf ui uo ug uc whf whi who whc whg ' if joined else ''}{NO_PREDICTION}"
        own = {**names, "cat": "concat xc hx stacked combined"} if joined else dict(names)
        written = Written(
            _lstm(join), ("x", "prev_h", "prev_c", *weights), ("next_h", "next_c"),
            {n: s for n, s in _SIZES.items() if joined or n != "Q"}, {**own, **_weights(_LETTERS, joined)},
            layouts=_layouts("figo", _LSTM_STATES, joined), parameters=weights, absent=absent,
            words=f"weights for each gate{f', {join}' if joined else ''}",
        )  # fmt: skip
        found += _with_prediction(written)
    return found


def gru_cells(names: Mapping[str, str], updates: Mapping[str, str]) -> list[Written]:
    """Steps of a GRU whose weights act on state and input end to end. updates: what its update gate does."""
    letters = {"z": "zu", "r": "r", "g": "ghnc"}
    weights = tuple(f"{kind}{g}" for g in letters for kind in "Wb")
    return [
        Written(
            _gru(join, update), ("x", "prev_h", *weights), ("next_h",), _SIZES,
            {**names, **_weights(letters, True)}, layouts=_layouts("zrg", _GRU_STATES, True), parameters=weights,
            absent="uz ur uh ug un whz whr whh wxz wxr wxh", words=f"{words}, {join}",
        )
        for join in JOINED
        for words, update in updates.items()
    ]  # fmt: skip
