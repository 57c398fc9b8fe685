"""Draws the pictures of the README from the program's own output: `python docs/make_pictures.py`."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

import archspec
from archspec.network.verify import verify_plan
from archspec.report.network import print_plan


def main() -> None:
    """Write docs/build.svg."""
    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True)
    console.print("[bold green]$[/bold green] archspec build specs/resnet34.yaml", highlight=False)
    plan = archspec.plan_network(archspec.load_spec("resnet34"))
    verify_plan(plan)
    print_plan(plan, console, checked=True)
    console.save_svg(str(Path(__file__).with_name("build.svg")), title="archspec")


if __name__ == "__main__":
    main()
