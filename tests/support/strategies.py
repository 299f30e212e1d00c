"""Random equations for property tests, legal by construction.

`cases()` draws the text of an equation together with everything that binds it; `bound_equations()` draws the bound
equation and values for its inputs. Texts are put together as strings, apart from the printer that they test.

Indices i, j, k stand on the left and m, n, c in reductions; each letter has one size in all definitions of a case.
Input tensors get the shape that their accesses need. Expressions stay finite: what log, sqrt and / take is positive,
exp takes single elements only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.lexer import tokens
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Equation

LEFT = ("i", "j", "k")
REDUCED = ("m", "n", "c")
SIZES = {"i": (2, 7), "j": (2, 5), "k": (2, 3), "m": (2, 4), "n": (2, 3), "c": (2, 3)}
INTEGERS = {"s": (1, 3), "d": (1, 2), "p": (0, 2)}


@dataclass
class Case:
    """The text of an equation and the arguments of `bind`."""

    text: str
    shapes: dict[str, tuple[int, ...]]
    sizes: dict[str, int]
    integers: dict[str, int]

    @property
    def equation(self) -> Equation:
        return parse(self.text)

    @property
    def bound(self) -> Equation:
        return bind(self.equation, self.shapes, self.sizes, self.integers)


@dataclass
class _Writer:
    """Draws definitions; keeps the shapes of all tensors so far."""

    draw: st.DrawFn
    differentiable: bool
    sizes: dict[str, int]
    integers: dict[str, int]
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    defined: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def definition(self, name: str) -> str:
        indices = list(LEFT[: self.draw(st.integers(0, 3))])
        left = f"{name}[{','.join(indices)}]" if indices else name
        expression = self.expression(indices, 2)
        if self.defined:  # read what was defined before
            last = list(self.defined)[-1]
            expression = f"{self.previous(last, indices)} * ({expression})"
        self.defined[name] = tuple(self.size(i) for i in indices)
        return f"{left} = {expression}"

    def size(self, index: str) -> int:
        return self.sizes[index.upper()]

    # Expressions over the indices `scope`

    def expression(self, scope: list[str], depth: int) -> str:
        if depth == 0:
            return self.leaf(scope)
        forms = [self.reduction, self.arithmetic, self.function, self.choice, self.pool]
        return self.draw(st.sampled_from(forms))(scope, depth - 1)

    def leaf(self, scope: list[str]) -> str:
        kind = self.draw(st.sampled_from(["input"] * 5 + ["number", "index", "parameter"]))
        if kind == "number":
            return self.draw(st.sampled_from(["2", "0.5", "-1", "1/3", "1e-1"]))
        if kind == "index" and scope:
            return f"0.25 * {self.draw(st.sampled_from(scope))}"
        if kind == "parameter":
            return "s"
        return self.read(scope, ())

    def arithmetic(self, scope: list[str], depth: int) -> str:
        a, b = self.expression(scope, depth), self.expression(scope, depth)
        forms = ["{a} + {b}", "({a}) * ({b})", "{a} - ({b})", "-({a}) + 2 * ({b})"]
        forms += ["({a}) / (1 + ({b})^2)", "({a})^2 * ({b})"]
        return self.draw(st.sampled_from(forms)).format(a=a, b=b)

    def function(self, scope: list[str], depth: int) -> str:
        a = self.expression(scope, depth)
        forms = ["tanh({a})", "sigmoid({a})", "erf({a})", "softplus({a})", "abs({a})"]
        forms += ["sqrt(0.5 + ({a})^2)", "log(1 + ({a})^2)", "(1 + ({a})^2)^(-1)", "exp({leaf})", "exp(-({a})^2)"]
        if not self.differentiable:
            forms += ["floor({a})", "stop({a})", "uniform(7, {index})"]
        index = self.draw(st.sampled_from(scope)) if scope else "3"
        form = self.draw(st.sampled_from(forms))
        return form.format(a=a, index=index, leaf=self.leaf(scope) if "{leaf}" in form else "")

    def choice(self, scope: list[str], depth: int) -> str:
        a, b, c = (self.expression(scope, depth) for _ in range(3))
        forms = ["max({a}, {b})", "min({a}, {b})", "where({a} < {b}, {c}, {b})", "where({a} >= {c}, {a}, {c} * {b})"]
        if scope:
            index = self.draw(st.sampled_from(scope))
            forms.append(f"where({index} == 1, {{a}}, {{b}})")
        return self.draw(st.sampled_from(forms)).format(a=a, b=b, c=c)

    def reduction(self, scope: list[str], depth: int) -> str:
        free = [index for index in REDUCED if index not in scope]
        if not free:
            return self.leaf(scope)
        bound = free[: self.draw(st.integers(1, len(free)))]
        kinds = ["sum", "sum", "mean", "max", "min"]
        if not self.differentiable:
            kinds += ["argmax", "argmin"]
        kind = self.draw(st.sampled_from(kinds))
        inner = scope + bound
        factor = f" * {self.read(inner, ())}" if self.draw(st.booleans()) else ""
        added = f" + ({self.expression(inner, depth)})" if depth and self.draw(st.booleans()) else ""
        return f"{kind}[{','.join(bound)}]({self.read(inner, tuple(bound))}{factor}{added})"

    def pool(self, scope: list[str], depth: int) -> str:
        """max over windows that all overlap the tensor, minus infinity around it."""
        if not scope or "m" in scope:
            return self.leaf(scope)
        index, step = self.draw(st.sampled_from(scope)), self.draw(st.integers(1, 3))
        window = self.size("m")
        pad = self.draw(st.integers(0, window - 1))
        last = step * (self.size(index) - 1) - pad  # where the last window begins
        size = self.draw(st.integers(max(1, last + 1), max(1, last + window)))
        name = self.new_input((size,))
        return f"max[m]({name}[{step}*{index}+m-{pad} else -inf])"

    # Accesses

    def new_input(self, shape: tuple[int, ...]) -> str:
        name = f"a{len(self.inputs)}"
        self.inputs[name] = shape
        return name

    def read(self, scope: list[str], needed: tuple[str, ...]) -> str:
        """An element of a new input, or of one read before; every index of `needed` occurs."""
        if not needed and self.inputs and self.draw(st.integers(0, 3)) == 0:
            return self.previous(self.draw(st.sampled_from(sorted(self.inputs))), scope)
        axes: list[list[str]] = [[index] for index in needed]
        for index in scope:
            if index not in needed and self.draw(st.booleans()):
                together = [axis for axis in axes if len(axis) == 1]
                if self.allowed(together):
                    self.draw(st.sampled_from(together)).append(index)
                else:
                    axes.append([index])
        axes = self.draw(st.permutations(axes))[:4] if not needed else axes
        padded = self.draw(st.booleans())
        positions, shape = [], []
        for axis in axes:
            position, size = self.position(axis, padded)
            positions.append(position)
            shape.append(size)
        name = self.new_input(tuple(shape))
        if not positions:
            return name
        outside = f" else {self.draw(st.sampled_from(['0', '-1', '0.5']))}" if padded else ""
        return f"{name}[{','.join(positions)}{outside}]"

    def position(self, axis: list[str], padded: bool) -> tuple[str, int]:
        """A position over the given indices, and the size of an axis that it fits."""
        if len(axis) == 1 and self.draw(st.booleans()):
            return axis[0], self.size(axis[0])
        text, high = "", 0
        for index in axis:
            factor = self.draw(st.sampled_from(["", "", "2*", "3*", "s*", "d*"]))
            text += ("+" if text else "") + factor + index
            high += self.value(factor) * (self.size(index) - 1)
        if len(axis) == 1 and self.draw(st.booleans()):  # backwards
            size = f"{high}-{text}"
            return size, high + 1 + self.draw(st.integers(0, 1))
        if not padded:
            offset = self.draw(st.integers(1, 2))
            return f"{text}+{offset}", high + offset + 1 + self.draw(st.integers(0, 1))
        minus = self.draw(st.sampled_from(["-1", "-p", "-2", "+1"]))
        return f"{text}{minus}", self.draw(st.integers(1, high + 2))

    def allowed(self, choices: Sequence[object]) -> bool:
        """Whether one of the choices is to be taken; nothing is drawn where there is none."""
        return bool(choices) and self.draw(st.booleans())

    def value(self, factor: str) -> int:
        if not factor:
            return 1
        return self.integers[factor[0]] if factor[0] in self.integers else int(factor[0])

    def previous(self, name: str, scope: list[str]) -> str:
        """An element of a tensor that has its shape already; what lies outside is said."""
        shape = self.defined.get(name, self.inputs.get(name, ()))
        if not shape:
            return name
        positions = []
        for size in shape:
            bare = [index for index in scope if self.sizes[index.upper()] == size]
            if self.allowed(bare):
                positions.append(self.draw(st.sampled_from(bare)))
            elif scope:
                index = self.draw(st.sampled_from(scope))
                positions.append(self.draw(st.sampled_from([f"2*{index}-1", f"{index}+1", f"{size}-1-{index}"])))
            else:
                positions.append(str(self.draw(st.integers(0, size - 1))))
        return f"{name}[{','.join(positions)} else 0]"


@st.composite
def cases(draw: st.DrawFn, differentiable: bool = False) -> Case:
    """A legal equation of one to three definitions as text, with shapes, sizes and integers to bind it.

    `differentiable` leaves out floor, stop, uniform, argmax and argmin.
    """
    sizes = {index.upper(): draw(st.integers(*limits)) for index, limits in SIZES.items()}
    integers = {name: draw(st.integers(*limits)) for name, limits in INTEGERS.items()}
    writer = _Writer(draw, differentiable, sizes, integers)
    names = ("x", "y", "z")[: draw(st.integers(1, 3))]
    text = "\n".join(writer.definition(name) for name in names)
    equation = parse(text)
    words = {token.text for token in tokens(text)}
    return Case(
        text,
        {name: shape for name, shape in writer.inputs.items() if name in equation.inputs},
        {name: size for name, size in sizes.items() if name.lower() in words},
        {name: value for name, value in integers.items() if name in words},
    )


@st.composite
def equations(draw: st.DrawFn) -> Equation:
    """A legal equation without sizes."""
    return draw(cases()).equation


@st.composite
def bound_equations(draw: st.DrawFn, differentiable: bool = True) -> tuple[Equation, dict[str, np.ndarray]]:
    """A bound equation and float64 values for its inputs, normally distributed and not near 0.

    Ties and kinks have probability 0, but a value may come close to one: a test by differences leaves out elements
    at which a smaller step gives another quotient.
    """
    case = draw(cases(differentiable))
    equation = case.bound
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrays = {}
    for name in equation.inputs:
        values = random.normal(0.0, 0.5, equation.shape_of[name])
        arrays[name] = values + 0.05 * np.sign(values)
    return equation, arrays
