"""Is my calculation correct? A person's code, equation or numbers against the equation, with the mistake named.

The module can be called: `convgrad.check(function, "conv2d")` is `convgrad.check.check(function, "conv2d")`.
"""

import sys
from types import ModuleType
from typing import Any

from convgrad.check.classes import ClassReport, check_class
from convgrad.check.derivations.equation import check_equation
from convgrad.check.derivations.report import EquationReport
from convgrad.check.documents.document import check_document
from convgrad.check.documents.report import DocumentReport
from convgrad.check.functions.checking import assert_gradient_correct, check
from convgrad.check.functions.report import Report
from convgrad.check.sheets.sheet import SheetReport, check_sheet

__all__ = [
    "ClassReport",
    "DocumentReport",
    "EquationReport",
    "Report",
    "SheetReport",
    "assert_gradient_correct",
    "check",
    "check_class",
    "check_document",
    "check_equation",
    "check_sheet",
]


class _CallableModule(ModuleType):
    """Python binds `convgrad.check` to this module, so the function of that name is reached by calling it."""

    def __call__(self, *arguments: Any, **named: Any) -> Report:
        return check(*arguments, **named)


sys.modules[__name__].__class__ = _CallableModule
