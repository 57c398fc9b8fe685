"""No test looks at a clock, sleeps, or sets a limit in seconds: it waits for events and counts work."""

import re

import pytest

CLOCK = re.compile(
    r"\b(sleep|perf_counter|process_time|monotonic|thread_time)(_ns)?\b|\btime\.time(_ns)?\(|\btimeit\b|\bsetitimer\b"
    r"|\balarm\(|\btimeout ?= ?(?!HANG\b)|\bdeadline ?= ?(?!None\b)|\bdatetime\.now\b|\bimport time\b"
    r"|\bfrom time import|\.(wait|join|poll)\(\d"
)
TESTS = ("tests/**/*.py", "plugins/*/tests/**/*.py", "plugins/*.py", "archspec/scaffold/template/**/*.py")
ALLOWED = {
    "tests/support/waiting.py": (".*", "the one wait of all tests, whose limit is a guard against hanging"),
    "tests/test_no_clocks.py": (".*", "it names what it looks for"),
    "tests/report/test_progress.py": (
        r"def monotonic|setitimer|import time$|\"time\", time",
        "a clock that the test moves; and Ctrl-C at many moments, which must be right at every one",
    ),
    "tests/cli/test_data_inspect.py": (r"inspection\.time\.monotonic\"", "a clock that the test moves"),
    "tests/data/test_loader.py": (r"timeout=seconds", "the limit that a worker hangs over; others have HANG"),
    "tests/plugins/test_doctor.py": (r"Event\(\)\.wait\(600\)", "a plugin that hangs for longer than any other wait"),
    "tests/testing/test_fixtures.py": (
        r"timeout=0\.5|Event\(\)\.wait\(600\)",
        "the limit of a child that never ends",
    ),
}


def clocks(name, text):
    """The lines of a file that look at a clock, but for those that may."""
    allowed = re.compile(ALLOWED[name][0]) if name in ALLOWED else None
    lines = [line.strip() for line in text.splitlines() if CLOCK.search(line)]
    return [f"{name}: {line}" for line in lines if allowed is None or not allowed.search(line)]


def test_no_test_looks_at_a_clock(root):
    files = {file.relative_to(root).as_posix(): file for pattern in TESTS for file in root.glob(pattern)}
    assert len(files) > 150
    assert files.keys() >= ALLOWED.keys()
    found = [line for name, file in sorted(files.items()) for line in clocks(name, file.read_text())]
    assert not found, "wait for an event by `waiting.wait_for`, or stand still at one by `halting.Halting`"


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_there(root, name):
    assert any(re.search(ALLOWED[name][0], line) for line in (root / name).read_text().splitlines())


@pytest.mark.parametrize(
    "line",
    [
        "time.sleep(0.3)",
        "sleep(1)",
        "began = time.perf_counter()",
        "assert time.monotonic() - began < 3",
        "time.time()",
        "process.communicate(timeout=30)",
        "@settings(deadline=1000)",
        "import time",
        'plugin("import time; time.sleep(60)")',
        "signal.alarm(3)",
        "thread.join(5)",
    ],
)
def test_a_clock_is_seen(line):
    assert clocks("tests/test_new.py", line)
    assert clocks("tests/report/test_progress.py", line) or line == "import time"


@pytest.mark.parametrize("line", ["process.wait(timeout=HANG)", "@settings(deadline=None)", "clock.now += 1"])
def test_what_is_no_clock_is_not_seen(line):
    assert not clocks("tests/test_new.py", line)
