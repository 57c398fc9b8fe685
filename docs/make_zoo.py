"""Writes specs/README.md, the zoo as a table, from the specs themselves: `python docs/make_zoo.py`."""

from __future__ import annotations

from pathlib import Path

import archspec
from archspec.spec.zoo import zoo_folder, zoo_names

_HEAD = """# The zoo

Published residual networks, each a spec of at most 40 lines and a test case. `archspec build NAME` works in any folder.
Figures are for the input in the third column; MACs are multiply-adds of convolutions and linear layers. This page is
made by `python docs/make_zoo.py`.

| spec | network | input | parameters | MACs | depth | receptive field |
| --- | --- | --- | ---: | ---: | ---: | ---: |
"""


def zoo_page() -> str:
    """The text of specs/README.md."""
    return _HEAD + "".join(f"| {' | '.join(_row(name))} |\n" for name in zoo_names())


def _row(name: str) -> list[str]:
    plan = archspec.plan_network(archspec.load_spec(name))
    size = "x".join(map(str, plan.input))
    figures = (plan.parameters, plan.macs, plan.depth, plan.receptive_field)
    return [f"[`{name}`]({name}.yaml)", _comment(name), size, *(f"{figure:,}" for figure in figures)]


def _comment(name: str) -> str:
    """What the spec's first lines say of it."""
    lines = (zoo_folder() / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    comment = []
    for line in lines:
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").strip())
    return " ".join(comment).rstrip(".")


if __name__ == "__main__":
    Path(__file__).parent.parent.joinpath("specs", "README.md").write_text(zoo_page(), encoding="utf-8", newline="\n")
