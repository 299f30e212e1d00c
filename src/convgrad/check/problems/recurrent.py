"""Recurrent networks as courses ask for them, one step and over time: the plain one, LSTM, GRU."""

from __future__ import annotations

from functools import partial

from convgrad.check.problems.cells import (
    NO_PREDICTION,
    PREDICTION_LAYOUTS,
    gru_cells,
    lstm_cells,
    predicting,
)
from convgrad.check.problems.in_time import over_time
from convgrad.check.problems.written import COLUMNS, Layouts, Written

_STATES: Layouts = {
    "[batch, features]": {},
    COLUMNS: {
        "x": "d batch", "prev_h": "j batch", "next_h": "i batch", "Wx": "i d", "Wh": "i j", "b": "i 1",
        "above_next_h": "i batch",
    },
    "[batch, features], weights [out, in]": {"Wx": "i d", "Wh": "i j"},
    "one example": {"x": "d", "prev_h": "j", "next_h": "i", "Wx": "i d", "Wh": "i j", "b": "i"},
    "[features, 1]": {
        "x": "d 1", "prev_h": "j 1", "next_h": "i 1", "Wx": "i d", "Wh": "i j", "b": "i 1",
    },
}  # fmt: skip
_RECURRENT = {
    "x": "x xt xin input inputs xs",
    "Wx": "wx wxh wax u wih weightih wi",
    "Wh": "wh whh waa w weighthh wr",
    "b": "b ba bh bias",
}
_STEP = {"prev_h": "prevh hprev aprev h hidden state prevstate hiddenprev", "next_h": "nexth hnext anext"}
_NEXT = {"above_next_h": "dnexth dhnext danext dh da dout grad upstream dhidden gradoutput gradh"}
_RNN = "next_h[n,i] = tanh(sum[d](x[n,d] * Wx[d,i]) + sum[j](prev_h[n,j] * Wh[j,i]) + b[i])"
_IN_TIME: Layouts = {"[batch, time, features]": {}, "[time, batch, features]": {"x": "t batch d", "h": "t batch i"}}
GATES = ("ifog", "ifgo", "fiog", "figo", "iofg", "oifg")
"""Orders of the gates of an LSTM that people lay side by side: input, forget, output, and g, what goes in."""


def _lstm(order: str) -> str:
    gate = {letter: place for place, letter in enumerate(order)}
    return f"""z[n,a,j] = sum[d](x[n,d] * Wx[d,a,j]) + sum[l](prev_h[n,l] * Wh[l,a,j]) + b[a,j]
i[n,j] = sigmoid(z[n,{gate["i"]},j])
f[n,j] = sigmoid(z[n,{gate["f"]},j])
o[n,j] = sigmoid(z[n,{gate["o"]},j])
g[n,j] = tanh(z[n,{gate["g"]},j])
next_c[n,j] = f[n,j] * prev_c[n,j] + i[n,j] * g[n,j]
next_h[n,j] = o[n,j] * tanh(next_c[n,j])"""


_GATES_LAID = {"Wx": "d (a j)", "Wh": "l (a j)", "b": "(a j)", "z": "batch (a j)"}
_GATES_TURNED = {"Wx": "(a j) d", "Wh": "(a j) l", "b": "(a j)", "z": "batch (a j)"}
_CELL_LAYOUTS: Layouts = {
    "[batch, features]": _GATES_LAID,
    "[batch, features], weights [out, in]": _GATES_TURNED,
}
_CELL = {
    "prev_c": "prevc cprev c cell cellprev",
    "next_c": "nextc cnext ct",
    "above_next_c": "dnextc dcnext dc dcell gradc",
    "i": "i it ig inputgate",
    "f": "f ft fg forgetgate",
    "o": "o ot og outputgate",
    "g": "g gt cct ctilde cbar candidate",
    "z": "z a activation gates",
}


