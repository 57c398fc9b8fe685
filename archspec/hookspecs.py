"""The plugin contract, on one page.

A plugin is a module or class that implements any of these hooks, found by the entry-point group `archspec`. Each hook
*returns* its offers by name; a name that is built in is no plugin's, and one that two plugins offer is an error for who
asks for it, which names both. The built-ins use the same hooks (`archspec/builtin/`).

A hook, and a `make`, only ever gains arguments that come last, or by name; an implementation of a hook need not take
them. What is to go is marked first, and a plugin that has it is told so. The versions of archspec that a plugin is for
stand in its own metadata, as its dependency on `archspec-nn`, and are compared when it is loaded.
"""

from __future__ import annotations

from typing import Any

import pluggy

from archspec.offers import Offer

hookspec = pluggy.HookspecMarker("archspec")
hookimpl = pluggy.HookimplMarker("archspec")

Offers = dict[str, Offer[Any]]


@hookspec
def archspec_stems() -> Offers:
    """Stems. `make(net: Builder, x: Value, options) -> Value` writes the stem; options derive from `StemOptions`."""
    raise NotImplementedError


@hookspec
def archspec_blocks() -> Offers:
    """Blocks. `make(net: Builder, x: Value, options) -> Value` writes one block; options derive from `BlockOptions`."""
    raise NotImplementedError


@hookspec
def archspec_heads() -> Offers:
    """Heads. `make(net: Builder, x: Value, options) -> Value` ends in logits; options derive from `HeadOptions`."""
    raise NotImplementedError


@hookspec
def archspec_norms() -> Offers:
    """Norms. `make(net: Builder, x: Value, options, name: str, zero_init: bool) -> Value`."""
    raise NotImplementedError


@hookspec
def archspec_activations() -> Offers:
    """Activations. `make(net: Builder, x: Value, options, name: str) -> Value`."""
    raise NotImplementedError


@hookspec
def archspec_shortcuts() -> Offers:
    """Shortcuts. `make(net: Builder, x: Value, options: BlockOptions, channels: int) -> Value` fits x to a block."""
    raise NotImplementedError


@hookspec
def archspec_attentions() -> Offers:
    """Attention. `make(net: Builder, x: Value, options, block_channels: int) -> Value` gates x inside a block."""
    raise NotImplementedError


@hookspec
def archspec_datasets() -> Offers:
    """Data sets. `make(options, seed: int) -> archspec.data.ImageData`: classes, and one index of images per split."""
    raise NotImplementedError


@hookspec
def archspec_samples() -> Offers:
    """Sample data. `make(options, folder: Path) -> dict[str, int]` writes a small real data set: images per split."""
    raise NotImplementedError


@hookspec
def archspec_transforms() -> Offers:
    """Transforms. `make(options, preprocessing) -> Callable[[Image], Image]`: Pillow's images, which keep their mode.

    Options derive from `TransformOptions`; `preprocessing` knows the network's size, channels and mean. What is drawn
    comes from torch's global generator alone, and loader processes get the transform by pickle.
    """
    raise NotImplementedError


@hookspec
def archspec_optimizers() -> Offers:
    """Optimizers. `make(options, groups: list[dict]) -> torch.optim.Optimizer` over groups `{params, weight_decay}`.

    Each step sets every group's `lr`. What it remembers is tensors in `optimizer.state[parameter]`: a checkpoint holds
    nothing else of it.
    """
    raise NotImplementedError


@hookspec
def archspec_schedules() -> Offers:
    """Learning-rate schedules. `make(options, steps: int) -> Callable[[int], float]`, a pure function of the step.

    It gives the factor on the learning rate, from 0 to 1, for steps 0 to `steps - 1`. Warm-up and cool-down are the
    recipe's, and not among them; a schedule that begins below 1 rises by itself, and by default has no warm-up.
    """
    raise NotImplementedError


@hookspec
def archspec_freezing_policies() -> Offers:
    """Freezing policies. `make(options, plan: Plan) -> Callable[[int], Mapping[str, Treatment]]`.

    What it returns is a pure function of the epoch, from 0 on: a `Treatment` for every parameter of the plan by its
    name, and for nothing else. Options derive from `FreezingOptions`, whose `treatments` makes one epoch's. What its
    options ask and the plan cannot give is an `ImpossibleFreezing`.

    A policy that adds parameters has an offer with `rewrite(options, plan: Plan) -> Plan`: the same steps and blocks,
    some with other operations, whose tensors are those of before and more. `make` is given what it returned.
    """
    raise NotImplementedError


@hookspec
def archspec_losses() -> Offers:
    """Losses. `make(options, class_weights: Tensor | None) -> Callable[[logits, targets], Tensor]`.

    It makes a batch's mean loss () of logits (B, classes) and targets: labels (B,), or shares of the classes
    (B, classes), which add up to 1. The weights (classes,) are positive, and over the training images their mean is 1:
    an image's loss is multiplied by its class's weight, and the batch's is divided by B alone.
    """
    raise NotImplementedError


@hookspec
def archspec_trackers() -> Offers:
    """Trackers. `make(options, folder: Path) -> Tracker` is told a run's steps and epochs; the recipe names it.

    What it keeps, it writes into `folder`, RUN/NAME, which is its own, and is there when it has made it. It is made
    before the run directory is, and writes nothing before `begin`. What it needs and lacks, it says at once, by an
    error of `archspec.errors`. It prints nothing, and draws from no global random numbers.
    """
    raise NotImplementedError


@hookspec
def archspec_exporters() -> Offers:
    """Exporters. `make(options, exported: Exported, path: Path) -> Callable[[Tensor], Tensor] | None` writes one file.

    Options derive from `ExporterOptions`, whose `suffix` names of files end in. `path` lies in an empty folder, from
    which the file goes to its place once it is whole. It returns None, or what runs the written file: normalised images
    (B, C, H, W), as many as there are, to what the network makes of them. archspec compares the two, and throws a file
    away that differs by more than 1e-4 of the largest output. It leaves the network as it is, and prints nothing.
    """
    raise NotImplementedError


@hookspec
def archspec_run_events() -> Offers:
    """Run events. `make(options, run) -> RunEvents`, whose methods are called in a run, and may act on its trainer.

    A recipe's `events` name them, in their order. They are made anew when a run is resumed, before its directory is
    there: what they need to go on, `tensors` puts into the checkpoint. An optimizer may be `RunEvents` itself.
    """
    raise NotImplementedError


@hookspec
def archspec_commands() -> Offers:
    """Commands. `make() -> click.Command` makes `archspec NAME`; its context's `obj` is the `Plugins` of the process.

    Options are click's own, and those of the offer none: `archspec.Options`. `summary` stands in `archspec --help`.
    """
    raise NotImplementedError


KINDS = tuple(name.removeprefix("archspec_") for name in list(globals()) if name.startswith("archspec_"))
"""Every kind of offer: "stems", "blocks", ..."""
