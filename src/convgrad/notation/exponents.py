"""Constant exponents: a float for each, written as the fraction that it stands for: o[i]^(-3/2)."""

from __future__ import annotations

from fractions import Fraction

LARGEST_DIVISOR = 16
"""Of a fraction that an exponent is written as."""


def ratio(exponent: float) -> Fraction | None:
    """The fraction that an exponent stands for, to the last digit; None where it is no simple one.

    >>> ratio(-1.5), ratio(1 / 3 - 1), ratio(0.123)
    (Fraction(-3, 2), Fraction(-2, 3), None)
    """
    if exponent != exponent or abs(exponent) > 2**20:
        return None
    near = Fraction(exponent).limit_denominator(LARGEST_DIVISOR)
    return near if abs(float(near) - exponent) <= 2**-50 * max(1.0, abs(exponent)) else None


def exact(exponent: float) -> float:
    """Without what rounding left: 1/3 - 1 as -2/3.

    >>> 1 / 3 - 1 == -2 / 3, exact(1 / 3 - 1) == -2 / 3
    (False, True)
    """
    near = ratio(exponent)
    return exponent if near is None else float(near)


def exponent_text(exponent: float) -> str | None:
    """`-3/2`; None for a whole number, and for what is no simple fraction.

    >>> exponent_text(0.75), exponent_text(2.0), exponent_text(0.123)
    ('3/4', None, None)
    """
    near = ratio(exponent)
    return None if near is None or near.denominator == 1 else f"{near.numerator}/{near.denominator}"