def _cell(order: str) -> Written:
    wrt = ("x", "prev_h", "prev_c", "Wx", "Wh", "b")
    names = {**_RECURRENT, **_STEP, **_NEXT, **_CELL}
    return Written(
        _lstm(order), wrt, ("next_h", "next_c"), {"D": 6, "J": 5, "L": 5, "A": 4}, names,
        layouts=_CELL_LAYOUTS, parameters=("Wx", "Wh", "b"), absent="wf wo bf bo",
        words=f"gates in the order {', '.join(order)}",
    )  # fmt: skip


def _cells_in_time(order: str, with_c: bool) -> Written:
    states: dict[str, tuple[str, str | None]] = {
        "prev_h": ("next_h", "h0"), "prev_c": ("next_c", "c0" if with_c else None),
    }  # fmt: skip
    wrt = ("x", "h0", *(("c0",) if with_c else ()), "Wx", "Wh", "b")
    layouts: Layouts = {
        f"{name}{', weights [out, in]' if laid is _GATES_TURNED else ''}": {**orders, **laid}
        for laid in (_GATES_LAID, _GATES_TURNED)
        for name, orders in (
            ("[batch, time, features]", {}),
            ("[time, batch, features]", {"x": "t batch d", "h": "t batch j"}),
        )
    }
    names = {
        **_RECURRENT,
        "h0": "h0 hprev prevh initialh",
        "c0": "c0 cprev prevc",
        "h": "h hs out",
        "dh": "dh dhs dout",
    }
    return Written(
        partial(over_time, _lstm(order), states, "h"), wrt, ("h",), {"D": 6, "J": 5, "L": 5, "A": 4}, names,
        layouts=layouts, parameters=("Wx", "Wh", "b"), words=f"gates in the order {', '.join(order)}",
    )  # fmt: skip


UPDATES = {
    "z keeps the state": "(1 - z[n,j]) * g[n,j] + z[n,j] * prev_h[n,j]",
    "z takes the candidate": "(1 - z[n,j]) * prev_h[n,j] + z[n,j] * g[n,j]",
}
"""What the update gate of a GRU does: Chung et al. 2014 take the candidate by it, libraries keep the state."""
_KINDS = {"W": "j d", "U": "j l", "b": "j 1"}
_APART = {
    "x": "d batch", "prev_h": "l batch", "next_h": "j batch", **dict.fromkeys("zrg", "j batch"),
    **{f"{kind}{gate}": pattern for kind, pattern in _KINDS.items() for gate in "zrg"},
}  # fmt: skip
_APART_LAYOUTS: Layouts = {
    "[batch, features]": {},
    COLUMNS: _APART,
    "[batch, features], weights [out, in]": {n: p for n, p in _APART.items() if n[0] in "WU"},
    "one example": {n: p.replace(" batch", "").replace(" 1", "") for n, p in _APART.items()},
    "[features, 1]": {n: p.replace("batch", "1") for n, p in _APART.items()},
}
_GATED = {
    "z": "z zt zg update updategate", "r": "r rt rg reset resetgate",
    "g": "g gt n nt hhat hcand htilde hbar hc candidate cand",
}  # fmt: skip


def _gru(update: str, after: bool, bias: bool) -> str:
    """A step with weights for each gate. after: the reset gate multiplies the product, and not the state before it."""

    def sums(gate: str, of_state: str) -> str:
        return f"sum[d](x[n,d] * W{gate}[d,j]) + {of_state}" + (f" + b{gate}[j]" if bias else "")

    def state(gate: str, reset: str = "") -> str:
        return f"sum[l]({reset}prev_h[n,l] * U{gate}[l,j])"

    within = f"r[n,j] * {state('g')}" if after else state("g", "r[n,l] * ")
    return f"""z[n,j] = sigmoid({sums("z", state("z"))})
r[n,j] = sigmoid({sums("r", state("r"))})
g[n,j] = tanh({sums("g", within)})
next_h[n,j] = {UPDATES[update]}"""


