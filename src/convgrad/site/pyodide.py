"""Python for the browser: which files of Pyodide a page loads, and what each of them must be.

A page that loads them from elsewhere compares each with its hash before anything of it is run.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convgrad.errors import DataError

VERSION = "0.27.7"
CDN = f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/"
NUMPY = "numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl"
FILES = {
    "pyodide.js": (14_913, "90so5tCKvl0xs9agU29IMKlAVzhfzFX7QO//YxQkRhJG58bBZrFN+2ZTRB026X5X"),
    "pyodide.asm.js": (1_255_688, "J3SxzZJh4tkb2bgoUc72zArF45FJ+ngsbiqNsmxqkkecNVpZ/bUHAM0JMp+YPVpx"),
    "pyodide.asm.wasm": (10_105_545, "wDap6JvXxf3C8g5beY3kd1xMIjAtw/oTKjTqGltdxc+B9VXnYyYBoM7hveNKilxM"),
    "python_stdlib.zip": (2_360_737, "VLeJs79hxVEBNt1hRU5Wo7VmBcyb4sdW564EJAvEWDin3Aa3QXLHm3E5mOg2GiFH"),
    NUMPY: (3_061_133, "dHE8urlDbpPTmz9Oor+RCbm41QlAXdVKUNmdPHTJegzfJnuDuq/XVFaDHQ7OjD6u"),
}
"""Name -> bytes, and SHA-384 as in `integrity` attributes, of Pyodide's release (NumPy's SHA-256 is the one of its
pyodide-lock.json)."""
LOCK = {
    "info": {
        "abi_version": "2024_0",
        "arch": "wasm32",
        "platform": "emscripten_3_1_58",
        "python": "3.12.7",
        "version": VERSION,
    },
    "packages": {},
}
"""In place of Pyodide's own list of packages: a page needs none but NumPy, which it unpacks itself."""


@dataclass(frozen=True)
class Pyodide:
    """Where a page loads Python from. base: an address that ends with a slash, also a relative one."""

    base: str

    def told(self) -> dict[str, Any]:
        """As the page reads it."""
        files = {name: {"bytes": size, "sha384": digest} for name, (size, digest) in FILES.items()}
        return {"version": VERSION, "base": self.base, "files": files, "numpy": NUMPY, "lock": LOCK}


def checked(folder: Path) -> dict[str, bytes]:
    """The files, from a folder that a builder has put them into. Raises: DataError where one is missing or another."""
    found = {}
    for name, (_, digest) in FILES.items():
        try:
            found[name] = (folder / name).read_bytes()
        except OSError as error:
            raise DataError(
                f"{folder / name} can't be read: {error.strerror}. It is a file of Pyodide {VERSION}."
            ) from None
        if sha384(found[name]) != digest:
            raise DataError(f"{folder / name} is not the one of Pyodide {VERSION}: its SHA-384 is another.")
    return found


def sha384(content: bytes) -> str:
    """In base 64."""
    return base64.b64encode(hashlib.sha384(content).digest()).decode()
