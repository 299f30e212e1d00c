r"""The functions of the notation, one row each: all that any part of convgrad knows about a function stands here.

    softplus(a) = log(1 + exp(a))      derivative sigmoid(a)      error |x| + 1.13 |a|      \mathrm{softplus}(a)

Only Halide's expressions are elsewhere (`compute/halide/codegen/functions.py`). Whoever adds a row runs
`pytest tests/test_functions.py`, which names what is missing.

Values follow IEEE 754 (`log(0)` is minus infinity; what is not a number goes through `max` and `min`). `grid` and
`loop` give the same value by two ways that share no arithmetic, so that one checks the other.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

CONDITION = "condition"
"""The argument that is a comparison and not a number. A text writes `condition == true`."""
VALUE = "x"
"""In the text of a derivative or a bound: the value of the function itself."""
PLACE = "@"
"""In a pattern of LaTeX or Typst: the arguments, with commas between them."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """What is known about a function.

    Attributes:
        name: in the notation.
        arguments: their names, as the texts below call them.
        meaning: for docs/notation.md.
        grid: the value on float64 arrays. NumPy's warnings are off: values in the branch of a `where` that is not
            taken are nobody's concern.
        loop: the value of numbers, in plain Python.
        slopes: the partial derivative with respect to each argument, in the notation, of the arguments and of the value
            `x`, so that a derivation can say x*(1-x) where x is known already. None for an argument that has no
            influence which a derivative could follow. Empty where a derivative is refused.
        kink: the rule where a derivative jumps, for docs/notation.md.
        kink_at: what is 0 there, in the notation.
        remedy: what to write instead where a derivative is refused.
        defined: where the value is a finite number, a comparison in the notation; empty for everywhere.
        bound: how far the value may be off, in units of the arithmetic's rounding, in the notation. A capital letter is
            the magnitude that an argument hangs on, A for `a`: how far `a` may be off in the same units.
        jumps: whether the value jumps; the bound holds where arguments have no error of their own.
        curved: whether values at short decimal numbers are not short themselves.
        by_exp: whether people compute it by exp, which overflows at arguments of a few hundred.
        latex, typst: how it is set; `@` stands for the arguments. MathML is made of the LaTeX. A space keeps Typst's
            `max (a, b)` from being a call of its own.
        latex_names: what it may be called in LaTeX that people write, besides its name.
        javascript: an expression of the arguments; `core` has what is longer (explain/page/static/core/functions.js).
    """

    name: str
    arguments: tuple[str, ...] = ("a",)
    meaning: str
    grid: Callable[..., Any]
    loop: Callable[..., float]
    slopes: tuple[str | None, ...]
    kink: str = ""
    kink_at: str = ""
    remedy: str = ""
    defined: str = ""
    bound: str
    jumps: bool = False
    curved: bool = False
    by_exp: bool = False
    latex: str
    typst: str
    latex_names: tuple[str, ...] = ()
    javascript: str

    @property
    def arity(self) -> int:
        """The number of its arguments."""
        return len(self.arguments)

    @property
    def form(self) -> str:
        """As it is written: `max(a, b)`."""
        return f"{self.name}({', '.join('a < b' if one == CONDITION else one for one in self.arguments)})"


# Values that take more than a line


# NumPy is imported in functions: processes that compile kernels import this file, and start in half the time without.
def _numpy(name: str) -> Callable[..., Any]:
    """NumPy's function of that name."""

    def grid(*arguments: Any) -> Any:
        import numpy as np

        return getattr(np, name)(*arguments)

    return grid


@lru_cache
def _erf() -> Any:
    import numpy as np

    return np.frompyfunc(math.erf, 1, 1)


def _grid_erf(a: Array) -> Array:
    import numpy as np

    return np.asarray(_erf()(a), dtype=np.float64)


def _grid_softplus(a: Array) -> Array:
    import numpy as np

    return np.asarray(np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a))))


def _grid_sigmoid(a: Array) -> Array:
    import numpy as np

    small = np.exp(-np.abs(a))  # does not overflow on either side
    return np.asarray(np.where(a >= 0, 1, small) / (1 + small))


def _grid_uniform(seed: Array, k: Array) -> Array:
    import numpy as np

    h = _unsigned(k) * np.uint32(0x9E3779B1) + _unsigned(seed)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return np.asarray((h >> np.uint32(8)).astype(np.float64) / 2**24)


def _grid_bfloat16(a: Array) -> Array:
    import numpy as np

    last = np.exp2(np.maximum(np.frexp(a)[1], -125) - 8.0)  # of the 8 binary digits
    rounded = np.asarray(np.where(np.isfinite(a), np.rint(a / last) * last, a))
    return np.asarray(np.where(np.abs(rounded) >= 2.0**128, np.copysign(np.inf, a), rounded))


