"""Put the files of Pyodide that a site needs into a folder: `python tools/collect_pyodide.py FOLDER`.

What is there stays. Python comes from its package (needs npm), NumPy from the address where Pyodide publishes its
packages. In the end each file is compared with its hash. Then: `make site PYODIDE=FOLDER`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

from convgrad.errors import DataError
from convgrad.site.pyodide import CDN, FILES, NUMPY, VERSION, checked


def collect(folder: Path) -> None:
    """Complete the folder. Raises: DataError where a file is another than it should be."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in FILES if not (folder / name).exists()]
    if any(name != NUMPY for name in missing):
        with tempfile.TemporaryDirectory() as place:
            subprocess.run(
                ["npm", "pack", "--silent", f"pyodide@{VERSION}"], cwd=place, check=True, stdout=subprocess.DEVNULL
            )
            with tarfile.open(next(Path(place).glob("*.tgz"))) as archive:
                for name in missing:
                    if name != NUMPY and (content := archive.extractfile(f"package/{name}")) is not None:
                        (folder / name).write_bytes(content.read())
    if NUMPY in missing:
        with urllib.request.urlopen(CDN + NUMPY) as answer, (folder / NUMPY).open("wb") as file:
            shutil.copyfileobj(answer, file)
    checked(folder)


if __name__ == "__main__":
    try:
        collect(Path(sys.argv[1]))
    except DataError as error:
        sys.exit(str(error))
