"""Check a whole derivation: every equation, size, number and program of a text, in order."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from convgrad.arguments import FLAG, PATH, POSITIVE, takes
from convgrad.check.documents.course import Course, Options
from convgrad.check.documents.formats import runs_in
from convgrad.check.documents.repair import mended
from convgrad.check.documents.report import DocumentReport
from convgrad.check.submissions.sandbox import require_sandbox
from convgrad.errors import DataError
from convgrad.system.texts import file_text

STANDARD_INPUT = "standard input"
"""How reports call a text that has no name."""


@takes(DataError, path=PATH, programs=FLAG, seconds=POSITIVE, sandbox=FLAG)
def check_document(
    path: str | Path, *, programs: bool = True, seconds: float = 10.0, sandbox: bool = False
) -> DocumentReport:
    """Whether each equation, size, number and program of a derivation is right, in its order.

    Args:
        path: a text in Markdown (`.md`, `.txt`), LaTeX (`.tex`), a notebook (`.ipynb`) or a web page (`.html`).
        programs: whether its programs are run, in a process of their own.
        seconds: what a program may take; importing what it uses may take 30 s.
        sandbox: whether programs are shut in by bubblewrap.

    Returns: the verdict on each part. What was not examined is not understood, never right.

    Raises: DataError where the file can't be read, SandboxError where there is no sandbox here.

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = pathlib.Path(folder.name, "mine.md")
    >>> _ = file.write_text("y[i] = sum[j](w[i,j] * x[j])\\n\\ndx[j] = sum[i](w[i,j] * dy[i])\\n")
    >>> check_document(file).summary
    '1 claim: 1 right; 1 definition'
    >>> folder.cleanup()
    """
    place = Path(path)
    text = file_text(place)
    return check_text(text, place.name, Options(bool(programs), float(seconds), bool(sandbox)))


def check_text(text: str, name: str, options: Options) -> DocumentReport:
    """The same of a text. name: of the file that it is from; its ending says what kind of text it is.

    Raises: DataError where a notebook can't be read, SandboxError where there is no sandbox here.
    """
    if options.sandbox and options.run:
        require_sandbox()
    runs = runs_in(text, name)
    course = Course(options)
    course.check(runs)
    again = partial(Course, options, course.known_runs)
    return DocumentReport(name, tuple(mended(course, again, runs)))
