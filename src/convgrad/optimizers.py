"""Optimizers: how a parameter changes at each step. Each is an equation, too, for one number w[i] of a parameter.

Inputs are the parameter w[i], its gradient dw[i], the optimizer's state and some scalars, which are worked out in
float64 for every step; `w_next` and `<state>_next` are what takes the place of them. Momentum and weight decay follow
PyTorch's conventions: the learning rate stands outside of the velocity (v_next = mu*v + dw; w_next = w - eta*v_next).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from convgrad.arguments import (
    FLAG,
    LARGEST,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE,
    Rule,
    at_least,
    between,
    optional,
    shown,
    takes,
)
from convgrad.errors import ModelError, suggestion
from convgrad.groups import BIASES_AND_NORMS as BIASES_AND_NORMS
from convgrad.groups import CALLED
from convgrad.groups import Group as Group
from convgrad.notation.written import Written

GROUPS = Rule(
    "a list of Group(...)",
    lambda value: isinstance(value, (tuple, list)) and all(isinstance(each, Group) for each in value),
)


@dataclass(frozen=True)
class Optimizer(Written):
    """Base of all optimizers: a frozen dataclass whose fields are the arguments. A subclass gives `text`.

    Numbers that stay the same are written into the equation; those of `scalars` are its inputs. What all of them take,
    by name, concerns the gradients before, and some parameters apart:

    clipvalue: c; each gradient is cut off at -c and c.
    clipnorm: c; the gradient of a parameter is made shorter where it is longer, dw[i] * c / max(n, c), with
        n = sqrt(sum[i](dw[i]^2)).
    global_clipnorm: the same with one n, that of all trained parameters together, as PyTorch's clip_grad_norm_ does.
    no_decay: names of layers and weights without weight decay, such as `BIASES_AND_NORMS`.
    groups: parameters with a learning rate or a weight decay of their own, see `Group`.
    """

    learning_rate: float = 0.01
    clipvalue: float | None = field(default=None, kw_only=True)
    clipnorm: float | None = field(default=None, kw_only=True)
    global_clipnorm: float | None = field(default=None, kw_only=True)
    no_decay: str | Sequence[str] = field(default=(), kw_only=True)
    groups: Sequence[Group] = field(default=(), kw_only=True)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__repr__" not in vars(cls):
            cls.__repr__ = Optimizer.__repr__  # type: ignore[method-assign]  # which a dataclass then leaves alone

    def __repr__(self) -> str:
        """As it is written; of what all optimizers take, what was given."""
        own = [each for each in fields(self) if not each.kw_only]
        told = own + [each for each in fields(self) if each.kw_only and getattr(self, each.name) != each.default]
        return f"{type(self).__name__}({', '.join(f'{each.name}={getattr(self, each.name)!r}' for each in told)})"

    def __post_init__(self) -> None:
        self.require(learning_rate=POSITIVE)
        self.require(**dict.fromkeys(CLIPS, optional(POSITIVE)), no_decay=CALLED, groups=GROUPS)
        given = [name for name in CLIPS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ModelError(f"{self.label}: {' and '.join(given)} are given. Gradients are clipped in one way.")
        object.__setattr__(self, "groups", tuple(self.groups))  # so that it can be a key
        if not isinstance(self.no_decay, str):
            object.__setattr__(self, "no_decay", tuple(self.no_decay))
        decays = self.no_decay or any(group.weight_decay is not None for group in self.groups)
        if decays and not hasattr(self, "weight_decay"):
            raise ModelError(f"{self.label} has no weight_decay, so there is none to leave out or to change.")
        self.check()

    @property
    def clipping(self) -> str:
        """The equation from a gradient dw[i] to the one that is followed, g[i]; empty where it is dw[i] itself.

        With `global_clipnorm` it reads n, which is made of all parameters.
        """
        if self.clipvalue is not None:
            return f"g[i] = min(max(dw[i], {_number(-self.clipvalue)}), {_number(self.clipvalue)})"
        limit = self.clipnorm if self.clipnorm is not None else self.global_clipnorm
        if limit is None:
            return ""
        own = "n = sqrt(sum[i](dw[i]^2))\n" if self.clipnorm is not None else ""
        return f"{own}g[i] = dw[i] * ({_number(limit)} / max(n, {_number(limit)}))"

    def variant(self, group: Group | None = None, decays: bool = True) -> Optimizer:
        """The optimizer of the parameters of a group alone."""
        changed: dict[str, Any] = {each.name: each.default for each in fields(self) if each.kw_only}
        if group is not None and group.learning_rate is not None:
            changed["learning_rate"] = group.learning_rate
        if group is not None and group.weight_decay is not None:
            changed["weight_decay"] = group.weight_decay
        if not decays:
            changed["weight_decay"] = 0.0
        return replace(self, **changed)

    @property
    def rates(self) -> dict[float, str]:
        """Learning rates -> what is put behind the name of a scalar of that rate: nothing for the optimizer's own."""
        found = {self.learning_rate: ""}
        for group in self.groups:
            if group.learning_rate is not None:
                found.setdefault(group.learning_rate, str(len(found) + 1))
        return found

    @takes(ModelError, step=at_least(0, LARGEST), learning_rate=NUMBER)
    def all_scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        """`scalars` of each of `rates`, those of groups with a number behind their names."""
        return {name: float(value) for name, value in self.worked_out(step, float(learning_rate)).items()}

    def worked_out(self, step: Any, learning_rate: Any) -> dict[str, Any]:
        """`all_scalars` of anything that can be computed with, such as symbols that note how."""
        scalars = getattr(type(self).scalars, "__wrapped__", type(self).scalars)
        found: dict[str, Any] = {}
        for rate, behind in self.rates.items():
            own = learning_rate if not behind else learning_rate / self.learning_rate * rate
            found |= {f"{name}{behind}": value for name, value in scalars(self, step, own).items()}
        return found

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
        return {"eta": learning_rate}


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
    amsgrad: the greatest s_next so far, h_next[i] = max(h[i], s_next[i]), in its place under the root.

    Reference: Kingma and Ba, Adam, 2015, algorithm 1; Reddi, Kale and Kumar, On the convergence of Adam and beyond,
    2018, algorithm 2 (amsgrad, with the corrections of Adam as in PyTorch).
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False

    def check(self) -> None:
        self.require(beta1=between(0, 1), beta2=between(0, 1), eps=POSITIVE, weight_decay=NOT_NEGATIVE, amsgrad=FLAG)

    @property
    def text(self) -> str:
        lines, gradient = _with_decay(self.weight_decay)
        return "\n".join([*lines, *self._moments(gradient), f"w_next[i] = w[i] - eta * {self._direction}"])

    def _moments(self, gradient: str) -> list[str]:
        moments = [
            f"m_next[i] = {_number(self.beta1)} * m[i] + {_rest(self.beta1)} * {gradient}",
            f"s_next[i] = {_number(self.beta2)} * s[i] + {_rest(self.beta2)} * {gradient}^2",
        ]
        return [*moments, "h_next[i] = max(h[i], s_next[i])"] if self.amsgrad else moments

    @property
    def _direction(self) -> str:
        return f"c1 * m_next[i] / (sqrt(c2 * {'h' if self.amsgrad else 's'}_next[i]) + {_number(self.eps)})"

    @property
    def state(self) -> dict[str, float]:
        return {"m": 0.0, "s": 0.0} | ({"h": 0.0} if self.amsgrad else {})

    @takes(ModelError, step=at_least(0, LARGEST), learning_rate=NUMBER)
    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        c1, c2 = (1 / (1 - beta ** (step + 1)) for beta in (self.beta1, self.beta2))
        return {"eta": learning_rate, "c1": c1, "c2": c2}


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


