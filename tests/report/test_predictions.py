"""Predictions as they are written: a terminal's table of several widths, and names that no file should have."""

import csv
import io
import json
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from archspec.report.predictions import CsvRows, JsonRows, TableRows, TabRows
from archspec.training.inference import Prediction

CLASSES = ["cat", "dog", "a-class-with-a-very-long-name-indeed"]
CAT = Prediction("photos/1.jpg", (("cat", 0.75), ("dog", 0.2), ("a-class-with-a-very-long-name-indeed", 0.05)))
LONG = Prediction(f"photos/{'x' * 70}.jpg", (("a-class-with-a-very-long-name-indeed", 1.0), ("cat", 0.0), ("dog", 0.0)))
BROKEN = Prediction("photos/2.jpg", error="the image 'photos/2.jpg' cannot be read: it is empty")


def table(predictions, width, classes=CLASSES):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, _environ={})
    rows = TableRows([prediction.image for prediction in predictions], classes, console)
    text = rows.head() + "".join(rows.row(prediction) for prediction in predictions)
    return [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_table_fits_and_loses_nothing_of_a_name(width):
    lines = table([CAT, LONG, CAT], width)
    assert all(cell_len(line) <= width for line in lines)
    words = "".join(lines)
    assert words.count("x") == 70
    assert "75.0%" in words
    assert "100.0%" in words


def test_columns_stand_under_their_heads_whatever_comes_later():
    head, line, first, second = table([CAT, CAT], 120)
    assert set(line) == {"─"}
    assert first == second
    place = head.index("class")
    assert first.index("cat") == place
    assert first.index("75.0%") + len("75.0%") == head.index("probability") + len("probability")
    assert first[head.index("then") :] == "dog 20.0%, a-class-with-a-very-long-name-indeed 5.0%"[: len(first)]


def test_the_runners_up_are_left_out_where_there_is_no_room():
    assert "then" in table([CAT], 80)[0]
    assert "then" not in table([CAT], 40)[0]
    assert "dog" not in "".join(table([CAT], 40))


def test_an_unreadable_image_stands_in_its_place_on_one_line():
    lines = table([CAT, BROKEN, CAT], 40)
    (place,) = (number for number, line in enumerate(lines) if line.startswith("unreadable: the image 'photos/2.jpg'"))
    assert lines[place].endswith("it is empty")
    assert lines[place - 1] == lines[-1]


def test_names_cannot_move_the_cursor_nor_be_markup():
    odd = Prediction("[red]\x1b[2J.jpg", (("[bold]cat[/bold]", 1.0),))
    for text in ("\n".join(table([odd], 100, ["[bold]cat[/bold]"])), TabRows().row(odd)):
        assert "\x1b" not in text
        assert "[red]" in text
        assert "[bold]cat[/bold]" in text


def test_a_name_that_is_no_utf8_can_be_written_everywhere():
    odd = Prediction("\udcff.jpg", (("cat", 1.0),))
    for rows in (TabRows(), JsonRows(), CsvRows(1)):
        rows.row(odd).encode()
    assert json.loads(JsonRows().row(odd))["image"] == "\udcff.jpg"
    assert next(csv.reader([CsvRows(1).row(odd)]))[0] == "\\udcff.jpg"


def test_a_line_of_csv_is_as_long_as_its_head_whatever_the_prediction():
    rows = CsvRows(3)
    lengths = {len(next(csv.reader([text]))) for text in (rows.head(), rows.row(CAT), rows.row(BROKEN), rows.row(LONG))}
    assert lengths == {8}
