"""What a user may say of weights: the file, and how its tensors find their places. No torch here."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archspec.offers import Settings

Text = Annotated[str, Field(min_length=1)]
InputRule = Literal["sum", "mean", "repeat", "zero-extra"]


class Matching(Settings):
    """How the tensors of a file find their places in a network."""

    key: Text | None = None
    """Which state dict of a file that holds several, such as `model_ema`; of a run's checkpoints `best` or `last`."""
    match: Literal["names", "order"] = "names"
    """By the names that archspec, torchvision or timm give, or in the order of registration among equal shapes."""
    map: Text | None = None
    """A YAML or JSON file of `ours: theirs`, tensors or whole modules, which goes before `match`."""
    input_rule: Literal["auto", "sum", "mean", "repeat", "zero-extra"] = "auto"
    """How the first convolution takes another number of channels; `auto` is `sum` for fewer, `repeat` for more."""
    head: Literal["auto", "reset", "by-name"] = "auto"
    """`auto` goes by the classes' names where both sides have them, else copies a head of the same size and resets any
    other; `by-name` insists on the names; `reset` begins afresh."""
    allow: tuple[Text, ...] = ()
    """Names of tensors that may be missing, such as `stages.3` or `stages.*.attention.*`. Each must match something."""
    classes: Text | None = None
    """A text file with the names of the file's classes, a line each, where the file does not know them."""


class WeightsSettings(Matching):
    """Weights to begin with. In a document a bare text is the file."""

    bare_key: ClassVar[str | None] = "file"

    file: Text
    """A weights file, a run directory, or one of its checkpoints."""