@dataclass(frozen=True)
class Adamax(Adam):
    """Adam with the greatest gradient of late in place of a root of squares:

        m_next[i] = beta1 * m[i] + (1 - beta1) * dw[i]
        s_next[i] = max(beta2 * s[i], abs(dw[i]) + eps)
        w_next[i] = w[i] - eta * c1 * m_next[i] / s_next[i]

    See `Adam` for c1 and the arguments; the learning rate is 0.002 by default, and there is no amsgrad.

    Reference: Kingma and Ba, Adam, 2015, algorithm 2, with eps as in PyTorch.
    """

    learning_rate: float = 0.002

    def check(self) -> None:
        super().check()
        if self.amsgrad:
            raise ModelError("Adamax: s is the greatest of late already. Leave amsgrad out.")

    @property
    def text(self) -> str:
        lines, gradient = _with_decay(self.weight_decay)
        return "\n".join(
            [
                *lines,
                f"m_next[i] = {_number(self.beta1)} * m[i] + {_rest(self.beta1)} * {gradient}",
                f"s_next[i] = max({_number(self.beta2)} * s[i], abs({gradient}) + {_number(self.eps)})",
                "w_next[i] = w[i] - eta * c1 * m_next[i] / s_next[i]",
            ]
        )

    @takes(ModelError, step=at_least(0, LARGEST), learning_rate=NUMBER)
    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        return {"eta": learning_rate, "c1": 1 / (1 - self.beta1 ** (step + 1))}


