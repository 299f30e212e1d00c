"""An equation as a function of arrays: its value, and its gradients by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import replace
from threading import Lock
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
import numpy.typing as npt

from convgrad.arguments import NAMES, TABLE, Rule, optional, real_array, takes
from convgrad.calculus.derive import check_asked, gradients
from convgrad.calculus.names import FreshTensors, names_used
from convgrad.compute.choose import Backend, choose
from convgrad.compute.program import Program
from convgrad.errors import ArgumentError, DataError, suggestion
from convgrad.notation.binding.bind import bound_by
from convgrad.notation.parsing.parser import parse
from convgrad.notation.polynomial import Position
from convgrad.notation.printing.text import text
from convgrad.notation.terms import (
    Access,
    Add,
    Definition,
    Equation,
    Multiply,
    Reduce,
    accesses,
    bound_indices,
    gradient_name,
)

Array = npt.NDArray[Any]
Arrays = Mapping[str, npt.ArrayLike]
MOST_PROGRAMS = 16
"""Programs that one function keeps: one for each set of shapes and type that it was called with."""
WRITTEN = Rule("an equation or its text", lambda value: isinstance(value, (str, Equation)))
ASKED = Rule(
    "the name of a tensor, or a collection of names",
    lambda value: isinstance(value, str) or (NAMES.accepts(value) and len(value) > 0),
)


class ValueAndGrad:
    """A function of arrays; made by `value_and_grad`. `print` shows the definitions that it computes.

    Attributes:
        equation: as it was given, without sizes.
        wrt, of: the names that gradients and values are asked for.
    """

    def __init__(
        self,
        equation: Equation,
        wrt: str | Collection[str],
        of: str | Collection[str],
        given: Mapping[str, Mapping[str, Any]],
        backend: Backend,
    ) -> None:
        self.equation, self.wrt, self.of = equation, wrt, of
        self._wrt, self._of = _names(wrt), _names(of)
        self._given, self._backend = given, backend
        self._programs: OrderedDict[object, Program] = OrderedDict()
        self._lock = Lock()

    @takes(DataError, "the function of value_and_grad", arrays=TABLE)
    def __call__(self, arrays: Arrays, upstream: npt.ArrayLike | Arrays | None = None) -> tuple[Any, Any]:
        """The value and the gradients of sum(upstream * value).

        Args:
            arrays: input -> array, which tells the sizes. Arrays of float32 are computed with in float32, all others in
                float64.
            upstream: the gradient of an error with respect to the value, of the value's shape; for several values a
                table of them. None stands for 1, where the value is one number.

        Returns: the value (by name, where `of` is a list), and the gradient with respect to `wrt` (likewise).

        Raises: DataError where an array is missing, unknown, not of numbers, or upstream does not fit; ShapeError where
        ranks or sizes don't fit the equation, with the place in it; EngineError for types such as float16.
        """
        given = self._checked(arrays)
        above = self._upstream(upstream)
        with self._lock:
            program = self._program(given, above)
            for name, array in given.items():
                if name in program.arrays:
                    program.set(name, array)
            for name, array in above.items():
                program.set(self._above(name), array)
            if len(self._of) > 1:
                program.set(self._total_gradient, 1.0)
            program.run()
            values = {name: program.arrays[name].copy() for name in self._of}
            found = {name: program.arrays[gradient_name(name)].copy() for name in self._wrt}
        return (
            values[self.of] if isinstance(self.of, str) else values,
            found[self.wrt] if isinstance(self.wrt, str) else found,
        )

    def __str__(self) -> str:
        return "\n".join(text(d) for d in self._adjoint(self.equation).definitions)

    # What is given

    def _checked(self, arrays: Arrays) -> dict[str, Array]:
        read = _readings(self.equation)
        wanted = {name for name in read if not self._is_said(name)}
        for name in arrays:
            if name not in read:
                raise DataError(self._not_read(name, wanted))
        for name in sorted(wanted - arrays.keys()):
            form = f"it is read as {read[name]}" if read[name].positions else "it is a number of the equation"
            raise DataError(f"No array is given for `{name}`; {form}. Give {', '.join(sorted(wanted))}.")
        return {name: real_array("value_and_grad", name, array, DataError) for name, array in arrays.items()}

    def _is_said(self, name: str) -> bool:
        """Whether a bare name has its value without an array: a parameter, or the size of an index."""
        indices = {i for d in self.equation.definitions for i in (*d.indices, *bound_indices(d.term))}
        is_size = name.isupper() and name.lower() in indices
        return is_size or any(name in values for values in self._given.values())

    def _not_read(self, name: str, wanted: Collection[str]) -> str:
        if name in self.equation.defined:
            return f"`{name}` is what the equation defines, so no array can be given for it."
        if any(name in definition.names for definition in self.equation.definitions):
            return f"`{name}` is no tensor of the equation. Whole numbers in positions are given as integers."
        return f"The equation does not read `{name}`.{suggestion(name, wanted)}"

    def _upstream(self, upstream: npt.ArrayLike | Arrays | None) -> dict[str, Array]:
        if upstream is None:
            return {}
        if isinstance(self.of, str):
            if isinstance(upstream, Mapping):
                raise DataError(f"upstream must be the array for `{self.of}` alone, not a table.")
            return {self.of: real_array("value_and_grad", "upstream", upstream, DataError)}
        if not isinstance(upstream, Mapping) or {*upstream} != {*self._of}:
            raise DataError(f"upstream must be a table with an array for each of {', '.join(self._of)}.")
        return {
            name: real_array("value_and_grad", f"upstream of `{name}`", upstream[name], DataError) for name in self._of
        }

    # What is computed

    def _program(self, given: Mapping[str, Array], above: dict[str, Array]) -> Program:
        shapes = {name: array.shape for name, array in given.items()}
        dtype = _type_of(given.values())
        key = (dtype, tuple(sorted(shapes.items())), tuple((name, array.shape) for name, array in above.items()))
        if key not in self._programs:
            bound = self._bound(shapes, above)
            whole = self._adjoint(bound)
            outputs = (*self._of, *map(gradient_name, self._wrt))
            self._programs[key] = self._backend.compile_program(whole, outputs, dtype)
            if len(self._programs) > MOST_PROGRAMS:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        if not above:
            above.update({name: np.ones(()) for name in self._of})  # `_bound` has seen to it that all are numbers
        return self._programs[key]

    def _bound(self, shapes: Mapping[str, tuple[int, ...]], above: Mapping[str, Array]) -> Equation:
        """With the sizes that the arrays tell; only where these leave one open, upstream tells it, too."""
        results = {name: array.shape for name, array in above.items()}
        bound = bound_by(self.equation, shapes, results, **self._given)
        for name in self._of:
            shape = bound.shape_of[name]
            if not above and shape:
                raise DataError(
                    f"`{name}` has shape {shape}: give upstream, the gradient of an error with respect to it, in the "
                    f"same shape. Ones stand for the sum of its elements."
                )
            if above and above[name].shape != shape:
                raise DataError(f"upstream has shape {above[name].shape}, but `{name}` has shape {shape}.")
        return bound

    def _adjoint(self, equation: Equation) -> Equation:
        if len(self._of) == 1:
            return gradients(equation, self._wrt, self._of[0]).whole
        return gradients(self._with_total(equation), self._wrt, self._total).whole

    @property
    def _total(self) -> str:
        return FreshTensors(names_used(self.equation)).name("total")

    @property
    def _total_gradient(self) -> str:
        return gradient_name(self._total)

    def _above(self, name: str) -> str:
        """The input that holds upstream."""
        if len(self._of) == 1:
            return gradient_name(name)
        return FreshTensors(names_used(self.equation)).name(f"{name}_upstream")

    def _with_total(self, equation: Equation) -> Equation:
        """The sum of all values, each weighted with its upstream: one number, whose gradient is 1."""
        shapes, parts = dict(equation.shapes), []
        fresh = FreshTensors(names_used(equation))
        for definition in (d for d in equation.definitions if d.name in self._of):
            at = tuple(Position.name(index) for index in definition.indices)
            above = self._above(definition.name)
            weighted = Multiply((Access(above, at), Access(definition.name, at)))
            sum_of = Reduce("sum", definition.indices, weighted) if definition.indices else weighted
            ranges = tuple((index, size) for index, size in definition.ranges if index in definition.indices)
            parts.append(Definition(fresh.take(fresh.name(f"{definition.name}_weighted")), (), sum_of, ranges))
            if shapes:
                shapes |= {above: definition.shape, parts[-1].name: ()}
        total = Definition(self._total, (), Add(tuple(Access(part.name) for part in parts)))
        if shapes:
            shapes[total.name] = ()
        return replace(equation, definitions=(*equation.definitions, *parts, total), shapes=tuple(shapes.items()))


@takes(
    ArgumentError,
    equation=WRITTEN,
    wrt=ASKED,
    of=optional(ASKED),
    sizes=optional(TABLE),
    integers=optional(TABLE),
    numbers=optional(TABLE),
)
def value_and_grad(
    equation: Equation | str,
    wrt: str | Collection[str],
    *,
    of: str | Collection[str] | None = None,
    sizes: Mapping[str, SupportsIndex] | None = None,
    integers: Mapping[str, SupportsIndex] | None = None,
    numbers: Mapping[str, SupportsFloat] | None = None,
    engine: str = "auto",
) -> ValueAndGrad:
    """A function (arrays, upstream) -> (value, gradients) of an equation.

    For an error E whose gradient dE/dx with respect to the value x is `upstream`, the gradients are dE/dt for every t
    in `wrt`: those of sum(upstream * x).

    Args:
        equation: one definition or several, as text or as `parse` returns it, not bound.
        wrt: an input or a defined tensor, for an array; or a list of them, for a dictionary.
        of: the tensor whose value is returned, by default the last one that is defined; or a list of them.
        sizes, integers, numbers: as for `bind`, what arrays can't tell: M for a window whose size no array has.
        engine: "auto", "halide" (compiled at the first call with new shapes) or "oracle" (NumPy, in float64 inside).

    Returns: the function. Threads may share it; their calls are run one after another.

    Raises: EquationSyntaxError where the text is no equation, DerivationError where a tensor in `wrt` or `of` is not
    there, EngineError where there is no such engine. What calls raise: `ValueAndGrad.__call__`.

    >>> attention = value_and_grad(
    ...     '''s[i,j] = sum[d](q[i,d] * k[j,d]) / sqrt(D)
    ...        a[i,j] = exp(s[i,j]) / sum[l](exp(s[i,l]))
    ...        y[i,c] = sum[j](a[i,j] * v[j,c])''',
    ...     ["q", "k", "v"],
    ...     engine="oracle",
    ... )
    >>> q, k, v = np.eye(2, 3), np.eye(4, 3), np.arange(20.0).reshape(4, 5)
    >>> value, found = attention({"q": q, "k": k, "v": v}, upstream=np.ones((2, 5)))
    >>> value.shape, found["q"].round(3).tolist()
    ((2, 5), [[-6.748, -0.769, 2.249], [-4.282, -2.249, 1.756]])

    Reference: reverse mode differentiation, as `gradients`; named as in JAX.
    """
    read = parse(equation) if isinstance(equation, str) else equation
    if read.shapes:
        raise ArgumentError("value_and_grad: the equation is bound already; give it as it was before, without sizes.")
    asked = read.result.name if of is None else of
    for name in _names(asked):
        check_asked(read, _names(wrt), name)
    given = {"sizes": sizes or {}, "integers": integers or {}, "numbers": numbers or {}}
    return ValueAndGrad(read, wrt, asked, given, choose(engine))


def _names(asked: str | Collection[str]) -> tuple[str, ...]:
    return (asked,) if isinstance(asked, str) else tuple(dict.fromkeys(asked))


def _readings(equation: Equation) -> dict[str, Access]:
    """Input -> the first reading of it."""
    found: dict[str, Access] = {}
    for definition in equation.definitions:
        for access in accesses(definition.term):
            if access.tensor not in equation.defined:
                found.setdefault(access.tensor, access)
    return found


def _type_of(arrays: Collection[Array]) -> str:
    """The type to compute in: that of the arrays with fractions; whole numbers and single numbers fit into any."""
    kinds = [array.dtype for array in arrays if array.dtype.kind == "f" and array.ndim]
    kinds = kinds or [array.dtype for array in arrays if array.dtype.kind == "f"]
    return str(np.result_type(*kinds).name) if kinds else "float64"
