"""How hard a sheet is: a network for each level, which tensors are shown, and which may have blanks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from convgrad.errors import DataError, suggestion
from convgrad.examples import Example
from convgrad.examples.files import invented_input
from convgrad.explain.trace.element import OfTensor
from convgrad.explain.trace.tensor import Tensor
from convgrad.explain.trace.trace import Trace
from convgrad.layers import Equation, Layer
from convgrad.models.network import Network
from convgrad.network.plan import INPUT, LOSS_MEAN, LOSS_OF_EXAMPLE, LOSS_WEIGHTS
from convgrad.notation.terms import Reduce, accesses, gradient_name, walk
from convgrad.optimizers import SGD

RATE = 0.1
NEEDLESS = (gradient_name(INPUT), LOSS_WEIGHTS, LOSS_OF_EXAMPLE, LOSS_MEAN)
"""The gradient of the input, weights of examples, the loss itself: nothing on a sheet is made from them."""


@dataclass(frozen=True)
class Level:
    """roles: passes that are on the sheet, in order; blank: of which passes numbers may be left out; chains: whether
    blanks follow one number back through the network; task: what there is to do.
    """

    name: str
    task: str
    network: Callable[[], Network]
    roles: tuple[str, ...]
    blank: tuple[str, ...]
    chains: bool = False

    def shown(self, trace: Trace) -> list[str]:
        """The tensors on the sheet that are computed, in the order of the calculation."""
        found = [name for name in trace if _role(trace[name]) in self.roles and name not in NEEDLESS]
        if "backward" not in self.roles:
            found = [name for name in found if not is_place(trace[name])]
        read = {a.tensor for name in found if (d := trace[name].definition) for a in accesses(d.term)}
        return [name for name in found if trace[name].role != "view" or name in read]

    def askable(self, trace: Trace) -> list[str]:
        """Those of them that may have blanks."""
        names = [name for name in self.shown(trace) if trace[name].definition and not is_place(trace[name])]
        names = [name for name in names if trace[name].role in self.blank]
        sums = [name for name in names if _reduces(trace[name])]
        return sums if self.name == "easy" and sums else names


def level_from(name: str) -> Level:
    """The level of that name. Raises: DataError where there is none."""
    if name not in LEVELS:
        raise DataError(f"There is no difficulty {name!r}.{suggestion(name, LEVELS)}")
    return LEVELS[name]


def invented(level: Level) -> Example:
    """The level's own network, whose numbers are yet to be found."""
    network = level.network()
    return Example(name=level.name, network=network, x=invented_input(network.input_shape), optimizer=SGD(RATE))


def is_place(tensor: Tensor) -> bool:
    """Whether a tensor says which value of a window is the greatest, or the least."""
    term = tensor.definition.term if tensor.definition is not None else None
    return isinstance(term, Reduce) and term.kind in ("argmax", "argmin")


def _role(tensor: OfTensor) -> str:
    """A view belongs to the pass of what it shows."""
    shown = tensor.shows
    return tensor.role if shown is None else _role(tensor.trace[shown])


def _reduces(tensor: Tensor) -> bool:
    return tensor.definition is not None and any(isinstance(t, Reduce) for t in walk(tensor.definition.term))


def _convolution(name: str) -> Layer:
    return Equation("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n])", sizes={"M": 2, "N": 2}, name=name)


def _behind(name: str) -> tuple[Layer, ...]:
    """A convolution, and what comes behind the last one."""
    return (
        _convolution(name),
        Equation("x[i,j] = max[m,n](o[2*i+m,2*j+n])", sizes={"M": 2, "N": 2}, name="pool1"),
        Equation("x[i,j] = max(o[i,j], 0)", name="relu1"),
        Equation("x[k] = sum[i,j](w[i,j,k] * o[i,j]) + b[k]", sizes={"K": 2}, name="dense1"),
    )


def _network(*layers: Layer, size: int) -> Network:
    return Network(*layers, input_shape=(size, size), dtype="float64")


LEVELS = {
    level.name: level
    for level in (
        Level(
            "easy",
            "Forward pass: sums and maxima",
            lambda: _network(*_behind("conv1")[:2], size=5),
            ("forward",),
            ("forward",),
        ),
        Level(
            "medium",
            "Backward pass: deltas and gradients",
            lambda: _network(*_behind("conv1"), size=5),
            ("forward", "loss", "backward"),
            ("backward",),
        ),
        Level(
            "hard",
            "A whole training step: forward, backward, update",
            lambda: _network(_convolution("conv1"), *_behind("conv2"), size=6),
            ("forward", "loss", "backward", "update"),
            ("forward", "backward", "update"),
            chains=True,
        ),
    )
}
