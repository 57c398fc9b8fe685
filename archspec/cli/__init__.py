"""The command line: one file a command."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Run `archspec`, and leave with its exit code: 0 done, 1 wrong input, 2 wrong usage, 130 interrupted."""
    if (Path(__file__).parents[1] / "cpu").is_dir():  # Spack's `archspec` installs the same import name
        sys.exit(
            "error: this environment also holds PyPI's other `archspec` (Spack's CPU library), which has the same "
            "import name\n  help: install archspec-nn in an environment of its own: python3 -m venv .venv && "
            ".venv/bin/pip install archspec-nn"
        )
    # OpenMP's threads spin while they wait, and take the cores from the loader's processes: on two busy cores that made
    # an epoch of `tiny` up to three times slower. Its runtime reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from archspec.cli.app import run

        sys.exit(run())
    except KeyboardInterrupt:  # before the command began
        sys.exit(130)
