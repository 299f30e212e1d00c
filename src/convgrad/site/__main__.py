"""`python -m convgrad.site FOLDER [--pyodide FOLDER | ADDRESS | none]`: see docs/site.md."""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path

from convgrad.errors import ConvgradError
from convgrad.export.exported import why_no_webassembly
from convgrad.site.build import build
from convgrad.site.pyodide import CDN
from convgrad.site.train import FOLDER, training_page


def main(arguments: list[str] | None = None) -> int:
    """Build the site, and say how large it is."""
    parser = argparse.ArgumentParser(prog="python -m convgrad.site", description="The page as a static site.")
    parser.add_argument("folder", type=Path, help="where it goes")
    parser.add_argument(
        "--pyodide",
        default=CDN,
        metavar="FOLDER|ADDRESS|none",
        help="Python for the browser: a folder with its files, which are copied; an https address that ends with a "
        "slash; or none. By default Pyodide's own address.",
    )
    given = parser.parse_args(arguments)
    python: Path | str | None = given.pyodide
    if given.pyodide == "none":
        python = None
    elif not given.pyodide.startswith("https://"):
        python = Path(given.pyodide)
    try:
        training = None if (reason := why_no_webassembly()) else training_page()
        sizes = build(given.folder, python, training)
    except ConvgradError as error:
        print(error, file=sys.stderr)
        return 2
    first = [name for name in sizes if name in ("index.html", "page.js", "page.css")]
    packed = sum(len(gzip.compress((given.folder / name).read_bytes())) for name in first)
    print(f"{given.folder}: {len(sizes)} files, {sum(sizes.values()):,} bytes.")
    print(f"index.html with its script and style: {packed:,} bytes, packed by gzip.")
    if training is None:
        print(f"{FOLDER}, which trains in the browser, is left out: {reason}")
    else:
        print(
            f"{FOLDER}, which trains in the browser: {len(training)} files, {sum(map(len, training.values())):,} bytes."
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
