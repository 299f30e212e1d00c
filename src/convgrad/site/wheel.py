"""This package for the browser: what answers questions needs, as a wheel, and no data but the digits of the page."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    if sys.version_info >= (3, 11):
        from importlib.resources.abc import Traversable
    else:
        from importlib.abc import Traversable

VERSION = version("convgrad")
NAME = f"convgrad-{VERSION}-py3-none-any.whl"
LEFT_OUT = (
    "commands",
    "compute/halide",
    "data/digits/train-images-idx3-ubyte.gz",
    "data/digits/train-labels-idx1-ubyte.gz",
    "explain/page/static",
    "serve",
    "site/static",
    "site/__main__.py",
    "site/build.py",
    "site/train.py",
)
"""What no question needs: the command line and the server, the compiler, digits to train on, the page itself."""
KEPT = (".gz", ".md", ".npz", ".py", ".toml")
MOMENT = (2020, 1, 1, 0, 0, 0)
"""Of each entry, so that the same sources give the same wheel."""


def wheel() -> bytes:
    """The whole file."""
    into = io.BytesIO()
    about = f"convgrad-{VERSION}.dist-info"
    entries = dict(_sources(resources.files("convgrad"), ""))
    entries |= {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: convgrad\nVersion: {VERSION}\n".encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: convgrad.site\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*entries, f"{about}/RECORD"))
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in (*entries.items(), (f"{about}/RECORD", record.encode())):
            entry = zipfile.ZipInfo(name, MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return into.getvalue()


def _sources(folder: Traversable, where: str) -> Iterator[tuple[str, bytes]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        place = f"{where}{item.name}"
        if place in LEFT_OUT or item.name == "__pycache__":
            continue
        if item.is_dir():
            yield from _sources(item, f"{place}/")
        elif item.name.endswith(KEPT):
            yield f"convgrad/{place}", item.read_bytes()
