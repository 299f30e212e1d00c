"""The command line: what it prints, what it writes, what it refuses, and its exit codes."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from command_runs import TINY, convgrad
from convgrad.commands import terminal
from convgrad.commands.terminal import counting

KEYS = {
    "dataset",
    "train_images",
    "test_images",
    "epochs",
    "test_accuracy",
    "seconds",
    "compile_seconds",
    "images_per_second",
    "parameters",
    "run_dir",
}


def process(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command as users do."""
    command = [sys.executable, "-m", "convgrad.commands.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of 7 x 5 gray images in two classes: bright left or bright right."""
    rng = np.random.default_rng(2)
    for part, count in (("train", 24), ("test", 8)):
        for name in ("left", "right"):
            folder = tmp_path / "pictures" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 60, (7, 5), dtype=np.uint8)
                pixels[:, : 2 if name == "left" else None][:, 0 if name == "left" else 3 :] += 150
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "pictures"


def training(images: Path, model: Path, out: Path, *more: Any) -> list[Any]:
    options = ["--model", model, "--out", out, "--engine", "oracle", "--epochs", 4, "--batch-size", 8, "--lr", 0.1]
    return ["train", images, *options, *more]


def test_training_prints_what_it_does_and_writes_a_run_folder(images: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = convgrad(*training(images, model, out, "--validation-split", 0.25))
    assert "pictures: 48 training images of 7x5x1, 16 test images, 2 classes" in result.stdout
    assert "val accuracy" in result.stdout
    assert "test accuracy 100.00%" in result.stdout
    assert "\x1b" not in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines() if str(tmp_path) not in line)
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        "config.json",
        "confusion.png",
        "curves.png",
        "metrics.json",
        "report.html",
        "results.csv",
        "run.toml",
        "weights.safetensors",
        "weights/best.safetensors",
        "weights/last.safetensors",
    ]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["train_images"] == 36
    assert len(metrics["history"]["val_loss"]) == 4


def test_json_is_one_object_on_standard_output(images: Path, model: Path, tmp_path: Path) -> None:
    result = convgrad(*training(images, model, tmp_path / "run", "--json"))
    report = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert report.keys() >= KEYS
    assert report["test_accuracy"] == 1.0
    assert (report["train_images"], report["test_images"], report["epochs"]) == (48, 16, 4)
    assert report["parameters"] == 3 * 3 * 2 + 2 + 5 * 3 * 2 * 2 + 2
    assert "images/s" in result.stderr


def test_quiet_prints_the_result_only(images: Path, model: Path, tmp_path: Path) -> None:
    result = convgrad(*training(images, model, tmp_path / "run", "--quiet"))
    assert len(result.stdout.splitlines()) == 3
    assert convgrad(*training(images, model, tmp_path / "other", "--quiet", "--json")).stderr == ""


