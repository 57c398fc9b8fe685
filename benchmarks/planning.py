"""How long a plan takes, from 1,000 to 100,000 layers: it should grow as the layers do.

python benchmarks/planning.py [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import time

from archspec.plan.planner import plan_network
from archspec.spec.load import load_spec

_LAYERS_A_BLOCK = 2


def seconds(layers: int) -> tuple[float, int]:
    """The time to load and plan a network of basic blocks with so many weighted layers, and its depth."""
    repeats = (layers - 2) // _LAYERS_A_BLOCK
    overrides = [f"stages.3.repeats={repeats - 24}", *(f"stages.{i}.repeats=8" for i in range(3))]
    began = time.perf_counter()
    plan = plan_network(load_spec("resnet18", overrides))
    assert plan.parameters > 0
    assert plan.receptive_field > 0
    return time.perf_counter() - began, plan.depth


def main() -> None:
    """Print a line for each size, and the ratio of times where there are ten times the layers."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    options = arguments.parse_args()
    before = None
    for layers in (1_000, 10_000, 100_000):
        taken = [seconds(layers) for _ in range(options.rounds)]
        middle = statistics.median(time for time, _ in taken)
        growth = f", {middle / before:.1f} times the line above" if before else ""
        print(f"{taken[0][1]:,} layers: {middle:.3f} s{growth}")
        before = middle


if __name__ == "__main__":
    main()
