"""What archspec costs where Python's own cost shows: small networks and small images.

`forward`: the compiled network against torchvision's module, one image of 32 pixels. `training`: the loop of a run (its
seeds, schedule, totals, the gradient's length) against the same steps written by hand, on a network of two blocks at 32
pixels, batches in memory. All run in one process, in turn, on the same input; ratios are those of the medians.

    python benchmarks/overhead.py [--rounds 300] [--size 32]
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

import archspec
from archspec.data.loader import Batch
from archspec.data.opening import open_data
from archspec.plugins import default_plugins
from archspec.training.documents import choose_data, load_recipe
from archspec.training.loop import Trainer, train_step
from archspec.training.optimization import make_optimizer
from archspec.training.session import fit_head, new_session


def seconds(network: nn.Module, images: Tensor) -> float:
    """One forward pass."""
    began = time.perf_counter()
    network(images)
    return time.perf_counter() - began


def measure_forward(rounds: int, size: int) -> None:
    """Print a line for each network."""
    images = torch.randn(1, 3, size, size)
    for name in ("resnet18", "resnet50", "resnet152"):
        theirs = getattr(torchvision.models, name)().eval()
        ours = archspec.build_network(name).eval()
        archspec.load_weights(ours, theirs.state_dict())
        times: dict[nn.Module, list[float]] = {ours: [], theirs: []}
        with torch.inference_mode():
            assert torch.equal(ours(images), theirs(images))
            for _ in range(rounds):
                for network, taken in times.items():
                    taken.append(seconds(network, images))
        mine, reference = (statistics.median(taken[rounds // 10 :]) for taken in times.values())
        print(f"{name}: {mine * 1e3:.2f} ms, torchvision {reference * 1e3:.2f} ms, ratio {mine / reference:.3f}")


def tiny_trainer(folder: Path) -> Trainer:
    """A run of the zoo's `tiny` on noise."""
    plugins = default_plugins()
    choice = choose_data("fake", ["data.images=320", "data.classes=10", "data.size=32"], plugins)
    recipe = load_recipe("default", ["recipe.epochs=1000"], plugins)
    data = open_data(choice.data, 0)
    spec = fit_head(archspec.load_spec("tiny", ["input.channels=3", "input.size=32"]), data)
    cpu = torch.device("cpu")
    run = {"out": folder / "run", "command": [], "device": cpu, "workers": 0}
    return new_session(spec, recipe, choice, data, **run).trainer  # type: ignore[arg-type]


def by_hand(trainer: Trainer, batches: list[Batch]) -> Iterator[float]:
    """Seconds of each step of a plain loop on a copy of the network, with the same optimizer and normalisation."""
    network = copy.deepcopy(trainer.network).train()
    optimizer = make_optimizer(trainer.recipe, network)
    while True:
        for batch in batches:
            began = time.perf_counter()
            for group in optimizer.param_groups:
                group["lr"] = 1e-3
            loss = F.cross_entropy(network(trainer.normalize(batch.images)), batch.labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            yield time.perf_counter() - began


def ours(trainer: Trainer, batches: list[Batch]) -> Iterator[float]:
    """Seconds of each step of a run, its losses counted."""
    trainer.begin_epoch()
    while True:
        for batch in batches:
            began = time.perf_counter()
            trainer.pending.append(train_step(trainer, [batch]))
            trainer.settle()
            yield time.perf_counter() - began


def measure_training(rounds: int) -> None:
    """Print a line for the loop."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = tiny_trainer(Path(folder))
        batches = [trainer.train_loader.read(number) for number in range(len(trainer.train_loader))]
        loops = by_hand(trainer, batches), ours(trainer, batches)
        taken = [[next(loop) for loop in loops] for _ in range(rounds)][rounds // 10 :]
    reference, mine = (statistics.median(column) for column in zip(*taken, strict=True))
    print(f"a step of training: {mine * 1e3:.2f} ms, by hand {reference * 1e3:.2f} ms, ratio {mine / reference:.3f}")


def main() -> None:
    """Measure both."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=300)
    arguments.add_argument("--size", type=int, default=32)
    options = arguments.parse_args()
    measure_forward(options.rounds, options.size)
    measure_training(options.rounds)


if __name__ == "__main__":
    main()
