"""What a run shows: two lines on a terminal of any width, plain lines elsewhere, and nothing left behind."""

import io
import re
import signal
import sys
import threading
import time

import pytest
import torch
from rich.cells import cell_len
from rich.console import Console

from archspec.report import live, memory, progress, so_far
from archspec.report.course import ASCII, BLOCKS, Course
from archspec.report.pace import Pace, show_time
from archspec.training.evaluation import Evaluation
from archspec.training.results import EpochResult, StepResult

BATCHES = 40
COLOUR = re.compile(r"\x1b\[[\d;]*m")


class Clock:
    now = 1_000.0

    def monotonic(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Latin(Terminal):
    encoding = "latin-1"


def screen(text):
    """The lines that a terminal shows after it was sent a text."""
    rows, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[\d;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if token == "\r":
            column = 0
        elif token == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        elif token.endswith("A") and token.startswith("\x1b"):
            row -= int(token[2:-1])
        elif token == "\x1b[2K":
            rows[row] = ""
        elif not token.startswith("\x1b"):
            rows[row] = rows[row][:column].ljust(column) + token + rows[row][column + len(token) :]
            column += len(token)
    return [line.rstrip() for line in rows if line.strip()]


def look(shown):
    """What stands on the terminal once it is drawn anew, as it is all the time."""
    shown._screen.refresh()
    return screen(shown.stream.getvalue())


def step(epoch=1, batch=1, loss=2.0, correct=4, batches=BATCHES):
    number = (epoch - 1) * batches + batch
    figures = torch.tensor(loss), torch.tensor(correct), torch.tensor(1.0)
    return StepResult(epoch, number, batch, batches, 8, 0.0012, *figures, torch.arange(8))


def epoch(number=1, skipped=0):
    found = Evaluation(0.5, 1.0, 0.5, 1.25, 100, skipped)
    return EpochResult(number, number * BATCHES, 0.001, 1.5, 0.625, found, 2.0, 1234.5, 0.0, skipped)


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(progress, "time", Clock())
    return progress.time


@pytest.fixture
def show(clock):
    """Opens a display of so many columns: its `TrainingProgress` has its stream beside it."""

    def make(width=120, stream=None, epochs=3, **options):
        stream = Terminal() if stream is None else stream
        shown = progress.TrainingProgress(epochs, Console(file=stream, width=width, height=30), **options)
        shown.stream = stream
        return shown

    return make


def test_the_time_left_counts_steps_and_what_lies_between_epochs():
    pace = Pace(3)
    pace.add(step(1, 1), 0.0)
    assert pace.seconds_left is None
    assert pace.images_per_second is None
    for batch in range(2, BATCHES + 1):
        pace.add(step(1, batch), (batch - 1) * 0.5)
    assert pace.images_per_second == pytest.approx(16)
    assert pace.seconds_left == pytest.approx(2 * BATCHES * 0.5)  # what a validation takes, nobody knows yet
    pace.add(step(2, 1), 19.5 + 10)
    assert pace.seconds_left == pytest.approx((39 + 40) * 0.5 + 2 * 10)
    assert pace.images_per_second == pytest.approx(16)


def test_the_newest_epoch_counts_most_for_the_pace():
    pace = Pace(9)
    for number in (1, 2, 3):
        for batch in range(1, BATCHES + 1):
            pace.add(step(number, batch), number * 1_000 + batch * number)
    assert pace.images_per_second < 8 / 2


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0:00"), (41.4, "0:41"), (221, "3:41"), (3_599.7, "1:00:00"), (3_723, "1:02:03"), (97_300, "1 d 3 h")],
)
def test_a_time_is_short_to_read(seconds, shown):
    assert show_time(seconds) == shown


def test_a_size_is_short_to_read():
    assert [memory.show_bytes(size) for size in (812_300_000, 999_600_000, 1_249_000_000)] == [
        "812 MB",
        "1.0 GB",
        "1.2 GB",
    ]


def test_a_course_goes_from_the_first_to_the_last():
    course = Course()
    for number in (8, 7, 6, 5, 4, 3, 2, 1):
        course.add(number)
    assert course.draw(8) == BLOCKS[::-1]
    assert course.draw(20) == BLOCKS[::-1]
    assert course.draw(4) == "█▆▃▁"
    assert course.draw(8, ASCII) == ASCII[::-1]


def test_a_course_is_bounded_and_keeps_its_shape():
    course = Course()
    for number in range(100_000):
        course.add(float(number))
    assert len(course.values) <= 256
    assert course.draw(8) == BLOCKS
    middle = course.values[len(course.values) // 2]
    assert middle == pytest.approx(50_000, rel=0.1)


def test_a_course_of_nothing_of_one_and_of_no_number():
    course = Course()
    assert course.draw(10) == ""
    course.add(float("nan"))
    course.add(float("inf"))
    assert course.draw(10) == ""
    course.add(3.0)
    assert course.draw(10) == "▁"


def test_the_resident_memory_is_linuxs(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    assert memory.resident_bytes() is None
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t  9 kB\nVmRSS:\t  2048 kB\n")
    assert memory.resident_bytes() == 2_097_152
    assert memory.allocated_bytes(torch.device("cpu")) is None


def test_a_look_waits_for_the_device_once_however_many_steps_wait(monkeypatch):
    reads = []

    def counted(name):
        whole = getattr(torch.Tensor, name)
        return lambda self: (reads.append(name), whole(self))[1]

    for name in ("tolist", "item", "__float__", "__int__", "__bool__"):
        monkeypatch.setattr(torch.Tensor, name, counted(name))
    found = so_far.Figures(1)
    for batch in range(1, 31):
        found.add(step(1, batch, loss=float(batch), correct=batch % 9), batch * 1.0)
    assert reads == []
    found.look()
    found.look()
    assert reads == ["tolist"]
    assert found.top1 == pytest.approx(sum(batch % 9 for batch in range(1, 31)) / 240)
    assert 10 < found.loss < 30
    assert len(found.course.values) == 30


def test_accuracy_begins_anew_with_each_epoch():
    found = so_far.Figures(2)
    found.add(step(1, BATCHES, correct=8), 0.0)
    found.look()
    assert found.top1 == 1.0
    found.add(step(2, 1, correct=2), 1.0)
    found.look()
    assert found.top1 == 0.25


def drawn(width, stream=None, best=(2, 0.5), batch=20, epochs=30, number=3):
    """The live lines of a run of which everything is known."""
    found = so_far.Figures(epochs)
    for at in range(1, batch + 1):
        found.add(step(number, at, loss=3 - at / 20), at * 0.25)
        found.look()
    stream = io.StringIO() if stream is None else stream
    Console(file=stream, width=width).print(live.RunView(epochs, found, best))
    return stream.getvalue().split("\n")


@pytest.fixture
def known_memory(monkeypatch):
    monkeypatch.setattr(live, "resident_bytes", lambda: 812_000_000)
    monkeypatch.setattr(live, "allocated_bytes", lambda device: 1_200_000_000)


@pytest.mark.usefixtures("known_memory")
def test_at_120_columns_everything_is_there():
    first, second = drawn(120)
    assert re.fullmatch(r"epoch  3/30  [━╸╺ ]+  20/40  ETA   4:35", first)
    assert second.startswith("loss 2.")
    for part in ("train  50.0%", "   32 images/s", "lr 1.20e-03", "best 50.0% in epoch 2", "GPU 1.2 GB"):
        assert f"  {part}" in second
    assert re.fullmatch("██+▇+▆+▅+▄+▃+▂+▁+", second.split()[2])
    assert "memory 812 MB" in drawn(140)[1]


@pytest.mark.usefixtures("known_memory")
def test_at_60_columns_the_rest_is_left_out():
    first, second = drawn(60)
    assert re.fullmatch(r"epoch  3/30  [━╸╺ ]+  20/40  ETA   4:35", first)
    assert cell_len(first) == 60
    assert re.fullmatch(r"loss 2\.\d{3}  [▁▂▃▄▅▆▇█]{8,} *  train  50\.0%     32 images/s", second)


@pytest.mark.usefixtures("known_memory")
@pytest.mark.parametrize("batch", [1, 2, 20, BATCHES])
def test_no_width_wraps_a_line(batch):
    for width in range(1, 200):
        lines = drawn(width, batch=batch)
        assert len(lines) == 2, width
        assert all(cell_len(line) <= width for line in lines), (width, lines)
        if width > 12:
            assert cell_len(lines[1]) <= width - 2, "a terminal echoes ^C behind it"


def test_a_terminal_without_blocks_gets_letters():
    stream = Latin()
    first, second = drawn(120, stream)
    assert COLOUR.sub("", first + second).isascii()
    assert "#" in second


def test_between_the_last_step_and_the_epochs_line_it_validates(show, clock):
    with show() as shown:
        shown.step(step(1, 1))
        shown.step(step(1, BATCHES))  # at once, though nothing was to be drawn for a tenth of a second
        assert "validating" in look(shown)[0]
        shown.epoch(epoch(1), best=True)
        assert "validating" not in look(shown)[1]


def test_a_terminal_shows_two_lines_and_keeps_the_epochs(show, clock):
    with show() as shown:
        assert screen(shown.stream.getvalue()) == ["waiting for the first batch"]
        for number in (1, 2):
            for batch in range(1, BATCHES + 1):
                clock.now += 0.25
                shown.step(step(number, batch))
                assert len(look(shown)) == 2 + (number - 1)
            shown.epoch(epoch(number), best=number == 1)
        lines = look(shown)
        assert lines[0] == "epoch 1/3  train  62.5% loss 1.500  validation  50.0% loss 1.250  1,234 images/s  best"
        assert lines[1].startswith("epoch 2/3  train")
        assert lines[2].startswith("epoch 2/3  ━")
        assert "best 50.0% in epoch 1" in lines[3]
    assert screen(shown.stream.getvalue()) == lines[:2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_leaves_the_terminal_clean(show, clock, error):
    shown = show()

    def fail():
        with shown:
            clock.now += 1
            shown.step(step(1, 3))
            assert len(look(shown)) == 2
            raise error

    with pytest.raises(error):
        fail()
    assert screen(shown.stream.getvalue()) == []
    assert shown.stream.getvalue().rfind("\x1b[?25h") > shown.stream.getvalue().rfind("\x1b[?25l")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_at_any_moment_leaves_the_terminal_clean(show, monkeypatch):
    """A drawing that is cut short would leave a line behind."""
    monkeypatch.setattr(progress, "_LIVE", 0.001)
    monkeypatch.setattr(progress, "time", time)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(40):
            shown = show(60)
            with pytest.raises(KeyboardInterrupt), shown:  # noqa: PT012
                signal.setitimer(signal.ITIMER_REAL, 0.005 + number / 4_000)
                while True:
                    shown.step(step(1, 3))
            assert screen(shown.stream.getvalue()) == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # a test that failed leaves it ticking, and its default is death
        signal.signal(signal.SIGALRM, before)


def test_it_looks_and_draws_ten_times_a_second_at_most(show, clock, monkeypatch):
    looks, drawers = [], []
    look = so_far.Figures.look
    monkeypatch.setattr(so_far.Figures, "look", lambda self: (looks.append(clock.now), look(self)))
    with show() as shown:
        refresh = shown._screen.refresh
        monkeypatch.setattr(shown._screen, "refresh", lambda: (drawers.append(threading.current_thread()), refresh()))
        for _ in range(1_000):
            clock.now += 0.001
            shown.step(step(1, 3))
        assert 9 <= len(looks) <= 10
        assert threading.current_thread() not in drawers, "a step draws nothing"
        assert shown._screen.auto_refresh
        assert shown._screen.refresh_per_second == 10, "rich's own thread draws, so many times a second"


def test_a_figure_that_nobody_looked_at_yet_is_left_out(show, clock):
    """A warning, or the end, may have the screen drawn before that."""
    with show() as shown:
        shown.step(step(1, 1))
        shown.warn("something")
        assert [line.split()[0] for line in look(shown)] == ["warning:", "epoch"]


def test_without_a_terminal_there_is_a_line_an_epoch_and_one_a_minute(show, clock):
    with show(stream=io.StringIO()) as shown:
        for batch in range(1, BATCHES + 1):
            clock.now += 5
            shown.step(step(1, batch, loss=2.0))
        shown.epoch(epoch(1, skipped=3), best=True)
        clock.now += 59
        shown.step(step(2, 1))
    assert shown.stream.getvalue().splitlines() == [
        "epoch 1/3  step 12/40  loss 2.000  2 images/s  9:00 left",
        "epoch 1/3  step 24/40  loss 2.000  2 images/s  8:00 left",
        "epoch 1/3  step 36/40  loss 2.000  2 images/s  7:00 left",
        "epoch 1/3  train  62.5% loss 1.500  validation  50.0% loss 1.250  1,234 images/s  best  6 not read",
    ]


def test_a_narrow_pipe_breaks_no_line(show):
    shown = show(20, io.StringIO())
    shown.epoch(epoch(1), best=True)
    assert len(shown.stream.getvalue().splitlines()) == 1


def test_an_epochs_line_is_broken_where_a_terminal_is_narrower(show):
    shown = show(60)
    shown.epoch(epoch(1, skipped=3), best=True)
    assert COLOUR.sub("", shown.stream.getvalue()).splitlines() == [
        "epoch 1/3  train  62.5% loss 1.500  1,234 images/s",
        "           validation  50.0% loss 1.250  best  6 not read",
    ]


@pytest.mark.parametrize("variable", [("TERM", "dumb"), ("FORCE_COLOR", "1")])
def test_nothing_is_drawn_over_where_that_is_not_wanted(show, clock, monkeypatch, variable):
    monkeypatch.setenv(*variable)
    with show(stream=io.StringIO() if variable[0] == "FORCE_COLOR" else Terminal()) as shown:
        for batch in range(1, BATCHES):
            clock.now += 3
            shown.step(step(1, batch))
        shown.epoch(epoch(1), best=False)
    assert "\x1b" not in shown.stream.getvalue()
    assert len(shown.stream.getvalue().splitlines()) == 2


def test_no_color_is_respected(show, clock, monkeypatch):
    def colours():
        with show() as shown:
            clock.now += 1
            shown.step(step(1, 3))
            look(shown)
        return re.findall(r"\x1b\[[\d;]*(?:3\d|9\d|38)[\d;]*m", shown.stream.getvalue())

    assert colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours()


def test_a_warning_is_shown_as_it_is(show, clock):
    with show(40) as shown:
        clock.now += 1
        shown.step(step(1, 3))
        shown.warn("a [bold]name[/bold] that is far longer than the terminal is wide")
    assert "warning: a [bold]name[/bold] that is far longer than the terminal is wide\n" in shown.stream.getvalue()


def test_a_resumed_run_knows_its_best_epoch(show, clock):
    class Best:
        epoch, top1 = 7, 0.75

    with show(epochs=9, best=Best()) as shown:
        clock.now += 1
        shown.step(step(8, 3))
        assert "best 75.0% in epoch 7" in look(shown)[1]


def test_a_notice_is_drawn_by_the_thread_or_written_past_all_buffers(show, tmp_path):
    shown = show(60)
    with shown:
        shown.step(step(1, 3))
        shown.notice("interrupted: this step is kept")
        shown._screen.refresh()
        assert screen(shown.stream.getvalue())[-1].rstrip() == "interrupted: this step is kept"
    with (tmp_path / "told").open("w") as stream:
        progress.TrainingProgress(1, Console(file=stream, width=60)).notice("interrupted")
        assert (tmp_path / "told").read_text() == f"{'':10}interrupted\n"
