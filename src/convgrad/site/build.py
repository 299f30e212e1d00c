"""The page as a folder of files for any web server: `python -m convgrad.site FOLDER`.

What is known beforehand (examples, lists) is files, fetched when it is asked for. All other questions are answered by
Python in the browser, which is loaded from Pyodide's own servers or from beside the page, or is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from convgrad.examples import NAMES
from convgrad.examples.page import tour_models
from convgrad.explain.page.build import (
    data_block,
    editor_script,
    filled,
    font_files,
    policy_of,
    script_texts,
    style_texts,
)
from convgrad.questions.examples import example
from convgrad.questions.table import GET, answer_to_query
from convgrad.site.pyodide import Pyodide, checked, sha384
from convgrad.site.train import FOLDER
from convgrad.site.wheel import NAME as WHEEL
from convgrad.site.wheel import VERSION, wheel
from convgrad.system.files import write_file

FIRST = "classic"
"""The example that the page begins with."""
SECONDS = 30
"""For one answer, as on a server."""
BESIDE = "pyodide/"
"""The folder with Pyodide, where it lies beside the page."""
COMMENT = re.compile(r"^[ \t]*(?:/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*)[ \t]*\n", re.MULTILINE)
OWN = ("python.js", "carrier.js", "to_training.js")
"""The scripts of the site, after the carrier of the page and before what asks."""


def build(folder: Path, python: Path | str | None, training: Mapping[str, bytes] | None = None) -> dict[str, int]:
    """Write the site into a folder, which is made if need be.

    python: the address that Pyodide is loaded from; or a folder with its files, which are copied beside the page; or
    None for a page without Python.
    training: the page that trains (`training_page`), which is linked then.

    Returns: name of each file -> its bytes.

    Raises: DataError where the folder can't be written, or a file of Pyodide is missing or another.
    """
    files: dict[str, bytes] = {}
    beside = checked(python) if isinstance(python, Path) else {}
    base = BESIDE if isinstance(python, Path) else python
    answers = dict(_answers())
    own = {WHEEL: wheel(), "worker.js": _text("worker.js").encode()}
    settings: dict[str, Any] = {
        "version": VERSION,
        "seconds": SECONDS,
        "answers": {path: name for path, (name, _) in answers.items()},
        "python": None if base is None else Pyodide(base).told(),
        "wheel": _told(WHEEL, own[WHEEL]),
        "worker": _told("worker.js", own["worker.js"]),
        "training": None if training is None else FOLDER,
    }
    files |= dict(answers.values()) | own | {f"{BESIDE}{name}": content for name, content in beside.items()}
    files["page.js"] = "\n".join(_scripts()).encode()
    files["page.css"] = "\n".join([*style_texts(), _text("site.css")]).encode()
    files["editor.js"] = editor_script()
    files |= {**font_files(), **(training or {})}
    files["index.html"] = _index(settings).encode()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
    return {name: len(content) for name, content in files.items()}


def _index(settings: dict[str, Any]) -> str:
    model = example(FIRST)
    data = {"model": model, "examples": tour_models(model), "site": settings}
    return filled(
        policy_of(policy(None if settings["python"] is None else settings["python"]["base"])),
        '<link rel="stylesheet" href="page.css" />',
        '<script src="page.js"></script>',
        "\n".join(data_block(name, content) for name, content in data.items()),
    )


def policy(base: str | None) -> dict[str, str]:
    """What the page may load: its own files, and Pyodide's. No text becomes a program but the worker's, which is put
    together from files that were checked; a program that is pasted runs under the same policy.
    """
    host = urlsplit(base or "").netloc
    return {
        "default-src": "'none'",
        "script-src": "'self' 'wasm-unsafe-eval'",
        "worker-src": "blob:",
        "style-src": "'self'",
        "style-src-attr": "'unsafe-inline'",
        "font-src": "'self'",
        "img-src": "data: blob:",
        "connect-src": f"'self' https://{host}" if host else "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def _answers() -> Iterator[tuple[str, tuple[str, bytes]]]:
    """Question -> the file that answers it, and its content."""
    for path in GET:
        if path != "/api/example":
            yield path, (f"data/{path.rpartition('/')[2]}.json", answer_to_query(path).content)
    for name in NAMES:
        yield (
            f"/api/example?name={name}",
            (f"data/examples/{name}.json", answer_to_query(f"/api/example?name={name}").content),
        )


def _scripts() -> Iterator[str]:
    """The page's, with the site's own before the first that asks."""
    vendored, *own, main = script_texts()
    yield vendored
    yield from map(without_comments, [*own, *map(_text, OWN), main])


def without_comments(script: str) -> str:
    """A program without the comments that have lines of their own, a tenth of what is sent.

    >>> without_comments("a();\\n  // why\\n/* what\\n * and how */\\nb(); // c\\n")
    'a();\\nb(); // c\\n'
    """
    return COMMENT.sub("", script)


def _told(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "url": name, "bytes": len(content), "sha384": sha384(content)}


def _text(name: str) -> str:
    return (resources.files("convgrad.site") / "static" / name).read_text(encoding="utf-8")
