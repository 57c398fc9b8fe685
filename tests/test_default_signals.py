"""Processes that tests start get the default signals, however the suite was started."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
IGNORED = ("SIGINT", "SIGQUIT", "SIGHUP", "SIGTERM", "SIGUSR1")
"""What `&` in a script ignores, nohup, and whoever else."""
CHILD = f"""
import signal
print(*[signal.getsignal(getattr(signal, name)) == signal.SIG_IGN for name in {IGNORED}])
print(len(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
"""
SUITE = f"""
import signal, subprocess, sys
for name in {IGNORED}:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
if sys.argv[2:]:
    sys.path.insert(0, sys.argv[2])
    from default_signals import restore_default_signals
    restore_default_signals()
    signal.raise_signal(signal.SIGHUP)  # the suite itself outlives its terminal, as it was told to
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
print(subprocess.run([sys.executable, "-c", sys.argv[1]], capture_output=True, text=True).stdout)
"""


@pytest.mark.parametrize("restored", [True, False])
def test_what_a_suite_was_told_to_ignore_its_children_do_not(root, restored):
    """Without the mechanism they do, or this test would show nothing."""
    support = [str(root / "tests" / "support")] if restored else []
    done = subprocess.run([sys.executable, "-c", SUITE, CHILD, *support], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ignored, held = done.stdout.split("\n")[:2]
    assert (set(ignored.split()), held) == (({"False"}, "0") if restored else ({"True"}, "1"))


def test_this_suite_ignores_nothing_that_python_does_not():
    pythons = {signal.SIGPIPE, signal.SIGXFSZ}
    assert {number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN} <= pythons


def test_the_plugins_suite_has_the_same(root):
    assert "\nrestore_default_signals()\n" in Path(root / "plugins" / "conftest.py").read_text()
