"""The check of an exporter: it writes a few small networks, and what runs its file is held against each of them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from archspec.data.preprocessing import preprocessing_for
from archspec.errors import ArchspecError
from archspec.export.exported import Exported
from archspec.export.options import ExporterOptions
from archspec.network.compile import compile_network
from archspec.offers import Options
from archspec.plan.planner import plan_network
from archspec.plugins import Plugins, default_plugins
from archspec.spec.load import load_spec
from archspec.testing.cases import Fault
from archspec.testing.holding import hold
from archspec.testing.output import standard_output_left_alone
from archspec.testing.randomness import randomness_left_alone
from archspec.weights.compare import TOLERANCE, compare_tensors

__tracebackhide__ = True  # of pytest: a test that fails shows its own line, and what the check says

Run = Callable[[Tensor], Any]

_NETWORKS = (
    ("head.softmax=true", "head.classes=4"),
    ("input.channels=1", "input.size=[27, 20]", "stages.*.block=bottleneck", "defaults.attention=se"),
    ("stages.*.block=inverted", "defaults.activation=silu", "head.dropout=0.5", "defaults.drop_path=0.5"),
)
"""Of the zoo's smallest: with a softmax; of one channel and another size, gated; one that draws while it trains."""
_BATCHES = (1, 3)
_SAME_SIZE, _SLACK = 0.01, 1024
"""By which share, and by how many bytes, a file may be larger or smaller the second time: dates, compressed."""


def check_exporter(name: str, *, plugins: Plugins | None = None, options: Mapping[str, Any] | None = None) -> None:
    """An exporter writes the one file that it is given, leaves the network alone, and its file does what that does.

    `options` are written as values of `--set export.OPTION` are. Without `plugins`, the offer is one of an installed
    package.

    Raises:
        AssertionError: the offer broke a promise.
        PluginError: there is no such offer.
        DocumentError: an option is wrong.
        ArchspecError: the exporter refuses to write, as one whose library is missing.

    """
    plugins = plugins or default_plugins()
    hold("exporters", name, plugins, options, lambda held, _: _prove(held, plugins))


def _prove(options: Options, plugins: Plugins) -> None:
    if not isinstance(options, ExporterOptions):
        raise Fault("its options must derive from archspec.ExporterOptions, which say how a file's name ends")
    if not re.fullmatch(r"(\.[\w-]+)+", options.suffix):
        what = f"its options' `suffix` is {options.suffix!r}"
        raise Fault(f"{what}, and must be the end of a file's name, such as '.pt2'")
    for changes in _NETWORKS:
        _prove_with(options, _exported(changes, plugins))


def _prove_with(options: ExporterOptions, exported: Exported) -> None:
    network = exported.network
    batches = [torch.randn(images, *exported.plan.input) for images in _BATCHES]
    with torch.no_grad():
        expected = [network(batch) for batch in batches]
    with TemporaryDirectory() as folder, contextlib.chdir(folder):
        before = _state(network)
        first, _ = _write(options, exported, Path(folder) / "first")  # what it imports may draw: not counted
        with randomness_left_alone("writing", "draw from a generator of your own"), standard_output_left_alone():
            second, run = _write(options, exported, Path(folder) / "second")
        _refuse_changes(before, network)
        if abs(first.stat().st_size - second.stat().st_size) > _SAME_SIZE * first.stat().st_size + _SLACK:
            sizes = f"{first.stat().st_size:,} bytes and then {second.stat().st_size:,}"
            raise Fault(f"written twice, its file has {sizes}: one network makes one file")
        if beside := sorted({path.name for path in Path(folder).iterdir()} - {"first", "second"}):
            raise Fault(f"it writes '{beside[0]}' into the current folder: it has one file to write, which it is given")
        if run is not None:
            _prove_run(run, network, list(zip(batches, expected, strict=True)))


def _exported(changes: tuple[str, ...], plugins: Plugins) -> Exported:
    """A network whose norms do not do the same in training and in evaluation; of some, classes are known."""
    torch.default_generator.manual_seed(0)
    spec = load_spec("tiny", changes, plugins=plugins)
    plan = plan_network(spec)
    network = compile_network(plan).eval().requires_grad_(False)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.2)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    if spec.input.channels != 3:  # as of a file of weights that does not say
        return Exported(network, plan, spec)
    classes = tuple(f"class {number}" for number in range(spec.head.classes))
    return Exported(network, plan, spec, classes, preprocessing_for(spec.input, 0.875, None, None))


def _write(options: ExporterOptions, exported: Exported, folder: Path) -> tuple[Path, Run | None]:
    folder.mkdir()
    path = folder / f"tiny{options.suffix}"
    try:
        run = options.offer.make(options, exported, path)
    except ArchspecError:
        raise
    except Exception as error:
        raise Fault(f"writing fails: {type(error).__name__}: {error}") from error
    if beside := sorted(each.name for each in folder.iterdir() if each != path):
        raise Fault(f"it writes '{beside[0]}' beside the one file that it is given")
    if not path.is_file() or not path.stat().st_size:
        raise Fault("it does not write the file that it is given, or leaves it empty")
    if run is not None and not callable(run):
        raise Fault(f"`make` must return None, or a function that runs the file, not {run!r}")
    return path, run


def _state(network: nn.Module) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Flags, and copies of the tensors."""
    flags: dict[str, Any] = {name: module.training for name, module in network.named_modules()}
    flags |= {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    return flags, {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _refuse_changes(before: tuple[dict[str, Any], dict[str, Tensor]], network: nn.Module) -> None:
    help = "work on a copy.deepcopy of it"
    flags, tensors = _state(network)
    if list(tensors) != list(before[1]) or flags.keys() != before[0].keys():
        raise Fault(f"it gives the network other modules or tensors: {help}")
    for name, flag in flags.items():
        if flag != before[0][name]:
            where = name or "the network"
            raise Fault(f"it changes the mode of '{where}', training or whether a gradient is kept: {help}")
    for name, tensor in tensors.items():
        if tensor.dtype != before[1][name].dtype or tensor.stride() != before[1][name].stride():
            raise Fault(f"it changes the type or the memory format of the network's '{name}': {help}")
        if not torch.equal(tensor, before[1][name]):
            raise Fault(f"it changes the network's '{name}': {help}")


def _prove_run(run: Run, network: nn.Module, pairs: list[tuple[Tensor, Tensor]]) -> None:
    """What runs the file does what the network did, whatever has become of the network's values since."""
    for tensor in network.state_dict().values():
        tensor.zero_()
    for batch, expected in pairs:
        given = batch.clone()
        try:
            with (
                torch.no_grad(),
                randomness_left_alone("running its file", "evaluation draws none"),
                standard_output_left_alone(),
            ):
                found = run(batch)
        except Fault:
            raise
        except Exception as error:
            raise Fault(f"running its file on {_images(batch)} fails: {type(error).__name__}: {error}") from error
        if not torch.equal(batch, given):
            raise Fault("running its file changes the batch that it is given")
        if not isinstance(found, Tensor) or found.shape != expected.shape:
            made = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise Fault(f"its file makes {made} of {_images(batch)}, and must make a tensor {tuple(expected.shape)}")
        comparison = compare_tensors(found.to(expected), expected)
        if not comparison.relative <= TOLERANCE:
            what = f"differ from the network's by {comparison.absolute:.2g}, and are up to {comparison.scale:.2g}"
            help = "run what is in the file, and not the network, whose values were set to 0 meanwhile"
            raise Fault(f"the outputs of its file for {_images(batch)} {what}: {help}")


def _images(batch: Tensor) -> str:
    return f"a batch of {len(batch)}"
