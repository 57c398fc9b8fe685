"""What holds of every case: names, sizes, figures, runs, gradients and receptive fields, plan against module."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from archspec.network.compile import Network, compile_network
from archspec.network.verify import MacCounter, verify_plan
from archspec.plan.gates import BatchNorm, ChannelMean, LayerNorm, Norm
from archspec.plan.plan import Plan, Step
from archspec.plan.planner import plan_network
from archspec.plan.pools import GlobalAveragePool
from archspec.testing.cases import Bench, Case, Fault, walk
from archspec.testing.contracts import misfit

_IMAGES = 3
_DRAWS = 20
"""So many weights are tried before a parameter counts as one that no gradient reaches: one ReLU can be dead, and a gate
so far in its saturation that its gradient is zero. So each time they are smaller."""

_PURE = "what it writes must depend on its options and its input alone"


def prove_names(case: Case, bench: Bench) -> None:
    """Planned again, the steps are the same; at other widths and sizes, the tensors' names are."""
    first, second = (list(map(_describe, plan.steps)) for plan in (case.plan, plan_network(case.spec)))
    for one, other in zip(first, second, strict=False):
        if one != other:
            raise Fault(f"planned twice, it writes {_differing(one, other)}: {_PURE}")
    if len(first) != len(second):
        raise Fault(f"planned twice, it writes {len(first)} steps, and then {len(second)}: {_PURE}")
    scaled = bench.scaled(case)
    if scaled is not None:
        ours, theirs = ([name for name, _, _ in plan.tensors()] for plan in (case.plan, scaled))
        if changed := sorted(set(ours) ^ set(theirs)):
            help = "a checkpoint would fit one width alone: name a tensor by its place"
            raise Fault(f"names of tensors depend on widths or sizes: {', '.join(changed[:4])}: {help}")
        if ours != theirs:
            raise Fault("the order of tensors depends on widths or sizes")


def _describe(step: Step) -> tuple[Any, ...]:
    operation = step.operation
    tensors = operation.parameters() | operation.buffers()
    return step.name, operation, step.inputs, step.output, step.role, step.macs, tensors


def _differing(one: tuple[Any, ...], other: tuple[Any, ...]) -> str:
    if one[0] != other[0]:
        return f"'{one[0]}', and then '{other[0]}'"
    return f"'{one[0]}' as {one[1:]}, and then as {other[1:]}"


def prove_sizes(case: Case) -> None:
    """A block divides the map by its strides, and keeps it after; a stem divides it as its operations declare."""
    plan = case.plan
    if case.offer.kind == "blocks":
        first, *following = (block for block in plan.blocks if block.name.startswith("stages."))
        strides = case.spec.stages[0].strides
        if wrong := misfit(plan.shape(first.input), plan.shape(first.output), strides):
            raise Fault(f"its first block {wrong}")
        for block in following:
            before, after = plan.shape(block.input), plan.shape(block.output)
            if before != after:
                raise Fault(f"a following block, of stride 1, makes {after} of {before}, and must keep the shape")
        if plan.total_stride != strides:
            raise Fault(f"its operations' `window()` declare a stride of {plan.total_stride}, not {strides}")
    if case.offer.kind == "stems":
        _prove_stem(plan, case.spec.stem.strides)


def _prove_stem(plan: Plan, strides: int) -> None:
    before, after, total = plan.input, plan.shape(plan.blocks[0].output), plan.total_stride
    if total % strides:
        raise Fault(f"its operations' `window()` declare a stride of {total}, which is no multiple of {strides}")
    if wrong := misfit(before, after, total):
        raise Fault(f"it {wrong}, which its operations' `window()` declare")


def prove_figures(case: Case) -> None:
    """Tensors, shapes and multiply-adds of the module are the plan's, of every step and in all."""
    plan = case.plan
    network = compile_network(plan)
    for step in plan.steps:
        _compare_tensors(step, network.get_submodule(step.name))
    ours, theirs = [name for name, _, _ in plan.tensors()], list(network.state_dict())
    if ours != theirs:
        raise Fault(f"the module's tensors are {theirs}, and the plan's {ours}")
    images = torch.randn(_IMAGES, *plan.input)
    _run(network.train(), images).sum().backward()
    network.eval()
    with torch.no_grad():
        outputs = [_run(network, images) for _ in range(2)]
    if not torch.isfinite(outputs[0]).all():
        raise Fault("in evaluation, the output is not finite: what divides by a norm or a variance needs an `eps`")
    if not torch.equal(*outputs):
        raise Fault("in evaluation, one batch gives two outputs: it must be deterministic")
    verify_plan(plan)


def _compare_tensors(step: Step, module: nn.Module) -> None:
    operation = step.operation
    held = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    trained = dict(module.named_parameters())
    for what, declared, found in (
        ("parameters", operation.parameters(), {name: shape for name, shape in held.items() if name in trained}),
        ("buffers", operation.buffers(), {name: shape for name, shape in held.items() if name not in trained}),
    ):
        if list(declared.items()) != list(found.items()):
            help = f"`{what}()` must say what the state dict has, in its order"
            raise Fault(f"{_subject(step)} declares the {what} {declared}, and its module has {found}: {help}")


