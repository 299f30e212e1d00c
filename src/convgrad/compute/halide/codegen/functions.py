"""The functions of the notation as Halide expressions, accurate to a few units in the last place.

Halide's own `exp` and `log` in single precision are quick, but wrong for infinities and not-a-number, and its general
mode lets the compiler assume that neither occurs. Here the special cases are written out, and `lowering` wraps whatever
is not a plain sum of products in `strict_float`, so that a diverging network shows as such.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import halide as hl

Expr = Any  # halide has no type hints

SMALL_POWER = 64  # integer exponents up to this are products: at most 2 * 6 multiplications


def constant(value: float, like: Any) -> Expr:
    """`value` in the floating type `like` (a Halide type)."""
    return hl.f64(float(value)) if like.bits() == 64 else hl.f32(float(value))


def maximum(a: Expr, b: Expr) -> Expr:
    """`a` where a > b, else `b`, and not-a-number where `a` is (so that relu passes it on)."""
    return hl.select(a < b, b, a)


def minimum(a: Expr, b: Expr) -> Expr:
    """`a` where a < b, else `b`, and not-a-number where `a` is."""
    return hl.select(a > b, b, a)


def exponential(a: Expr) -> Expr:
    """exp(a). In single precision Halide's polynomial, between the arguments that overflow and underflow."""
    kind = a.type()
    if kind.bits() == 64:
        return hl.exp(a)
    # exp(88.73) exceeds the greatest float32 number, exp(-104) is below half the least.
    inside = hl.exp(hl.clamp(a, hl.f32(-104.0), hl.f32(89.0)))
    return hl.select(a != a, a, hl.select(a > hl.f32(88.722839), hl.f32(math.inf), inside))


def logarithm(a: Expr) -> Expr:
    """log(a); log(inf) is inf, and not-a-number stays so."""
    if a.type().bits() == 64:
        return hl.log(a)
    # Halide's polynomial takes the exponent from the bits, which subnormal numbers do not have: scale them first.
    tiny = hl.f32(1.1754944e-38)
    subnormal = a < tiny
    scaled = hl.select(subnormal, a * hl.f32(2.0**23), a)
    value = hl.log(scaled) - hl.select(subnormal, hl.f32(23 * math.log(2)), hl.f32(0.0))
    special = hl.select(a == hl.f32(0.0), hl.f32(-math.inf), hl.select(a < hl.f32(0.0), hl.f32(math.nan), value))
    return hl.select(a < hl.f32(math.inf), special, a)


def sigmoid(a: Expr) -> Expr:
    one = constant(1, a.type())
    return one / (one + exponential(-a))


def softplus(a: Expr) -> Expr:
    """log(1 + exp(a)) = max(a, 0) + log1p(exp(-|a|)).

    log1p(u) is log(1+u) * u / ((1+u) - 1), which repairs the rounding of 1+u (Kahan, in HP-15C Advanced Functions
    Handbook, 1982).
    """
    zero, one = constant(0, a.type()), constant(1, a.type())
    u = exponential(-hl.abs(a))
    rounded = one + u
    log1p = hl.select(rounded == one, u, logarithm(rounded) * u / (rounded - one))
    return maximum(a, zero) + log1p


def tangent(a: Expr) -> Expr:
    """tanh(a). In single precision a + a^3 P(a^2) near 0, where the other form cancels, else 1 - 2/(exp(2|a|) + 1)."""
    kind = a.type()
    if kind.bits() == 64:
        return hl.tanh(a)
    square = a * a
    near = a + a * square * _polynomial(square, _tanh_coefficients())
    size = hl.f32(1.0) - hl.f32(2.0) / (exponential(hl.f32(2.0) * hl.abs(a)) + hl.f32(1.0))
    far = hl.select(a < hl.f32(0.0), hl.f32(-1.0), hl.f32(1.0)) * size
    return hl.select(hl.abs(a) < hl.f32(TANH_NEAR), near, far)


def error_function(a: Expr) -> Expr:
    """erf(a): a P(a^2) for |a| <= 1, else 1 - exp(-a^2) Q(t) with t = (|a|-2)/(|a|+1), for either sign.

    P and Q are interpolations at Chebyshev points of erf(a)/a and exp(a^2) erfc(a), computed from the standard
    library's functions, of a degree at which the remainder is below the type's rounding.
    """
    kind = a.type()
    one = constant(1, kind)
    double = kind.bits() == 64
    size = hl.min(hl.abs(a), constant(6, kind))  # 1 - erf(6) = 2e-17
    near = a * _polynomial(a * a, _erf_near(14 if double else 7))
    t = (size - constant(2, kind)) / (size + one)
    tail = exponential(-(size * size)) * _polynomial(t, _erf_far(22 if double else 9))
    far = hl.select(a < constant(0, kind), -one, one) * (one - tail)
    return hl.select(a != a, a, hl.select(size <= one, near, far))


def power(base: Expr, exponent: float) -> Expr:
    """base ^ exponent for a literal exponent."""
    kind = base.type()
    one = constant(1, kind)
    if exponent < 0:
        return one / power(base, -exponent)
    if exponent == int(exponent) and exponent <= SMALL_POWER:
        return _whole_power(base, int(exponent)) if exponent else one
    if exponent * 2 == int(exponent * 2) and exponent <= SMALL_POWER:
        root = hl.sqrt(base)
        return root if exponent == 0.5 else root * _whole_power(base, int(exponent))
    zero = constant(0, kind)
    size = exponential(constant(exponent, kind) * logarithm(hl.abs(base)))
    if kind.bits() == 64:
        size = hl.pow(hl.abs(base), constant(exponent, kind))
    negative = constant(math.nan, kind)
    if exponent == int(exponent):
        negative = -size if int(exponent) % 2 else size
    return hl.select(base != base, base, base > zero, size, base < zero, negative, zero)


