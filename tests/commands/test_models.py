"""Named models and TOML model files, and the errors that such files can have."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from convgrad.errors import DataError, ModelError
from convgrad.models import NAMED, build, load_model, read_model
from convgrad.models.toml_file import toml_content

CHAIN = """
[model]
name = "mine"
loss = "half_squared_error"
optimizer = "adam"
learning_rate = 0.003

[[layer]]
type = "Conv2D"
filters = 2
kernel_size = [3, 2]
bias = "none"

[[layer]]
type = "ReLU"

[[layer]]
type = "Flatten"

[[layer]]
type = "Dense"
name = "last"
units = "classes"
"""

GRAPH = """
[[layer]]
type = "Conv2D"
name = "left"
filters = 3
kernel_size = 3
padding = "same"
inputs = ["input"]

[[layer]]
type = "Conv2D"
name = "right"
filters = 3
kernel_size = 1
inputs = ["input"]

[[layer]]
type = "Add"
inputs = ["left", "right"]

[[layer]]
type = "Flatten"

[[layer]]
type = "Dense"
units = 4
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "model.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", NAMED)
def test_named_models_can_be_built_and_say_what_they_are(name: str) -> None:
    model = load_model(name, None, 7)
    images = {"unet": (64, 64, 7), "autoencoder": (28, 28, 1)}  # the others name one class an example
    assert model.network.output_shape == images.get(name, (7,))
    assert model.network.input_shape == NAMED[name].input_shape
    assert len(NAMED[name].about) <= 66


@pytest.mark.parametrize("shape", [(8, 8, 1), (16, 16, 1), (28, 28, 1), (32, 32, 3), (11, 9, 3)])
@pytest.mark.parametrize("name", ["lenet", "lenet5"])
def test_lenets_fit_small_and_large_images(name: str, shape: tuple[int, int, int]) -> None:
    assert build(name, shape, 5).output_shape == (5,)


def test_parameter_counts_are_those_of_the_papers() -> None:
    assert build("lenet", (28, 28, 1), 10).parameter_count == 431_080  # Caffe's LeNet
    assert build("lenet5", (28, 28, 1), 10).parameter_count == 61_706
    assert build("example", (5, 5, 1), 2).parameter_count == 15
    assert build("resnet18", (32, 32, 3), 10).parameter_count == 11_173_962
    # He et al. have 0.27 million; theirs has nothing to train where the size changes, ours 2,752 there.
    assert build("resnet20", (32, 32, 3), 10).parameter_count == 269_722 + 2_752
    # Two blocks less of each width: two convolutions, each with two numbers a channel for the normalization.
    less = sum(2 * 2 * (9 * width**2 + 2 * width) for width in (16, 32, 64))
    assert build("resnet8", (32, 32, 3), 10).parameter_count == 269_722 + 2_752 - less
    assert build("resnet34", (32, 32, 3), 10).parameter_count == 21_282_122  # as PyTorch's with a stem of 3x3
    assert build("mobilenet-v2", (224, 224, 3), 1000).parameter_count == 3_504_872  # torchvision's
    # torchvision's features have a bias for each of 4,224 channels, which batch normalization makes needless.
    hidden = 512 * 512 + 512 + 512 * 10 + 10
    assert build("vgg16", (32, 32, 3), 10).parameter_count == 14_714_688 - 4_224 + 2 * 4_224 + hidden
    # Wang et al.: kernels of 8, 5 and 3 places, and two numbers a channel for the normalization.
    kernels = 8 * 128 + 5 * 128 * 256 + 3 * 256 * 128
    assert build("signal", (128, 1), 3).parameter_count == kernels + 2 * 512 + 128 * 3 + 3


@pytest.mark.parametrize("name", ["unet", "autoencoder"])
def test_halvings_need_sizes_that_can_be_halved(name: str) -> None:
    with pytest.raises(ModelError, match=rf"{name} halves an image . times .* multiples of [48], not \(30, 32, 1\)"):
        build(name, (30, 32, 1), 2)


