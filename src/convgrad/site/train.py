"""The page that trains LeNet-5 in the browser, from its WebAssembly: the folder `train/` of the site."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

from convgrad.data.bundled import load_digits
from convgrad.data.idx_folder import FILE_NAMES
from convgrad.explain.page.build import policy_of, static
from convgrad.export import export
from convgrad.models.named import lenet5
from convgrad.models.network import Network
from convgrad.network.preparation import Preparation
from convgrad.optimizers import SGD
from convgrad.system.files import temporary_folder

FOLDER = "train/"
NAME = "net"
BATCH_SIZE = 40
"""Divides the numbers of digits to train and to test on, so that an epoch has each of them once."""
OPTIMIZER = SGD(0.02, momentum=0.9)
SEED = 0
"""Of the weights that each training begins with."""
POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'wasm-unsafe-eval'",
    "worker-src": "'self'",
    "style-src": "'self'",
    "img-src": "data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
}
"""What the page may load: what lies beside it."""
STYLES = ("theme.css", "base.css", "bar.css")
SCRIPTS = ("colors.js",)
"""Of the page that explains numbers."""
DIGITS = (*(f"{name}.gz" for name in FILE_NAMES), "README.md")


def training_page() -> dict[str, bytes]:
    """The files of the folder by their paths in the site: page, network, digits.

    Raises: EngineError where WebAssembly can't be made (`why_no_webassembly`).
    """
    return {f"{FOLDER}{name}": content for name, content in _files()}


def untrained() -> Network:
    """The network that the page begins with."""
    digits = load_digits()
    network = lenet5(digits.image_shape, digits.class_count)
    network.preparation = Preparation.standardizing(digits.train_images, digits.class_names)
    network.initialize(seed=SEED)
    return network


def _files() -> Iterator[tuple[str, bytes]]:
    with temporary_folder() as folder:
        export(untrained(), folder, to="wasm", name=NAME, batch_size=BATCH_SIZE, optimizer=OPTIMIZER)
        for name in (f"{NAME}.wasm", f"{NAME}.js"):
            yield name, (folder / name).read_bytes()
    shared = [(static() / name).read_text(encoding="utf-8") for name in SCRIPTS]
    yield "page.js", "\n".join(["const convgrad = {};", *shared, _text("curve.js"), _text("page.js")]).encode()
    yield (
        "page.css",
        "\n".join([*((static() / name).read_text(encoding="utf-8") for name in STYLES), _text("page.css")]).encode(),
    )
    yield "worker.js", _text("worker.js").encode()
    yield "digits.js", _text("digits.js").encode()
    yield "index.html", _text("index.html").replace("<!-- policy -->", policy_of(POLICY)).encode()
    for name in DIGITS:
        yield f"digits/{name}", (resources.files("convgrad.data") / "digits" / name).read_bytes()


def _text(name: str) -> str:
    return (resources.files("convgrad.site") / "static" / "train" / name).read_text(encoding="utf-8")
