"""Known datasets in a folder of the user's, CIFAR-10's published forms, and the one door `load`."""

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convgrad.data
from convgrad.data import NAMES, load, load_cifar10, load_idx_folder, load_named, write_idx
from convgrad.data.idx_folder import FILE_NAMES
from convgrad.errors import DataError


def write_mnist(folder: Path, ending: str = "", names: tuple[str, ...] = FILE_NAMES) -> Path:
    """A small set in MNIST's files: image n is full of n, its label n % 3."""
    folder.mkdir(parents=True, exist_ok=True)
    for start, count in ((0, 7), (2, 5)):
        images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 2, 3))
        write_idx(folder / f"{names[start]}{ending}", images)
        write_idx(folder / f"{names[start + 1]}{ending}", (np.arange(count) % 3).astype(np.uint8))
    return folder


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("place", ["mnist", "MNIST/raw", "."])
def test_mnist_is_found_in_a_folder(tmp_path: Path, place: str, ending: str) -> None:
    write_mnist(tmp_path / place, ending)
    mnist = load("MNIST", data_dir=tmp_path)
    assert mnist.name == "mnist"
    assert mnist.class_names == tuple("0123456789")
    assert mnist.train_images.shape == (7, 2, 3, 1)
    np.testing.assert_array_equal(mnist.train_labels, [0, 1, 2, 0, 1, 2, 0])
    assert mnist.test_images is not None
    np.testing.assert_array_equal(mnist.test_images[:, 1, 2, 0] * 255, [0, 1, 2, 3, 4])


def test_fashion_goes_before_the_folder_itself(tmp_path: Path) -> None:
    write_mnist(tmp_path / "fashion-mnist")
    (tmp_path / FILE_NAMES[0]).write_bytes(b"something else")
    fashion = load("fashion_mnist", data_dir=str(tmp_path))
    assert fashion.class_names[9] == "Ankle boot"


def test_the_digits_need_no_folder() -> None:
    assert load("digits", image_size=(28, 28)).class_count == 10
    assert NAMES == ("digits", "mnist", "fashion-mnist", "cifar10")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_a_folder_without_the_files_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"does not hold {name}: looked in it and in its folders .* omit --data-dir"):
        load_named(name, data_dir=tmp_path)
    with pytest.raises(DataError, match=r"data_dir .*nothing is not a folder. Pass the folder that holds"):
        load_named(name, data_dir=tmp_path / "nothing")


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(
        DataError, match=r"no dataset 'imagenet'. Known datasets are digits, mnist, fashion-mnist, cifar10"
    ):
        load_named("imagenet")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / FILE_NAMES[3]).unlink()
    with pytest.raises(
        DataError, match=r"does not hold t10k-labels-idx1-ubyte \(with or without .gz\). Put the 4 files"
    ):
        load("mnist", data_dir=tmp_path)
    (tmp_path / FILE_NAMES[2]).unlink()
    with pytest.raises(DataError, match=r"does not hold t10k-images-idx3-ubyte or t10k-labels-idx1-ubyte"):
        load("mnist", data_dir=tmp_path)
    assert load_idx_folder(tmp_path).test_images is None  # of an unnamed set the test part may be missing


def test_a_folder_of_idx_files_without_a_name(tmp_path: Path) -> None:
    dotted = tuple(name.replace("-idx", ".idx") for name in FILE_NAMES)
    dataset = load(write_mnist(tmp_path / "letters", names=dotted))
    assert dataset.name == "letters"
    assert dataset.class_names == ("0", "1", "2")


# --- CIFAR-10 ---

CIFAR_IMAGES = np.random.default_rng(0).integers(0, 256, (6, 4, 32, 32, 3), np.uint8)  # 6 files with 4 images each
CIFAR_LABELS = np.random.default_rng(1).integers(0, 10, (6, 4))


def planes(number: int) -> np.ndarray:
    return np.asarray(CIFAR_IMAGES[number].transpose(0, 3, 1, 2).reshape(4, 3072))


def binary_file(number: int) -> bytes:
    return np.concatenate([CIFAR_LABELS[number][:, None].astype(np.uint8), planes(number)], axis=1).tobytes()


