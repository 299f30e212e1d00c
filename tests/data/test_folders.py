"""Images by class in folders and zip archives."""

import io
import os
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convgrad.data.folders import load_images
from convgrad.data.idx import read_idx
from convgrad.data.layout import find_layout, natural
from convgrad.data.npz import load_npz
from convgrad.errors import DataError

Writer = Callable[[Path, dict[str, bytes]], Path]


def png(value: int | tuple[int, ...], mode: str = "L", rows: int = 3, columns: int = 5) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (columns, rows), value).save(file, "PNG")
    return file.getvalue()


def write_folder(place: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = place / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir()
        else:
            path.write_bytes(content)
    return place / "pets"


def write_zip(place: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(place / "pets.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return place / "pets.zip"


both = pytest.mark.parametrize("write", [write_folder, write_zip])


@both
@pytest.mark.parametrize("top", ["", "pets/", "data/pets/"])
def test_parts_classes_and_order(tmp_path: Path, write: Writer, top: str) -> None:
    files = {
        "train/class 10/b.png": png(10),
        "train/class 9/x10.png": png(20),
        "train/class 9/x9.png": png(30),
        "train/class 9/.hidden.png": b"",
        "train/.cache/x.png": b"",
        "test/class 10/b.PNG": png(40),
        "README.txt": b"not an image",
    }
    dataset = load_images(write(tmp_path, {top + name: content for name, content in files.items()}))
    assert dataset.name == "pets"
    assert dataset.class_names == ("class 9", "class 10")
    assert dataset.image_shape == (3, 5, 1)
    np.testing.assert_array_equal(dataset.train_images[:, 2, 4, 0] * 255, [30, 20, 10])
    np.testing.assert_array_equal(dataset.train_labels, [0, 0, 1])
    assert dataset.test_images is not None
    assert dataset.test_images.max() == np.float32(40) / np.float32(255)
    np.testing.assert_array_equal(dataset.test_labels, [1])


@both
@pytest.mark.parametrize("top", ["", "./", "around/"])
def test_classes_alone(tmp_path: Path, write: Writer, top: str) -> None:
    dataset = load_images(write(tmp_path, {top + "train/a.png": png(1), top + "car/b.png": png(2)}))
    assert dataset.class_names == ("car", "train")  # here a train is what runs on rails
    assert dataset.test_images is None


@both
def test_gray_among_colours_and_other_modes(tmp_path: Path, write: Writer) -> None:
    gray_alpha = png((7, 255), "LA")
    path = write(tmp_path, {"a/1.png": png(9), "a/2.png": gray_alpha, "b/3.png": png(1, "1")})
    np.testing.assert_array_equal(load_images(path).train_images[:, 0, 0] * 255, [[9], [7], [255]])
    path = write(tmp_path, {"a/1.png": png(9), "a/2.png": png((1, 2, 3, 4), "RGBA"), "b/3.png": png(0, "P")})
    np.testing.assert_array_equal(load_images(path).train_images[:2, 0, 0] * 255, [[9, 9, 9], [1, 2, 3]])


def test_rows_and_columns_are_not_mixed_up(tmp_path: Path) -> None:
    pixels = np.arange(3 * 5, dtype=np.uint8).reshape(3, 5)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    path = write_zip(tmp_path, {"a/1.png": file.getvalue(), "b/1.png": file.getvalue()})
    np.testing.assert_array_equal(load_images(path).train_images[0, :, :, 0], pixels / np.float32(255))
    assert load_images(path, image_size=(7, 2)).image_shape == (7, 2, 1)


@both
def test_resizing_and_progress(tmp_path: Path, write: Writer) -> None:
    files = {f"{name}/{number}.png": png(number) for name in "ab" for number in range(200)}
    files["b/1.png"] = png(1, rows=11, columns=2)
    path = write(tmp_path, files)
    with pytest.raises(
        DataError, match=r"b/1.png has 11 rows and 2 columns, but the first image has 3 and 5. .*\(3, 5\)"
    ):
        load_images(path)
    seen: list[tuple[int, int]] = []
    dataset = load_images(path, image_size=(100, 70), progress=lambda done, total: seen.append((done, total)))
    assert dataset.image_shape == (100, 70, 1)
    np.testing.assert_array_equal(dataset.train_images[:, 50, 30, 0] * 255, [*range(200), *range(200)])
    assert seen == [(256, 400), (400, 400)]
    with pytest.raises(DataError, match=r"image_size must be a pair of whole numbers .*, not \(0, 5\)"):
        load_images(path, image_size=(0, 5))


A, B = png(1), png(2)
WIDE = io.BytesIO()
Image.fromarray(np.full((3, 5), 100_000, np.int32)).save(WIDE, "TIFF")


@both
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"README.txt": b""}, r"holds no images. Expected: train/CLASS/image and test/CLASS/image, or CLASS/image"),
        ({"1.png": A, "2.png": B}, r"the place of 1.png names no class"),
        ({"train/1.png": A, "test/2.png": B}, r"the place of train/1.png names no class"),
        ({"a/x/1.png": A, "b/1.png": B}, r"the place of a/x/1.png lies too deep"),
        ({"a/1.png": A, "b/1.png": B, "c/": b""}, r"the class folder c holds no images"),
        ({"train/a/1.png": A, "train/b/": b"", "test/a/1.png": B}, r"the class folder train/b holds no images"),
        ({"train/a/1.png": A, "test/b/1.png": B}, r"test has the class 'b', but train does not. .* are a\."),
        ({"a/1.png": A, "a/2.png": B}, r"1 class\(es\) \(a\)"),
        ({"test/a/1.png": A, "test/b/1.png": B, "c/1.png": A}, r"has a folder test, but none called train"),
        ({"train/a/1.png": A, "val/a/1.png": B, "test/a/1.png": B}, r"has the folders test and val for one part"),
        ({"train/a/1.png": A, "extra/a/1.png": B}, r"has a folder extra beside train"),
        (
            {"a/1.png": A, "b/1.png": b"no image"},
            r"b/1.png can't be read as an image: its content is not a known image format",
        ),
        ({"a/1.png": A, "b/1.png": B[:-30]}, r"b/1.png can't be read as an image: "),
        ({"a/1.png": A[:40], "b/1.png": B}, r"a/1.png can't be read as an image: "),
        (
            {"a/1.png": A, "b/1.png": WIDE.getvalue()},
            r"b/1.png has signed whole numbers of 32 bits, whose range is unknown",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, write: Writer, files: dict[str, bytes], message: str) -> None:
    path = write(tmp_path, files)
    with pytest.raises(DataError, match=message) as caught:
        load_images(path)
    assert "pets" in str(caught.value)


@pytest.mark.parametrize("name", ["../b/1.png", "/b/1.png", "a/../../b/1.png", "..\\b\\1.png", "C:/b/1.png"])
def test_members_that_lead_out_of_an_archive_are_refused(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path, {"a/1.png": A, name: B})
    with pytest.raises(DataError, match=r"whose path leads out of the archive"):
        load_images(path)
    assert os.listdir(tmp_path) == ["pets.zip"]


def test_paths_written_by_windows_are_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path, {"train\\a\\1.png": A, "train\\b\\1.png": B})
    assert load_images(path).class_names == ("a", "b")


