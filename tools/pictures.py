"""Write the pictures of the docs, from the real page, the real terminal and a real worksheet. It needs Chromium.

.venv/bin/python tools/pictures.py [NAME ...]
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from convgrad.examples import NAMES, load_example, made_shapes
from convgrad.examples.made import SHAPES
from convgrad.examples.page import example_model
from convgrad.explain.page.build import page_html
from convgrad.models import load_model
from convgrad.paper.typst import typst_document
from convgrad.worksheet import worksheet
from convgrad.worksheet.pages import exercise

DOCS = Path(__file__).parents[1] / "docs"
BROWSER = Path(__file__).with_name("browser")
"""The program that says which browser there is."""
SIZE: ViewportSize = {"width": 1250, "height": 790}
SCALE = 0.8
"""Pixels of a picture for each of the page, so that it is 1000 wide."""
COLORS = 128
"""Of a still picture: cells have few, letters a few greys."""
MOVING: ViewportSize = {"width": 1100, "height": 560}
MOVING_COLORS, MOVING_SCALE = 96, 0.9
FRAMES, REST = 24, 1600
"""Frames of one tensor's motion, and milliseconds of its last one."""
FRAME = 130


@dataclass(frozen=True)
class State:
    """What the page shows in a picture: an example at one number."""

    example: str
    lens: str
    at: str


STATES = {
    "page": State("classic", "backward", "conv1.dw[0,0]"),
    "derivation": State("two-convolutions", "backward", "conv1.dx[2,2]"),
    "how-to": State("strided", "backward", "dinput[2,2]"),
    "network": State("two-channels", "forward", "conv1.x[0,0,0]"),
    "training": State("lenet-trained", "forward", "dense3.x[7]"),
    "site": State("padded", "forward", "conv1.x[0,0]"),
    "backpropagation": State("classic", "forward", "pool1.x[0,1]"),
}
"""Picture -> state of the page."""
OTHERS = ("checking", "worksheets", "segmentation", "moving")
SEGMENTED, CLASS_COLORS = 8, ("#f4f4f5", "#0a6c84", "#c2410c", "#7c3aed")
"""Images that are shown, and colours of background, disc, square and triangle."""
TERMINAL = [
    "check",
    "--equation",
    "do[p] = sum[m](dx[p+m else 0] * w[m])",
    "--of",
    "x[i] = sum[m](w[m] * o[i+m])",
]
ANSI = {"1": "font-weight:bold", "2": "opacity:.65", "31": "color:#c4261d", "32": "color:#1a7f37"}
ANSI |= {"33": "color:#9a6700", "36": "color:#0a6c84"}
SHOWN = ("conv1.x", "conv1.dw")
"""Tensors whose motion the moving picture shows, one after the other."""


def main() -> None:
    """Write those that are named, or all."""
    wanted = sys.argv[1:] or [*STATES, *OTHERS]
    path = subprocess.run([BROWSER], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    if not path:
        raise SystemExit(
            f"There is no Chromium: install it, as with `apt install chromium` ({BROWSER.name} looks for it)."
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name in wanted:
            if name in STATES:
                _still(browser, STATES[name], DOCS / f"{name}.png")
            elif name == "checking":
                _terminal(browser, DOCS / "checking.png")
            elif name == "worksheets":
                _worksheet(DOCS / "worksheets.png")
            elif name == "segmentation":
                _segmentation(DOCS / "segmentation.png")
            elif name == "moving":
                _moving(browser, DOCS / "moving.gif")
            else:
                raise SystemExit(f"There is no picture {name!r}; there are {', '.join([*STATES, *OTHERS])}.")
        browser.close()


@contextmanager
def _opened(browser: Browser, state: State, size: ViewportSize, scale: float, motion: bool = False) -> Iterator[Page]:
    """The page of an example at its state."""
    example = load_example(state.example)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "page.html")
        file.write_text(page_html(example_model(example, example.trace()), {state.example: None}), encoding="utf-8")
        page = browser.new_page(
            viewport=size,
            device_scale_factor=scale,
            color_scheme="light",
            reduced_motion="no-preference" if motion else "reduce",
        )
        page.goto(f"{file.as_uri()}#example={state.example}&lens={state.lens}&at={state.at}")
        page.wait_for_function("at => window.convgrad?.page?.app?.links?.state().at?.at(-1) === at", arg=state.at)
        page.mouse.move(0, 0)
        page.wait_for_timeout(500)
        yield page
        page.close()


def _still(browser: Browser, state: State, path: Path) -> None:
    assert state.example in NAMES
    with _opened(browser, state, SIZE, SCALE) as page:
        _save(page.screenshot(), path)


def _moving(browser: Browser, path: Path) -> None:
    """One tensor after the other, in frames that the page itself draws."""
    frames: list[Image.Image] = []
    durations: list[int] = []
    state = State("classic", "forward", "conv1.x[0,0]")
    with _opened(browser, state, MOVING, MOVING_SCALE, motion=True) as page:
        for tensor in SHOWN:
            page.evaluate("name => convgrad.page.app.motion.take(name)", tensor)
            for n in range(FRAMES + 1):
                page.evaluate("part => convgrad.page.app.motion.scrub(part)", n / FRAMES)
                page.wait_for_timeout(60)
                frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
                durations.append(FRAME if n < FRAMES else REST)
    palette = frames[-1].quantize(MOVING_COLORS)
    drawn = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=durations, loop=0, optimize=True)
    _told(path)


