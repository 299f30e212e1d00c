"""Sources of examples: what each gives by its positions, what is told beforehand, and what is refused."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convgrad.data import Augment, Batches, Data
from convgrad.data.ahead import read_ahead
from convgrad.data.labels import numbered
from convgrad.data.mapped import MappedRows, is_mapped
from convgrad.errors import DataError

COUNT, SHAPE = 23, (5, 7, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, *SHAPE), np.uint8)
LABELS = np.arange(COUNT) % 3
NAMES = ["dog", "cat 10", "cat 9"]


class ByExample:
    """As people write their own data sets."""

    def __init__(self, images: Any = IMAGES, labels: Any = LABELS):
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, n: int) -> tuple[Any, Any]:
        return self.images[n], self.labels[n]


class ByBatch(ByExample):
    """Batches of 4, the last one of 3; how often each was asked for is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def __len__(self) -> int:
        return -(-COUNT // 4)

    def __getitem__(self, n: int) -> tuple[Any, Any]:
        self.asked.append(n)
        return self.images[4 * n : 4 * n + 4], self.labels[4 * n : 4 * n + 4]


def memory_map(folder: Path, mode: Any = "r") -> np.ndarray:
    np.save(folder / "x.npy", IMAGES)
    return np.load(folder / "x.npy", mmap_mode=mode)  # type: ignore[no-any-return]


def sources(folder: Path) -> dict[str, Data]:
    return {
        "arrays": Data(IMAGES, LABELS),
        "memory map": Data(memory_map(folder), LABELS),
        "part of a memory map": Data(np.asarray(memory_map(folder))[3:], LABELS[3:]),
        "examples": Data.items(ByExample()),
        "batches": Data.items(ByBatch(), batched=True),
    }


@pytest.mark.parametrize("kind", ["arrays", "memory map", "part of a memory map", "examples", "batches"])
def test_a_position_means_the_same_example_each_time(kind: str, tmp_path: Path) -> None:
    data = sources(tmp_path)[kind]
    images, labels = (IMAGES[3:], LABELS[3:]) if "part" in kind else (IMAGES, LABELS)
    assert len(data) == len(images)
    assert data.example_shape == SHAPE
    assert data.held == (kind == "arrays")
    for positions in ([19, 2, 2, 11, 0], [7], range(len(images))):
        x, y = data.take(positions)
        np.testing.assert_array_equal(x, images[positions])
        assert y is not None
        np.testing.assert_array_equal(y, labels[positions])
        assert type(x) is np.ndarray


def test_batches_are_read_once_an_epoch() -> None:
    source = ByBatch()
    data = Data.items(source, batched=True)
    source.asked.clear()
    list(Batches(data, None, 5, seed=3).epoch(0))
    assert sorted(set(source.asked)) == list(range(6))
    assert len(source.asked) <= 6 + 1  # the last batch of the epoch is filled up with rows of its first one
    order = Batches(data, None, 5, seed=3).order(0)
    assert sorted(order) == list(range(COUNT))
    assert (order[:4] // 4 == order[0] // 4).all()
    assert order.tolist() != sorted(order)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(threads: int) -> None:
    augment = Augment(shift=1)
    floats = (IMAGES / 255).astype(np.float32)
    expected = list(Batches(floats, LABELS, 4, seed=5, augment=augment).epoch(2))
    data = Data.items(ByExample(floats), threads=threads)
    found = list(Batches(data, None, 4, seed=5, augment=augment).epoch(2))
    for own, other in zip(found, expected, strict=True):
        assert all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(own, other, strict=True))


def test_what_is_read_ahead_comes_in_order_and_errors_in_their_place() -> None:
    def read(number: int) -> int:
        if number == 3:
            raise DataError("the third")
        return number

    results = read_ahead(range(9), read, threads=4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match="the third"):
        next(results)


def test_a_stream_is_what_the_generator_yields() -> None:
    def make() -> Iterator[Any]:
        for n in range(0, COUNT, 4):
            yield IMAGES[n : n + 4], LABELS[n : n + 4]

    data = Data.stream(make, 15, batched=True)
    assert (len(data), data.ordered, data.example_shape) == (15, False, SHAPE)
    x, y = data.take(range(20))  # the example that was looked at for its shape comes all the same
    np.testing.assert_array_equal(x, IMAGES[:20])
    assert y is not None
    np.testing.assert_array_equal(y, LABELS[:20])
    np.testing.assert_array_equal(data.take(range(5))[0], IMAGES[[20, 21, 22, 0, 1]])  # the generator, made again
    batches = list(Batches(Data.stream(make, 15, batched=True), None, 4, shuffle=True).epoch(0))
    np.testing.assert_array_equal(np.concatenate([b.images[: b.real_count] for b in batches]), IMAGES[:15])
    assert [batch.real_count for batch in batches] == [4, 4, 4, 3]
    assert batches[3].images.shape == (4, *SHAPE)
    np.testing.assert_array_equal(batches[3].weights, [1, 1, 1, 0])


def test_names_are_numbered_in_natural_order() -> None:
    data = Data(IMAGES, [NAMES[n] for n in LABELS])
    assert data.class_names == ("cat 9", "cat 10", "dog")
    np.testing.assert_array_equal(data.targets(), np.array([2, 1, 0])[LABELS])
    assert repr(data) == "Data: 23 examples of 5x7x3, classes cat 9, cat 10, dog"
    given = Data(IMAGES, np.array([NAMES[n] for n in LABELS]), class_names=NAMES)
    np.testing.assert_array_equal(given.targets(), LABELS)
    items = Data.items(ByExample(labels=[NAMES[n] for n in LABELS]), class_names=NAMES)
    np.testing.assert_array_equal(items.take([4, 2])[1], LABELS[[4, 2]])
    other = data.with_classes(("dog", "fish", "cat 9", "cat 10"), "test data")
    np.testing.assert_array_equal(other.targets(), np.array([0, 3, 2])[LABELS])
    np.testing.assert_array_equal(other.take([1])[1], [3])


def test_several_names_become_rows_of_yes_and_no() -> None:
    tags = [["b"], [], {"a", "c"}] * 7 + [["a"], ["c", "b"]]
    data = Data(IMAGES, tags)
    assert data.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(data.take([0, 1, 2, 22])[1], [[0, 1, 0], [0, 0, 0], [1, 0, 1], [0, 1, 1]])
    other = data.with_classes(("c", "b", "a", "d"), "test data")
    np.testing.assert_array_equal(other.take([2, 22])[1], [[1, 0, 1, 0], [1, 1, 0, 0]])


def test_numbers_of_any_kind_stay_as_they_are() -> None:
    for targets in (np.linspace(0, 1, COUNT), IMAGES, np.ones((COUNT, 4)), LABELS.tolist()):
        found = Data(IMAGES, targets).take([3, 1])[1]
        assert found is not None
        np.testing.assert_array_equal(found, np.asarray(targets)[[3, 1]])


def test_targets_to_split_are_read_where_nobody_knows_them() -> None:
    np.testing.assert_array_equal(Data.items(ByExample()).targets_to_split(), LABELS)
    np.testing.assert_array_equal(Data.items(ByBatch(), batched=True).targets_to_split(), LABELS)
    assert Data.items(ByExample(labels=IMAGES)).targets_to_split() is None  # images say nothing of classes


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<f4", ">f8"])
def test_rows_of_maps_are_those_of_their_arrays(order: Any, dtype: str, tmp_path: Path) -> None:
    """Whatever part of a file they are, in whatever order and type."""
    array = np.random.default_rng(0).integers(0, 99, (COUNT, *SHAPE)).astype(dtype)
    np.save(tmp_path / "x.npy", np.asarray(array, order=order))
    whole = np.load(tmp_path / "x.npy", mmap_mode="r")
    raw = np.memmap(tmp_path / "raw", dtype, "w+", offset=4099, shape=array.shape)
    raw[...] = array
    for mapped in (whole, raw):
        parts = (slice(None), slice(3, None, 2), slice(None, None, -1), (slice(None), slice(1, 4)))
        for part in (mapped[part] for part in parts):
            np.testing.assert_array_equal(MappedRows(part)[np.array([5, 0, 9, 5])], part[[5, 0, 9, 5]])
            assert is_mapped(np.asarray(part))
    assert not is_mapped(np.array(whole))


def test_a_map_whose_file_has_changed(tmp_path: Path) -> None:
    changed = memory_map(tmp_path, "c")
    changed[2] = 7  # in memory alone
    assert (Data(changed, LABELS).take([2])[0] == 7).all()
    mapped = memory_map(tmp_path)
    data = Data(mapped, LABELS)
    (tmp_path / "x.npy").rename(tmp_path / "y.npy")
    np.testing.assert_array_equal(Data(mapped, LABELS).take([4])[0], IMAGES[[4]])  # there is no file of that name
    np.save(tmp_path / "x.npy", IMAGES[::-1])
    np.testing.assert_array_equal(Data(mapped, LABELS).take([4])[0], IMAGES[[4]])  # there is, and it is another one
    os.truncate(tmp_path / "y.npy", 500)
    with pytest.raises(DataError, match=r"A memory map's file is cut off: row 9 is not there any more"):
        data.take([9])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Data(IMAGES[:0], []), r"Data: x is empty \(shape \(0, 5, 7, 3\)\)"),
        (lambda: Data(IMAGES, LABELS[1:]), r"Data: x has 23 examples, but y 22 targets. Each example needs one"),
        (lambda: Data(IMAGES, 3), r"Data: x has 23 examples, but y one number"),
        (lambda: Data("nothing"), r"Data: x must be an array of real numbers"),
        (lambda: Data(IMAGES, ["a", 2] + ["b"] * 21), r"Data: y must be an array of real numbers"),
        (
            lambda: Data(IMAGES, [NAMES[n] for n in LABELS], class_names=["dogs", "cat 9", "cat 10"]),
            r"example 0 is called 'dog', which is none of the 3 classes. Did you mean 'dogs'",
        ),
        (
            lambda: Data.items(ByExample(labels=["dog"] * COUNT)).take([3]),
            r"targets are names \('dog'\), and nothing says which number each has. .* class_names=\('cat', 'dog'\)",
        ),
        (
            lambda: Data.items(ByExample(labels=["cat"] * 9 + ["dog"] * 14), class_names=["cat", "fox"]).take([2, 11]),
            r"example 11 is called 'dog', which is none of the 2 classes",
        ),
        (lambda: Data.items([]), r"the source is empty. There must be at least one example"),
        (lambda: Data.items(3), r"source must be an object with a length and items, not 3"),
        (lambda: Data.items([3]).take([0]), r"source\[0\] gives 3, but must give a pair \(x, y\)"),
        (
            lambda: Data.items([(IMAGES[0], 1), (IMAGES[1, 1:], 0)]).take([0, 1]),
            r"source\[1\] gives x of shape \(4, 7, 3\), but others of shape \(5, 7, 3\)",
        ),
        (
            lambda: Data.items([(IMAGES[:4], LABELS[:3])], batched=True),
            r"source\[0\] gives x of shape \(4, 5, 7, 3\) and 3 targets: a batch has as many of both",
        ),
        (
            lambda: Data.items([(IMAGES[:n], LABELS[:n]) for n in (4, 3, 4)], batched=True).take([5]),
            r"source\[1\] gives 3 examples, but source\[0\] 4: all batches have as many, but for the last one",
        ),
        (
            lambda: Data.stream([1], 5),  # type: ignore[arg-type]
            r"make must be a function that returns an iterator.*write Data.items",
        ),
        (lambda: Data.stream(lambda: iter([]), 5).take([0]), r"the generator gives no example at all"),
        (lambda: Data.stream(lambda: iter([4]), 5).take([0]), r"the generator gives 4, but must give a pair"),
        (
            lambda: Data.stream(iter([(IMAGES[0], 1)] * 3), 5).take(range(5)),
            r"the generator ended after 3 examples, and there is no other one. Give a function",
        ),
        (
            lambda: Data.stream(lambda: iter([(IMAGES[:4], LABELS[:3])]), 5, batched=True).take([0]),
            r"the generator gives 4 inputs and 3 targets",
        ),
        (
            lambda: Data(IMAGES, [NAMES[n] for n in LABELS]).with_classes(("dog", "fish"), "test data"),
            r"test data: there is a class 'cat 9', which the network does not know. Its classes are dog, fish",
        ),
        (lambda: numbered([["a"], ["b"]], ("a",), "here"), r"here: example 1 is called 'b', which is none of the 1"),
    ],
)
def test_sources_that_can_not_be(make: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make()


def picture(value: Any, rows: int = 6, columns: int = 5, form: str = "PNG", orientation: int = 1) -> bytes:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    array = value if isinstance(value, np.ndarray) else np.full((rows, columns), value, np.uint8)
    Image.fromarray(array).save(file, form, exif=exif)
    return file.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


THREE_PARTS = {
    f"{part}/{name}/{n}.png": picture(10 * k + n)
    for part, count in (("train", 11), ("val", 3), ("test", 2))
    for k, name in enumerate(["cat 9", "cat 10"])
    for n in range(count)
}


def test_a_folder_has_parts_and_natural_order(tmp_path: Path) -> None:
    write(tmp_path, THREE_PARTS)
    for name, count in (("train", 11), ("val", 3), ("test", 2)):
        data = Data.folder(tmp_path, name, threads=3)
        assert data.class_names == ("cat 9", "cat 10")
        x, y = data.take(range(len(data)))
        assert x.shape == (2 * count, 6, 5, 1)
        assert x.dtype == np.uint8
        np.testing.assert_array_equal(y, np.repeat([0, 1], count))
        np.testing.assert_array_equal(x[:, 3, 2, 0], [10 * k + n for k in range(2) for n in range(count)])
    np.testing.assert_array_equal(Data.folder(tmp_path / "val").take([4])[0][0, 1, 1], [11])
    turned = Data.folder(tmp_path / "val", class_names=["cat 10", "cat 9"])
    np.testing.assert_array_equal(turned.targets(), [1, 1, 1, 0, 0, 0])


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_pictures_stand_upright_and_their_sizes_are_told_so(form: str, orientation: int, tmp_path: Path) -> None:
    """A picture that was stored on its side has rows and columns of the others."""
    turns = {1: 0, 3: 2, 6: 1}[orientation]
    upright = np.zeros((16, 24), np.uint8)
    upright[:8, :8] = 255
    stored = np.ascontiguousarray(np.rot90(upright, turns))
    write(tmp_path, {"a/1.png": picture(upright), f"b/1.{form.lower()}": picture(stored, 0, 0, form, orientation)})
    x, _ = Data.folder(tmp_path).take([0, 1])
    assert x.shape == (2, 16, 24, 1 if form != "WEBP" else 3)
    assert np.abs(x[1, :, :, 0].astype(int) - upright).max() <= (0 if form in ("PNG", "TIFF") else 80)
    assert (x[1, :6, :6] > 200).all()
    assert (x[1, 10:, 10:] < 50).all()


def test_sizes_are_brought_to_one_where_that_is_said(tmp_path: Path) -> None:
    write(tmp_path, {"a/1.png": picture(3), "b/1.png": picture(9, 4, 8)})
    with pytest.raises(DataError, match=r"b/1.png has 4 rows and 8 columns, but the first image has 6 and 5. .*resize"):
        Data.folder(tmp_path)
    x, _ = Data.folder(tmp_path, image_size=(3, 2)).take([0, 1])
    np.testing.assert_array_equal(x, np.array([3, 9]).reshape(2, 1, 1, 1) * np.ones((2, 3, 2, 1)))
    blind = Data.folder(tmp_path, image_size=(3, 2), channels=3)  # whose files nobody has looked at
    assert blind.take([1])[0].shape == (1, 3, 2, 3)


def test_one_coloured_picture_makes_all_have_three_channels(tmp_path: Path) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8)
    write(tmp_path, {**THREE_PARTS, "test/cat 9/9.png": picture(colour)})
    x, _ = Data.folder(tmp_path, "val").take([1])  # the network has one number of channels for all parts
    np.testing.assert_array_equal(x, np.full((1, 6, 5, 3), 1))
    np.testing.assert_array_equal(Data.folder(tmp_path, "test").take([2])[0][0], colour)
    assert Data.folder(tmp_path, "test", channels=1).example_shape == (6, 5, 1)