def test_links_are_followed_but_not_for_ever(tmp_path: Path) -> None:
    path = write_folder(tmp_path, {"a/1.png": A})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(B)
    (path / "b").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (path / "b" / "round").symlink_to(path / "b", target_is_directory=True)
    (path / "a" / "up").symlink_to(path, target_is_directory=True)
    assert load_images(path).class_names == ("a", "b")


def test_a_folder_that_can_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator may read everything, so that only a stand-in for the system refuses everywhere."""
    path = write_folder(tmp_path, {"a/1.png": A, "b/1.png": B, "c/1.png": B})
    scandir = os.scandir

    def refusing(place: str) -> object:
        if str(place).endswith("c"):
            raise PermissionError(13, "Permission denied")
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataError, match=r"pets can't be read: Permission denied"):
        load_images(path)


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path, {"a/1.png": A, "b/1.png": B})
    content = path.read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[:-30])
    with pytest.raises(DataError, match=r"cut.zip is not a zip archive, or it is damaged"):
        load_images(tmp_path / "cut.zip")
    position = content.index(A) + len(A) - 15
    (tmp_path / "bit.zip").write_bytes(content[:position] + b"?" + content[position + 1 :])
    with pytest.raises(DataError, match=r"bit.zip: a/1.png can't be unpacked \(Bad CRC-32"):
        load_images(tmp_path / "bit.zip")
    place = content.rindex(b"PK\x01\x02") + 6  # the version that is needed to unpack
    (tmp_path / "new.zip").write_bytes(content[:place] + b"\xf4" + content[place + 1 :])
    with pytest.raises(DataError, match=r"new.zip is not a zip archive, or it is damaged \(zip file version 24.4"):
        load_images(tmp_path / "new.zip")
    with pytest.raises(DataError, match=r"nothing.zip can't be read: No such file"):
        load_images(tmp_path / "nothing.zip")


def test_files_too_large_for_an_image_are_not_read(tmp_path: Path) -> None:
    path = write_folder(tmp_path, {"a/1.png": A, "b/1.png": B})
    os.truncate(path / "b" / "1.png", 1 << 29)  # sparse: takes no disk
    with pytest.raises(DataError, match=r"1.png has 536,870,912 bytes, more than an image"):
        load_images(path)
    content = write_zip(tmp_path, {"a/1.png": A, "b/1.png": B}).read_bytes()
    place = content.rindex(b"PK\x01\x02") + 24  # the unpacked size of the last member, in the archive's directory
    (tmp_path / "pets.zip").write_bytes(content[:place] + b"\xff\xff\xff\x7f" + content[place + 4 :])
    with pytest.raises(DataError, match=r"b/1.png unpacks to 2,147,483,647 bytes"):
        load_images(tmp_path / "pets.zip")


def test_an_image_that_announces_too_many_pixels_is_refused(tmp_path: Path) -> None:
    bomb = bytearray(png(1))
    bomb[16:24] = (20_000).to_bytes(4, "big") * 2  # 400 million pixels; Pillow's limit is 179 million
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    path = write_zip(tmp_path, {"a/1.png": A, "b/1.png": bytes(bomb)})
    with pytest.raises(
        DataError, match=r"b/1.png can't be read as an image: Image size \(400000000 pixels\) exceeds limit"
    ):
        load_images(path)


def test_a_folder_around_is_looked_through_only_while_classes_are_left() -> None:
    layout = find_layout(["x/y/train/a/1.png", "x/y/train/b/1.png"], ["x", "x/y/empty"], "here")
    assert layout.class_names == ("a", "b")
    assert layout.test == ()


def test_numbers_in_names_may_be_of_any_length() -> None:
    names = ["a10", "a9", "a" + "1" * 6000, "a009", "b", "a" + "1" * 5999 + "2", "a0"]
    expected = ["a0", "a009", "a9", "a10", "a" + "1" * 6000, "a" + "1" * 5999 + "2", "b"]
    assert sorted(names, key=natural) == expected


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system's folders")
@pytest.mark.parametrize("name", ["a.zip", "a.npz", "train-images-idx3-ubyte"])
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    readers = {"a.zip": load_images, "a.npz": load_npz}
    with pytest.raises(DataError, match=rf"{re.escape(name)} can't be read: it is not a regular file"):
        readers.get(name, read_idx)(tmp_path / name)
