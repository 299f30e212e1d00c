"""The derivative table: one function a line, its formula beside it, its rule for kinks where it has one.

Source: any book of analysis; the rules for kinks are those of `docs/notation.md`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from convgrad.notation.terms import Add, Call, Compare, Divide, Multiply, Negate, Number, Power, Term

Slopes = Callable[[Call], tuple[Term | None, ...]]

ZERO, ONE = Number(0.0), Number(1.0)


def _pick(operator: str, call: Call, yes: Term, no: Term) -> Term:
    return Call("where", (Compare(operator, call.arguments[0], call.arguments[1]), yes, no))


def _sign(a: Term) -> Term:
    negative = Call("where", (Compare("<", a, ZERO), Negate(ONE), ZERO))
    return Call("where", (Compare(">", a, ZERO), ONE, negative))


# Function -> the partial derivative with respect to each argument, as terms in the arguments and in the value itself
# (`call`), so that a derivation can say x*(1-x) where x is the value already known. None: the argument has no influence
# that a derivative could follow.
SLOPES: Mapping[str, Slopes] = {
    "exp": lambda call: (call,),  # e^a
    "log": lambda call: (Divide(ONE, call.arguments[0]),),  # 1/a
    "sqrt": lambda call: (Divide(ONE, Multiply((Number(2.0), call))),),  # 1/(2 sqrt a)
    "tanh": lambda call: (Add((ONE, Negate(Power(call, 2.0)))),),  # 1 - tanh^2
    "sigmoid": lambda call: (Multiply((call, Add((ONE, Negate(call))))),),  # s (1 - s)
    "softplus": lambda call: (Call("sigmoid", call.arguments),),  # e^a / (1 + e^a)
    "erf": lambda call: (  # 2/sqrt(pi) e^(-a^2)
        Multiply((Number(2 / math.sqrt(math.pi)), Call("exp", (Negate(Power(call.arguments[0], 2.0)),)))),
    ),
    "abs": lambda call: (_sign(call.arguments[0]),),  # 0 at 0
    "max": lambda call: (_pick(">", call, ONE, ZERO), _pick(">", call, ZERO, ONE)),  # a tie goes to the second
    "min": lambda call: (_pick("<", call, ONE, ZERO), _pick("<", call, ZERO, ONE)),  # a tie goes to the second
    "where": lambda call: (
        None,
        Call("where", (call.arguments[0], ONE, ZERO)),
        Call("where", (call.arguments[0], ZERO, ONE)),
    ),
    "stop": lambda call: (None,),  # held constant by definition
    "uniform": lambda call: (None, None),  # depends on whole numbers only
}

# What to say about a function that the table does not hold.
WITHOUT_RULE: Mapping[str, str] = {
    "floor": "`floor` is a staircase: its slope is 0 or none at all. Write stop(floor(..)) to hold it constant.",
    "argmax": "`argmax` is a place, not a value that changes smoothly. Write stop(argmax[..](..)) to hold it constant.",
    "argmin": "`argmin` is a place, not a value that changes smoothly. Write stop(argmin[..](..)) to hold it constant.",
}