def test_more_than_8_bits_become_floats(tmp_path: Path) -> None:
    deep = np.arange(30, dtype=np.uint16).reshape(6, 5) * 2000
    write(tmp_path, {"a/1.png": picture(51), "b/1.png": picture(deep)})
    x, _ = Data.folder(tmp_path).take([0, 1])
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x[0], np.full((6, 5, 1), np.float32(0.2)))
    np.testing.assert_array_equal(x[1, :, :, 0], deep.astype(np.float32) / np.float32(65535))


def test_targets_of_a_folder_are_a_table_a_function_or_pictures(tmp_path: Path) -> None:
    photos, masks = tmp_path / "photos", tmp_path / "masks"
    write(photos, {"10.png": picture(1), "9.png": picture(2), "deep/1.png": picture(3)})
    write(masks, {"10.bmp": picture(51, form="BMP"), "9.png": picture(255), "deep/1.png": picture(0)})
    table = {"9.png": ["x", "y"], "10.png": ["y"], "deep/1.png": []}
    x, y = Data.folder(photos, targets=table).take([0, 1, 2])
    np.testing.assert_array_equal(x[:, 0, 0, 0], [2, 1, 3])
    np.testing.assert_array_equal(y, [[1, 1], [0, 1], [0, 0]])
    prices = Data.folder(photos, targets=lambda name: len(name) / 2)
    np.testing.assert_array_equal(prices.targets(), [2.5, 3, 5])
    _, pictures = Data.folder(photos, targets=masks).take([0, 1, 2])
    assert pictures is not None
    np.testing.assert_array_equal(pictures[:, 5, 4], np.array([[1], [0.2], [0]], np.float32))
    (masks / "9.png").unlink()
    with pytest.raises(DataError, match=r"masks has no image for 9.png of .*photos"):
        Data.folder(photos, targets=masks)
    with pytest.raises(DataError, match=r"targets has no entry for '9.png'"):
        Data.folder(photos, targets={"10.png": 1})
    with pytest.raises(DataError, match=r"targets must be a folder of images, a table .* or a function, not 3"):
        Data.folder(photos, targets=3)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"targets: .*nowhere is not a folder"):
        Data.folder(photos, targets=tmp_path / "nowhere")
    (photos / "deep/1.png").unlink()
    with pytest.raises(DataError, match=r"deep holds no images: no names that end in .jpg"):
        Data.folder(photos / "deep", targets=masks)


