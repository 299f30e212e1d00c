"""Is my calculation correct? A person's code, equation or numbers against the equation, with the mistake named."""

from convgrad.check.checking import assert_gradient_correct, check
from convgrad.check.classes import ClassReport, check_class
from convgrad.check.equation import EquationReport, check_equation
from convgrad.check.report import Report
from convgrad.check.sheet import SheetReport, check_sheet

__all__ = [
    "ClassReport",
    "EquationReport",
    "Report",
    "SheetReport",
    "assert_gradient_correct",
    "check",
    "check_class",
    "check_equation",
    "check_sheet",
]
