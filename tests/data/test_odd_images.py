"""Odd image files have one result each, which docs/data.md states, for every number of channels and either decoder."""

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.data import decode
from archspec.data.decode import image_size, read_image
from archspec.data.reading import Reading
from archspec.errors import DataError

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@dataclass(frozen=True)
class Odd:
    """A file, and its first pixel for a network of 1, 3 and 4 channels; or the reason why it is refused."""

    what: str
    suffix: str
    write: Callable[[Path], object]
    grey: int | None = None
    rgb: tuple[int, int, int] | None = None
    rgba: tuple[int, int, int, int] | None = None
    size: tuple[int, int] = (16, 8)
    """Width and height, upright."""
    refused: str = ""
    note: str = ""


def flat(mode, colour, size=(16, 8)):
    return Image.new(mode, size, colour)


def _palette(path, **options):
    image = flat("P", 1)
    image.putpalette([*GREEN, *RED])
    image.save(path, **options)


def _frames(path, **options):
    flat("RGB", RED).save(path, save_all=True, append_images=[flat("RGB", BLUE)], **options)


def _turned(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    flat("RGB", RED, (8, 16)).save(path, exif=exif, quality=100, subsampling=0)


def _png(path, width, height, depth, colour_type, pixel):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    rows = (b"\0" + pixel * width) * min(height, 8)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


def _deep_colour(path):
    _png(path, 16, 8, 16, 2, struct.pack(">HHH", 65535, 32768, 0))


def _bomb(path):
    _png(path, 60_000, 60_000, 8, 2, b"\0\0\0")


def _cut(path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, quality=95)
    path.write_bytes(path.read_bytes()[:-200])


def _adobe_cmyk(path):
    """As Adobe's programs write it: inks inverted, and a marker that says so."""
    flat("CMYK", (0, 255, 255, 0)).save(path, quality=100, subsampling=0)


def _deep_grey(path, mode="<u2", **options):
    Image.fromarray(np.full((8, 16), 32896, dtype=mode)).save(path, **options)


ODD = (
    Odd("grey", ".png", lambda p: flat("L", 100).save(p), 100, (100,) * 3, (100, 100, 100, 255)),
    Odd("black and white, 1 bit", ".png", lambda p: flat("1", 1).save(p), 255, (255,) * 3, (255,) * 4),
    Odd(
        "grey, half transparent",
        ".png",
        lambda p: flat("LA", (100, 128)).save(p),
        177,
        (177,) * 3,
        (100, 100, 100, 128),
        note="laid on `background`",
    ),
    Odd("grey, 16 bits", ".png", _deep_grey, 128, (128,) * 3, (128, 128, 128, 255), note="divided by 257"),
    Odd("grey, 16 bits", ".tif", _deep_grey, 128, (128,) * 3, (128, 128, 128, 255), note="divided by 257"),
    Odd("colour, 16 bits", ".png", _deep_colour, 151, (255, 128, 0), (255, 128, 0, 255), note="its upper 8 bits"),
    Odd("colour, transparent", ".png", lambda p: flat("RGBA", (*RED, 0)).save(p), 255, (255,) * 3, (255, 0, 0, 0)),
    Odd(
        "colour, half transparent",
        ".webp",
        lambda p: flat("RGBA", (*BLUE, 128)).save(p, lossless=True),
        141,
        (127, 127, 255),
        (0, 0, 255, 128),
    ),
    Odd("palette", ".gif", _palette, 76, RED, (*RED, 255)),
    Odd(
        "palette with a transparent colour",
        ".png",
        lambda p: _palette(p, transparency=1),
        255,
        (255,) * 3,
        (255, 0, 0, 0),
    ),
    Odd("CMYK", ".tif", lambda p: flat("CMYK", (0, 255, 255, 0)).save(p), 76, RED, (*RED, 255)),
    Odd("CMYK by Adobe", ".jpg", _adobe_cmyk, 76, RED, (*RED, 255)),
    Odd(
        "YCbCr with half the colours",
        ".jpg",
        lambda p: flat("RGB", RED).save(p, quality=100, subsampling=2),
        76,
        RED,
        (*RED, 255),
    ),
    Odd("turned by its EXIF data", ".jpg", _turned, 76, RED, (*RED, 255), note="upright: 16x8 of 8x16 px"),
    Odd("animated", ".gif", _frames, 76, RED, (*RED, 255), note="the first frame"),
    Odd("animated", ".png", _frames, 76, RED, (*RED, 255), note="the first frame"),
    Odd("animated", ".webp", lambda p: _frames(p, lossless=True), 76, RED, (*RED, 255), note="the first frame"),
    Odd("several pages", ".tif", _frames, 76, RED, (*RED, 255), note="the first page"),
    Odd(
        "a PNG called .jpg", ".jpg", lambda p: flat("RGB", RED).save(p, "PNG"), 76, RED, (*RED, 255), note="by content"
    ),
    Odd("one pixel", ".png", lambda p: flat("RGB", RED, (1, 1)).save(p), 76, RED, (*RED, 255), size=(1, 1)),
    Odd("floating-point", ".tif", lambda p: flat("F", 0.5).save(p), refused="its values have no known range"),
    Odd("grey, 32 bits", ".tif", lambda p: flat("I", 70_000).save(p), refused="its values have no known range"),
    Odd("cut short", ".jpg", _cut, refused="truncated"),
    Odd("empty", ".png", lambda p: p.write_bytes(b""), refused="it is empty"),
    Odd("text", ".jpg", lambda p: p.write_text("no image"), refused="it is no image that Pillow knows"),
    Odd("60,000 x 60,000 px in 200 bytes", ".png", _bomb, refused="decompression bomb"),
)

TAKEN = [odd for odd in ODD if not odd.refused]
REFUSED = [odd for odd in ODD if odd.refused]


@pytest.fixture(params=["as installed", "Pillow"])
def decoder(request, monkeypatch):
    if request.param == "Pillow":
        monkeypatch.setattr(decode, "_fast_decoder", lambda: None)


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("odd", TAKEN, ids=lambda odd: odd.what + odd.suffix)
def test_its_pixels_are_as_written_down(tmp_path, odd):
    path = tmp_path / f"x{odd.suffix}"
    odd.write(path)
    for channels, colour in ((1, odd.grey), (3, odd.rgb), (4, odd.rgba)):
        image = read_image(path, Reading(channels))
        assert image.size == image_size(path) == odd.size
        assert np.abs(np.asarray(image).astype(int) - np.array(colour)).max() <= 1  # a JPEG's red is 254


@pytest.mark.usefixtures("decoder")
@pytest.mark.parametrize("odd", REFUSED, ids=lambda odd: odd.what + odd.suffix)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_it_is_refused_by_its_name_and_for_its_reason(tmp_path, odd, channels):
    path = tmp_path / f"x{odd.suffix}"
    odd.write(path)
    with pytest.raises(DataError) as caught:
        read_image(path, Reading(channels))
    assert f"the image '{path}' cannot be read: " in caught.value.message
    assert odd.refused in caught.value.message


def test_what_shows_through_is_the_background(tmp_path):
    odd = next(odd for odd in ODD if odd.what == "colour, transparent")
    odd.write(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png", Reading(3, background=(1, 2, 3))).getpixel((0, 0)) == (1, 2, 3)


def _row(odd: Odd) -> str:
    if odd.refused:
        return f"| {odd.what} | `{odd.suffix}` | refused | | | {odd.refused} |"
    rgb, rgba = (", ".join(map(str, colour)) for colour in (odd.rgb, odd.rgba))
    return f"| {odd.what} | `{odd.suffix}` | {odd.grey} | {rgb} | {rgba} | {odd.note} |"


def test_the_page_states_them(compare_with_golden):
    table = "| file | | 1 channel | 3 channels | 4 channels | |\n| --- | --- | --- | --- | --- | --- |\n"
    table += "\n".join(map(_row, ODD))
    text = PAGE.read_text(encoding="utf-8")
    region = re.compile(r"(<!-- images -->\n).*?(<!-- end -->)", re.DOTALL)
    assert len(region.findall(text)) == 1
    compare_with_golden(PAGE, region.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", text))
