"""From definitions to what kernels compute: one list of passes, each from a plan to a plan of the same values."""

from __future__ import annotations

from convgrad.compute.halide.passes.atoms import split_into_atoms
from convgrad.compute.halide.passes.common_subexpressions import without_repeats
from convgrad.compute.halide.passes.copy_propagation import without_copies
from convgrad.compute.halide.passes.plan import Plan
from convgrad.compute.halide.passes.reshaped import reshaped_like_sources
from convgrad.compute.halide.passes.shaped_like_sums import shaped_like_sums
from convgrad.compute.halide.passes.signs import signs_of_results
from convgrad.compute.halide.passes.squeezed import without_last_axes_of_one

PASSES = (
    signs_of_results,
    without_copies,
    without_last_axes_of_one,
    split_into_atoms,
    without_repeats,
    shaped_like_sums,
    reshaped_like_sources,
)


def in_atoms(plan: Plan, constants: bool = False) -> Plan:
    """The plan after all passes: its definitions are atoms, ready to be put into groups (`fusion`).

    constants: whether there are inputs that are constant.
    """
    for run in PASSES if constants else (p for p in PASSES if p is not shaped_like_sums):
        plan = run(plan)
    return plan
