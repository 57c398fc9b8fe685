"""The compiled network against torchvision's module, where Python's cost shows: one image of 32 pixels.

Both run in one process, in turn, on the same input; the ratio is that of the medians.

    python benchmarks/overhead.py [--rounds 300] [--size 32]
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
import torchvision
from torch import Tensor, nn

import archspec


def seconds(network: nn.Module, images: Tensor) -> float:
    """One forward pass."""
    began = time.perf_counter()
    network(images)
    return time.perf_counter() - began


def main() -> None:
    """Print a line for each network."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=300)
    arguments.add_argument("--size", type=int, default=32)
    options = arguments.parse_args()
    images = torch.randn(1, 3, options.size, options.size)
    for name in ("resnet18", "resnet50", "resnet152"):
        theirs = getattr(torchvision.models, name)().eval()
        ours = archspec.build_network(name).eval()
        archspec.load_weights(ours, theirs.state_dict())
        times: dict[nn.Module, list[float]] = {ours: [], theirs: []}
        with torch.inference_mode():
            assert torch.equal(ours(images), theirs(images))
            for _ in range(options.rounds):
                for network, taken in times.items():
                    taken.append(seconds(network, images))
        mine, reference = (statistics.median(taken[options.rounds // 10 :]) for taken in times.values())
        print(f"{name}: {mine * 1e3:.2f} ms, torchvision {reference * 1e3:.2f} ms, ratio {mine / reference:.3f}")


if __name__ == "__main__":
    main()
