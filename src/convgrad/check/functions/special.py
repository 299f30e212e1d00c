"""What it says of a function that it works with special sizes only."""

from __future__ import annotations

from dataclasses import replace

from convgrad.check.functions.coverage import has_to_fill, refuses
from convgrad.check.functions.diagnosis import Diagnosis
from convgrad.check.functions.person import Person
from convgrad.check.functions.reading import Convention, attempt
from convgrad.check.functions.report import Finding
from convgrad.check.problems.sizes import Sizes
from convgrad.check.submissions.answers import Trouble


def special(diagnosis: Diagnosis, sizes: Sizes, person: Person) -> list[Finding]:
    """Notes, where it is no fault; a fault where axes that are equal there are taken for one another."""
    if not (sizes.square or sizes.equal):
        return _of_windows(diagnosis, sizes, person) if diagnosis.right else []
    words = f"It gives results of the right shape with {sizes.words} only."
    if not diagnosis.right:
        return [Finding("special-sizes", words, wrong=False)]
    refused = _refused(diagnosis.attempt.convention, person)
    if refused is not None:
        return [Finding("refuses", f"{words} It refuses others: {refused}.", wrong=False)]
    channels = sizes.equal and not sizes.square
    name = "channels-swapped" if channels else "height-width-swapped"
    what = "input and output channels" if channels else "height and width"
    words = f"{words} So {what} are mixed up somewhere."
    return [Finding(name, words, "Check each shape and loop bound for the two.")]


def _of_windows(diagnosis: Diagnosis, sizes: Sizes, person: Person) -> list[Finding]:
    """Many read one size for both axes of a kernel, and split an image into windows that fill it."""
    problem, found = diagnosis.attempt.problem, []
    if sizes.window and "w" in problem.labels:
        words = "It is right for square kernels only: with another it fails, or gives other shapes."
        found.append(Finding("square-kernels", words, wrong=False))
    window = problem.origin.window
    if sizes.divides and window is not None and max(window.strides) > 1:
        usual = replace(diagnosis.attempt.convention.sizes, divides=False)
        trouble = attempt(diagnosis.attempt.convention, person, usual).outcome.trouble
        what = "gives other shapes" if trouble is None else f"fails: {trouble}"
        words = f"It is right for sizes that the stride divides only. With others it {what}."
        fills = trouble is not None and (has_to_fill(trouble) or _repeats(trouble))
        found.append(Finding("stride-divides", words, wrong=not fills))
    return found


def _repeats(trouble: Trouble) -> bool:
    """Whether arrays are multiplied as a whole, as after np.repeat, which makes an image that windows fill."""
    return "broadcast together" in trouble.message and "[" not in trouble.line


def _refused(convention: Convention, person: Person) -> Trouble | None:
    """How it refuses sizes that are not special, square kernels with other images, too, where it does so on purpose."""
    trouble = None
    for window in (True, False):
        usual = replace(convention.sizes, square=False, equal=False, window=window)
        trouble = attempt(convention, person, usual).outcome.trouble
        if trouble is None or not refuses(trouble):
            return None
    return trouble
