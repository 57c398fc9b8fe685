"""Starts `archspec` as a process that stands still, or is killed, at the n-th event of a kind: no test hits a moment.

with Halting(tmp_path, "train", ..., at=20, paths="*/train/*.png") as process:  # the 20th image is being opened
    process.wait_until_it_stands()
    process.send_signal(signal.SIGINT)
    process.wait_for_words("interrupted")
    process.let_go()
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from waiting import HANG, wait_for

CHANGES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree", "shutil.copymode")
_numbers = itertools.count()


class Halting:
    """A process of a group of its own, as a terminal starts one.

    It stands still at its `at`-th event since a file `after` is there; with `die`, it is killed there with all of its
    group. `events` are Python's audit events, of paths that match `paths`; with `writing`, opening a file to read it is
    none. `within` tells which processes have events: the `first`, its `workers`, or `all`. Its output goes to files, so
    that no pipe is ever full.
    """

    def __init__(self, folder, *arguments, at, paths, after=None, events=("open",), **more):
        """`more` is `writing`, `die`, `within`, and the `environment` beside this process's own."""
        self.folder = Path(folder) / f"halting-{next(_numbers)}"
        self.folder.mkdir()
        os.mkfifo(self.folder / "go")
        environment = more.pop("environment", {})
        rule = {"at": at, "paths": str(paths), "after": after and str(after), "events": events}
        halt = json.dumps({"writing": False, "die": False, "within": "all", **more, **rule, "folder": str(self.folder)})
        self._streams = [(self.folder / name).open("wb") for name in ("stdout", "stderr")]
        command = [sys.executable, str(Path(__file__).with_name("halting_child.py")), *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._streams[0],
            stderr=self._streams[1],
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment, "ARCHSPEC_TEST_HALT": halt},
            start_new_session=True,
        )
        self._open_end = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with contextlib.suppress(ProcessLookupError):  # all of the group, whatever a test that failed left
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in self._streams:
            stream.close()
        if self._open_end is not None:
            os.close(self._open_end)

    @property
    def pid(self):
        return self.process.pid

    @property
    def errors(self):
        """What it has written to standard error."""
        return (self.folder / "stderr").read_text()

    def wait_until_it_stands(self, processes=1):
        """Until so many processes of the group stand at their event."""
        self._wait(lambda: len(list(self.folder.glob("reached-*"))) >= processes)

    def wait_for_words(self, words):
        self._wait(lambda: words in self.errors)

    def _wait(self, condition):
        try:
            wait_for(condition, self.process)
        except AssertionError as error:
            raise AssertionError(f"{error}; its standard error is:\n{self.errors}") from None

    def send_signal(self, number):
        self.process.send_signal(number)

    def signal_all(self, number):
        """As a terminal does: every process of the group gets the signal."""
        os.killpg(self.process.pid, number)

    def let_go(self):
        """All that stand go on, and whoever comes to the event later does not stand still."""
        self._open_end = os.open(self.folder / "go", os.O_RDWR)

    def wait(self):
        """Its exit code, once it has ended."""
        return self.process.wait(timeout=HANG)
