"""Networks as WebAssembly: in node and in a browser they compute what Python does with the same instructions."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load as tensors_from_bytes
from safetensors.numpy import save as bytes_from_tensors

import exported_networks
from convgrad import ArgumentError, EngineError, Network
from convgrad.export import Exported, export
from convgrad.export import wasm as wasm_export
from convgrad.export.job import Job, Made
from convgrad.layers import Conv2D, Dense, Flatten
from convgrad.network.preparation import Preparation
from exported_networks import CASES, SEED, STEPS, Case, trained
from optional import compiled, find_webassembly

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).parent
pytestmark = compiled


class Quiet(SimpleHTTPRequestHandler):
    """A server as `python -m http.server` is."""

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def node() -> str:
    return find_webassembly()


def exported(case: Case, folder: Path, **options: object) -> Exported:
    given = {"optimizer": case.optimizer, "loss": case.loss, "batch_size": case.batch, "seed": SEED, **options}
    return export(case.network(), folder, to="wasm", **given)  # type: ignore[arg-type]


def run(node: str, script: Path | str, *arguments: object) -> str:
    """What a program of node writes."""
    code = ["--input-type=module", "--eval", script] if isinstance(script, str) else [str(script)]
    done = subprocess.run(
        [node, *code, *map(str, arguments)], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout


def trained_by_node(node: str, case: Case, folder: Path) -> dict[str, np.ndarray]:
    """As `trained`, by the module in `folder`."""
    x, t = case.examples()
    (folder / "given").write_bytes(bytes_from_tensors({"x": x, "t": t.astype(np.float32)}))
    run(node, HERE / "trains.mjs", folder, folder / "given", STEPS, folder / "results")
    found: dict[str, np.ndarray] = tensors_from_bytes((folder / "results").read_bytes())
    return found


def differing(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> list[str]:
    """Names of what is not the same, bit by bit."""
    assert found.keys() == expected.keys()
    return [n for n, array in expected.items() if not np.array_equal(found[n].ravel(), array.ravel(), equal_nan=True)]


STRICT = ("wasm-32-wasmrt-strict_float-wasm_simd128", "x86-64-linux-sse41-strict_float")


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="runs code for SSE4.1")
@pytest.mark.parametrize("name", CASES)
def test_a_training_has_the_bits_of_python_with_the_same_instructions(node: str, tmp_path: Path, name: str) -> None:
    """SSE4.1 has vectors of 16 bytes and no fused multiply-add, as WebAssembly; and `strict_float` keeps LLVM from
    adding up in another order for one of them, which is all that differs without it.
    """
    case = CASES[name]
    exported(case, tmp_path, target=STRICT[0])
    here = [sys.executable, exported_networks.__file__, name, str(tmp_path / "expected.npz")]
    subprocess.run(here, env={**os.environ, "CONVGRAD_TARGET": STRICT[1]}, check=True)
    with np.load(tmp_path / "expected.npz") as expected:
        assert differing(trained_by_node(node, case, tmp_path), dict(expected)) == []


@pytest.fixture(scope="module")
def own(node: str, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """With the examples for its page."""
    return exported(CASES["own"], tmp_path_factory.mktemp("own"), examples=CASES["own"].examples())


def test_it_differs_from_python_here_by_rounding(node: str, own: Exported) -> None:
    found, expected = trained_by_node(node, CASES["own"], own.folder), trained(CASES["own"])
    # Sums of up to 240 products (the dense layer's) in another order, or with one rounding less for each; a gate and a
    # convolution before them are shorter. All are off by rounding, relative to sums of magnitudes of about 1.
    bound = 3 * 240 * 2.0**-24
    assert np.abs(found["before"] - expected["before"].ravel()).max() <= bound
    assert abs(found["losses"][0] - expected["losses"][0]) <= bound
    # Each step is off by as much again, and 100 steps of 0.002 each could not bring a loss further than this.
    assert expected["losses"][-1] < 0.8 * expected["losses"][0]
    assert abs(found["losses"][-1] - expected["losses"][-1]) <= STEPS * bound


def test_it_imports_nothing_and_its_sizes_are_told(node: str, own: Exported) -> None:
    code = """import { readFileSync } from "node:fs";
    console.log(JSON.stringify(WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(process.argv[1])))))"""
    assert json.loads(run(node, code, own.folder / "net.wasm")) == []
    assert own.files == ("examples.safetensors", "index.html", "net.d.ts", "net.js", "net.wasm", "package.json")
    assert own.module_bytes == (own.folder / "net.wasm").stat().st_size
    assert own.weight_bytes < own.gzip_bytes < own.module_bytes


def test_weights_go_from_the_module_to_python_and_back(node: str, own: Exported, tmp_path: Path) -> None:
    ours = CASES["own"].network()
    code = """import { readFile, writeFile } from "node:fs/promises";
    const [folder, given, taken] = process.argv.slice(1), { load } = await import(`${folder}/net.js`);
    const network = await load(await readFile(`${folder}/net.wasm`));
    await writeFile(`${taken}.first`, network.saveWeights());
    network.loadWeights(await readFile(given));
    await writeFile(taken, network.saveWeights());
    network.restart();
    await writeFile(`${taken}.again`, network.saveWeights());"""
    other = CASES["own"].make()
    other.initialize(seed=9)
    (tmp_path / "given").write_bytes(bytes_from_tensors(other.get_weights()))
    run(node, code, own.folder, tmp_path / "given", tmp_path / "taken")
    for ending, network in (("", other), (".first", ours), (".again", ours)):
        found = tensors_from_bytes((tmp_path / f"taken{ending}").read_bytes())
        assert found.keys() == network.get_weights().keys()
        assert all(np.array_equal(found[name], array) for name, array in network.get_weights().items())
    back = CASES["own"].make()
    back.initialize(seed=1)
    back.set_weights(tensors_from_bytes((tmp_path / "taken").read_bytes()))
    assert differing(back.get_weights(), other.get_weights()) == []


REFUSED = {
    "network.predict(new Float32Array(125))": "RangeError: input has 125 numbers, but an example has 126.",
    "network.predict(3)": "TypeError: input is no array of numbers.",
    "network.step(new Float32Array(126), [1])": "RangeError: input has 126 numbers, but a step takes 882: 7 examples.",
    "network.step(new Float32Array(882), [1])": "RangeError: target has 1 numbers, but a step takes 7: 7 examples.",
    "network.step(new Float32Array(882), [0,1,2,0,1,2,0], 'a')": "TypeError: learningRate is a, which is no number.",
    "network.prepare(new Uint8Array(3))": "RangeError: There are 3 bytes, but a pixel has 2.",
    "network.loadWeights(new Uint8Array(5))": "Error: This is no file of safetensors, or it was cut off.",
    "network.loadWeights(saved.subarray(0, 2000))": "has other bytes than its shape",
    "network.loadWeights(changed((t) => t.delete('conv1.b')))": (
        "Error: The file has no tensor conv1.b, which the network needs."
    ),
    "network.loadWeights(changed((t) => t.set('conv1.b', { shape: [4], data: new Float32Array(4) })))": (
        "Error: conv1.b has shape (4), but the network needs (5)."
    ),
    "network.loadWeights(changed((t) => t.set('more', { shape: [], data: new Float32Array(1) })))": (
        "Error: The file has a tensor more that the network does not have."
    ),
    "tensorsFrom(whole)": "Error: a is of I32; what is read is F32, F64, I8.",
}


def test_what_the_module_refuses(node: str, own: Exported, tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(bytes_from_tensors({"a": np.arange(3, dtype=np.int32)}))
    code = """import { readFileSync } from "node:fs";
    const [folder, file, ...all] = process.argv.slice(1), whole = readFileSync(file);
    const { load, tensorsFrom, bytesFrom } = await import(`${folder}/net.js`);
    const network = await load(), saved = network.saveWeights();
    const changed = (change) => { const t = tensorsFrom(saved); change(t); return bytesFrom(t); };
    const said = all.map((one) => { try { eval(one); return ""; } catch (error) { return String(error); } });
    const same = network.saveWeights().every((byte, place) => byte === saved[place]);
    console.log(JSON.stringify([...said, same]));"""
    *said, same = json.loads(run(node, code, own.folder, tmp_path / "whole", *REFUSED))
    for text, expected in zip(said, REFUSED.values(), strict=True):
        assert expected in text
    assert same


def small(dtype: str = "float64") -> Network:
    network = Network(Conv2D(3, 2), Flatten(), Dense(4), input_shape=(4, 5, 2), dtype=dtype)
    network.initialize(seed=1)
    network.preparation = Preparation(mean=(0.3, 0.55), deviation=(0.21, 0.37), class_names=("a", "b", "c", "é"))
    return network


def test_weights_beside_the_module_predictions_alone_and_pixels(node: str, tmp_path: Path) -> None:
    network = small()
    made = network.export(tmp_path, to="wasm", name="Digits", weights="beside", batch_size=2)
    assert "Digits.safetensors" in made.files
    pixels = np.arange(200, dtype=np.uint8).reshape(5, 4, 5, 2)
    code = """const [folder, ...pixels] = process.argv.slice(1), { load } = await import(`${folder}/Digits.js`);
    const network = await load(), prepared = network.prepare(Uint8Array.from(pixels));
    network.weights.get("conv1.w").data.fill(0);
    network.restart();
    let said;
    try { network.step(prepared, []); } catch (error) { said = String(error); }
    const results = [...network.predict(prepared)];
    console.log(JSON.stringify([[...prepared], results, network.about, said, [...network.state]]));"""
    prepared, results, about, said, state = json.loads(run(node, code, tmp_path, *pixels.ravel().tolist()))
    expected = network.preparation.apply(pixels / 255)
    assert np.array_equal(prepared, expected.ravel())
    # Two sums of up to 36 products in another order: rounding of the sum of magnitudes, here below 8.
    assert np.allclose(results, network.predict(expected).ravel(), rtol=0, atol=2 * 36 * 8 * 2.0**-53)
    assert about["classNames"] == ["a", "b", "c", "é"]
    assert said == "Error: This network was exported without a training step; give export() an optimizer."
    assert state == []
    package = json.loads((tmp_path / "package.json").read_text())
    assert package["name"] == "digits"
    assert sorted([*package["files"], "package.json"]) == list(made.files)
    again = network.export(tmp_path, to="wasm", name="Digits")
    assert "Digits.safetensors" not in again.files
    assert not (tmp_path / "Digits.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"to": "pascal"}, "to is 'pascal'. Networks are exported to: c, wasm."),
        ({"target": "arm-64"}, "target is 'arm-64', but WebAssembly's is wasm-32. Leave it out."),
        ({"to": "c", "examples": ([], None)}, "examples are for the page beside WebAssembly. Write to="),
    ],
    ids=["kind", "target", "examples"],
)
def test_what_is_no_webassembly(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        export(small(), tmp_path / "made", **{"to": "wasm", **options})  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert not (tmp_path / "made").exists()


X = np.zeros((3, 4, 5, 2))
EXAMPLES = [
    ((X, None), "examples has inputs alone, but a training step needs targets. Write examples=(x, t)."),
    ((X[0], [1]), "examples: x has shape (4, 5, 2), but must have ('N', 4, 5, 2), with N at least 1 and the same"),
    ((X, [1, 2]), "examples: t has shape (2,), but must have ('N',)"),
    ((X[:0], []), "examples: x has shape (0, 4, 5, 2), but must have"),
]


@pytest.mark.parametrize(("examples", "message"), EXAMPLES, ids=["targets", "one", "fewer", "none"])
def test_examples_that_do_not_fit(examples: tuple[np.ndarray, object], message: str, tmp_path: Path) -> None:
    job = Job(small(), "net", 1, None, None, 0, True, "")
    made = Made({}, 0, 0, 0, 0, {}, 0, ())
    with pytest.raises(ArgumentError) as caught:
        wasm_export.folder_files(job, made, examples)  # type: ignore[arg-type]
    assert message in str(caught.value)


def without_ziglang(monkeypatch: pytest.MonkeyPatch, folder: Path, *programs: str) -> None:
    """As where nothing but these is installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for program in programs:
        (folder / program).write_text("#!/bin/sh\necho 'wasm-ld: no such thing' >&2\nexit 1\n")
        (folder / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_without_a_compiler_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_ziglang(monkeypatch, tmp_path, "clang")
    with pytest.raises(
        EngineError, match=r"and there is none: run `pip install 'convgrad\[wasm\]'` \(ziglang, 100 MB\), or"
    ):
        small().export(tmp_path / "made", to="wasm")


@pytest.mark.skipif(sys.platform == "win32", reason="writes programs for a shell")
@pytest.mark.parametrize("programs", [("zig",), ("clang", "wasm-ld")], ids=["zig", "clang"])
def test_what_the_compiler_says_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, programs: tuple[str, ...]
) -> None:
    without_ziglang(monkeypatch, tmp_path, *programs)
    assert wasm_export.compiler()[0] == str(tmp_path / programs[0])
    with pytest.raises(EngineError, match=r"The module can't be linked:\nwasm-ld: no such thing"):
        wasm_export.linked("net", {"net.c": b""})