def _unsigned(whole: Array) -> np.ndarray[Any, np.dtype[np.uint32]]:
    import numpy as np

    return (whole.astype(np.int64) & 0xFFFFFFFF).astype(np.uint32)


def _loop_exp(a: float) -> float:
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


def _loop_log(a: float) -> float:
    return -math.inf if a == 0 else math.nan if a < 0 else math.log(a)


def _loop_sigmoid(a: float) -> float:
    return 1 / (1 + _loop_exp(-a)) if a > -700 else _loop_exp(a)  # below that the 1 is lost in rounding


def _loop_max(a: float, b: float) -> float:
    return b if math.isnan(b) or b > a else a


def _loop_min(a: float, b: float) -> float:
    return b if math.isnan(b) or b < a else a


def _loop_bfloat16(a: float) -> float:
    if not 2.0**-126 <= abs(a) < math.inf:
        return round(a * 2.0**133) / 2.0**133 if abs(a) < 1 else a
    [bits] = struct.unpack("<Q", struct.pack("<d", a))
    cut = 53 - 8  # binary digits of a float64 that go; a carry goes into the exponent, as it has to
    bits += (1 << (cut - 1)) - 1 + (bits >> cut & 1)
    [rounded] = struct.unpack("<d", struct.pack("<Q", bits >> cut << cut))
    return math.copysign(math.inf, a) if abs(rounded) >= 2.0**128 else float(rounded)


def _loop_uniform(seed: float, k: float) -> float:
    most = 2**32
    h = (int(k) * 0x9E3779B1 + int(seed)) % most
    h ^= h >> 16
    h = h * 0x85EBCA6B % most
    h ^= h >> 13
    h = h * 0xC2B2AE35 % most
    h ^= h >> 16
    return (h >> 8) / 2**24


