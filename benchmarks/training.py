"""Training throughput against loops over torchvision's and timm's resnet18, on the same images.

The loops are what a good script has: torchvision's ImageFolder, RandomResizedCrop, flip, ToTensor and Normalize in a
DataLoader with persistent workers, SGD with momentum; once with channels_last and once without. timm's has its loader,
transforms, loss and optimizer, as its own train script sets them. Archspec's has a second turn with `precision: bf16`.
Each round gives each loop the same number of steps in turn, in one process; ratios are medians of the rounds'.

    python benchmarks/training.py --data imagefolder:./data [--size 128] [--batch 32] [--steps 12] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line sets it; here for every loop alike

import torch
import torch.nn.functional as F
import torchvision
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from archspec.data.machine import default_workers
from archspec.data.opening import open_data
from archspec.plugins import default_plugins
from archspec.spec.load import load_spec
from archspec.training.documents import choose_data, load_recipe
from archspec.training.loop import train
from archspec.training.results import StepResult
from archspec.training.session import fit_head, new_session


def archspec_loop(options: argparse.Namespace, precision: str) -> Iterator[int]:
    """Archspec's own run, as `archspec train` makes it; yields the images of each step."""
    plugins = default_plugins()
    overrides = [f"recipe.batch_size={options.batch}", "recipe.optimizer={type: sgd, lr: 0.01}", "recipe.epochs=10000"]
    overrides.append("recipe.evaluate_every=10000")  # steps alone are compared
    overrides.append(f"recipe.precision={precision}")
    recipe = load_recipe("default", overrides, plugins)
    choice = choose_data(options.data, [], plugins)
    data = open_data(choice.data, 0)
    spec = fit_head(load_spec("resnet18", [f"input.size={options.size}"], plugins=plugins), data)
    place = {"out": Path("no run is written"), "command": [], "device": torch.device("cpu")}
    session = new_session(spec, recipe, choice, data, workers=options.workers, **place)  # type: ignore[arg-type]
    for result in train(session.trainer):
        if isinstance(result, StepResult):
            yield result.images


def timm_loop(options: argparse.Namespace) -> Iterator[int]:
    """A loop of timm's parts, with the settings that its own train script has where nothing is said."""
    from timm import create_model
    from timm.data import create_dataset, create_loader
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2

    images = create_dataset("", root=f"{options.data.partition(':')[2]}/train", is_training=True)
    loader = create_loader(
        images,
        input_size=(3, options.size, options.size),
        batch_size=options.batch,
        is_training=True,
        hflip=0.5,
        color_jitter=0.4,
        interpolation="random",
        num_workers=options.workers,
        use_prefetcher=False,
        persistent_workers=options.workers > 0,
        pin_memory=False,
    )
    network = create_model("resnet18", num_classes=len(images.reader.class_to_idx)).train()
    optimizer = create_optimizer_v2(network, opt="sgd", lr=0.01, weight_decay=2e-5, momentum=0.9)
    loss_of = LabelSmoothingCrossEntropy(0.1)
    while True:
        for batch, labels in loader:
            loss = loss_of(network(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            yield len(labels)


def torchvision_loop(options: argparse.Namespace, memory_format: torch.memory_format) -> Iterator[int]:
    """A loop written by hand; yields the images of each step."""
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(options.size, scale=(0.5, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    root = options.data.partition(":")[2]
    images = torchvision.datasets.ImageFolder(f"{root}/train", transform)
    workers = options.workers
    loader = DataLoader(images, options.batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    network = torchvision.models.resnet18(num_classes=len(images.classes)).to(memory_format=memory_format)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)
    network.train()
    while True:
        for batch, labels in loader:
            batch = batch.to(memory_format=memory_format)
            loss = F.cross_entropy(network(batch), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            yield len(labels)


def main() -> None:
    """Print each loop's images per second, and the ratios."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", default="imagefolder:./data")
    arguments.add_argument("--size", type=int, default=128)
    arguments.add_argument("--batch", type=int, default=32)
    arguments.add_argument("--steps", type=int, default=12)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--workers", type=int, default=default_workers())
    options = arguments.parse_args()
    loops = {
        "archspec": archspec_loop(options, "auto"),
        "archspec bf16": archspec_loop(options, "bf16"),
        "channels_last": torchvision_loop(options, torch.channels_last),
        "plain": torchvision_loop(options, torch.contiguous_format),
        "timm": timm_loop(options),
    }
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(options.rounds + 1):  # the first round warms up
        for name, loop in loops.items():
            for _ in range(2 * options.workers + 1):  # what was fetched while the others ran does not count
                next(loop)
            began = time.perf_counter()
            images = sum(next(loop) for _ in range(options.steps))
            if number:
                speeds[name].append(images / (time.perf_counter() - began))
        if number:
            print("  ".join(f"{name} {taken[-1]:.1f}" for name, taken in speeds.items()), flush=True)
    medians = {name: statistics.median(taken) for name, taken in speeds.items()}
    for mine in ("archspec", "archspec bf16"):
        for theirs in ("channels_last", "plain", "timm"):
            ratio = statistics.median(one / other for one, other in zip(speeds[mine], speeds[theirs], strict=True))
            speed = f"{mine} {medians[mine]:.1f} images/s, {theirs} {medians[theirs]:.1f}"
            print(f"{speed}, median ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