@dataclass(frozen=True)
class LAMB(Adam):
    """Adam's step u, made as long as the parameter itself, for large batches:

        u[i] = c1 * m_next[i] / (sqrt(c2 * s_next[i]) + eps) + weight_decay * w[i]
        a = sqrt(sum[i](w[i]^2))
        b = sqrt(sum[i](u[i]^2))
        w_next[i] = w[i] - eta * where(a > 0, where(b > 0, a / b, 1), 1) * u[i]

    See `Adam` for m_next, s_next, c1, c2 and the other arguments; eps is 1e-6 by default. The lengths a and b are those
    of a whole parameter, such as all weights of a layer.

    Reference: You et al., Large batch optimization for deep learning, 2020, algorithm 2.
    """

    eps: float = 1e-6

    @property
    def text(self) -> str:
        decay = f" + {_number(self.weight_decay)} * w[i]" if self.weight_decay else ""
        return "\n".join(
            [
                *self._moments("dw[i]"),
                f"u[i] = {self._direction}{decay}",
                "a = sqrt(sum[i](w[i]^2))",
                "b = sqrt(sum[i](u[i]^2))",
                "w_next[i] = w[i] - eta * where(a > 0, where(b > 0, a / b, 1), 1) * u[i]",
            ]
        )


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Gradients divided by the root of their mean square of late:

        s_next[i] = rho * s[i] + (1 - rho) * dw[i]^2
        w_next[i] = w[i] - eta * dw[i] / (sqrt(s_next[i]) + eps)

    learning_rate: eta. rho: from 0 up to 1 (alpha in PyTorch, whose default 0.99 it has; 0.9 in Keras). eps: above 0.
    momentum: mu; then v_next[i] = mu * v[i] + dw[i] / (sqrt(s_next[i]) + eps) and w_next[i] = w[i] - eta * v_next[i].
    centered: divide by the deviation, the root of s_next[i] - g_next[i]^2, with
        g_next[i] = rho * g[i] + (1 - rho) * dw[i].
    weight_decay: added to the gradient as weight_decay * w[i].

    Reference: Tieleman and Hinton, Lecture 6.5, 2012; Graves, Generating sequences with recurrent neural networks,
    2013, eq. 38 to 41 (centered).
    """

    rho: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    centered: bool = False
    weight_decay: float = 0.0

    def check(self) -> None:
        self.require(rho=between(0, 1), eps=POSITIVE, momentum=between(0, 1), centered=FLAG, weight_decay=NOT_NEGATIVE)

    @property
    def text(self) -> str:
        lines, gradient = _with_decay(self.weight_decay, "q")
        rho, rest = _number(self.rho), _rest(self.rho)
        lines.append(f"s_next[i] = {rho} * s[i] + {rest} * {gradient}^2")
        square = "s_next[i]"
        if self.centered:
            lines.append(f"g_next[i] = {rho} * g[i] + {rest} * {gradient}")
            square = "max(s_next[i] - g_next[i]^2, 0)"  # rounding may leave it below 0
        step = f"{gradient} / (sqrt({square}) + {_number(self.eps)})"
        if self.momentum:
            lines.append(f"v_next[i] = {_number(self.momentum)} * v[i] + {step}")
            step = "v_next[i]"
        return "\n".join([*lines, f"w_next[i] = w[i] - eta * {step}"])

    @property
    def state(self) -> dict[str, float]:
        return {"s": 0.0} | ({"g": 0.0} if self.centered else {}) | ({"v": 0.0} if self.momentum else {})


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of all their squares:

        s_next[i] = s[i] + dw[i]^2
        w_next[i] = w[i] - eta * dw[i] / (sqrt(s_next[i]) + eps)

    learning_rate: eta; at step t = 1, 2, ... it is divided by 1 + (t - 1) * rate_decay.
    eps: above 0. initial: s to begin with. weight_decay: added to the gradient as weight_decay * w[i].

    Reference: Duchi, Hazan and Singer, Adaptive subgradient methods, 2011, fig. 1.
    """

    rate_decay: float = 0.0
    eps: float = 1e-10
    initial: float = 0.0
    weight_decay: float = 0.0

    def check(self) -> None:
        self.require(rate_decay=NOT_NEGATIVE, eps=POSITIVE, initial=NOT_NEGATIVE, weight_decay=NOT_NEGATIVE)

    @property
    def text(self) -> str:
        lines, gradient = _with_decay(self.weight_decay)
        lines.append(f"s_next[i] = s[i] + {gradient}^2")
        return "\n".join([*lines, f"w_next[i] = w[i] - eta * {gradient} / (sqrt(s_next[i]) + {_number(self.eps)})"])

    @property
    def state(self) -> dict[str, float]:
        return {"s": float(self.initial)}

    @takes(ModelError, step=at_least(0, LARGEST), learning_rate=NUMBER)
    def scalars(self, step: int, learning_rate: float) -> dict[str, float]:
        return {"eta": learning_rate / (1 + step * self.rate_decay)}


