"""Signals as a shell in the foreground gives them, however the tests were started.

`&` in a script, cron and nohup start a process with SIGINT, SIGQUIT or SIGHUP ignored, and what is ignored stays so in
every process that it starts. A handler does not: `exec` puts the default in its place.
"""

import contextlib
import signal

_PYTHONS = {getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name)}
"""Python ignores these by itself, and `subprocess` gives its children the default."""


def restore_default_signals():
    """Processes that this one starts get every signal's default. What it was told to ignore, this one still does not
    answer, so that a suite under nohup outlives its terminal; but Ctrl-C is Python's own again.
    """
    for number in signal.valid_signals() - _PYTHONS:
        if signal.getsignal(number) is signal.SIG_IGN:
            heard = signal.default_int_handler if number == signal.SIGINT else _pass_over
            with contextlib.suppress(OSError, ValueError):  # a few may not be handled
                signal.signal(number, heard)
    if hasattr(signal, "pthread_sigmask"):  # what is held back is inherited as well
        signal.pthread_sigmask(signal.SIG_SETMASK, set())


def _pass_over(number, frame):
    return None
