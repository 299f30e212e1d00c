"""Networks as C: compiled here, they compute the bits that Python does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
import pytest

from convgrad import ArgumentError, EngineError, ModelError, Network
from convgrad.compute.halide.runtime import native
from convgrad.export import Exported, export
from convgrad.layers import AvgPool2D, BatchNorm, Conv2D, Dense, Dropout, Flatten, Input, MaxPool2D, ReLU, Tanh
from convgrad.models import load_model
from convgrad.network.preparation import Preparation
from convgrad.optimizers import SGD, Adagrad, Adam, Group, Optimizer
from optional import compiled

STRICT = ("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror")
THREADS = ("-DNET_THREADS", "-lpthread")
HERE = Path(__file__).parent
pytestmark = [compiled, pytest.mark.skipif(native.compiler() is None, reason="there is no C compiler")]


def lenet() -> Network:
    network = load_model("lenet5", (28, 28, 1), 10).network
    network.initialize(seed=2)
    return network


def mixed(dtype: str = "float32") -> Network:
    """Examples that meet, and two layers that draw."""
    network = Network(
        *(Conv2D(5, 3, padding="same"), BatchNorm(), ReLU(), MaxPool2D(2), Dropout(0.3)),
        *(Flatten(), Dense(7), Tanh(), Dropout(0.2), Dense(4)),
        input_shape=(9, 11, 2),
        dtype=dtype,
    )
    network.initialize(seed=3)
    return network


def built(exported: Exported, main: Path | None = None, *flags: str) -> Path:
    folder = exported.folder
    sources = [main or folder / "main.c", *folder.glob("net*.c"), *sorted(folder.glob("kernels/*.o"))]
    command = ["cc", *STRICT, "-I", str(folder), *map(str, sources), "-lm", *flags, "-o", str(folder / "run")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return folder / "run"


def results(program: Path, x: np.ndarray) -> np.ndarray:
    done = subprocess.run([program], input=x.tobytes(), capture_output=True, check=True, cwd=program.parent)
    return np.array([line.split() for line in done.stdout.decode().splitlines()], np.float32)


@pytest.mark.parametrize("weights", ["inside", "beside"])
@pytest.mark.parametrize("flags", [(), THREADS], ids=["alone", "threads"])
def test_predictions_are_those_of_python_to_the_bit(
    tmp_path: Path, weights: Literal["inside", "beside"], flags: tuple[str, ...]
) -> None:
    network, x = lenet(), np.random.default_rng(0).random((7, 28, 28, 1), np.float32)
    exported = network.export(tmp_path, batch_size=3, weights=weights)
    assert np.array_equal(results(built(exported, None, *flags), x), network.predict(x))
    assert ("net.weights" in exported.files) == (weights == "beside")
    assert exported.weight_bytes == 4 * sum(array.size for array in network.parameters.values())


OPTIMIZERS = [
    SGD(0.1, momentum=0.9, weight_decay=1e-3),
    Adam(0.01),
    Adagrad(0.05, rate_decay=0.1, initial=0.1),
    SGD(0.1, groups=[Group("dense*", learning_rate=0.03)], global_clipnorm=1.0),
]


def trained(program: Path, x: np.ndarray, t: np.ndarray, rate: float, threads: int) -> tuple[np.ndarray, list[float]]:
    """All numbers after steps on batches, and the losses, with the count of blocks behind them."""
    batches = b"".join(
        images.tobytes() + targets.astype(x.dtype).tobytes() for images, targets in zip(x, t, strict=True)
    )
    done = subprocess.run([program, repr(rate), str(threads)], input=batches, capture_output=True, check=True)
    return np.frombuffer(done.stdout, x.dtype), [float(line) for line in done.stderr.split()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["momentum", "adam", "adagrad", "groups"])
def test_a_training_has_the_bits_of_python_with_dropout_and_batch_statistics(
    tmp_path: Path, optimizer: Optimizer, dtype: str
) -> None:
    network, rng, batch, rate = mixed(dtype), np.random.default_rng(1), 6, 0.07
    x, t = rng.random((4, batch, 9, 11, 2)).astype(dtype), rng.integers(0, 4, (4, batch))
    network.fit(x[0], t[0], epochs=1, verbose=False)  # updates are counted on from here
    exported = network.export(
        tmp_path, batch_size=batch, optimizer=optimizer, loss="softmax_cross_entropy", seed=2**35 + 7
    )
    step = network.training_step("softmax_cross_entropy", optimizer, batch, seed=2**35 + 7)
    losses = []
    for number, (images, labels) in enumerate(zip(x, t, strict=True), 1):
        step.run(images, labels, learning_rate=rate / number)
        losses.append(step.loss)
    ours = [
        network.predict(x[-1]),
        *network.parameters.values(),
        *network.state.values(),
        *step.optimizer_state.values(),
    ]
    for threads, flags in ((1, ()), (3, THREADS)):
        found, told = trained(built(exported, HERE / "trains.c", *flags), x, t, rate, threads)
        assert np.array_equal(found, np.concatenate([array.ravel() for array in ours]))
        assert told[:-1] == losses


@pytest.mark.skipif(sys.platform != "linux", reason="counts calls of malloc as GNU's linker lets it")
def test_nothing_is_taken_from_the_heap_after_the_start(tmp_path: Path) -> None:
    network, rng = lenet(), np.random.default_rng(1)
    x, t = rng.random((3, 32, 28, 28, 1), np.float32), rng.integers(0, 10, (3, 32))
    exported = network.export(tmp_path, batch_size=32, optimizer="sgd", loss="softmax_cross_entropy")
    program = built(exported, HERE / "trains.c", "-DCOUNTED", "-Wl,--wrap=malloc")
    assert trained(program, x, t, 0.1, 1)[1][-1] == 0


def test_pixels_are_prepared_as_for_the_training(tmp_path: Path) -> None:
    network = Network(AvgPool2D(2), Flatten(), Dense(3), input_shape=(4, 6, 2))
    network.initialize(seed=0)
    network.preparation = Preparation(mean=(0.3, 0.55), deviation=(0.21, 0.37))
    pixels = np.arange(256, dtype=np.uint8).repeat(2).reshape(-1, 2)
    (tmp_path / "prepares.c").write_text(
        '#include <stdio.h>\n#include "net.h"\nstatic uint8_t pixels[512];\nstatic float input[512];\n'
        "int main(void) {\n    size_t count = fread(pixels, 1, 512, stdin);\n    net_prepare(pixels, count, input);\n"
        "    return fwrite(input, 4, count, stdout) != 512;\n}\n"
    )
    program = built(network.export(tmp_path), tmp_path / "prepares.c")
    done = subprocess.run([program], input=pixels.tobytes(), capture_output=True, check=True)
    expected = network.preparation.apply(pixels.astype(np.float32) / 255)
    assert np.array_equal(np.frombuffer(done.stdout, np.float32).reshape(-1, 2), expected)


MACHINES = {"arm-64": 183, "x86-64-v2": 62, "arm-32-noos": 40}
"""As ELF counts them, in the 19th byte of a file."""


@pytest.mark.parametrize("target", MACHINES)
def test_other_processors(tmp_path: Path, target: str) -> None:
    exported = lenet().export(tmp_path, target=target)
    kernels = [exported.folder / file for file in exported.files if file.startswith("kernels/")]
    assert len(kernels) == exported.kernels > 5
    assert {kernel.read_bytes()[18] for kernel in kernels} == {MACHINES[target]}
    assert exported.code_bytes == sum(kernel.stat().st_size for kernel in kernels)


CROSS = {
    "arm-64": ("aarch64-linux-gnu-gcc", "-static", "qemu-aarch64"),
    "arm-32-noos": (
        "arm-none-eabi-gcc",
        "--specs=rdimon.specs -mfloat-abi=hard -mfpu=neon-vfpv4 -mcpu=cortex-a7",
        "qemu-arm",
    ),
}


@pytest.mark.parametrize("target", CROSS)
def test_another_processor_computes_the_same_but_for_rounding(tmp_path: Path, target: str) -> None:
    compiler, flags, emulator = CROSS[target]
    if not (shutil.which(compiler) and shutil.which(emulator)):
        pytest.skip(f"there is no {compiler} with {emulator}")
    network, x = lenet(), np.random.default_rng(0).random((5, 28, 28, 1), np.float32)
    exported = network.export(tmp_path, batch_size=2, target=target)
    sources = [str(path) for path in (*tmp_path.glob("*.c"), *tmp_path.glob("kernels/*.o"))]
    subprocess.run(
        [compiler, *flags.split(), "-std=c11", "-O2", *sources, "-lm", "-o", tmp_path / "run"],
        check=True,
        capture_output=True,
    )
    done = subprocess.run([emulator, tmp_path / "run"], input=x.tobytes(), capture_output=True, check=True)
    found = np.array([line.split() for line in done.stdout.decode().splitlines()], np.float32)
    assert exported.target == target.replace("64", "64-linux")
    # Sums of at most 400 terms in another order: each result is off by rounding, relative to the sum of magnitudes.
    assert np.allclose(found, network.predict(x), rtol=0, atol=400 * 2.0**-24 * np.abs(network.predict(x)).max())


def test_cmake_builds_the_library_and_the_example(tmp_path: Path) -> None:
    if not shutil.which("cmake"):
        pytest.skip("there is no CMake")
    network, x = lenet(), np.random.default_rng(0).random((2, 28, 28, 1), np.float32)
    network.export(tmp_path, name="digits")
    for command in (["cmake", "-B", "build"], ["cmake", "--build", "build"]):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "build/libdigits.a").exists()
    assert np.array_equal(results(tmp_path / "build/digits_example", x), network.predict(x))


def test_an_export_replaces_the_kernels_of_the_last_one(tmp_path: Path) -> None:
    mixed().export(tmp_path)
    (tmp_path / "mine.txt").write_text("stays")
    exported = lenet().export(tmp_path)
    assert {path.name for path in (tmp_path / "kernels").iterdir()} == {
        os.path.basename(file) for file in exported.files if file.startswith("kernels/")
    }
    assert (tmp_path / "mine.txt").exists()


def two_heads() -> Network:
    image = Input((3,))
    network = Network(inputs=image, outputs={"a": Dense(2)(image), "b": Dense(4)(image)})
    network.initialize(seed=0)
    return network


def hidden() -> Network:
    """What can't be handed to another process."""
    network = lenet()
    network.preparation = Preparation(class_names=(Hidden("zero"),))
    return network


