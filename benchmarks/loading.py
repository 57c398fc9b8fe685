"""Reading images for training, against torchvision's ImageFolder and torch's DataLoader with the same transforms.

    python benchmarks/loading.py --data FOLDER [--sizes 64 128 224] [--workers 2] [--rounds 3]

Everything runs in turn in one process, a round after another, and ratios are of medians. A batch counts when it is
normalised and ready for the network. `first` is an epoch without a cache; `filling` the first epoch with a new cache,
its making included; `cached` every later one. FOLDER holds train/CLASS/*.jpg.

With `--train`, resnet18 also trains at 128 pixels, and the share of the time that it waits for images, after the first
batch, is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from archspec.data.folder import open_folder
from archspec.data.index import ImageData
from archspec.data.machine import default_workers
from archspec.data.preprocessing import Preprocessing, preprocessing_for
from archspec.data.transforms import Normalize
from archspec.plugins import default_plugins
from archspec.spec.arch import InputSpec
from archspec.training.documents import load_recipe
from archspec.training.loaders import make_loaders
from archspec.training.recipe import Recipe

_BATCH = 32
_CPU = torch.device("cpu")


def timed(batches: Iterable[Any]) -> float:
    """Seconds to read all batches."""
    began = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - began


def peer(folder: Path, recipe: Recipe, preprocessing: Preprocessing, workers: int) -> DataLoader[Any]:
    """torchvision's loader with the recipe's augmentation."""
    augmentation = recipe.augmentation
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(preprocessing.size, scale=augmentation.scale, ratio=augmentation.ratio),
            v2.RandomHorizontalFlip(augmentation.flip),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(preprocessing.mean, preprocessing.std),
        ]
    )
    images = ImageFolder(folder / "train", transform)
    return DataLoader(images, _BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


def epochs_of(data: ImageData, recipe: Recipe, preprocessing: Preprocessing, workers: int) -> Callable[[int], float]:
    """Seconds of an epoch of ours, by its number."""
    loader, _ = make_loaders(data, recipe, preprocessing, epochs=30, device=_CPU, workers=workers)
    normalize = Normalize(preprocessing, _CPU)
    return lambda epoch: timed(normalize(batch.images) for batch in loader.epoch(epoch))


def measure(folder: Path, size: int, workers: int, rounds: int) -> dict[str, float]:
    """Median seconds of an epoch, by what is measured."""
    plugins = default_plugins()
    data = open_folder(folder, 0.15, 0.15, 0)
    preprocessing = preprocessing_for(InputSpec(size=(size, size)), 1.0, None, None)
    plain = load_recipe("default", [], plugins)
    kept = load_recipe("default", ["recipe.cache=disk"], plugins)
    theirs = peer(folder, plain, preprocessing, workers)
    ours = epochs_of(data, plain, preprocessing, workers)
    timed(theirs)  # starts the workers, and reads the files from the disk once
    ours(0)
    taken: dict[str, list[float]] = {"torchvision": [], "first": [], "filling": [], "cached": []}
    for number in range(1, rounds + 1):
        taken["torchvision"].append(timed(theirs))
        taken["first"].append(ours(number))
        with tempfile.TemporaryDirectory() as cache:
            os.environ["ARCHSPEC_CACHE"] = cache
            cached = epochs_of(data, kept, preprocessing, workers)
            taken["filling"].append(cached(0))
            taken["cached"].append(cached(1))
    return {name: statistics.median(times) for name, times in taken.items()}


def waiting(folder: Path, workers: int) -> float:
    """The share of the time that resnet18 waits for images at 128 pixels, after the first batch of an epoch."""
    from archspec.cli.app import run  # the command itself, so that it is what users run

    out = Path(tempfile.mkdtemp()) / "run"
    arguments = ["train", "resnet18", "--data", f"imagefolder:{folder}", "--epochs", "1", "--out", str(out)]
    if run([*arguments, "--workers", str(workers), "--set", "input.size=128"]) != 0:
        raise SystemExit("the training failed")
    line = json.loads((out / "times.jsonl").read_text().splitlines()[-1])
    shutil.rmtree(out.parent)
    return float(line["waited"] / line["seconds"])


def main() -> None:
    """Print a line a size."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 224])
    arguments.add_argument("--workers", type=int, default=default_workers())
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--train", action="store_true")
    options = arguments.parse_args()
    images = len(open_folder(options.data, 0.15, 0.15, 0).splits["train"])
    for size in options.sizes:
        medians = measure(options.data, size, options.workers, options.rounds)
        base = medians.pop("torchvision")
        parts = [f"{name} {base / seconds:.2f} ({images / seconds:,.0f}/s)" for name, seconds in medians.items()]
        print(f"{size} px: torchvision {images / base:,.0f} images/s; ratios: {', '.join(parts)}")
    if options.train:
        print(f"resnet18 at 128 px waits for images {waiting(options.data, options.workers):.2%} of the time")


if __name__ == "__main__":
    main()