def test_images_as_results_are_learned() -> None:
    """A few steps of each make its own loss smaller: where an image is bright, and the image itself."""
    rng = np.random.default_rng(5)
    x = rng.uniform(size=(24, 8, 16, 1))
    for name, y in (("unet", (x[..., 0] > 0.5).astype(int)), ("autoencoder", x)):
        model = load_model(name, (8, 16, 1), 2)
        assert model.learning_rate is not None
        history = model.network.fit(
            x, y, epochs=4, batch_size=8, loss=model.loss, optimizer=model.optimizer, learning_rate=0.01, verbose=False
        )
        assert history["loss"][-1] < history["loss"][0], name


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ModelError, match=r"There is no model 'lenett'.* Did you mean 'lenet"):
        load_model("lenett", (28, 28, 1), 10)
    with pytest.raises(ModelError, match=r"There is no model 'nothing'\. Available: autoencoder, cifar-small"):
        build("nothing", (28, 28, 1), 10)


def test_a_chain_from_a_file(tmp_path: Path) -> None:
    model = load_model(written(tmp_path, CHAIN), (7, 5, 1), 3)
    assert (model.name, model.loss, model.optimizer, model.learning_rate) == (
        "mine",
        "half_squared_error",
        "adam",
        0.003,
    )
    assert model.network.output_shape == (3,)
    assert [layer.name for layer in model.network.layers][-1] == "last"
    assert "conv1.b" not in model.network.parameters


def test_a_graph_from_a_file_computes_what_it_says(tmp_path: Path) -> None:
    network = read_model(written(tmp_path, GRAPH), (5, 7, 2), 4).network
    network.initialize(3)
    assert [placed.sources for placed in network.layers][:3] == [("input",), ("input",), ("left", "right")]
    x = np.random.default_rng(1).random((2, 5, 7, 2), dtype=np.float32)
    weights = network.get_weights()
    together = network.predict(x, engine="oracle")
    weights["right.w"][...] = 0
    network.set_weights(weights)
    assert np.abs(network.predict(x, engine="oracle") - together).max() > 1e-3


def test_a_layer_that_nothing_reads_is_a_mistake(tmp_path: Path) -> None:
    text = GRAPH.replace('["left", "right"]', '["left", "left"]')
    with pytest.raises(ModelError, match=r"layer 2 \(Conv2D\) is neither read by another layer nor the last one"):
        read_model(written(tmp_path, text), (5, 7, 2), 4)


def test_a_layer_of_one_s_own(tmp_path: Path) -> None:
    own = '[[layer]]\ntype = "Equation"\ntext = "x[i,j,c] = a[c] * o[i,j,c] + b[c]"'
    path = written(tmp_path, CHAIN.replace("[[layer]]", f"{own}\n\n[[layer]]", 1))
    network = read_model(path, (5, 7, 2), 4).network
    assert {name: array.shape for name, array in network.parameters.items() if name.startswith("eq")} == {
        "equation1.a": (2,),
        "equation1.b": (2,),
    }


def test_a_layer_of_one_s_own_with_two_inputs_and_with_a_mistake(tmp_path: Path) -> None:
    own = 'type = "Equation"\ntensors = ["u", "v"]\ntext = "x[i,j,c] = u[i,j,c] * v[i,j,c]"\ninputs = ["left", "right"]'
    text = GRAPH.replace('type = "Add"\ninputs = ["left", "right"]', own)
    assert read_model(written(tmp_path, text), (5, 7, 2), 4).network.output_shape == (4,)
    with pytest.raises(ModelError, match=r"(?s)layer 3 \(Equation\): .*\^"):
        read_model(written(tmp_path, text.replace("* v[i,j,c]", "* v[i,j,c")), (5, 7, 2), 4)
    with pytest.raises(ModelError, match=r"layer 3 \(Equation\) needs a value for 'text'"):
        read_model(written(tmp_path, text.replace('text = "x[i,j,c] = u[i,j,c] * v[i,j,c]"', "")), (5, 7, 2), 4)


