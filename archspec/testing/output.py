"""Standard output: what a command was asked for stands there, and nothing that a plugin prints."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from archspec.testing.cases import Fault


@contextmanager
def standard_output_left_alone() -> Iterator[None]:
    """Standard output is for the one JSON document of a command with `--json`.

    Raises:
        Fault: something was printed there.

    """
    with redirect_stdout(io.StringIO()) as output:
        yield
    if output.getvalue():
        raise Fault(f"it prints on standard output, which is for `--json`: {output.getvalue().splitlines()[0]!r}")
