"""Whole commands in a test: `archspec_run("check", "resnet18")` gives exit code, standard output and error."""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from archspec.testing.threads import one_thread


@dataclass(frozen=True)
class RunResult:
    """How a command ended, and what it wrote."""

    code: int
    """0 done, 1 wrong input, 2 wrong usage, 130 interrupted, 143 terminated."""
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document, as a command with `--json` writes it.

        Raises:
            AssertionError: it is none, as where a plugin prints to standard output.

        """
        try:
            return json.loads(self.stdout, parse_constant=_refuse)
        except ValueError as error:
            help = "give the command `--json`, and let nothing else write to standard output: print to standard error"
            said = f"{self.stdout[:300]!r}; its standard error is {self.stderr[:300]!r}"
            raise AssertionError(f"standard output is not one JSON document ({error}): {help}. It is {said}") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


class Runner:
    """Runs `archspec` with these arguments: in this process, or with `child=True` in one of its own.

    In this process it is fast, an exception that is no error of the user's comes through to the test, and a debugger
    can stop in the plugin. A process of its own is what the user has: nothing that a test imported is there.
    """

    def __call__(self, *arguments: object, child: bool = False, timeout: float = 600) -> RunResult:
        """Run a command in the current folder. A child is ended after `timeout` seconds.

        Raises:
            subprocess.TimeoutExpired: the child took longer.

        """
        words = [str(argument) for argument in arguments]
        return _run_child(words, timeout) if child else _run_here(words)


def _run_child(words: list[str], timeout: float) -> RunResult:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "archspec", *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout, check=False)
    return RunResult(done.returncode, done.stdout, done.stderr)


def _run_here(words: list[str]) -> RunResult:
    """What `python -m archspec` runs, which leaves by `SystemExit`."""
    out, err = io.StringIO(), io.StringIO()
    with _arguments(words), one_thread(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_module("archspec", run_name="__main__")
            code: int | str | None = 0
        except SystemExit as leaving:
            code = leaving.code
    if isinstance(code, str):  # Python prints it, and leaves with 1
        return RunResult(1, out.getvalue(), f"{err.getvalue()}{code}\n")
    return RunResult(code or 0, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _arguments(words: list[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = ["archspec", *words]
    try:
        yield
    finally:
        sys.argv = before
