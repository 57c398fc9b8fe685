"""Files -> pixels, against pixels made by hand."""

import contextlib
import struct

import numpy as np
import pytest
from PIL import Image

from archspec.data import decode
from archspec.data.decode import image_size, read_image
from archspec.data.reading import Reading, Reduction
from archspec.errors import DataError


def write(path, array, mode=None, **options):
    image = array if isinstance(array, Image.Image) else Image.fromarray(np.asarray(array, dtype=np.uint8))
    (image if mode is None else image.convert(mode)).save(path, **options)
    return path


def pixels(path, channels=3):
    return np.asarray(read_image(path, Reading(channels))).astype(int)


def near(actual, expected, levels=1):
    assert actual.shape == np.asarray(expected).shape
    assert np.abs(actual - np.asarray(expected)).max() <= levels


COLOURS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]], [[200, 100, 50], [255, 255, 255]]])


def test_rgb_comes_back_as_it_was(tmp_path):
    assert (pixels(write(tmp_path / "x.png", COLOURS)) == COLOURS).all()


def test_grey_is_repeated_over_the_channels(tmp_path):
    path = write(tmp_path / "x.png", [[0, 50, 255]])
    assert pixels(path).tolist() == [[[0] * 3, [50] * 3, [255] * 3]]
    assert pixels(path, 1).tolist() == [[0, 50, 255]]


def test_colour_becomes_grey_by_the_eyes_weights(tmp_path):
    near(pixels(write(tmp_path / "x.png", COLOURS), 1), (COLOURS * [0.299, 0.587, 0.114]).sum(2))


def test_transparency_is_laid_on_white(tmp_path):
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 255, 128], [0, 0, 0, 51]]])
    path = write(tmp_path / "x.png", rgba)
    colour, alpha = rgba[..., :3], rgba[..., 3:] / 255
    near(pixels(path), colour * alpha + 255 * (1 - alpha))
    near(pixels(path, 1), (colour * alpha + 255 * (1 - alpha)) @ [0.299, 0.587, 0.114])
    assert (pixels(path, 4) == rgba).all()


def test_opaque_colour_has_full_alpha(tmp_path):
    assert (pixels(write(tmp_path / "x.png", COLOURS), 4)[..., 3] == 255).all()


def test_grey_with_alpha_is_laid_on_white(tmp_path):
    image = Image.merge("LA", [Image.new("L", (2, 1), 100), Image.fromarray(np.array([[255, 0]], dtype=np.uint8))])
    near(pixels(write(tmp_path / "x.png", image)), [[[100] * 3, [255] * 3]])


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])])
def test_a_palette_with_transparency(tmp_path, transparency):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((1, 0), 1)
    path = tmp_path / "x.png"
    image.save(path, transparency=transparency)
    assert pixels(path).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_a_palette_without_transparency(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putpixel((1, 0), 1)
    assert pixels(write(tmp_path / "x.gif", image)).tolist() == [[[10, 20, 30], [200, 0, 0]]]


def test_cmyk(tmp_path):
    image = Image.new("CMYK", (3, 1))
    for place, ink in enumerate([(0, 0, 0, 0), (255, 0, 0, 0), (0, 0, 0, 255)]):
        image.putpixel((place, 0), ink)
    near(pixels(write(tmp_path / "x.tif", image)), [[[255] * 3, [0, 255, 255], [0] * 3]])


def test_black_and_white(tmp_path):
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert pixels(write(tmp_path / "x.png", image)).tolist() == [[[0] * 3, [255] * 3]]


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path, channels):
    deep = np.array([[0, 257, 12345, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "x.png")
    found = pixels(tmp_path / "x.png", channels)
    near(found if channels == 1 else found[..., 0], deep / 257)


UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_cameras_orientation_is_followed(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = write(tmp_path / "x.png", COLOURS, exif=exif)
    assert (pixels(path) == UPRIGHT[orientation](COLOURS)).all()


def damaged(tmp_path, kind):
    path = tmp_path / f"{kind}.jpg"
    if kind == "text":
        path.write_text("not an image at all")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3))
        write(path, noise, quality=95)
        path.write_bytes(path.read_bytes()[:2000])
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize("kind", ["text", "empty", "truncated", "missing", "folder"])
def test_an_unreadable_file_is_named(tmp_path, kind):
    path = damaged(tmp_path, kind)
    with pytest.raises(DataError) as caught:
        read_image(path, Reading(3))
    assert str(path) in caught.value.message
    assert caught.value.file == str(path)
    if kind != "truncated":  # its header is sound
        with pytest.raises(DataError, match=path.name):
            image_size(path)


def test_an_empty_file_is_called_empty(tmp_path):
    with pytest.raises(DataError, match="it is empty"):
        read_image(damaged(tmp_path, "empty"), Reading(3))


def test_damaged_exif_data_is_no_traceback(tmp_path):
    """A resolution that is text: Pillow raises TypeError when it turns the image."""
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    resolution = struct.pack("<HHI4s", 0x011A, 2, 2, b"x")
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + orientation + resolution + struct.pack("<I", 0)
    path = write(tmp_path / "x.jpg", COLOURS, exif=exif)
    with contextlib.suppress(DataError):
        assert read_image(path, Reading(3)).size == (3, 2)


@pytest.mark.parametrize("channels", [2, 5])
def test_a_number_of_channels_that_no_image_has(tmp_path, channels):
    with pytest.raises(DataError, match=f"1, 3 or 4 channels, not {channels}"):
        read_image(write(tmp_path / "x.png", COLOURS), Reading(channels))


def test_a_large_jpeg_is_reduced_for_training_only_and_by_either_decoder(tmp_path, monkeypatch):
    path = tmp_path / "x.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)).save(path)
    reading = Reading(3, reduction=Reduction((48, 48), 0.5, (0.75, 4 / 3)))
    assert read_image(path, Reading(3)).size == (300, 400)
    made = np.asarray(read_image(path, reading))
    assert made.shape == (200, 150, 3)  # a half: a quarter, of 75 px, is less than twice 48
    monkeypatch.setattr(decode, "_fast_decoder", lambda: None)
    assert (np.asarray(read_image(path, reading)) == made).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_fast_decoder_gives_pillows_pixels(tmp_path, monkeypatch, orientation):
    pytest.importorskip("simplejpeg")
    pixels = np.random.default_rng(1).integers(0, 256, (21, 34, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "x.jpg"
    Image.fromarray(pixels).save(path, exif=exif, quality=80)
    fast = np.asarray(read_image(path, Reading(3)))
    monkeypatch.setattr(decode, "_fast_decoder", lambda: None)
    assert (np.asarray(read_image(path, Reading(3))) == fast).all()
