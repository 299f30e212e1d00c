"""Check a person's forward or backward function against an equation, and say what is wrong with it.

report = check(my_backward, "conv2d")
print(report)
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convgrad.arguments import COUNT, FLAG, NEW_NAMES, PATH, POSITIVE, SHAPE, TABLE, Rule, an, one_of, optional, takes
from convgrad.check.functions.engine import AUTOGRAD, engine_report, no_engine
from convgrad.check.functions.judging import Judge
from convgrad.check.functions.padding import other_paddings, with_own_padding
from convgrad.check.functions.person import MEGABYTES, SECONDS, Person
from convgrad.check.functions.report import Finding, Report
from convgrad.check.functions.slopes import more_right, other_slope, slope_note
from convgrad.check.problems.courses import COURSES
from convgrad.check.problems.families import FAMILIES, LOSSES, named
from convgrad.check.problems.subject import Subject, also_called, subject_of
from convgrad.check.submissions.sandbox import require_sandbox
from convgrad.check.submissions.special import is_layer
from convgrad.check.submissions.submissions import copied, read_submission
from convgrad.check.verdict import Verdict
from convgrad.dtypes import FLOATS
from convgrad.errors import DataError, ModelError, SandboxError
from convgrad.layers.base import Layer


@takes(
    ModelError,
    function=Rule(
        "a function, a class or a text such as file.py:function",
        lambda value: callable(value) or is_layer(value) or PATH.accepts(value),
    ),
    layer=an((str, Layer), "a layer, its name or an equation"),
    input_shape=optional(SHAPE),
    roles=optional(NEW_NAMES),
    dtype=one_of(*reversed(FLOATS)),
    seconds=POSITIVE,
    megabytes=COUNT,
    folder=optional(PATH),
    sandbox=FLAG,
    explain=FLAG,
    binding=optional(TABLE),
)
def check(
    function: Callable[..., Any] | str | object,
    layer: str | Layer,
    *,
    input_shape: Sequence[int] | None = None,
    roles: Mapping[str, str] | None = None,
    dtype: str = "float64",
    seconds: float = SECONDS,
    megabytes: int = MEGABYTES,
    folder: Path | None = None,
    sandbox: bool = False,
    explain: bool = True,
    binding: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Report:
    """Whether a function computes what an equation says; if not, what is probably wrong, with proof.

    Args:
        function: forward, backward or both: `module:function`, `file.py:function`, or the function itself, of NumPy
            arrays or PyTorch tensors. It returns an array, a tuple or a dict. One that stands at the top of a file is
            run in a process of its own. Or a class with a forward and a backward method, an object of one, or a
            function without arguments that makes such an object.
        layer: a name ("conv2d", "max_pool2d", "dense+sigmoid", "softmax_cross_entropy"), a layer with its arguments,
            or the text of an equation.
        input_shape: one example's shape, where the function works with one only; else sizes are chosen.
        roles: argument -> tensor of the equation, or `dx` for the gradient from above, where names don't tell.
        dtype: of the arrays that it is called with, "float64" or "float32".
        seconds: what one call may take, and a third of what all may take.
        megabytes: what its process may use of memory.
        folder: where its process runs, as that of another person's code: without variables of your environment.
        sandbox: whether its process is shut in by bubblewrap (Linux): a copy of the one file, without network, and
            with nothing to write to but a folder of its own.
        explain: whether a wrong result is explained; without, the verdict comes ten times as fast.
        binding: sizes, integers, numbers, shapes, inputs and wrt, for the text of an equation.
        settings: arguments of the layer: strides, padding, kernel_size, ...

    Raises:
        ModelError: there is no such layer, or it has no such argument. What the function does never raises.
        SandboxError: there is no bubblewrap, or it can't work here, or the function is in no file.

    >>> def gradient(dx, o):
    ...     return dx * (o >= 0.5)
    >>> check(gradient, "relu").ok
    False
    """
    started = time.perf_counter()

    every = layer == AUTOGRAD
    subjects = subject_of("relu" if every else layer, {} if every else settings, input_shape, binding or {})
    with contextlib.ExitStack() as stack:
        if sandbox and folder is None:
            function = stack.enter_context(_alone(function))
            folder = Path(function).parent
        person = stack.enter_context(
            Person(function, seconds=seconds, megabytes=megabytes, folder=folder, sandbox=sandbox)
        )

        def judged(against: list[Subject], told: Mapping[str, str], fully: bool = explain) -> Report:
            return Judge(person, against, told, dtype, settings, fully).run()

        engine, name = person.engine, named(layer) if isinstance(layer, str) else ""
        if engine is not None and every:
            report: Report = engine_report(person, engine, judged)
        elif every:
            report = no_engine(person)
        else:
            if engine is not None and name in engine.names:
                person.turn_to(name, ["x"])
            own = with_own_padding(person, layer, settings)
            against = subjects if own == settings else subject_of(layer, own, input_shape, binding or {})
            report = judged(against, dict(roles or {}))
            for more in other_paddings(person, layer, settings, report):
                padded = subject_of(layer, more, input_shape, {})
                again = judged(padded, dict(roles or {}), False)
                if again.ok:
                    report = again
                    break
            sloped = other_slope(layer, settings, report, person)
            if sloped is not None:
                again = judged(subject_of(layer, sloped, input_shape, {}), dict(roles or {}), explain)
                if again.ok or more_right(again, report):
                    again.findings.append(slope_note(layer, sloped))
                    report = again
            other = also_called(layer, settings)
            if other is not None and report.verdict is Verdict.WRONG:
                unexplained = "unexplained" in report.causes
                again = judged(subject_of(layer, other, input_shape, {}), dict(roles or {}), explain and unexplained)
                report = again if again.ok or (unexplained and "unexplained" not in again.causes) else report
    _point_to_its_name(report, person.name, layer)
    report.seconds = time.perf_counter() - started
    return report


def _point_to_its_name(report: Report, function: str, layer: str | Layer) -> None:
    """Where nothing could be checked, and the function is called after something else that can be."""
    own = named(function.rpartition(".")[2])
    other = isinstance(layer, str) and own != named(layer) and own in {*FAMILIES, *LOSSES, *COURSES}
    if report.verdict is not Verdict.NOT_CHECKED or not other:
        return
    words = f"Its name is that of {own}, which can be checked: give that in place of {layer}."
    report.findings.append(Finding("another-name", words, wrong=False))


@contextlib.contextmanager
def _alone(function: object) -> Iterator[str]:
    """The same function in a copy of its file, in a folder of its own, which may be shut in."""
    file, _, name = (function if isinstance(function, str) else "").rpartition(":")
    if not file.endswith(".py"):
        raise SandboxError("A sandbox holds one file: name the function as file.py:function.")
    require_sandbox()
    try:
        content = read_submission(Path(file))
    except DataError as error:
        raise DataError(f"{file}: {error}.") from None
    with copied(Path(file).name, content) as copy:
        yield f"{copy}:{name}"


@takes(ModelError)
def assert_gradient_correct(
    function: Callable[..., Any] | str | object,
    layer: str | Layer,
    *,
    input_shape: Sequence[int] | None = None,
    roles: Mapping[str, str] | None = None,
    dtype: str = "float64",
    seconds: float = SECONDS,
    megabytes: int = MEGABYTES,
    folder: Path | None = None,
    sandbox: bool = False,
    binding: Mapping[str, Any] | None = None,
    **settings: Any,
) -> None:
    """For tests: fail with the whole report where `check` finds a fault. Arguments are those of `check`.

    Raises: AssertionError.
    """
    __tracebackhide__ = True
    report = check(
        function,
        layer,
        input_shape=input_shape,
        roles=roles,
        dtype=dtype,
        seconds=seconds,
        megabytes=megabytes,
        folder=folder,
        sandbox=sandbox,
        binding=binding,
        **settings,
    )
    if not report.ok:
        raise AssertionError(f"the gradient is {str(report.verdict).lower()}\n{report}")
