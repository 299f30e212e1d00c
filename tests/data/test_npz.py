"""Datasets in .npz archives."""

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convgrad.data.npz import load_npz
from convgrad.errors import DataError

IMAGES = np.arange(5 * 3 * 7, dtype=np.uint8).reshape(5, 3, 7)
LABELS = np.array([0, 1, 2, 1, 0])


def save(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "toy.npz", **arrays)
    return folder / "toy.npz"


def test_the_layout_of_keras(tmp_path: Path) -> None:
    path = save(tmp_path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:2], y_test=LABELS[:2].astype(np.uint8))
    dataset = load_npz(path)
    assert dataset.name == "toy"
    np.testing.assert_array_equal(dataset.train_images, IMAGES[..., None].astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(dataset.train_labels, LABELS)
    assert dataset.test_images is not None
    assert dataset.test_images.shape == (2, 3, 7, 1)
    assert dataset.class_names == ("0", "1", "2")


@pytest.mark.parametrize("names", [("images", "labels"), ("X", "y"), ("x", "y"), ("train_images", "train_labels")])
@pytest.mark.parametrize("packed", [np.savez, np.savez_compressed])
def test_other_names(tmp_path: Path, names: tuple[str, str], packed: Any) -> None:
    images = np.random.default_rng(0).normal(size=(5, 2, 3, 7))
    packed(tmp_path / "toy.npz", **{names[0]: images, names[1]: LABELS[:, None], "class_names": ["a", "b", "c"]})
    dataset = load_npz(tmp_path / "toy.npz")
    np.testing.assert_array_equal(dataset.train_images, images.astype(np.float32))
    np.testing.assert_array_equal(dataset.train_labels, LABELS)
    assert dataset.test_images is None
    assert dataset.class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": IMAGES, "b": LABELS}, "has the arrays a, b, but .* x_train and y_train; train_images and train_labels"),
        ({}, "has the arrays none"),
        ({"x": IMAGES, "y": LABELS, "x_test": IMAGES}, "has no array y_test, but x_test and y_test go together"),
        ({"x": IMAGES, "y": LABELS, "class_names": [1, 2, 3]}, r"class_names is int64 with shape \(3,\), not a list"),
        ({"x": IMAGES, "y": np.array([0, 1, 2, 1, "a"], object)}, "y holds Python objects, which are not loaded"),
        ({"x": IMAGES * np.nan, "y": LABELS}, "toy: train_images: image 0 has the value nan"),
        ({"x": IMAGES.reshape(5, 21), "y": LABELS}, r"toy.npz: x has shape \(5, 21\)"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_npz(save(tmp_path, **arrays))


def member(shape: tuple[int, ...], content: bytes, version: int = 1) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    header = bytearray(file.getvalue())
    header[6] = version
    return bytes(header) + content


def save_members(folder: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(folder / "toy.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return folder / "toy.npz"


def test_a_header_that_lies_takes_no_memory(tmp_path: Path) -> None:
    path = save_members(tmp_path, x=member((10**6, 1000, 1000), bytes(1000)), y=member((10**6,), bytes(1000)))
    tracemalloc.start()
    try:
        with pytest.raises(
            DataError, match=r"x is cut short: its header declares uint8 .* 1,000,000,000,000 bytes, but"
        ):
            load_npz(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_the_long_form_of_a_header_is_read(tmp_path: Path) -> None:
    members = {}
    for name, array in (("x", IMAGES), ("y", LABELS)):
        file = io.BytesIO()
        np.lib.format.write_array(file, array, version=(2, 0))
        members[name] = file.getvalue()
    np.testing.assert_array_equal(load_npz(save_members(tmp_path, **members)).train_labels, LABELS)


def test_wrong_headers_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x has no valid array header .*magic string"):
        load_npz(save_members(tmp_path, x=b"what is this?", y=b""))
    with pytest.raises(DataError, match=r"version \(3, 0\) of the format is not for numbers"):
        load_npz(save_members(tmp_path, x=member((3,), b"abc", 3), y=b""))
    with pytest.raises(DataError, match=r"x can't be read"):
        load_npz(save_members(tmp_path, x=member((10**30, 0), b""), y=member((5,), bytes(5))))
    with pytest.raises(DataError, match=r"x can't be read"):
        load_npz(save_members(tmp_path, x=member((-3, -5, 7), bytes(105)), y=member((5,), bytes(5))))
    (tmp_path / "toy.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"toy.npz is not an .npz archive, or it is damaged"):
        load_npz(tmp_path / "toy.npz")
    with pytest.raises(DataError, match=r"nothing.npz can't be read: No such file"):
        load_npz(tmp_path / "nothing.npz")
    path = save(tmp_path, x=IMAGES, y=LABELS)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag "encrypted" in the archive's directory
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"is damaged, or compressed in an unknown way .*encrypted"):
        load_npz(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=3))
def test_changed_bytes_give_a_dataset_or_a_data_error(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    path = save(tmp_path, x=IMAGES, y=LABELS)
    content = bytearray(path.read_bytes())
    for position, change in changes:
        content[position % len(content)] ^= change
    path.write_bytes(content)
    try:
        dataset = load_npz(path)
    except DataError:
        return
    np.testing.assert_array_equal(dataset.train_images[..., 0] * 255, IMAGES)


@pytest.mark.parametrize("text", ["(" * 9000, "{'descr': " + "[" * 300, "{" * 90, "9" * 6000, "lambda: 0", ""])
def test_headers_that_are_no_dictionary(tmp_path: Path, text: str) -> None:
    header = text.encode() + b"\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, content)
    with pytest.raises(DataError, match=r"a\.npz: x has no valid array header"):
        load_npz(tmp_path / "a.npz")