class Hidden(str):
    """A text that can't be pickled."""

    def __reduce__(self) -> NoReturn:
        raise TypeError("this one stays here")


REFUSED: list[tuple[Callable[[], Network], dict[str, object], type[Exception], str]] = [
    (lenet, {"name": "2net"}, ArgumentError, "name is '2net', which is no name in C. Write letters, digits and _"),
    (lenet, {"weights": "apart"}, ArgumentError, 'weights is \'apart\'. Write "inside" or "beside".'),
    (lenet, {"target": "arm-46"}, ArgumentError, "There is no target 'arm-46'. Available: arm-32-noos, arm-64, "),
    (lenet, {"target": "z80"}, ArgumentError, "Halide's words are taken, too, such as arm-64-android."),
    (lambda: Network(Dense(3), input_shape=(2,)), {}, ArgumentError, "The network has no weights yet. Train it"),
    (two_heads, {}, ModelError, "This needs a network of one input and one output, but `a` and `b` are the outputs"),
    (hidden, {"target": "arm-64"}, EngineError, "can't be handed to the process that compiles for arm-64-linux"),
]


@pytest.mark.parametrize(("make", "options", "kind", "message"), REFUSED, ids=[text[3][:30] for text in REFUSED])
def test_what_cant_be_exported(
    tmp_path: Path, make: Callable[[], Network], options: dict[str, object], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        export(make(), tmp_path / "made", **options)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert not (tmp_path / "made").exists()


def test_what_the_other_process_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convgrad.export import targets

    monkeypatch.setattr(targets, "JOB", "missing")
    with pytest.raises(EngineError, match=r"The network can't be exported for arm-64-linux: .*job\.pickle"):
        lenet().export(tmp_path / "made", target="arm-64")
