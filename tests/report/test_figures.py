"""The figures of an evaluation on terminals of several widths, with two classes and with a thousand."""

import io
import re

import pytest
import torch
from rich.cells import cell_len
from rich.console import Console

from archspec.report.figures import most_confused, print_figures
from archspec.training.figures import figures_of
from archspec.training.tally import Tally


def tally_of(pairs, names):
    """(class, guess, count) -> figures."""
    tally = Tally(len(names), torch.device("cpu"))
    for true, guess, count in pairs:
        logits = torch.zeros(count, len(names))
        logits[:, guess] = 5.0
        tally.add(logits, torch.full((count,), true))
    return figures_of(tally, names)


def shown(figures, width, **options):
    console = Console(file=io.StringIO(), force_terminal=True, width=width, _environ={})
    print_figures(figures, console, **options)
    text = re.sub(r"\x1b\[[\d;]*m", "", console.file.getvalue())
    assert all(cell_len(line) <= width for line in text.splitlines())
    return text


def rows(text, pattern):
    return re.findall(rf"^ ({pattern})\b", text, re.MULTILINE)


TWO = tally_of([(0, 0, 40), (0, 1, 10), (1, 1, 4)], ["cat", "dog"])
NAMES = [f"kind-{label:03}" for label in range(1000)]
"""Of every class four images: all right but for the classes ending in 7; those of kind-007 go to three others."""
MANY = tally_of(
    [(c, c, 4) for c in range(1000) if c % 10 != 7]
    + [(c, c, 3) for c in range(17, 1000, 10)]
    + [(c, (c + 1) % 1000, 1) for c in range(17, 1000, 10)]
    + [(7, 500, 3), (7, 501, 1)],
    NAMES,
)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_two_classes_fit_with_their_matrix(width):
    text = shown(TWO, width)
    assert rows(text, "cat|dog") == ["cat", "dog"]
    assert re.search(r"^ 1 cat +40 +10 *$", text, re.MULTILINE)
    assert re.search(r"^ 2 dog +· +4 *$", text, re.MULTILINE)
    assert "top-2, all of 2 classes" in text
    assert ("67.0% to 88.8%" in text) == (width >= 80)  # of 40 of 50, for which 60 columns have no room


@pytest.mark.parametrize(("width", "gap"), [(60, None), (64, 1), (75, 1), (76, 2), (120, 2)])
def test_the_matrix_of_twelve_classes_is_shown_where_it_fits(width, gap):
    """14 columns of `is \\ taken for`, 2 beside, and 12 of three digits."""
    names = [f"kind-{label:02}" for label in range(12)]
    text = shown(tally_of([(label, (label + 1) % 12, 100 + label) for label in range(12)], names), width)
    if gap is None:
        assert re.search(r"^ kind-11 +kind-00 +111 +100.0% *$", text, re.MULTILINE)
        assert "is \\ taken for" not in text
    else:
        cells = "".join(f"{100 if number == 1 else '·':>{3 + gap}}" for number in range(12))
        assert f" 1 kind-00     {cells} \n" in text


@pytest.mark.parametrize("width", [60, 120])
def test_of_a_thousand_classes_the_worst_and_the_best_are_shown(width):
    text = shown(MANY, width)
    named = rows(text, r"kind-\d+")
    assert named[0] == "kind-007"
    assert "... 985 more ..." in text
    assert len(rows(text.partition("most confused")[0], r"kind-\d+")) == 15
    assert "--all-classes" in text
    confusions = re.findall(
        r"^ (kind-\d+) +(kind-\d+) +(\d+) +([\d.]+%)", text.partition("most confused")[2], re.MULTILINE
    )
    assert confusions[0] == ("kind-007", "kind-500", "3", "75.0%")
    assert len(confusions) == 10


def test_all_classes_are_shown_in_their_order_when_asked():
    text = shown(MANY, 80, all_classes=True)
    assert rows(text.partition("most confused")[0], r"kind-\d+") == NAMES
    assert "--all-classes" not in text


def test_classes_without_images_are_counted_and_not_ranked():
    text = shown(tally_of([(0, 0, 3), (1, 1, 3)], NAMES), 80)
    assert "998 of 1,000 classes have no image in the split." in text
    assert rows(text.partition("No image is taken for another class.")[0], r"kind-\d+") == NAMES[:2]


def test_long_names_are_folded_and_odd_ones_shown_as_they_are():
    text = shown(tally_of([(0, 0, 3), (1, 0, 3)], ["[red]x[/red]", "y\x1b[2J" + "z" * 90]), 60)
    assert "[red]x[/red]" in text
    assert "\x1b[2J" not in text
    assert "z" * 20 in text


def test_confusions_go_by_number_and_then_by_share():
    figures = tally_of([(0, 1, 2), (0, 0, 8), (1, 2, 2), (2, 0, 5), (2, 2, 9)], ["a", "b", "c"])
    assert most_confused(figures.confusion, 9) == [(2, 0, 5), (1, 2, 2), (0, 1, 2)]
    assert most_confused(figures.confusion, 1) == [(2, 0, 5)]
