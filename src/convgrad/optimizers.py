"""Optimizers: how a parameter changes at each step. Each is an equation, too, for one number w[i] of a parameter.

Inputs are the parameter w[i], its gradient dw[i], the optimizer's state and some scalars, which are worked out in
float64 for every step; `w_next` and `<state>_next` are what takes the place of them. Momentum and weight decay follow
PyTorch's conventions: the learning rate stands outside of the velocity (v_next = mu*v + dw; w_next = w - eta*v_next).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convgrad.arguments import FLAG, LARGEST, NOT_NEGATIVE, NUMBER, POSITIVE, at_least, between, shown, takes
from convgrad.errors import ModelError, suggestion
from convgrad.notation.written import Written


@dataclass(frozen=True)
class Optimizer(Written):
    """Base of all optimizers: a frozen dataclass whose fields are the arguments. A subclass gives `text`.

    Numbers that stay the same are written into the equation; those of `scalars` are its inputs.
    """

    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        self.require(learning_rate=POSITIVE)
        self.check()

    def check(self) -> None:
        """Refuse arguments that can't work."""

    @property
    def state(self) -> dict[str, float]:
        """The tensors that are kept from step to step, of the parameter's shape, with their initial value."""
        return {}

    @takes(ModelError, step=at_least(0, LARGEST), learning_rate=NUMBER)
    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        """The scalar inputs of the equation at a step.

        step: how many steps were done before this one. learning_rate: the one of this step.
        """
        return {"eta": float(learning_rate)}


@dataclass(frozen=True)
class SGD(Optimizer):
    """w_next[i] = w[i] - eta * dw[i], or with momentum mu

        v_next[i] = mu * v[i] + dw[i]
        w_next[i] = w[i] - eta * v_next[i]

    learning_rate: eta.
    momentum: mu, from 0 up to 1.
    nesterov: look ahead, w_next[i] = w[i] - eta * (dw[i] + mu * v_next[i]).
    weight_decay: added to the gradient as weight_decay * w[i].

    Reference: Polyak, 1964; Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in
    deep learning, 2013, eq. 1-4, with the learning rate outside of v as in PyTorch.

    >>> print(SGD(0.1, momentum=0.9))
    v_next[i] = 0.9 * v[i] + dw[i]
    w_next[i] = w[i] - eta * v_next[i]
    """

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def check(self) -> None:
        self.require(momentum=between(0, 1), nesterov=FLAG, weight_decay=NOT_NEGATIVE)
        if self.nesterov and not self.momentum:
            raise ModelError("SGD: nesterov=True needs a momentum, such as momentum=0.9.")

    @property
    def text(self) -> str:
        lines, gradient = _with_decay(self.weight_decay)
        if not self.momentum:
            return "\n".join([*lines, f"w_next[i] = w[i] - eta * {gradient}"])
        mu = _number(self.momentum)
        step = f"({gradient} + {mu} * v_next[i])" if self.nesterov else "v_next[i]"
        return "\n".join([*lines, f"v_next[i] = {mu} * v[i] + {gradient}", f"w_next[i] = w[i] - eta * {step}"])

    @property
    def state(self) -> dict[str, float]:
        return {"v": 0.0} if self.momentum else {}


@dataclass(frozen=True)
class Adam(Optimizer):
    """Steps of about the same length for all parameters, whatever the size of their gradients:

        m_next[i] = beta1 * m[i] + (1 - beta1) * dw[i]
        s_next[i] = beta2 * s[i] + (1 - beta2) * dw[i]^2
        w_next[i] = w[i] - eta * c1 * m_next[i] / (sqrt(c2 * s_next[i]) + eps)

    with c1 = 1/(1 - beta1^t), c2 = 1/(1 - beta2^t) at step t = 1, 2, ...

    learning_rate: eta. beta1, beta2: from 0 up to 1. eps: above 0.
    weight_decay: added to the gradient as weight_decay * w[i].

    Reference: Kingma and Ba, Adam, 2015, algorithm 1.
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0

    def check(self) -> None:
        self.require(beta1=between(0, 1), beta2=between(0, 1), eps=POSITIVE, weight_decay=NOT_NEGATIVE)

    @property
    def text(self) -> str:
        lines, gradient = _with_decay(self.weight_decay)
        return "\n".join([*lines, *self._moments(gradient), f"w_next[i] = w[i] - eta * {self._direction}"])

    def _moments(self, gradient: str) -> list[str]:
        return [
            f"m_next[i] = {_number(self.beta1)} * m[i] + {_rest(self.beta1)} * {gradient}",
            f"s_next[i] = {_number(self.beta2)} * s[i] + {_rest(self.beta2)} * {gradient}^2",
        ]

    @property
    def _direction(self) -> str:
        return f"c1 * m_next[i] / (sqrt(c2 * s_next[i]) + {_number(self.eps)})"

    @property
    def state(self) -> dict[str, float]:
        return {"m": 0.0, "s": 0.0}

    @takes(ModelError, step=at_least(0, LARGEST), learning_rate=NUMBER)
    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        c1, c2 = (1 / (1 - beta ** (step + 1)) for beta in (self.beta1, self.beta2))
        return {"eta": float(learning_rate), "c1": c1, "c2": c2}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weight decay apart from the gradient's moments:

        w_next[i] = w[i] - eta * (c1 * m_next[i] / (sqrt(c2 * s_next[i]) + eps) + weight_decay * w[i])

    See `Adam` for m_next, s_next and the arguments; weight_decay is 0.01 by default.

    Reference: Loshchilov and Hutter, Decoupled weight decay regularization, 2019, algorithm 2, with the learning rate
    in front of the decay as in PyTorch.
    """

    weight_decay: float = 0.01

    @property
    def text(self) -> str:
        decay = f" + {_number(self.weight_decay)} * w[i]" if self.weight_decay else ""
        return "\n".join([*self._moments("dw[i]"), f"w_next[i] = w[i] - eta * ({self._direction}{decay})"])


def _with_decay(decay: float) -> tuple[list[str], str]:
    """The definitions before an update, and what the equation calls the gradient."""
    return ([f"g[i] = dw[i] + {_number(decay)} * w[i]"], "g[i]") if decay else ([], "dw[i]")


def _number(value: float) -> str:
    return repr(float(value))


def _rest(beta: float) -> str:
    """1 - beta without the digits that binary fractions add: 0.1, not 0.09999999999999998."""
    return f"{1 - beta:.12g}"


registry: dict[str, Callable[[], Optimizer]] = {
    "sgd": SGD,
    "momentum": lambda: SGD(momentum=0.9),
    "nesterov": lambda: SGD(momentum=0.9, nesterov=True),
    "adam": Adam,
    "adamw": AdamW,
}


def optimizer_from(chosen: str | Optimizer) -> Optimizer:
    """The optimizer of that name, or `chosen` itself where it is one. Raises: ModelError.

    >>> optimizer_from("momentum")
    SGD(learning_rate=0.01, momentum=0.9, nesterov=False, weight_decay=0.0)
    """
    if isinstance(chosen, Optimizer):
        return chosen
    if not isinstance(chosen, str):
        raise ModelError(f"An optimizer is a name or an object such as SGD(0.1), not {shown(chosen)}.")
    if chosen not in registry:
        raise ModelError(f"There is no optimizer called {shown(chosen)}.{suggestion(chosen, registry)}")
    return registry[chosen]()
