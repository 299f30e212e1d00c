"""Check a whole derivation: every equation, size, number and program of a text, in order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from convgrad.arguments import FLAG, PATH, POSITIVE, optional, takes
from convgrad.check.documents.course import NOT_HERE, Course, Options
from convgrad.check.documents.formats import is_web_page, runs_in
from convgrad.check.documents.repair import mended
from convgrad.check.documents.report import DocumentReport
from convgrad.check.documents.without_brackets import read_in_one_way
from convgrad.check.submissions.sandbox import require_sandbox
from convgrad.errors import DataError
from convgrad.system.texts import file_text

STANDARD_INPUT = "standard input"
"""How reports call a text that has no name."""


@takes(DataError, path=PATH, programs=optional(FLAG), seconds=POSITIVE, sandbox=FLAG)
def check_document(
    path: str | Path, *, programs: bool | None = None, seconds: float = 10.0, sandbox: bool = False
) -> DocumentReport:
    """Whether each equation, size, number and program of a derivation is right, in its order.

    Args:
        path: a text in Markdown (`.md`, `.txt`), LaTeX (`.tex`), a notebook (`.ipynb`) or a web page (`.html`).
        programs: whether its programs are run, in a process of their own. None: those of a web page, which others
            have written, only in a sandbox; those of other files always.
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
    return check_text(text, place.name, options_for(place.name, programs, float(seconds), bool(sandbox)))


def options_for(
    name: str, programs: bool | None, seconds: float, sandbox: bool, tell: Callable[[str], None] | None = None
) -> Options:
    """How the programs of a document are run. programs: None where nobody has said whether they are to be."""
    source = "a web page" if is_web_page(name) else name if name == STANDARD_INPUT else ""
    run = bool(programs) if programs is not None else sandbox or not source
    asked = f"It is not run, since it comes from {source}: `--run-programs` runs it, `--sandbox` shuts it in."
    return Options(run, seconds, bool(sandbox), tell, asked if programs is None and not run else NOT_HERE)


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
    parts = read_in_one_way(mended(course, again, runs))
    return DocumentReport(name, parts, len(course.known_runs), options.sandbox)