def test_the_name_of_a_model_is_the_file_s_by_default(tmp_path: Path) -> None:
    assert read_model(written(tmp_path, GRAPH), (5, 7, 2), 4).name == "model"


def test_the_file_may_say_which_images_it_is_for(tmp_path: Path) -> None:
    text = CHAIN.replace("[model]", "[model]\ninput_shape = [7, 5, 1]")
    assert read_model(written(tmp_path, text), None, 3).network.input_shape == (7, 5, 1)
    with pytest.raises(ModelError, match=r"is for images of \(7, 5, 1\), but these have \(9, 9, 1\)"):
        read_model(written(tmp_path, text), (9, 9, 1), 3)
    with pytest.raises(ModelError, match="does not say what images it is for"):
        read_model(written(tmp_path, CHAIN), None, 3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[model]", "[model", r"model\.toml is not a TOML file: .*line 2"),
        ("[model]", "[modle]", r"model\.toml: there is no table 'modle' in a model file. Did you mean 'model'\?"),
        ("[model]", "model = 3\n[[more]]", "there is no table 'more'"),
        ("optimizer =", "optimiser =", r"\[model\] has no key 'optimiser'. Did you mean 'optimizer'\?"),
        ("0.003", "-1", "learning_rate is -1, but must be a number above 0"),
        ('"adam"', "3", "optimizer is 3, but must be a name in quotes"),
        ("[model]", "[model]\ninput_shape = 3", r"input_shape is 3, but must be a list of sizes"),
        ('"Conv2D"', '"Conv2d"', r"toml: layer 1 has type 'Conv2d', which is not a layer. Did you mean 'Conv2D'\?"),
        ('type = "ReLU"', "", "layer 2 has no key `type`"),
        ("filters = 2", "filter = 2", r"layer 1 \(Conv2D\) has no key 'filter'. Did you mean 'filters'\?"),
        ("filters = 2", "", r"layer 1 \(Conv2D\) needs a value for 'filters'"),
        ("filters = 2", "filters = -2", r"model\.toml: layer 1 \(Conv2D\): "),
        ("filters = 2", 'filters = "two"', r"model\.toml: layer 1 \(Conv2D\): "),
        ("[3, 2]", "[30, 2]", r"model\.toml: layer 1 \(Conv2D\): .*the kernel is larger than the image"),
        ("filters = 2", 'filters = 2\nstrides = "two"', r"model\.toml: layer 1 \(Conv2D\): "),
        ("filters = 2", "filters = 2\nstrides = {a = 1}", r"model\.toml: layer 1 \(Conv2D\): "),
        ('units = "classes"', 'units = 3\ninputs = ["frist"]', r"layer 4 .*: inputs has 'frist', which is not an"),
        ('units = "classes"', 'units = 3\ninputs = "last"', r"layer 4 \(Dense\): inputs must be a list of names"),
        ('name = "last"', 'name = "input"', r"layer 4 \(Dense\): the name 'input' is taken"),
        ("[[layer]]", "[[model.layer]]", r"\[model\] has no key 'layer'"),
    ],
)  # fmt: skip
def test_errors_name_file_layer_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_model(written(tmp_path, CHAIN.replace(old, new)), (7, 5, 1), 3)


def test_files_without_layers_and_no_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no layers. Begin each with a line `\[\[layer\]\]`"):
        read_model(written(tmp_path, "[model]"), (7, 5, 1), 3)
    with pytest.raises(ModelError, match="has no layers"):
        read_model(written(tmp_path, "[layer]\ntype = 'ReLU'"), (7, 5, 1), 3)
    with pytest.raises(ModelError, match=r"`model` is a table"):
        read_model(written(tmp_path, "model = 3"), (7, 5, 1), 3)
    with pytest.raises(ModelError, match=r"The model file .*none\.toml can't be read: No such file"):
        load_model(tmp_path / "none.toml", (7, 5, 1), 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system's folders")
def test_a_model_file_is_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.toml")
    with pytest.raises(DataError, match=r"net\.toml can't be read: it is not a regular file"):
        toml_content(tmp_path / "net.toml")