def bfloat16(a: Expr) -> Expr:
    """The nearest number of 8 binary digits in the range of float32, of two the even one.

    The digits that go are carried into those that stay, and by these into the exponent: past the greatest number that
    makes infinity. What is not a number stays so, whatever its bits are.
    """
    if a.type().bits() == 64:
        return _bfloat16_of_double(a)
    word = hl.UInt(32)

    def number(value: int) -> Expr:
        return hl.cast(word, hl.u32(value))

    bits = hl.reinterpret(word, a)
    rounded = bits + number(0x7FFF) + ((bits >> number(16)) & number(1))
    bits = hl.select(a != a, bits | number(0x00400000), rounded) & number(0xFFFF0000)
    return hl.reinterpret(hl.Float(32), bits)


def _bfloat16_of_double(a: Expr) -> Expr:
    word, cut = hl.UInt(64), 53 - 8  # binary digits that go

    def number(value: int) -> Expr:
        return hl.cast(word, hl.u64(value))

    bits = hl.reinterpret(word, a)
    rounded = bits + number((1 << (cut - 1)) - 1) + ((bits >> number(cut)) & number(1))
    value = hl.reinterpret(hl.Float(64), rounded & number(-1 << cut & (1 << 64) - 1))
    value = hl.select(hl.abs(value) >= hl.f64(2.0**128), hl.f64(math.inf) * a, value)
    tiny = hl.round(a * hl.f64(2.0**133)) * hl.f64(2.0**-133)
    value = hl.select(hl.abs(a) < hl.f64(2.0**-126), tiny, value)
    return hl.select(hl.abs(a) < hl.f64(math.inf), value, a)


def in_half(a: Expr) -> Expr:
    """The 16 bits of a bfloat16 number that is given as a float32 one."""
    return hl.cast(hl.UInt(16), hl.reinterpret(hl.UInt(32), a) >> hl.cast(hl.UInt(32), hl.u32(16)))


def from_half(bits: Expr) -> Expr:
    """The float32 number of 16 bits in memory."""
    return hl.reinterpret(hl.Float(32), hl.cast(hl.UInt(32), bits) << hl.cast(hl.UInt(32), hl.u32(16)))


def uniform(seed: Expr, k: Expr) -> Expr:
    """24 random bits of two unsigned 32-bit numbers, as an integer; the hash stands in docs/notation.md."""
    word = hl.UInt(32)

    def number(value: int) -> Expr:
        return hl.cast(word, hl.u32(value))

    h = k * number(0x9E3779B1) + seed
    h = h ^ (h >> number(16))
    h = h * number(0x85EBCA6B)
    h = h ^ (h >> number(13))
    h = h * number(0xC2B2AE35)
    h = h ^ (h >> number(16))
    return h >> number(8)


FUNCTIONS: dict[str, Callable[..., Expr]] = {
    "exp": exponential,
    "log": logarithm,
    "sqrt": hl.sqrt,
    "tanh": tangent,
    "sin": hl.sin,
    "cos": hl.cos,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "erf": error_function,
    "abs": hl.abs,
    "floor": hl.floor,
    "bfloat16": bfloat16,
    "max": maximum,
    "min": minimum,
    "uniform": uniform,
}
"""Name in the notation -> expression. `where` is a select in `lowering`; `stop` leaves nothing to compute."""


def _whole_power(base: Expr, exponent: int) -> Expr:
    """base^exponent by squaring."""
    result = None
    while exponent:
        if exponent & 1:
            result = base if result is None else result * base
        exponent >>= 1
        if exponent:
            base = base * base
    return result


def _polynomial(a: Expr, coefficients: tuple[float, ...]) -> Expr:
    """Horner's rule, lowest coefficient first."""
    kind = a.type()
    result = constant(coefficients[-1], kind)
    for c in reversed(coefficients[:-1]):
        result = result * a + constant(c, kind)
    return result


TANH_NEAR = 0.625


@lru_cache
def _tanh_coefficients() -> tuple[float, ...]:
    """P with tanh(a) = a + a^3 P(a^2) for |a| < TANH_NEAR, to 1e-8."""

    def p(square: float) -> float:
        a = math.sqrt(max(square, 1e-4))
        return (math.tanh(a) - a) / a**3

    return _interpolated(p, 0.0, TANH_NEAR**2, 5)


@lru_cache
def _erf_near(degree: int) -> tuple[float, ...]:
    def p(square: float) -> float:
        a = math.sqrt(square)
        return math.erf(a) / a if a > 0 else 2 / math.sqrt(math.pi)

    return _interpolated(p, 0.0, 1.0, degree)


@lru_cache
def _erf_far(degree: int) -> tuple[float, ...]:
    def q(t: float) -> float:
        a = (t + 2) / (1 - t)
        return math.erfc(a) * math.exp(a * a)

    return _interpolated(q, -0.5, 4 / 7, degree)  # t at a = 1 and at a = 6


def _interpolated(function: Any, low: float, high: float, degree: int) -> tuple[float, ...]:
    """Coefficients, lowest first, of the polynomial through `function` at the Chebyshev points of [low, high]."""
    import numpy as np  # which few kernels need, and processes that compile start quicker without

    chebyshev = np.polynomial.Chebyshev.interpolate(np.vectorize(function), degree, domain=[low, high])
    return tuple(float(c) for c in chebyshev.convert(kind=np.polynomial.Polynomial).coef)
