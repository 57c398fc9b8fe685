"""Fine-tuning against fastai: time to 80 % and to 83 % of the test images, and accuracy in equal time.

Both begin with the same ResNet-18 weights, which learned ImageNet, and train on the same folder of `train`,
`validation` and `test`. fastai does what its documentation says: a vision learner, `aug_transforms`, `fine_tune(2)`:
one epoch with a frozen body and two of everything (`--epochs`), each at its default rate. archspec trains at the same
size, measures at 1.25 of it, and runs its recipe `finetune`, in as many epochs as fit into the time that fastai took.
Each run is a process of its own, which counts from its start, imports included; the clock stands while the test
images are measured after an epoch. The last column is of the epoch that did best on validation, in archspec as
`archspec eval` would take it, in fastai the last one. The two take turns, once for each seed.

    pip install 'archspec-nn[bench]'
    python benchmarks/finetuning.py --data ./data --weights resnet18.pth [--seeds 3] [--size 128] [--set KEY=VALUE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line sets it; here for both alike

Epoch = dict[str, float]
"""Seconds since the process began, and the shares of the validation and the test images that were right."""


class Clock:
    """Seconds since the process was started, less those in which it stood."""

    def __init__(self, began: float) -> None:
        self._zero = began

    def read(self) -> float:
        return time.time() - self._zero

    def stand(self, measure: Callable[[], float]) -> float:
        """Measure something while the clock stands."""
        began = time.time()
        found = measure()
        self._zero += time.time() - began
        return found


def run_archspec(options: argparse.Namespace, clock: Clock) -> Iterator[Epoch]:
    """As `archspec train SPEC --recipe finetune --weights FILE` does it, checkpoints included."""
    import torch

    from archspec.data.loader import Loader
    from archspec.data.opening import open_data
    from archspec.data.transforms import EvaluationTransform
    from archspec.plugins import default_plugins
    from archspec.spec.load import load_spec
    from archspec.training.documents import choose_data, load_recipe
    from archspec.training.evaluation import evaluate
    from archspec.training.keeping import fit
    from archspec.training.results import EpochResult
    from archspec.training.session import fit_head, new_session

    plugins = default_plugins()
    sizes = f"recipe.sizes=[{{until: 1, size: {options.size}}}]"
    of_spec = [f"input.size={round(options.size * 1.25)}"]  # what training sees larger: Touvron et al. 2019
    of_recipe = [sizes, f"recipe.seed={options.seed}", f"recipe.weights={options.weights}", *options.set]
    if options.seconds is not None:
        of_recipe.insert(0, f"recipe.time={options.seconds - clock.read():.0f}s")
    recipe = load_recipe(options.recipe, of_recipe, plugins)
    choice = choose_data(f"imagefolder:{options.data}", [], plugins)
    data = open_data(choice.data, options.seed)
    spec = fit_head(load_spec("resnet18", of_spec, plugins=plugins), data)
    with tempfile.TemporaryDirectory() as folder:
        place: dict[str, Any] = {"out": Path(folder) / "run", "command": [], "device": torch.device("cpu")}
        session = new_session(spec, recipe, choice, data, workers=options.workers, **place)
        trainer, preprocessing = session.trainer, session.run.info.preprocessing
        finish = EvaluationTransform(preprocessing)
        test = Loader(data.splits["test"], preprocessing.reading, finish, batch_size=64, workers=options.workers)
        for result in fit(session):
            if isinstance(result, EpochResult) and result.validation is not None:
                seconds, validation = clock.read(), result.validation.top1
                found = clock.stand(lambda: evaluate(trainer.evaluated, test, trainer.normalize, trainer.dtype).top1)
                yield {"seconds": seconds, "validation": validation, "test": found}
        test.close()


def run_fastai(options: argparse.Namespace, clock: Clock) -> Iterator[Epoch]:
    """As its documentation says, with the weights of the file in place of those that it would fetch."""
    import torch
    from fastai.vision import all as fastai
    from torchvision.models import resnet18

    def arch(**_: Any) -> torch.nn.Module:
        network = resnet18()
        network.load_state_dict(torch.load(options.weights, weights_only=True))
        return network

    fastai.model_meta[arch] = fastai.model_meta[resnet18]
    fastai.set_seed(options.seed, reproducible=False)
    loaders = fastai.ImageDataLoaders.from_folder(
        options.data,
        train="train",
        valid="validation",
        item_tfms=fastai.Resize(options.size),
        batch_tfms=fastai.aug_transforms(),
        bs=32,  # as in archspec; by its default of 64 it is less accurate
        num_workers=options.workers,
    )
    epochs: list[Epoch] = []

    def right(network: torch.nn.Module, batches: Any) -> float:
        network.eval()
        with torch.inference_mode():
            found = [(network(images).argmax(1) == labels).float() for images, labels in batches]
        return float(torch.cat(found).mean())

    class Watch(fastai.Callback):
        order = 90

        def after_epoch(self) -> None:
            seconds, validation = clock.read(), float(self.learn.recorder.values[-1][-1])
            measured = clock.stand(lambda: right(self.learn.model, test))
            epochs.append({"seconds": seconds, "validation": validation, "test": measured})

    learner = fastai.vision_learner(loaders, arch, metrics=fastai.accuracy)  # which adds Normalize to the loaders
    test = loaders.test_dl(fastai.get_image_files(Path(options.data) / "test"), with_labels=True)
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(options.epochs, cbs=[Watch()])
    yield from epochs


def start(tool: str, seed: int, arguments: list[str]) -> list[Epoch]:
    """A run in a process of its own."""
    command = [sys.executable, __file__, *arguments, "--tool", tool, "--seed", str(seed)]
    done = subprocess.run([*command, "--began", str(time.time())], stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def describe(tool: str, seed: int, epochs: list[Epoch]) -> Epoch:
    """Print a run, and return its figures; infinite is what it did not reach."""
    best = max(epochs, key=lambda epoch: epoch["validation"]) if tool == "archspec" else epochs[-1]
    figures = {"seconds": epochs[-1]["seconds"], "accuracy": best["test"]}
    for share in (0.80, 0.83):
        reached = (epoch["seconds"] for epoch in epochs if epoch["test"] >= share)
        figures[f"to {share:.0%}"] = next(reached, float("inf"))
    said = ", ".join(f"{name} {_show(name, value)}" for name, value in figures.items())
    print(f"{tool:9} seed {seed}: {len(epochs)} epochs, {said}", flush=True)
    for number, epoch in enumerate(epochs, start=1):
        shown = f"validation {epoch['validation']:.1%}, test {epoch['test']:.1%}"
        print(f"    epoch {number}: {epoch['seconds']:.0f} s, {shown}", flush=True)
    return figures


def _show(name: str, value: float) -> str:
    if name == "accuracy":
        return f"{value:.1%}"
    return f"{value:.0f} s" if value < float("inf") else "not reached"


def main() -> None:
    """Print each run, and the means of accuracies and medians of times."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True)
    arguments.add_argument("--weights", required=True)
    arguments.add_argument("--recipe", default="finetune")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--epochs", type=int, default=2, help="fastai's, after the frozen one")
    arguments.add_argument("--size", type=int, default=128)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--set", action="append", default=[], metavar="recipe.KEY=VALUE")
    for hidden, kind in (("--tool", str), ("--seed", int), ("--began", float), ("--seconds", float)):
        arguments.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.tool is not None:
        runner = {"archspec": run_archspec, "fastai": run_fastai}[options.tool]
        for epoch in runner(options, Clock(options.began)):
            print(json.dumps(epoch), flush=True)
        return
    given = sys.argv[1:]
    found: dict[str, list[Epoch]] = {"fastai": [], "archspec": []}
    for seed in range(options.seeds):
        found["fastai"].append(describe("fastai", seed, start("fastai", seed, given)))
        budget = ["--seconds", str(found["fastai"][-1]["seconds"])]
        found["archspec"].append(describe("archspec", seed, start("archspec", seed, [*given, *budget])))
    for tool, runs in found.items():
        accuracy = statistics.mean(run["accuracy"] for run in runs)
        times = {name: statistics.median(run[name] for run in runs) for name in ("seconds", "to 80%", "to 83%")}
        said = ", ".join(f"{name} {_show(name, value)}" for name, value in times.items())
        print(f"{tool:9} accuracy {accuracy:.1%} (mean of {len(runs)}), {said} (medians)")
    for name in ("to 80%", "to 83%"):
        pairs = [(theirs[name], mine[name]) for theirs, mine in zip(found["fastai"], found["archspec"], strict=True)]
        ratios = [theirs / mine for theirs, mine in pairs if max(theirs, mine) < float("inf")]
        said = (
            f"fastai takes {statistics.median(ratios):.1f} times as long (median)" if ratios else "no pair reached it"
        )
        print(f"{name}: {said}, where both reached it: {len(ratios)} of {len(pairs)}")


if __name__ == "__main__":
    main()
