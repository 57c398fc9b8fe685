"""What a block's function writes with: each method adds an operation to the plan and returns its value."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from archspec.errors import PluginError
from archspec.offers import Offer
from archspec.plan.branches import Add, Concat, Dropout, DropPath, Slice
from archspec.plan.gates import ChannelMean, Multiply, Scale
from archspec.plan.operations import Activation, Conv, ImpossibleShape, Linear, Operation, Shape, Softmax
from archspec.plan.plan import Role, Step
from archspec.plan.pools import BlurPool, GlobalAveragePool, Pool
from archspec.spec.parts import Style


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the plan: its number, and its shape for one sample."""

    number: int
    shape: Shape

    @property
    def channels(self) -> int:
        return self.shape[0]


def written(offer: Offer[Any], value: object) -> Value:
    """What an offer's `make` gave, which must be the value that it wrote.

    Raises:
        PluginError: it is none.

    """
    if not isinstance(value, Value):
        what = f"'{offer.name}' among {offer.kind} of {offer.origin}"
        raise PluginError(f"{what} must return the Value that it wrote, not {value!r}")
    return value


class Builder:
    """Writes the steps of one network.

    Within a part (stem, block, head) convolutions, norms and activations follow the part's style. Names are relative
    to the part; an operation without tensors is numbered where its name is taken.
    """

    def __init__(self, input_shape: Shape) -> None:
        self.input = Value(0, input_shape)
        self.steps: list[Step] = []
        self._strides = [1]
        self._names: set[str] = set()
        self._prefix = ""
        self._role: Role = "main"
        self._style: Style | None = None
        self._normed = True

    @contextmanager
    def scope(
        self, name: str, *, role: Role | None = None, style: Style | None = None, normed: bool = True
    ) -> Iterator[None]:
        """Write inside a named scope, which becomes a module of its own with one output, in a role and a style.

        `normed=False` leaves its norms out, as the shortcuts of pre-activation blocks do.
        """
        before = self._prefix, self._role, self._style, self._normed
        self._prefix, self._role, self._style = f"{self._prefix}{name}.", role or self._role, style or self._style
        self._normed = self._normed and normed
        try:
            yield
        finally:
            self._prefix, self._role, self._style, self._normed = before

    @property
    def stride(self) -> int:
        """Input pixels between two neighbours of the last value."""
        for step in self.steps[len(self._strides) - 1 :]:
            self._strides.append(max(self._strides[value] for value in step.inputs) * step.window[1])
        return self._strides[-1]

    @property
    def style(self) -> Style:
        assert self._style is not None, "this part of the network has no style: pass what the operation needs"
        return self._style

    def write(self, operation: Operation, *inputs: Value, name: str) -> Value:
        """Add any operation.

        Raises:
            ImpossibleShape: the operation cannot take these shapes.

        """
        shape = operation.output_shape(*(value.shape for value in inputs))
        if shape[0] < 1:
            raise ImpossibleShape(f"an operation '{name}' that makes {shape[0]} channels")
        full = self._prefix + (name if operation.parameters() else self._free(name))
        if full in self._names:
            raise ValueError(f"two operations with tensors are named '{full}'")
        self._names.add(full)
        self.steps.append(Step(full, operation, tuple(value.number for value in inputs), shape, self._role))
        return Value(len(self.steps), shape)

    def _free(self, name: str) -> str:
        """The name, numbered where it is taken."""
        if self._prefix + name not in self._names:
            return name
        numbered = (f"{name}{count}" for count in range(2, 1_000))
        return next(free for free in numbered if self._prefix + free not in self._names)

    def conv(
        self,
        x: Value,
        filters: int,
        kernel: int,
        stride: int = 1,
        *,
        groups: int = 1,
        dilation: int = 1,
        padding: str | None = None,
        bias: bool | None = None,
        standardized: bool | None = None,
        name: str = "conv",
    ) -> Value:
        """Convolution: (C, H, W) -> (filters, H/stride, W/stride). What is None follows the part's style."""
        padding = self.style.padding if padding is None else padding
        bias = self.style.bias if bias is None else bias
        standardized = self.style.weight_standardization if standardized is None else standardized
        eps = self.style.standardization_eps if standardized else None
        conv = Conv(x.channels, filters, kernel, stride, groups, dilation, padding, bias, eps)
        return self.write(conv, x, name=name)

    def norm(self, x: Value, *, name: str = "norm", zero_init: bool = False) -> Value:
        """The part's norm. `zero_init` starts its scale at zero, so that a residual branch starts as nothing."""
        if not self._normed:
            return x
        norm = self.style.norm
        return written(norm.offer, norm.offer.make(self, x, norm, name=name, zero_init=zero_init))

    def act(self, x: Value, *, name: str = "act") -> Value:
        """The part's activation. One with parameters is numbered where its name is taken, as one without is."""
        activation = self.style.activation
        return written(activation.offer, activation.offer.make(self, x, activation, name=self._free(name)))

    def activation(self, x: Value, function: str, *, name: str = "act") -> Value:
        """An activation by its class in `torch.nn`."""
        return self.write(Activation(function), x, name=name)

    def pool(
        self, x: Value, mode: str, kernel: int, stride: int, *, padding: str | None = None, name: str = "pool"
    ) -> Value:
        """Maximum (`max`) or average (`average`) pooling, padded in the part's style."""
        return self.write(Pool(mode, kernel, stride, padding or self.style.padding), x, name=name)

    def blur_pool(self, x: Value, stride: int, *, name: str = "pool") -> Value:
        """Every `stride`-th pixel behind a binomial filter: (C, H, W) -> (C, H/stride, W/stride)."""
        return self.write(BlurPool(stride), x, name=name)

    def global_average_pool(self, x: Value, *, name: str = "pool") -> Value:
        """(C, H, W) -> (C,)."""
        return self.write(GlobalAveragePool(), x, name=name)

    def channel_mean(self, x: Value, *, name: str = "mean") -> Value:
        """The mean of every channel, kept a map, which convolutions take: (C, H, W) -> (C, 1, 1)."""
        return self.write(ChannelMean(), x, name=name)

    def multiply(self, x: Value, gate: Value, *, name: str = "multiply") -> Value:
        """A map times a gate of its channels: (C, H, W), (C, 1, 1) -> (C, H, W)."""
        return self.write(Multiply(), x, gate, name=name)

    def linear(self, x: Value, features: int, *, bias: bool = True, name: str = "linear") -> Value:
        """(F,) -> (features,)."""
        return self.write(Linear(x.shape[0], features, bias), x, name=name)

    def add(self, x: Value, y: Value, *, name: str = "add") -> Value:
        """x + y."""
        return self.write(Add(), x, y, name=name)

    def slice(self, x: Value, start: int, stop: int, *, name: str = "slice") -> Value:
        """Channels `start` to `stop`: (C, H, W) -> (stop - start, H, W)."""
        return self.write(Slice(start, stop), x, name=name)

    def concat(self, *values: Value, name: str = "concat") -> Value:
        """The channels of all values: (C1, H, W), (C2, H, W), ... -> (C1 + C2 + ..., H, W)."""
        return self.write(Concat(), *values, name=name)

    def scale(self, x: Value, start: float | None, *, name: str = "scale") -> Value:
        """Layer scale, a trained factor for each channel; x itself where it starts at None."""
        return x if start is None else self.write(Scale(x.channels, start), x, name=name)

    def drop_path(self, x: Value, rate: float, *, name: str = "drop_path") -> Value:
        """Stochastic depth: no x for a share of the images while training; x itself at rate 0."""
        return self.write(DropPath(rate), x, name=name) if rate else x

    def dropout(self, x: Value, rate: float, *, name: str = "dropout") -> Value:
        """Dropout, or x itself at rate 0."""
        return self.write(Dropout(rate), x, name=name) if rate else x

    def softmax(self, x: Value, *, name: str = "softmax") -> Value:
        """Probabilities over the classes."""
        return self.write(Softmax(), x, name=name)
