"""A sheet of pictures: every pixel of a small picture is on it, and texts stay within their room."""

import numpy as np
import pytest
from PIL import Image

from archspec.report.sheet import Picture, Sheet, draw_sheet, fit_text, on_paper, plain_name


def noise(width, height, seed=0, mode="RGB"):
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, bands), dtype=np.uint8)
    return Image.fromarray(pixels if bands > 1 else pixels[..., 0], mode)


def find(sheet, pixels):
    """Whether an image lies somewhere on a sheet, as it is."""
    have, wanted = np.asarray(sheet), np.asarray(pixels)
    height, width = wanted.shape[:2]
    places = np.argwhere((have == wanted[0, 0]).all(2))
    return any(np.array_equal(have[top : top + height, left : left + width], wanted) for top, left in places)


@pytest.mark.parametrize(("size", "times"), [((160, 120), 1), ((32, 32), 4), ((100, 60), 2)])
def test_pictures_are_drawn_pixel_by_pixel(size, times):
    pictures = [noise(*size, seed=seed) for seed in range(4)]
    rows = tuple((Picture(one, ("a", "b")), Picture(other)) for one, other in (pictures[:2], pictures[2:]))
    drawn = draw_sheet(Sheet("title", ("line",), ("left", "right"), rows, size, group=1))
    for picture in pictures:
        assert find(drawn, picture.resize((size[0] * times, size[1] * times), Image.Resampling.NEAREST))


def test_a_large_picture_is_reduced_and_another_shape_fitted_in():
    rows = ((Picture(noise(600, 600)), Picture(noise(20, 200))),)
    drawn = draw_sheet(Sheet("t", (), (), rows, (600, 600)))
    assert drawn.width == 2 * 224 + 6 + 2 * 28
    assert drawn.mode == "RGB"


def test_a_sheet_is_the_same_each_time():
    rows = ((Picture(noise(64, 64), ("name",)),),)
    sheet = Sheet("title", ("line",), ("heading",), rows, (64, 64))
    assert draw_sheet(sheet).tobytes() == draw_sheet(sheet).tobytes()


def test_rows_may_be_of_different_lengths():
    rows = ((Picture(noise(64, 64)),), (Picture(noise(64, 64)), Picture(noise(64, 64), ("x",))))
    assert draw_sheet(Sheet("t", (), (), rows, (64, 64))).width == 2 * 128 + 6 + 2 * 28


def test_transparency_is_laid_on_white_and_grey_becomes_colour():
    clear = Image.new("RGBA", (2, 2), (9, 9, 9, 0))
    assert on_paper(clear).getpixel((0, 0)) == (255, 255, 255)
    assert on_paper(noise(3, 3, mode="L")).mode == "RGB"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("tulip", "tulip"),
        ("Café Zoë", "Cafe Zoe"),
        ("  two   words ", "two words"),
        ("玫瑰", "class 7"),
        ("😀", "class 7"),
        ("rose 🌹", "rose (class 7)"),
        ("猫1", "1 (class 7)"),
        ("naïve·test_9%", "naive·test_9%"),
        ("", "class 7"),
    ],
)
def test_a_name_is_shown_in_the_letters_that_the_font_has(name, shown):
    assert plain_name(name, "class 7") == shown


def test_a_text_that_is_too_long_is_shortened():
    assert fit_text("short", 200, 15) == "short"
    cut = fit_text("a class name of many words that has no end", 100, 15)
    assert cut.endswith("...")
    assert cut[:-3] in "a class name of many words that has no end"
    assert fit_text("anything", 1, 15) == "..."
