"""`python -m archspec_timm SPEC` prints what timm's files call the tensors of a spec's network, for `--map`."""

from __future__ import annotations

import sys
from pathlib import Path

from archspec import load_spec, plan_network
from archspec.errors import ArchspecError
from archspec_timm.names import timm_names


def main(arguments: list[str]) -> int:
    """The exit code: 0 done, 1 the spec is wrong or has no part of timm's, 2 the usage is wrong."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m archspec_timm SPEC", file=sys.stderr)
        return 2
    try:
        names = timm_names(plan_network(load_spec(Path(arguments[0]))))
    except ArchspecError as error:
        print(error.render(), file=sys.stderr)
        return 1
    for ours, theirs in names.items():
        print(f"{ours}: {theirs}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