_ROWS = (
    Function(
        name="exp",
        meaning="e to the power a",
        grid=_numpy("exp"),
        loop=_loop_exp,
        slopes=("x",),
        bound="x * (1 + A)",
        curved=True,
        by_exp=True,
        latex=r"\exp\left(@\right)",
        typst="exp (@)",
        javascript="Math.exp(a)",
    ),
    Function(
        name="log",
        meaning="the natural logarithm",
        grid=_numpy("log"),
        loop=_loop_log,
        slopes=("1 / a",),
        defined="a > 0",
        bound="abs(x) + A / abs(a)",
        curved=True,
        latex=r"\log\left(@\right)",
        typst="log (@)",
        latex_names=("ln",),
        javascript="Math.log(a)",
    ),
    Function(
        name="sqrt",
        meaning="the square root",
        grid=_numpy("sqrt"),
        loop=lambda a: math.nan if a < 0 else math.sqrt(a),
        slopes=("1 / (2 * x)",),
        defined="a >= 0",
        bound="x + A / (x + 1e-300)",
        curved=True,
        latex=r"\sqrt{@}",
        typst="sqrt(@)",
        javascript="Math.sqrt(a)",
    ),
    Function(
        name="tanh",
        meaning="the hyperbolic tangent",
        grid=_numpy("tanh"),
        loop=math.tanh,
        slopes=("1 - x^2",),
        bound="abs(x) + 1.13 * A",
        curved=True,
        by_exp=True,
        latex=r"\tanh\left(@\right)",
        typst="tanh (@)",
        javascript="Math.tanh(a)",
    ),
    Function(
        name="sin",
        meaning="the sine of an angle in radians",
        grid=_numpy("sin"),
        loop=lambda a: math.sin(a) if math.isfinite(a) else math.nan,
        slopes=("cos(a)",),
        bound="abs(x) + A",
        curved=True,
        latex=r"\sin\left(@\right)",
        typst="sin (@)",
        javascript="Math.sin(a)",
    ),
    Function(
        name="cos",
        meaning="the cosine of an angle in radians",
        grid=_numpy("cos"),
        loop=lambda a: math.cos(a) if math.isfinite(a) else math.nan,
        slopes=("-sin(a)",),
        bound="abs(x) + A",
        curved=True,
        latex=r"\cos\left(@\right)",
        typst="cos (@)",
        javascript="Math.cos(a)",
    ),
    Function(
        name="sigmoid",
        meaning="1/(1+exp(-a)), evaluated without overflow",
        grid=_grid_sigmoid,
        loop=_loop_sigmoid,
        slopes=("x * (1 - x)",),
        bound="abs(x) + 1.13 * A",
        curved=True,
        by_exp=True,
        latex=r"\sigma\left(@\right)",
        typst="sigma (@)",
        latex_names=("sigma",),
        javascript="(a >= 0 ? 1 : Math.exp(a)) / (1 + Math.exp(-Math.abs(a)))",
    ),
    Function(
        name="softplus",
        meaning="log(1+exp(a)), evaluated without overflow",
        grid=_grid_softplus,
        loop=lambda a: a if a > 700 else math.log1p(_loop_exp(a)),
        slopes=("sigmoid(a)",),
        bound="abs(x) + 1.13 * A",
        curved=True,
        by_exp=True,
        latex=r"\mathrm{softplus}\left(@\right)",
        typst='op("softplus") (@)',
        javascript="Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)))",
    ),
    Function(
        name="erf",
        meaning="the error function",
        grid=_grid_erf,
        loop=math.erf,
        slopes=("1.1283791670955126 * exp(-a^2)",),  # 2/sqrt(pi), the greatest slope of these functions
        bound="abs(x) + 1.13 * A",
        curved=True,
        latex=r"\mathrm{erf}\left(@\right)",
        typst='op("erf") (@)',
        javascript="core.erf(a)",
    ),
    Function(
        name="abs",
        meaning="the absolute value",
        grid=_numpy("abs"),
        loop=abs,
        slopes=("where(a > 0, 1, where(a < 0, -1, 0))",),
        kink="derivative 0 at 0",
        kink_at="a",
        bound="A",
        latex=r"\left|@\right|",
        typst="abs(@)",
        javascript="Math.abs(a)",
    ),
    Function(
        name="floor",
        meaning="greatest whole number that is at most `a`",
        grid=_numpy("floor"),
        loop=lambda a: float(math.floor(a)) if math.isfinite(a) else a,
        slopes=(),
        remedy="`floor` is a staircase: its slope is 0 or undefined. Write stop(floor(..)) to hold it constant.",
        bound="abs(x)",
        jumps=True,
        latex=r"\left\lfloor @ \right\rfloor",
        typst="floor(@)",
        javascript="Math.floor(a)",
    ),
    Function(
        name="bfloat16",
        meaning="the bfloat16 number (8 binary digits, the range of float32) that is nearest to `a`, of two the even "
        "one; a derivative passes through it as though it did not round",
        grid=_grid_bfloat16,
        loop=_loop_bfloat16,
        slopes=("1",),
        bound="abs(x)",
        jumps=True,
        latex=r"\mathrm{bfloat16}\left(@\right)",
        typst='op("bfloat16") (@)',
        javascript="core.bfloat16(a)",
    ),
    Function(
        name="stop",
        meaning="the value of `a`, held constant when a derivative is taken",
        grid=lambda a: a,
        loop=lambda a: a,
        slopes=(None,),
        bound="A",
        latex=r"\mathrm{stop}\left(@\right)",
        typst='op("stop") (@)',
        javascript="a",
    ),
    Function(
        name="max",
        arguments=("a", "b"),
        meaning="the greater of two values",
        grid=_numpy("maximum"),
        loop=_loop_max,
        slopes=("where(a > b, 1, 0)", "where(a > b, 0, 1)"),
        kink="to `a` where a > b, else to `b`; so relu = max(o,0) has derivative 0 at 0",
        kink_at="a - b",
        bound="max(A, B)",
        latex=r"\max\left(@\right)",
        typst="max (@)",
        javascript="Math.max(a, b)",
    ),
    Function(
        name="min",
        arguments=("a", "b"),
        meaning="the smaller of two values",
        grid=_numpy("minimum"),
        loop=_loop_min,
        slopes=("where(a < b, 1, 0)", "where(a < b, 0, 1)"),
        kink="to `a` where a < b, else to `b`",
        kink_at="a - b",
        bound="max(A, B)",
        latex=r"\min\left(@\right)",
        typst="min (@)",
        javascript="Math.min(a, b)",
    ),
    Function(
        name="uniform",
        arguments=("seed", "k"),
        meaning="a number in [0, 1) that depends on the two whole numbers only, the same on every machine: 24 random "
        "bits by [hashing](#hashing-of-uniform)",
        grid=_grid_uniform,  # the finalizer of MurmurHash3 (Austin Appleby, 2011)
        loop=_loop_uniform,
        slopes=(None, None),
        bound="abs(x)",
        jumps=True,
        latex=r"\mathrm{uniform}\left(@\right)",
        typst='op("uniform") (@)',
        javascript="core.uniform(seed, k)",
    ),
    # The form of a choice: printed as cases, and of two values only the one that is taken is computed where numbers are
    # computed one by one.
    Function(
        name="where",
        arguments=(CONDITION, "a", "b"),
        meaning="`a` where the comparison (`== != < <= > >=`) holds, else `b`; the value not taken does not matter, be "
        "it infinite or not a number",
        grid=_numpy("where"),
        loop=lambda condition, a, b: a if condition else b,
        slopes=(None, "where(condition == true, 1, 0)", "where(condition == true, 0, 1)"),
        kink="to the branch that is taken; none to the condition",
        bound="where(condition == true, A, B)",
        latex=r"\mathrm{where}\left(@\right)",
        typst='op("where") (@)',
        javascript="condition ? a : b",
    ),
)

FUNCTIONS: dict[str, Function] = {row.name: row for row in _ROWS}
"""Name -> row, in the order in which messages and documentation list them."""
