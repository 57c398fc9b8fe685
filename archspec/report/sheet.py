"""A sheet of pictures: rows under a title, with headings above the columns and captions below the pictures."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont

_PAPER, _INK, _GREY, _TRAY = "#ffffff", "#1f2328", "#656d76", "#f3f4f6"
_MARGIN, _GAP, _GROUP_GAP = 28, 6, 22
_TITLE, _TEXT, _SMALL = 28, 18, 16
_LINE = 23
_LEAST_SIDE, _MOST_SIDE = 112, 224
"""Smaller pictures are enlarged, pixel by pixel; larger ones are reduced."""


@dataclass(frozen=True)
class Picture:
    """One picture, and the lines of text below it: the first in black, the others grey."""

    image: Image.Image
    captions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """What is drawn. Columns from `group` on stand apart from those before."""

    title: str
    subtitles: tuple[str, ...]
    headings: tuple[str, ...]
    rows: tuple[tuple[Picture, ...], ...]
    size: tuple[int, int]
    """Width and height of the pictures; one of another size is fitted in."""
    group: int = 0


def draw_sheet(sheet: Sheet) -> Image.Image:
    """The sheet as one image."""
    box = _box(sheet.size)
    columns = max(map(len, sheet.rows))
    lefts = [
        _MARGIN + n * (box[0] + _GAP) + (_GROUP_GAP if sheet.group and n >= sheet.group else 0) for n in range(columns)
    ]
    lines = max(len(picture.captions) for row in sheet.rows for picture in row)
    head = _MARGIN + _TITLE + 10 + _LINE * len(sheet.subtitles) + 16
    pictures = head + (_LINE + 6 if sheet.headings else 0)
    pitch = box[1] + (6 + _LINE * lines if lines else 0) + 14
    width, height = lefts[-1] + box[0] + _MARGIN, pictures + pitch * len(sheet.rows) - 14 + _MARGIN
    image = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(image)
    _write_head(draw, sheet, width - 2 * _MARGIN)
    for left, heading in zip(lefts, sheet.headings, strict=False):
        _write(draw, (left, head), heading, box[0], _SMALL, _GREY)
    for number, row in enumerate(sheet.rows):
        alone = not any(picture.captions for picture in row[1:])
        for left, picture in zip(lefts, row, strict=False):
            room = width - _MARGIN - left if alone else box[0]
            _paste(image, (left, pictures + number * pitch), picture, box)
            _write_captions(draw, (left, pictures + number * pitch + box[1] + 4), picture.captions, room)
    return image


def _write_head(draw: ImageDraw.ImageDraw, sheet: Sheet, width: int) -> None:
    _write(draw, (_MARGIN, _MARGIN - 6), sheet.title, width, _TITLE, _INK)
    for number, line in enumerate(sheet.subtitles):
        _write(draw, (_MARGIN, _MARGIN + _TITLE + 6 + _LINE * number), line, width, _TEXT, _GREY)


def _box(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height that a picture of this size is drawn with."""
    longest = max(size)
    if longest > _MOST_SIDE:
        return max(1, size[0] * _MOST_SIDE // longest), max(1, size[1] * _MOST_SIDE // longest)
    times = -(-_LEAST_SIDE // longest)
    return size[0] * times, size[1] * times


def _write_captions(draw: ImageDraw.ImageDraw, place: tuple[int, int], captions: tuple[str, ...], width: int) -> None:
    for number, caption in enumerate(captions):
        size, colour = (_SMALL, _GREY) if number else (_TEXT, _INK)
        _write(draw, (place[0], place[1] + _LINE * number), caption, width, size, colour)


def _paste(image: Image.Image, place: tuple[int, int], picture: Picture, box: tuple[int, int]) -> None:
    """Draw a picture in its box."""
    left, top = place
    shown = on_paper(picture.image)
    scale = min(box[0] / shown.width, box[1] / shown.height)
    size = max(1, round(shown.width * scale)), max(1, round(shown.height * scale))
    if size != box:
        image.paste(_TRAY, (left, top, left + box[0], top + box[1]))
    shown = shown.resize(size, Image.Resampling.NEAREST if scale >= 2 else Image.Resampling.LANCZOS)
    image.paste(shown, (left + (box[0] - size[0]) // 2, top + (box[1] - size[1]) // 2))


def on_paper(image: Image.Image) -> Image.Image:
    """The image in colours, what is transparent laid on paper."""
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, _PAPER), image)
    return image.convert("RGB")


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, width: int, size: int, colour: str) -> None:
    draw.text(place, fit_text(text, width, size), font=_font(size), fill=colour)


def fit_text(text: str, width: int, size: int) -> str:
    """The text, its end left out where it is wider than so many pixels."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text.rstrip()}..."


@cache
def _font(size: int) -> Any:
    """Pillow's own font, which is the same everywhere."""
    return ImageFont.load_default(size)


def plain_name(name: str, instead: str) -> str:
    """A name in the characters that the font has: accents left off, and `instead` beside it where others are lost."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    kept = " ".join("".join(c for c in letters if _has_glyph(c)).split())
    if not kept:
        return instead
    return kept if len(kept) == len(" ".join(letters.split())) else f"{kept} ({instead})"


@cache
def _has_glyph(character: str) -> bool:
    font, missing = _font(_TEXT), "\ue000"
    return character.isspace() or _glyph(font, character) != _glyph(font, missing)


def _glyph(font: Any, character: str) -> tuple[Sequence[int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)