@dataclass(frozen=True)
class Lion(Optimizer):
    """The sign of a mean of gradients, so that all steps have one length:

        u[i] = beta1 * m[i] + (1 - beta1) * dw[i]
        w_next[i] = w[i] - eta * where(u[i] > 0, 1, where(u[i] < 0, -1, 0))
        m_next[i] = beta2 * m[i] + (1 - beta2) * dw[i]

    learning_rate: eta, 0.0001 as in the paper. beta1, beta2: from 0 up to 1.
    weight_decay: added to the sign as weight_decay * w[i], apart from the mean as for AdamW.

    Reference: Chen et al., Symbolic discovery of optimization algorithms, 2023, algorithm 2.
    """

    learning_rate: float = 0.0001
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def check(self) -> None:
        self.require(beta1=between(0, 1), beta2=between(0, 1), weight_decay=NOT_NEGATIVE)

    @property
    def text(self) -> str:
        sign = "where(u[i] > 0, 1, where(u[i] < 0, -1, 0))"
        step = f"({sign} + {_number(self.weight_decay)} * w[i])" if self.weight_decay else sign
        return (
            f"u[i] = {_number(self.beta1)} * m[i] + {_rest(self.beta1)} * dw[i]\n"
            f"m_next[i] = {_number(self.beta2)} * m[i] + {_rest(self.beta2)} * dw[i]\n"
            f"w_next[i] = w[i] - eta * {step}"
        )

    @property
    def state(self) -> dict[str, float]:
        return {"m": 0.0}


CLIPS = ("clipvalue", "clipnorm", "global_clipnorm")


def _with_decay(decay: float, name: str = "g") -> tuple[list[str], str]:
    """The definitions before an update, and what the equation calls the gradient."""
    return ([f"{name}[i] = dw[i] + {_number(decay)} * w[i]"], f"{name}[i]") if decay else ([], "dw[i]")


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
    "adamax": Adamax,
    "lamb": LAMB,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "lion": Lion,
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