def test_folders_that_can_not_be(tmp_path: Path) -> None:
    write(tmp_path, THREE_PARTS)
    with pytest.raises(DataError, match=r"has parts. Say which one is meant: part='train' and part='val' and part='t"):
        Data.folder(tmp_path)
    with pytest.raises(DataError, match=r"part must be 'train' or 'val' or 'test' or None, not 'tests'"):
        Data.folder(tmp_path, "tests")
    with pytest.raises(DataError, match=r"has no part 'val'. Its folders are classes: leave part out"):
        Data.folder(tmp_path / "test", "val")
    with pytest.raises(DataError, match=r"is not a folder. Name one with images; load_data reads archives"):
        Data.folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"has no folder 'val'"):
        Data.folder(tmp_path / "train", "val", targets=len)
    for path in sorted((tmp_path / "val").rglob("*.png")):
        path.unlink()
    for path in [*(tmp_path / "val").iterdir(), tmp_path / "val"]:
        path.rmdir()
    with pytest.raises(DataError, match=r"has no part 'val'. It has train and test"):
        Data.folder(tmp_path, "val")
    write(tmp_path, {"test/cat 9/7.png": b"no image"})
    with pytest.raises(DataError, match=r"7.png can't be read as an image: its content is not a known image format"):
        Data.folder(tmp_path, "test")
    whole = picture(np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8))
    write(tmp_path, {"test/cat 9/7.png": whole[: len(whole) // 2]})
    cut = Data.folder(tmp_path, "test")
    with pytest.raises(DataError, match=r"7.png can't be read as an image"):
        cut.take([2])
