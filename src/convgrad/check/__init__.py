"""Is my calculation correct? A person's code, equation or numbers against the equation, with the mistake named."""

from convgrad.check.checking import assert_gradient_correct, check
from convgrad.check.report import Report

__all__ = ["Report", "assert_gradient_correct", "check"]