def _gru_steps() -> list[Written]:
    found = []
    for update in UPDATES:
        for after in (False, True):
            for bias in (True, False):
                weights = tuple(f"{kind}{gate}" for gate in "zrg" for kind in ("WUb" if bias else "WU"))
                found.append(Written(
                    _gru(update, after, bias), ("x", "prev_h", *weights), ("next_h",), {"D": 6, "J": 5, "L": 5},
                    {**_gru_names(bias), **_STEP, "dnext_h": _NEXT["above_next_h"], **_GATED}, layouts=_APART_LAYOUTS,
                    parameters=weights, absent="" if bias else "bz br bh bg bn",
                    words=f"{update}, r {'behind' if after else 'before'} the product" + ("" if bias else ", no bias"),
                ))  # fmt: skip
    return found


def _gru_names(bias: bool) -> dict[str, str]:
    """The candidate's weights go by h, n, c or g."""
    names = {"x": _RECURRENT["x"]}
    for gate, letters in {"z": "zu", "r": "r", "g": "ghnc"}.items():
        names[f"W{gate}"] = " ".join(f"w{a} wx{a} w{a}x wi{a} w{a}i" for a in letters)
        names[f"U{gate}"] = " ".join(f"u{a} wh{a} w{a}h r{a}" for a in letters)
        names |= {f"b{gate}": " ".join(f"b{a} bias{a}" for a in letters)} if bias else {}
    return names


def _of_characters(steps: int) -> str:
    """A recurrent network that is to tell the next character, and its loss over one text."""
    lines, losses, before = [], [], "h0[j]"
    for t in range(steps):
        lines += [
            f"h_{t}[i] = tanh(sum[v](where(v == x[{t}], Wxh[i,v], 0)) + sum[j](Whh[i,j] * {before}) + bh[i])",
            f"s_{t}[k] = sum[i](Why[k,i] * h_{t}[i]) + by[k]",
        ]
        losses.append(f"log(sum[k](exp(s_{t}[k]))) - sum[k](where(k == y[{t}], s_{t}[k], 0))")
        before = f"h_{t}[j]"
    return "\n".join([*lines, f"E = {' + '.join(losses)}"])


_CHARACTERS = Written(
    _of_characters, ("Wxh", "Whh", "Why", "bh", "by"), (), {"V": 6, "K": 6, "I": 5, "J": 5},
    {"x": "inputs input xs x", "y": "targets target ys y", "h0": "hprev h0 prevh hprevious h"}, {"x": "v", "y": "k"},
    layouts={"columns": {"h0": "j 1", "bh": "i 1", "by": "k 1"}, "rows": {}},
    words="of characters, with their loss", scale=0.5,
)  # fmt: skip

_PLAIN_STEP = Written(
    _RNN, ("x", "prev_h", "Wx", "Wh", "b"), ("next_h",), {"D": 6, "I": 5, "J": 5},
    {**_RECURRENT, **_STEP, "dnext_h": _NEXT["above_next_h"]}, layouts=_STATES, parameters=("Wx", "Wh", "b"),
    absent=NO_PREDICTION,
)  # fmt: skip

_LSTM_NAMES = {"x": _RECURRENT["x"]}
_GRU_CELL = {"x": _RECURRENT["x"], **_STEP, "dnext_h": _NEXT["above_next_h"], **_GATED}

RECURRENT: dict[str, list[Written]] = {
    "rnn_step": [_PLAIN_STEP, predicting(_PLAIN_STEP, {COLUMNS: {**_STATES[COLUMNS], **PREDICTION_LAYOUTS}})],
    "rnn": [Written(
        partial(over_time, _RNN, {"prev_h": ("next_h", "h0")}, "h"), ("x", "h0", "Wx", "Wh", "b"), ("h",),
        {"D": 6, "I": 5, "J": 5},
        {**_RECURRENT, "h0": "h0 hprev prevh initialh a0", "h": "h hs out a", "dh": "dh dhs dout da"},
        layouts=_IN_TIME, parameters=("Wx", "Wh", "b"),
    ), _CHARACTERS],
    "lstm_step": [*(_cell(order) for order in GATES), *lstm_cells({**_LSTM_NAMES, **_STEP, **_NEXT, **_CELL})],
    "lstm": [_cells_in_time(order, with_c) for with_c in (False, True) for order in GATES],
    "gru_step": [*_gru_steps(), *gru_cells(_GRU_CELL, UPDATES)],
}  # fmt: skip