def _subject(step: Step) -> str:
    return f"'{step.name}' ({type(step.operation).__name__})"


def _run(network: Network, images: Tensor) -> Tensor:
    """The network's output; every step is held against what it declares."""
    mode = "training" if network.training else "evaluation"
    with MacCounter() as counter:
        watch = _Watch(counter, mode, len(images))
        hooks = [
            hook
            for step in network.steps
            for module in (network.get_submodule(step.name),)
            for hook in (
                module.register_forward_pre_hook(watch.before),
                module.register_forward_hook(partial(watch.after, step)),
            )
        ]
        try:
            output: Tensor = network(images.clone())
            return output
        except Fault:
            raise
        except Exception as error:
            raise Fault(f"in {mode}, {watch.where} fails: {type(error).__name__}: {error}") from error
        finally:
            for hook in hooks:
                hook.remove()


class _Watch:
    """Looks at every step of a run."""

    def __init__(self, counter: MacCounter, mode: str, images: int) -> None:
        self.counter, self.mode, self.images = counter, mode, images
        self.counted = 0
        self.where = "the module"

    def before(self, module: nn.Module, inputs: Any) -> None:
        self.counted = self.counter.macs
        self.where = type(module).__name__

    def after(self, step: Step, module: nn.Module, inputs: Any, output: Any) -> None:
        made = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        if made != (self.images, *step.output):
            declared = (self.images, *step.output)
            help = "`output_shape` must say what the module makes"
            raise Fault(f"in {self.mode}, {_subject(step)} makes {made}, and declares {declared}, batch first: {help}")
        macs = self.counter.macs - self.counted
        if macs != step.macs:
            help = "`macs` must say so, for one image"
            raise Fault(f"{_subject(step)} declares {step.macs:,} multiply-adds, and torch counts {macs:,}: {help}")


def prove_gradients(case: Case) -> None:
    """A gradient reaches every parameter, in evaluation, where nothing is left to chance."""
    plan = case.plan
    network = compile_network(plan, end=plan.logits_end if case.offer.kind == "heads" else "head").eval()
    missing = {name for name, _ in network.named_parameters()}
    for draw in range(_DRAWS):
        scale = 10 ** (-draw / 2)
        _randomise(network, scale)
        network.zero_grad()
        output = network(scale * torch.randn(_IMAGES, *plan.input))
        if output.requires_grad:
            (output * torch.randn_like(output)).sum().backward()
        missing -= {name for name, parameter in network.named_parameters() if _reached(parameter.grad)}
        if not missing:
            return
    help = "it would never train: let the output depend on it, or make it a buffer"
    raise Fault(f"no gradient reaches {', '.join(sorted(missing))}: {help}")


def _reached(gradient: Tensor | None) -> bool:
    return gradient is not None and bool((gradient.isfinite() & (gradient != 0)).any())


def _randomise(network: nn.Module, scale: float = 1.0) -> None:
    """Weights that keep the scale of what they read, and factors and shifts of about `scale`, of both signs."""
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)
        else:
            signs = torch.randint(0, 2, parameter.shape) * 2 - 1
            parameter.data = scale * signs * (torch.rand(parameter.shape) + 0.5)


def prove_receptive_field(case: Case) -> None:
    """No pixel of the last map depends on more of the image than the plan declares, where no step sees all of it."""
    plan = case.plan
    if not _is_local(case):
        return
    network = compile_network(plan, end="head").eval()
    _randomise(network)
    images = torch.randn(_IMAGES, *plan.input, requires_grad=True)
    output = network(images)
    height, width = output.shape[2:]
    pixel = output[:, :, height // 2, width // 2]
    (pixel * torch.randn_like(pixel)).sum().backward()
    assert images.grad is not None
    seen = images.grad.abs().amax((0, 1))
    seen = seen > 1e-6 * seen.max()  # a transform's rounding may leave traces where nothing is read
    declared = plan.receptive_fields[plan.blocks[-1].input]
    for axis in (0, 1):
        reached = seen.any(1 - axis).nonzero().flatten()
        extent = int(reached[-1] - reached[0]) + 1 if len(reached) else 0
        if extent > declared:
            help = "`window()` must say so, or a scope of the role 'gate'"
            raise Fault(f"a pixel depends on {extent} pixels of the image, and the plan declares {declared}: {help}")


def _is_local(case: Case) -> bool:
    """Whether no step rescales the map by what it sees of all of it: a gate, a pool, a norm over pixels."""
    foreign = any(
        options.offer.kind == "norms" and not options.offer.origin.startswith("archspec ")
        for options in walk(case.spec)
    )
    head = case.plan.border("head")
    steps = case.plan.steps[: case.plan.blocks[head].start]
    return not foreign and not any(
        step.role == "gate"
        or isinstance(step.operation, GlobalAveragePool | ChannelMean)
        or (isinstance(step.operation, Norm) and not isinstance(step.operation, BatchNorm | LayerNorm))
        for step in steps
    )


def prove(case: Case, bench: Bench) -> None:
    """All of it, in the order in which one fault would hide another."""
    prove_names(case, bench)
    prove_sizes(case)
    prove_figures(case)
    prove_gradients(case)
    prove_receptive_field(case)