def test_a_module_that_imports_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = b"\0asm\1\0\0\0" + bytes([1, 4, 1, 0x60, 0, 0]) + bytes([2, 7, 1, 1, 97, 1, 98, 0, 0])
    assert list(wasm_export.sections(module)) == [1, 2]
    (tmp_path / "module").write_bytes(module)
    (tmp_path / "zig").write_text(f'#!/bin/sh\nfor last; do :; done\n/bin/cp "{tmp_path / "module"}" "$last"\n')
    (tmp_path / "zig").chmod(0o755)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="made a module that imports functions; take ziglang, or another wasi-libc"):
        wasm_export.linked("net", {"net.c": b""})


def test_a_compiler_that_can_not_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wasm_export, "compiler", lambda: ["/there/is/no/zig"])
    with pytest.raises(EngineError, match=r"The module can't be linked: .*No such file"):
        wasm_export.linked("net", {"net.c": b""})


@pytest.mark.browser
def test_the_page_trains_in_the_browser(browser: Browser, own: Exported) -> None:
    with served(own.folder) as address:
        page = browser.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/index.html")
        page.get_by_role("button", name="Train", exact=True).click()
        page.wait_for_function("Number(document.querySelector('#steps').textContent.replace(/,/g, '')) >= 50")
        page.get_by_role("button", name="Pause").click()
        assert float(page.locator("#speed").inner_text().replace(",", "")) > 0
        assert float(page.locator("#loss").inner_text()) >= 0  # 28 examples are learned by heart soon, to a loss of 0
        assert (page.locator("#curve polyline").get_attribute("points") or "").count(",") >= 50
        assert page.locator("#examples").inner_text() == "28 from examples.safetensors"
        page.get_by_role("button", name="Begin again").click()
        assert page.locator("#steps").inner_text() == "0"
        with page.expect_download() as download:
            page.get_by_role("button", name="Save the weights").click()
        saved = tensors_from_bytes(Path(download.value.path()).read_bytes())
        assert differing(saved, CASES["own"].network().get_weights()) == []
        page.close()
    assert complaints == []


@pytest.mark.browser
def test_chromium_computes_what_node_does(node: str, browser: Browser, own: Exported) -> None:
    found = trained_by_node(node, CASES["own"], own.folder)
    with served(own.folder) as address:
        page = browser.new_page()
        page.goto(f"{address}/index.html")
        losses = page.evaluate("""async () => {
            const { load, tensorsFrom } = await import("./net.js"), network = await load();
            const given = tensorsFrom(await (await fetch("./examples.safetensors")).arrayBuffer());
            const parts = [["x", 882], ["t", 7]].map(([name, size]) => (number) =>
                given.get(name).data.subarray((number % 4) * size, (number % 4 + 1) * size));
            return Array.from({ length: 100 }, (_, number) => network.step(parts[0](number), parts[1](number)));
        }""")
        page.close()
    assert np.array_equal(losses, found["losses"])