class Python2Pickler(pickle._Pickler):
    """Writes strings as Python 2 did, which made the published files."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_string(self, value: bytes | str) -> None:
        content = value.encode("latin-1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(content)) + content)  # type: ignore[attr-defined]
        self.memoize(value)  # type: ignore[attr-defined]

    dispatch[bytes] = dispatch[str] = save_string  # type: ignore[assignment]


def python_file(number: int, **changes: Any) -> bytes:
    batch = {"batch_label": "part", "labels": CIFAR_LABELS[number].tolist(), "data": planes(number)} | changes
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(batch)
    return file.getvalue()


def write_files(folder: Path, make: Callable[[int], bytes], ending: str) -> Path:
    folder.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        (folder / f"{name}{ending}").write_bytes(make(number))
    (folder / "readme.html").write_bytes(b"")
    return folder


def pack(folder: Path, archive: Path) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as file:
        file.add(folder, folder.name)
    return archive


FORMS = [(binary_file, ".bin", "bin", "binary"), (python_file, "", "py", "python")]


@pytest.mark.parametrize(("make", "ending", "short", "long"), FORMS)
@pytest.mark.parametrize("place", ["cifar10", "."])
def test_cifar10_is_found_in_each_published_form(
    tmp_path: Path, make: Callable[[int], bytes], ending: str, short: str, long: str, place: str
) -> None:
    folder = write_files(tmp_path / place / f"cifar-10-batches-{short}", make, ending)
    archive = pack(folder, tmp_path / "packed" / f"cifar-10-{long}.tar.gz")
    for data_dir in (tmp_path, tmp_path / "packed", folder):
        cifar = load("cifar10", data_dir=data_dir)
        np.testing.assert_array_equal(
            cifar.train_images, CIFAR_IMAGES[:5].reshape(20, 32, 32, 3).astype(np.float32) / np.float32(255)
        )
        np.testing.assert_array_equal(cifar.train_labels, CIFAR_LABELS[:5].ravel())
        assert cifar.test_images is not None
        np.testing.assert_array_equal(cifar.test_images, CIFAR_IMAGES[5].astype(np.float32) / np.float32(255))
        assert cifar.class_names[6] == "frog"
    assert load_cifar10(archive).name == "cifar10"


def test_cifar10_as_an_archive_of_images(tmp_path: Path) -> None:
    """Class names come from the folders then; pixels that went through PNG are the same."""
    (tmp_path / "cifar10").mkdir()
    with zipfile.ZipFile(tmp_path / "cifar10" / "cifar10-images.zip", "w") as archive:
        for number, (part, name) in enumerate([("train", "cat"), ("train", "bird"), ("test", "cat")]):
            file = io.BytesIO()
            Image.fromarray(CIFAR_IMAGES[0, number]).save(file, "PNG")
            archive.writestr(f"{part}/{name}/0.png", file.getvalue())
    expected = CIFAR_IMAGES[0, [1, 0]].astype(np.float32) / np.float32(255)
    for cifar in (load("cifar10", data_dir=tmp_path), load(tmp_path / "cifar10" / "cifar10-images.zip")):
        assert cifar.class_names == ("bird", "cat")
        np.testing.assert_array_equal(cifar.train_images, expected)
    assert load("cifar10", data_dir=tmp_path).name == "cifar10"


def test_a_pickle_that_would_run_code_runs_none(tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    class Attack:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(trace),)

    content = python_file(0, labels=Attack())
    folder = write_files(tmp_path / "cifar-10-batches-py", lambda number: content, "")
    with pytest.raises(DataError, match=r"data_batch_1 is not as published \(it names (posix|nt).mkdir"):
        load_cifar10(folder)
    assert not trace.exists()
    pickle._loads(content, encoding="bytes")  # type: ignore[attr-defined]
    assert trace.exists()  # so the attack was a real one


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (python_file(0, data=planes(0)[:, :3000]), r"data_batch_1 has pixels of shape \(4, 3000\) and 4 labels"),
        (python_file(0, labels=[1, 2]), r"has pixels of shape \(4, 3072\) and 2 labels, not \(N, 3072\) and N"),
        (python_file(0, data=np.asfortranarray(planes(0))), r"not as published \(its pixels are in Fortran's order"),
        (python_file(0, data=[1]), r"data_batch_1 is not as published .* needs no pickle"),
        (python_file(0)[:-100], r"data_batch_1 is not as published"),
        (b"", r"data_batch_1 is not as published"),
    ],
)
def test_wrong_python_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    folder = write_files(tmp_path / "cifar", lambda number: content, "")
    with pytest.raises(DataError, match=message):
        load_cifar10(folder)


def test_wrong_binary_files_are_refused(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "cifar", binary_file, ".bin")
    (folder / "data_batch_3.bin").write_bytes(binary_file(2)[:-1])
    with pytest.raises(DataError, match=r"data_batch_3.bin has 12,291 bytes, not a multiple of 3,073: it is cut short"):
        load_cifar10(folder)
    (folder / "data_batch_3.bin").write_bytes(b"\x0a" + binary_file(2)[1:])
    with pytest.raises(DataError, match=r"cifar10: train_labels: labels out of range: index 8 has label 10"):
        load_cifar10(folder)
    (folder / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"does not hold data_batch_3.bin. Get the binary version"):
        load_cifar10(folder)
    os.truncate(folder / "data_batch_1.bin", (1 << 26) + 1)
    with pytest.raises(
        DataError, match=r"cifar/data_batch_1.bin has 67,108,865 bytes, more than any of CIFAR-10's files"
    ):
        load_cifar10(pack(folder, tmp_path / "cifar.tar.gz"))


def test_wrong_archives_are_refused(tmp_path: Path) -> None:
    archive = pack(write_files(tmp_path / "cifar", binary_file, ".bin"), tmp_path / "cifar-10-binary.tar.gz")
    content = archive.read_bytes()
    for wrong in (b"", b"no archive", content[: len(content) // 2]):
        archive.write_bytes(wrong)
        with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz is not a tar archive, or it is damaged"):
            load("cifar10", data_dir=tmp_path)
    with pytest.raises(DataError, match=r"nothing.tar.gz can't be read: No such file"):
        load_cifar10(tmp_path / "nothing.tar.gz")


# --- load ---


def test_load_tells_what_it_accepts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"file or folder 'fashion-mnits'. Did you mean fashion-mnist.* Accepted: a "):
        load("fashion-mnits")
    with pytest.raises(DataError, match=r"file or folder '.*nothing.zip'. Accepted: a known dataset \(digits, mnist"):
        load(tmp_path / "nothing.zip")
    (tmp_path / "data.csv").write_bytes(b"1,2")
    with pytest.raises(DataError, match=r"data.csv is a file of an unknown kind. Accepted:"):
        load(tmp_path / "data.csv")
    with pytest.raises(DataError, match=r"holds no images"):
        load(tmp_path)


def test_load_finds_npz_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 5, 7), np.uint8), y=np.array([0, 1, 1]))
    assert load(tmp_path / "a.npz").name == load(tmp_path).name == "a"
    with pytest.raises(DataError, match=r"a has images of 5 rows and 7 columns; image_size=\(7, 5\) resizes only"):
        load(tmp_path, image_size=(7, 5))
    np.savez(tmp_path / "b.npz", x=np.zeros((3, 5, 7), np.uint8), y=np.array([0, 1, 1]))
    with pytest.raises(DataError, match=r"holds 2 .npz files. Name the one to load, such as .*a.npz"):
        load(tmp_path)


def test_a_path_is_never_taken_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_mnist(tmp_path / "digits")
    assert len(load("digits").train_images) == 6000
    assert len(load(Path("digits")).train_images) == len(load("./digits").train_images) == 7


def test_the_front_door_is_complete() -> None:
    assert convgrad.data.__all__ == sorted(convgrad.data.__all__, key=lambda name: (not name.isupper(), name))
    assert all(hasattr(convgrad.data, name) for name in convgrad.data.__all__)