def _terminal(browser: Browser, path: Path) -> None:
    """What a command prints, with its colours."""
    command = [sys.executable, "-m", "convgrad.commands.cli", *TERMINAL]
    ran = subprocess.run(command, capture_output=True, text=True, env={"FORCE_COLOR": "1", "PATH": "/usr/bin:/bin"})
    typed = " ".join(f"'{word}'" if " " in word else word for word in TERMINAL)
    shown = f"<b>$ convgrad {escape(typed)}</b>\n{_colored(ran.stdout)}"
    page = browser.new_page(viewport={"width": 900, "height": 300}, device_scale_factor=1.2)
    style = "margin:0;padding:14px 18px;font:14px/1.45 monospace;background:#fff;white-space:pre-wrap;width:720px"
    page.set_content(f"<body style='margin:0'><pre id=shown style='{style}'>{shown}</pre>")
    _save(page.locator("#shown").screenshot(), path)
    page.close()


def _colored(text: str) -> str:
    """Control codes of a terminal as HTML."""
    found, is_open = "", False
    for part in re.split(r"(\x1b\[[0-9;]*m)", text):
        code = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if code is None:
            found += escape(part)
            continue
        found += "</span>" if is_open else ""
        styles = ";".join(ANSI[number] for number in code[1].split(";") if number in ANSI)
        is_open = bool(styles)
        found += f'<span style="{styles}">' if is_open else ""
    return found + ("</span>" if is_open else "")


def _worksheet(path: Path) -> None:
    """The two pages of the sheet that `convgrad worksheet` makes, side by side."""
    import typst

    source = typst_document(exercise(worksheet())).encode()
    made = typst.Compiler(source, ignore_system_fonts=True).compile(format="png", ppi=60)
    contents = made if isinstance(made, list) else [made]
    pages = [Image.open(io.BytesIO(content)) for content in contents if content is not None]
    whole = Image.new("RGB", (sum(page.width for page in pages), pages[0].height), "white")
    left = 0
    for page in pages:
        whole.paste(page, (left, 0))
        left += page.width
    content = io.BytesIO()
    whole.save(content, "png")
    _save(content.getvalue(), path)


def _segmentation(path: Path) -> None:
    """Images made by a formula, what is in them, and what `unet` says, trained as docs/training.md has it."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    (x, y), (xt, yt) = made_shapes(600, seed=1), made_shapes(100, seed=2)
    model = load_model("unet", (32, 32, 1), len(SHAPES))
    how: dict[str, Any] = {
        "epochs": 6,
        "batch_size": 16,
        "optimizer": "adam",
        "learning_rate": 0.005,
        "schedule": "one-cycle",
    }
    model.network.fit(x, y, loss=model.loss, verbose=False, **how)
    rows = {"image": xt[..., 0], "what is in it": yt, "what unet says": model.network.predict(xt).argmax(-1)}
    figure = Figure(figsize=(9, 4), layout="constrained")
    for line, (title, pictures) in zip(figure.subplots(len(rows), SEGMENTED), rows.items(), strict=True):
        for axes, picture in zip(line, pictures, strict=False):
            classes: dict[str, Any] = {"cmap": ListedColormap(CLASS_COLORS), "vmin": 0, "vmax": len(SHAPES) - 1}
            axes.imshow(picture, interpolation="nearest", **({"cmap": "gray"} if title == "image" else classes))
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(title, fontsize=10)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    _save(content.getvalue(), path)


def _save(content: bytes, path: Path) -> None:
    """With few colours, which makes it small."""
    Image.open(io.BytesIO(content)).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    _told(path)


def _told(path: Path) -> None:
    print(f"wrote {path} ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
