"""One way to read images: every kind of pixel, orientation, limits, formats; the same for training and prediction."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convgrad.commands.predict import read_image
from convgrad.data.budget import check_bytes, check_images
from convgrad.data.folders import load_images
from convgrad.data.pixels import MOST_PIXELS, read_file, read_pixels, unit_range
from convgrad.errors import DataError
from convgrad.system.memory import memory_limit

RAMP = np.arange(3 * 5).reshape(3, 5)
"""Pixels that differ all, 3 rows and 5 columns."""


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def palette() -> Image.Image:
    """Entry 1 is orange, and 0 transparent."""
    image = Image.fromarray((RAMP % 2).astype(np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    return image


def wide(bits: int) -> np.ndarray:
    return np.asarray(RAMP * ((2**bits - 1) // 14), np.uint16)


GRAY = (RAMP * 17).astype(np.uint8)
COLOURS = np.stack([GRAY, GRAY[::-1], GRAY[:, ::-1]], axis=2)
RGBA = np.concatenate([COLOURS, GRAY[:, :, np.newaxis]], axis=2)
TWO_COLOURS = np.array([[10, 20, 30], [200, 100, 50]])[RAMP % 2]
KINDS: dict[str, tuple[bytes, np.ndarray]] = {
    "8 bits": (encoded(Image.fromarray(GRAY)), GRAY / 255),
    "16 bits": (encoded(Image.fromarray(wide(16))), wide(16) / 65535),
    "16 bits, TIFF": (encoded(Image.fromarray(wide(16)), "TIFF"), wide(16) / 65535),
    "16 bits, PGM": (b"P5 5 3 65535\n" + wide(16).astype(">u2").tobytes(), wide(16) / 65535),
    "floats": (encoded(Image.fromarray(RAMP.astype(np.float32) / 16), "TIFF"), RAMP / 16),
    "1 bit": (encoded(Image.fromarray(RAMP % 2 == 1)), RAMP % 2),
    "gray with transparency": (
        encoded(Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(RGBA[:, :, 1])])),
        GRAY / 255,
    ),
    "RGB": (encoded(Image.fromarray(COLOURS)), COLOURS / 255),
    "RGBA": (encoded(Image.fromarray(RGBA)), COLOURS / 255),
    "palette": (encoded(palette()), TWO_COLOURS / 255),
    "palette with a transparent entry": (encoded(palette(), transparency=0), TWO_COLOURS / 255),
    "palette with transparent bytes": (encoded(palette(), transparency=b"\x00\x7f"), TWO_COLOURS / 255),
    "GIF": (encoded(palette(), "GIF"), TWO_COLOURS / 255),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_pixel_becomes_0_to_1(kind: str) -> None:
    content, expected = KINDS[kind]
    np.testing.assert_allclose(unit_range(read_pixels(content, "x")), expected, rtol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [None, (4, 6)])
def test_training_and_prediction_read_the_same(kind: str, size: tuple[int, int] | None, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "1.png").write_bytes(KINDS[kind][0])
    dataset = load_images(tmp_path / "set", image_size=size)
    read = read_image(tmp_path / "set" / "a" / "1.png", dataset.image_shape)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(dataset.train_images[0], read)


def test_cmyk_is_converted() -> None:
    content = encoded(Image.new("CMYK", (5, 3), (255, 0, 0, 0)), "JPEG", quality=100)
    red, green, blue = unit_range(read_pixels(content, "x"))[1, 2]
    assert red < 0.1 < 0.9 < min(green, blue)


def test_colours_for_a_gray_network_and_gray_for_one_of_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(COLOURS)))
    luma = COLOURS @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(read_image(path, (3, 5, 1))[:, :, 0] * 255, luma, atol=1)
    path.write_bytes(KINDS["16 bits"][0])
    np.testing.assert_array_equal(read_image(path, (3, 5, 3)), np.repeat(read_image(path, (3, 5, 1)), 3, axis=2))
    with pytest.raises(DataError, match=r"takes images with 2 channels, but files have 1 \(gray\) or 3"):
        read_image(path, (3, 5, 2))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_stand_upright(form: str, orientation: int) -> None:
    """The table of the EXIF standard: where row 0 and column 0 of the file are seen."""
    seen = {
        1: GRAY,
        2: GRAY[:, ::-1],
        3: GRAY[::-1, ::-1],
        4: GRAY[::-1],
        5: GRAY.T,
        6: GRAY.T[:, ::-1],
        7: GRAY.T[::-1, ::-1],
        8: GRAY.T[::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    big = Image.fromarray(GRAY).resize((80, 48), Image.Resampling.NEAREST)
    content = encoded(big, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    pixels = unit_range(read_pixels(content, "x", channels=1))
    assert pixels.shape == (seen.shape[0] * 16, seen.shape[1] * 16)
    np.testing.assert_allclose(pixels[8::16, 8::16] * 255, seen, atol=3)
    assert read_pixels(content, "x", (7, 2), 1).shape == (7, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 6\n%%EndComments\nshowpage\n", r"known image format \(PNG"),
        (encoded(Image.new("RGB", (6, 6)), "TGA"), "its content is not a known image format"),
        (encoded(Image.new("RGB", (6, 6)), "PCX"), "its content is not a known image format"),
        (encoded(Image.new("RGB", (16, 16)), "ICO"), "its content is not a known image format"),
        (b"", "its content is not a known image format"),
        (encoded(Image.fromarray(RAMP.astype(np.int32) * 9999), "TIFF"), "signed whole numbers of 32 bits, whose"),
        (encoded(Image.fromarray(RAMP.astype(np.float32)), "TIFF"), r"holds floats from 0 to 14; .* be in 0..1"),
        (encoded(Image.fromarray(np.array([[np.nan, 1]], np.float32)), "TIFF"), "holds floats from nan to nan"),
        (encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)))[:-400], "truncated"),
        (encoded(Image.new("RGB", (640, 640)), "JPEG")[:3000], "truncated"),
    ],
)  # fmt: skip
def test_files_that_are_not_read(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=f"^here.*{message}") as caught:
        read_pixels(content, "here")
    assert len(str(caught.value).splitlines()) == 1


def test_no_program_is_started_for_a_format_that_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow hands PostScript to Ghostscript, whatever the file is called."""
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *_, **__: pytest.fail("a program was started"))
    with pytest.raises(DataError, match="not a known image format"):
        read_pixels(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 6\n%%EndComments\nshowpage\n%%EOF\n", "x")


def announcing(rows: int, columns: int) -> bytes:
    """A PNG whose header tells that many pixels, and that holds next to none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")


def test_pixels_are_counted_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as programs do that open large images
    with pytest.raises(
        DataError, match=rf"x declares 13000 rows and 12000 columns, 156,000,000 .* {MOST_PIXELS:,} are"
    ):
        read_pixels(announcing(13000, 12000), "x")


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be read as an image: it is a folder"):
        read_file(tmp_path)
    with pytest.raises(DataError, match="can't be read as an image: No such file"):
        read_file(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"can't be read as an image: .*null"):
        read_file(tmp_path / "a\0b")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(DataError, match="it is not a regular file"):
            read_file(tmp_path / "pipe.png")
    (tmp_path / "big.png").touch()
    os.truncate(tmp_path / "big.png", 1 << 29)  # sparse: takes no disk
    with pytest.raises(DataError, match=r"big\.png has 536,870,912 bytes, more than an image can need"):
        read_file(tmp_path / "big.png")


def test_a_dataset_is_weighed_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DataError, match="pets: images of 5000 rows and 4000 columns have 20,000,000 pixels; the limit to train on"
    ):
        check_images(2, (5000, 4000), 1, "pets")
    limit = memory_limit()
    assert limit is None or limit > 1 << 28
    monkeypatch.setattr("convgrad.data.budget.memory_limit", lambda: 10**9)
    check_bytes(10**9, "pets")
    with pytest.raises(DataError, match=r"pets needs 5,000 MB of memory, but this process can have at most 1,000"):
        check_images(10**6, (100, 10), 1, "pets")


def test_a_process_with_little_memory_does_not_decode_what_it_cannot_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.png").write_bytes(encoded(Image.new("L", (200, 100))))
    monkeypatch.setattr("convgrad.data.budget.memory_limit", lambda: 500_000)
    with pytest.raises(DataError, match=r"needs 1 MB of memory, but this process can have at most 0"):
        load_images(tmp_path)  # 6 * 100 * 200 pixels of 1 + 4 bytes
    with pytest.raises(DataError, match="images to train on may have at most 16,777,216 pixels"):
        load_images(tmp_path, image_size=(5000, 5000))


def test_arrays_in_files_are_weighed_by_their_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convgrad.data.idx import read_idx, write_idx
    from convgrad.data.idx_folder import load_idx_folder
    from convgrad.data.npz import load_npz

    images, labels = np.zeros((4, 50, 70), np.uint8), np.array([0, 1, 0, 1], np.uint8)
    write_idx(tmp_path / "train-images-idx3-ubyte", images)
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels)
    np.savez(tmp_path / "a.npz", x=images, y=labels)
    monkeypatch.setattr("convgrad.data.budget.memory_limit", lambda: 60_000)
    assert (
        read_idx(tmp_path / "train-images-idx3-ubyte").shape == images.shape
    )  # 14,000 bytes; as floats there are more
    loads: list[Callable[[], object]] = [lambda: load_idx_folder(tmp_path), lambda: load_npz(tmp_path / "a.npz")]
    for load in loads:
        with pytest.raises(DataError, match=r"needs 0 MB of memory, but this process"):
            load()
    monkeypatch.setattr("convgrad.data.budget.memory_limit", lambda: 3)
    with pytest.raises(DataError, match=r"labels-idx1-ubyte needs 0 MB"):
        read_idx(tmp_path / "train-labels-idx1-ubyte")