@pytest.mark.filterwarnings("always")
def test_warnings_are_one_line_on_standard_error(
    images: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine for which there is no compiled engine."""
    monkeypatch.setattr("convgrad.compute.halide.available", lambda: (False, "there is none."))
    result = convgrad(*training(images, model, tmp_path / "run", "--json", "--quiet", "--engine", "auto"))
    assert json.loads(result.stdout)["epochs"] == 4
    lines = result.stderr.splitlines()
    assert all(line.startswith("Warning: There is no compiled engine for") for line in lines)
    assert lines


def test_the_run_folder_is_named_after_dataset_model_and_time(
    images: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [a for a in training(images, model, Path("x"), "--json") if a not in ("--out", Path("x"))]
    report = json.loads(convgrad(*arguments).stdout)
    assert re.fullmatch(r"runs/pictures-tiny-\d{8}-\d{6}", report["run_dir"])
    assert Path(report["run_dir"], "config.json").exists()


def test_a_dataset_without_test_part_has_a_share_of_each_class_held_out(
    images: Path, model: Path, tmp_path: Path
) -> None:
    report = json.loads(convgrad(*training(images / "train", model, tmp_path / "run", "--json")).stdout)
    assert (report["train_images"], report["test_images"]) == (38, 10)


def test_images_are_resized(images: Path, model: Path, tmp_path: Path) -> None:
    convgrad(*training(images, model, tmp_path / "run", "--image-size", "8x6", "--augment", "--quiet"))
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["dataset"]["image_shape"] == [8, 6, 1]
    assert config["training"]["augment"] is True


def test_prediction_of_images(images: Path, model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    convgrad(*training(images, model, run, "--quiet"))
    files = [images / "test" / name / "3.png" for name in ("left", "right")]
    lines = convgrad("predict", run, *files, "--engine", "oracle").stdout.splitlines()
    assert [line.split()[-2] for line in lines] == ["left", "right"]
    predictions = json.loads(convgrad("predict", run, *files, "--json", "--engine", "oracle").stdout)["predictions"]
    assert [p["class"] for p in predictions] == ["left", "right"]
    assert all(0.5 < p["probability"] <= 1 for p in predictions)
    assert predictions[0]["image"] == str(files[0])


def test_prediction_refuses_what_is_no_run_and_no_image(images: Path, model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert "Can't read" in convgrad("predict", run, images / "test" / "left" / "3.png", code=2).stderr
    convgrad(*training(images, model, run, "--quiet"))
    (tmp_path / "text.png").write_text("no image")
    result = convgrad("predict", run, tmp_path / "text.png", code=2)
    assert "text.png can't be read as an image" in result.stderr
    assert "none.png can't be read as an image: No such file" in convgrad("predict", run, "none.png", code=2).stderr
    config = json.loads((run / "config.json").read_text())
    config["data"]["class_names"] = ["one", "two", "three"]
    (run / "config.json").write_text(json.dumps(config))
    picture = images / "test" / "left" / "3.png"
    assert "names 3 classes, but the network has 2 outputs" in convgrad("predict", run, picture, code=2).stderr


def test_run_folders_of_earlier_versions_are_read(images: Path, model: Path, tmp_path: Path) -> None:
    """They have no loss, past and data of their own, but what the command noted."""
    run = tmp_path / "run"
    model.write_text('[model]\nloss = "binary_cross_entropy"\n' + TINY)
    convgrad(*training(images, model, run, "--quiet"))
    picture = images / "test" / "left" / "3.png"
    now = convgrad("predict", run, picture, "--engine", "oracle").stdout
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k not in ("loss", "past", "data")}))
    assert convgrad("predict", run, picture, "--engine", "oracle").stdout == now
    assert now.split()[-2] == "left"


def test_what_was_done_to_the_data_is_done_to_images_as_well(images: Path, model: Path, tmp_path: Path) -> None:
    from convgrad.data import load_images
    from convgrad.models.saved import load

    run = tmp_path / "run"
    convgrad(*training(images, model, run, "--quiet", "--standardize"))
    data = json.loads((run / "config.json").read_text())["data"]
    loaded = load_images(images)
    assert data["mean"] == pytest.approx([loaded.train_images.mean()], rel=1e-5)
    assert data["deviation"] == pytest.approx([loaded.train_images.std()], rel=1e-5)
    assert data["class_names"] == ["left", "right"]
    network = load(run)
    assert loaded.test_images is not None
    pixels = (loaded.test_images[:1] - loaded.train_images.mean()) / loaded.train_images.std()
    powers = np.exp(network.predict(pixels, engine="oracle")[0])
    place = images / "test" / "left" / "0.png"
    found = json.loads(convgrad("predict", run, place, "--json", "--engine", "oracle").stdout)["predictions"][0]
    assert found["class"] == ["left", "right"][powers.argmax()]
    assert found["probability"] == pytest.approx(powers.max() / powers.sum(), abs=1e-4)


def test_images_are_not_given_to_a_network_of_numbers_of_another_range(tmp_path: Path, model: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 7, 5, 1)).astype(np.float32)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(20) % 2)
    convgrad(*training(tmp_path / "a.npz", model, tmp_path / "run", "--quiet"))
    Image.new("L", (5, 7)).save(tmp_path / "a.png")
    message = one_line(convgrad("predict", tmp_path / "run", tmp_path / "a.png", code=2))
    assert "was trained on numbers from -" in message
    assert "set network.preparation" in message


def test_a_single_output_says_no_or_yes(images: Path, model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    model.write_text('[model]\nloss = "binary_cross_entropy"\n' + TINY.replace('"classes"', "1"))
    result = convgrad(*training(images, model, run, "--quiet", "--lr", 0.5, "--epochs", 12))
    assert "test accuracy 100.00%" in result.stdout
    files = [images / "test" / name / "3.png" for name in ("left", "right")]
    lines = convgrad("predict", run, *files, "--engine", "oracle").stdout.splitlines()
    assert [line.split()[-2] for line in lines] == ["left", "right"]


def test_a_name_of_a_folder_that_is_too_long(images: Path, model: Path, tmp_path: Path) -> None:
    message = one_line(convgrad(*training(images, model, tmp_path / ("a" * 300)), code=2))
    assert "File name too long" in message


@pytest.mark.parametrize("size", ["9" * 5000, "32x" + "1" * 6, "٣", "3x4x5"])
def test_sizes_that_are_none(size: str) -> None:
    message = convgrad("train", "--image-size", size, code=2).stderr
    assert "is not a size" in message
    assert len(message) < 1000


def test_prediction_refuses_networks_of_other_things(tmp_path: Path) -> None:
    from convgrad.layers import Dense
    from convgrad.models.network import Network
    from convgrad.training import save

    network = Network(Dense(3), input_shape=(4,))
    network.initialize(0)
    save(network, tmp_path / "run")
    result = convgrad("predict", tmp_path / "run", "none.png", code=2)
    assert "the network takes (4,), which is not an image, or has no class names" in one_line(result)


def one_line(result: Any) -> str:
    """The message of a refusal, which is nothing but one line on standard error."""
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1
    return str(result.stderr)


def test_unknown_names_are_refused_with_the_nearest_one(images: Path, model: Path, tmp_path: Path) -> None:
    assert "Did you mean mnist" in one_line(convgrad("train", "mnits", code=2))
    assert "no model 'lenett'" in one_line(convgrad("train", "--model", "lenett", code=2))
    out = tmp_path / "run"
    assert "Did you mean 'adam'" in one_line(
        convgrad(*training(images, model, out, "--optimizer", "adm", "-q"), code=2)
    )
    assert "schedule 'cosin'" in one_line(convgrad(*training(images, model, out, "--schedule", "cosin", "-q"), code=2))
    assert "engine 'warp'" in one_line(convgrad(*training(images, model, out, "--engine", "warp", "-q"), code=2))
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_found_before_training(images: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = one_line(convgrad(*training(images, model, tmp_path / "file" / "run"), code=2))
    assert "DataError: Can't write to the folder" in message


def test_damaged_images_are_named(images: Path, model: Path, tmp_path: Path) -> None:
    (images / "train" / "left" / "5.png").write_bytes(b"\x89PNG broken")
    assert "train/left/5.png can't be read as an image" in one_line(
        convgrad(*training(images, model, tmp_path / "r"), code=2)
    )


def test_images_of_the_wrong_size_for_the_model(images: Path, model: Path, tmp_path: Path) -> None:
    model.write_text("[model]\ninput_shape = [9, 9, 1]\n" + TINY)
    message = one_line(convgrad(*training(images, model, tmp_path / "run"), code=2))
    assert "is for images of (9, 9, 1), but these have (7, 5, 1)" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "epochs"),
        (["--batch-size", "0"], "batch-size"),
        (["--validation-split", "1.5"], "validation-split"),
        (["--image-size", "big"], "is not a size"),
        (["--image-size", "0x3"], "is not a size"),
        (["--lr", "fast"], "lr"),
        (["--sped", "3"], "No such option"),
    ],
)
def test_options_that_cannot_be(options: list[str], message: str) -> None:
    assert message in convgrad("train", *options, code=2).stderr


@pytest.mark.parametrize("rate", ["-1", "0", "nan"])
def test_learning_rates_that_cannot_be(images: Path, model: Path, tmp_path: Path, rate: str) -> None:
    result = convgrad(*training(images, model, tmp_path / "run", "--quiet", "--lr", rate), code=2)
    assert "must be a number above 0" in one_line(result)


def test_divergence_is_one_line_and_keeps_good_weights(images: Path, model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = convgrad(*training(images, model, run, "--lr", "1e30", "--json", "--quiet"), code=2)
    assert "Diverged: Training diverged: the " in one_line(result)
    from convgrad.models.saved import load

    assert all(np.isfinite(array).all() for array in load(run).get_weights().values())
    assert json.loads((run / "metrics.json").read_text())["test_accuracy"] is None


def test_derive_prints_steps_and_result() -> None:
    equation = "x[i] = sum[m](w[m] * o[i+m])"
    result = convgrad("derive", equation, "--wrt", "w")
    assert "1. chain rule" in result.stdout
    assert result.stdout.rstrip().splitlines()[-1].strip() == "dw[m] = sum[i](dx[i] * o[i+m])"
    found = json.loads(convgrad("derive", equation, "--wrt", "w", "--json").stdout)
    assert found["result"] == "dw[m] = sum[i](dx[i] * o[i+m])"
    assert found["steps"][0].keys() == {"rule", "equation"}
    assert r"\sum_{i}" in convgrad("derive", equation, "--wrt", "w", "--latex").stdout
    page = ElementTree.fromstring(f"<body>{convgrad('derive', equation, '--wrt', 'w', '--mathml').stdout}</body>")
    assert len(page.findall("p")) == len(found["steps"])


def test_errors_in_equations_show_the_place() -> None:
    result = convgrad("derive", "x[i] = o[i*i]", "--wrt", "o", code=2)
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert any(line.strip() and set(line.strip()) == {"^"} for line in lines)
    assert "Traceback" not in result.stderr
    both = convgrad("derive", "x[i] = o[i]", "--wrt", "o", "--json", "--latex", code=2)
    assert "choose one of --latex, --mathml and --json" in both.stderr


def test_lists_of_datasets_and_models() -> None:
    assert all(name in convgrad("datasets").stdout for name in ("digits", "mnist", "fashion-mnist", "cifar10"))
    listed = convgrad("models").stdout
    assert all(name in listed for name in ("lenet", "cifar-small", "resnet18"))
    assert all(len(line) <= 80 for line in (listed + convgrad("datasets").stdout).splitlines())


def test_every_known_dataset_is_described() -> None:
    from convgrad.commands.catalogue import DATASETS
    from convgrad.data import NAMES

    assert set(DATASETS) == set(NAMES)


def test_summary_of_a_model(model: Path) -> None:
    text = convgrad("summary", "lenet").stdout
    assert "431,080" in text
    assert "429,076" in convgrad("summary", "lenet", "--classes", 6).stdout
    assert all(len(line) <= 80 for line in text.splitlines())
    for shape in ("7,a", "0,5,1", "", "7,", "9" * 5000):
        assert "is not a shape" in convgrad("summary", "lenet", "--input-shape", shape, code=2).stderr
    assert "does not say what images it is for" in one_line(convgrad("summary", model, code=2))


def test_version_and_help() -> None:
    assert re.fullmatch(r"convgrad \d+\.\d+\.\d+\S*\n", convgrad("--version").stdout)
    text = convgrad("train", "--help").stdout
    assert "--validation-split" in text
    assert "--lr" in text


def test_a_process_refuses_with_exit_code_2_and_one_line() -> None:
    result = process("train", "nowhere")
    assert result.returncode == 2
    assert "DataError: there is no dataset, file or folder 'nowhere'" in one_line(result)


def test_counting_shows_a_bar_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "PATIENCE", 0.0)  # else nothing that takes less than a second has one
    file = io.StringIO()
    with counting(Console(file=file, width=80), "loading") as count:
        assert count is None
    assert file.getvalue() == ""
    with counting(Console(file=file, width=80, force_terminal=True), "loading") as count:
        assert count is not None
        count(3, 4)
        time.sleep(0.3)
    assert "loading" in file.getvalue()
    assert "75%" in file.getvalue()


def test_starting_up_imports_nothing_heavy() -> None:
    code = (
        "import sys; import convgrad.commands.cli;"
        "print([m for m in ('halide', 'matplotlib', 'scipy', 'torch') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_writes_the_run_and_exits_with_130(images: Path, model: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = training(images, model, run, "--epochs", 100000)
    command = [sys.executable, "-u", "-m", "convgrad.commands.cli", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.lstrip().startswith("2/"):  # the table's second row: training is well under way
                break
        child.send_signal(signal.SIGINT)
        rest, errors = child.communicate(timeout=60)
    assert child.returncode == 130, errors
    assert "Interrupted. The weights so far are in" in rest
    assert "Traceback" not in errors
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["interrupted"] is True
    assert metrics["epochs"] >= 2
    assert (run / "weights.safetensors").exists()
