"""Bring KaTeX, which draws the formulas of the page, into the package: `python tools/vendor_katex.py`. Needs npm.

Only what the page uses is kept: the minified script, with its license in front so that every page has it, the style,
and as .woff2 the fonts that our LaTeX asks for. OFL.txt, the license that the fonts name in themselves, stays.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "0.19.1"
FONTS = (
    "KaTeX_Main-Regular",
    "KaTeX_Main-Italic",
    "KaTeX_Math-Italic",
    "KaTeX_Size1-Regular",
    "KaTeX_Size2-Regular",
    "KaTeX_Size3-Regular",
    "KaTeX_Size4-Regular",
)
FOLDER = Path(__file__).parents[1] / "src/convgrad/explain/page/static/katex"
FACE = re.compile(r"@font-face\{[^}]*\}")


def with_fewer_fonts(css: str) -> str:
    """The style with only the faces of `FONTS`, each with its .woff2 file only."""

    def face(match: re.Match[str]) -> str:
        font = next((f for f in FONTS if f"{f}.woff2" in match[0]), None)
        source = f'src:url(fonts/{font}.woff2) format("woff2")'
        return re.sub(r"src:[^}]*", source, match[0]) if font else ""

    return FACE.sub(face, css)


def main() -> None:
    """Fetch the package, copy what is needed."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", f"katex@{VERSION}"], cwd=folder, check=True)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            archive.extractall(folder, filter="data")
        package = Path(folder) / "package"
        shutil.rmtree(FOLDER / "fonts", ignore_errors=True)
        (FOLDER / "fonts").mkdir(parents=True)
        shutil.copy(package / "LICENSE", FOLDER / "LICENSE")
        banner = f"/*!\nKaTeX {VERSION}\n\n{(package / 'LICENSE').read_text(encoding='utf-8').strip()}\n*/\n"
        script = (package / "dist/katex.min.js").read_text(encoding="utf-8")
        (FOLDER / "katex.min.js").write_text(banner + script, encoding="utf-8")
        css = (package / "dist/katex.min.css").read_text(encoding="utf-8")
        (FOLDER / "katex.min.css").write_text(with_fewer_fonts(css), encoding="utf-8")
        for font in FONTS:
            shutil.copy(package / f"dist/fonts/{font}.woff2", FOLDER / f"fonts/{font}.woff2")
    for file in FOLDER.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)


if __name__ == "__main__":
    main()
