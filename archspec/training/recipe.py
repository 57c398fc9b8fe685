"""How to train: a document of its own beside the spec, with the same rules. No torch here."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from archspec.data.augmentation import Augmentation, Interpolation, Probability
from archspec.data.preprocessing import Level, Preprocessing, Resize, preprocessing_for
from archspec.offers import Offered, Options, Settings
from archspec.spec.arch import InputSpec
from archspec.weights.settings import WeightsSettings

Channels = Annotated[tuple[float, ...], Field(min_length=1, max_length=4)]


MOST_EPOCHS = 100_000


class SizePart(Settings):
    """A part of the run, and the input that it trains on."""

    until: Annotated[float, Field(gt=0, le=1)]
    """The share of the epochs after which the part ends; 1 is the whole run."""
    size: Annotated[int, Field(ge=8, le=8_192)]
    """Pixels of the shorter side; the spec's proportions are kept."""


def _each_once(chosen: tuple[Options, ...]) -> tuple[Options, ...]:
    names = [options.offer.name for options in chosen]
    for name in names:
        if names.count(name) > 1:  # both would write into RUN/NAME, or the same entries of a checkpoint
            raise ValueError(f"names '{name}' twice")
    return chosen


Trackers = Annotated[tuple[Annotated[Options, Offered("trackers")], ...], AfterValidator(_each_once)]
RunEvents = Annotated[tuple[Annotated[Options, Offered("run_events")], ...], AfterValidator(_each_once)]


class Recipe(Settings):
    """How a network is trained."""

    document_keys: ClassVar[tuple[str, ...]] = ("extends",)

    epochs: Annotated[int, Field(ge=1, le=MOST_EPOCHS)] = 30
    """Passes over the training images."""
    steps: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Updates of the weights, in place of `epochs`. The last epoch ends at the last of them."""
    time: Annotated[str, Field(pattern=r"^\d+(\.\d+)?(s|m|h)$")] | None = None
    """How long the run may take, such as `90s`, `30m` or `2h`, in place of `epochs`. A few steps are measured first,
    and the run has as many whole epochs as fit."""
    batch_size: Annotated[int, Field(ge=2, le=65_536)] = 32
    """Images that go through the network at once."""
    accumulate: Annotated[int, Field(ge=1, le=65_536)] = 1
    """Batches in a step: their gradients are added up before the weights change."""
    optimizer: Annotated[Options, Offered("optimizers", default="adamw")]
    schedule: Annotated[Options, Offered("schedules", default="cosine")]
    warmup_epochs: Annotated[float, Field(ge=0, le=1_000)] | None = None
    """Over which the learning rate rises in a line to where the schedule begins; a tenth of the run at most.
    Where nothing is said 1, or 0 before a schedule that rises by itself, such as `one-cycle`."""
    cooldown_epochs: Annotated[float, Field(ge=0, le=100_000)] = 0.0
    """At the end, over which the learning rate stays at the schedule's last; half of the run at most."""
    loss: Annotated[Options, Offered("losses", default="cross-entropy")]
    weights: WeightsSettings | None = None
    """Weights to begin with, in the place of fresh ones: a file, a run, or one of its checkpoints."""
    freeze: Annotated[Options, Offered("freezing_policies", default="none")]
    """Which parameters train in which epoch, and at which share of the learning rate."""
    features: Literal["none", "memory", "disk", "auto"] = "none"
    """What a frozen prefix makes of an image is computed once and kept: in memory for this run, or on disk for later
    ones too. `auto` takes what has room, where it spares anything."""
    views: Annotated[int, Field(ge=0, le=1_000)] = 0
    """So many epochs' augmentation is used, in turn, while features are kept; 0 is the middle of each image alone."""
    mirror: bool = False
    """While features are kept, every other epoch sees the images mirrored."""
    half_features: bool = False
    """Keep features in float16: half the room, and rounded."""
    head: Literal["steps", "lbfgs", "auto"] = "steps"
    """How the head learns while it alone trains: by steps, as the rest; or `lbfgs`: in the first epoch it is solved on
    the kept features of all views at once, its L2 penalty chosen on the validation images. `auto` is `lbfgs` where the
    head alone trains at first and features are kept, and `steps` elsewhere."""
    augmentation: Augmentation
    """What training does to an image: a preset, or transforms in a row."""
    mixup: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Each image is blended with another of its batch, by a share drawn from Beta(mixup, mixup). 0 is never.
    Zhang et al. 2018."""
    cutmix: Annotated[float, Field(ge=0, le=100)] = 0.0
    """A box of each image is cut from another of its batch, of a share drawn from Beta(cutmix, cutmix). 0 is never.
    Yun et al. 2019."""
    mix_probability: Probability = 1.0
    """The share of the batches that are mixed: where there are both, by mixup or cutmix at random."""
    resize: Resize = "crop"
    """In evaluation, how an image of other proportions is resized: `crop`, `stretch` or `pad`."""
    crop: Annotated[float, Field(gt=0, le=1)] = 0.95
    """In evaluation, the share of the resized image's side that is kept."""
    interpolation: Interpolation = "bilinear"
    """How resized pixels are computed, in evaluation and in training."""
    mean: Channels | None = None
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1, max_length=4)] | None = None
    """Of each channel, for values from 0 to 1. ImageNet's, where nothing is said."""
    background: tuple[Level, Level, Level] = (255, 255, 255)
    """Red, green and blue, from 0 to 255, under what is transparent in an image."""
    on_corrupt: Literal["error", "skip"] = "error"
    """An image that cannot be read ends the run, or is skipped, counted and listed: 1 % of a split's at most."""
    cache: Literal["none", "memory", "disk"] = "none"
    """Decode images once, and keep them as bytes in a file: for this run in memory, or for later runs on disk."""
    draft: bool = True
    """Decode large JPEGs at a half, a quarter or an eighth of their size, to train on; never in evaluation."""
    class_balance: Literal["none", "loss", "sampler"] = "none"
    """For classes of unlike size: `loss` weighs each by the inverse of its images, `sampler` shows each as often."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """The most that the gradient's length may be; a longer one is shortened."""
    average: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The decay a step of a moving average of the weights (EMA), such as 0.999, which is evaluated and kept in their
    place. It begins quicker: (1 + step) / (10 + step) at most."""
    sizes: tuple[SizePart, ...] = ()
    """Smaller inputs for the first parts of training, smallest first; evaluation has the spec's size.
    Touvron et al. 2019, Tan and Le 2021."""
    evaluate_every: Annotated[int, Field(ge=1)] = 1
    """Epochs from one evaluation to the next. The last epoch is always evaluated."""
    best_by: Literal["top1", "balanced", "loss"] = "top1"
    """What chooses the best epoch: validation accuracy, or the mean of the classes' recalls, ties by loss; or loss."""
    early_stopping: Annotated[int, Field(ge=1)] | None = None
    """End the run after so many evaluations that were not the best."""
    checkpoint_steps: Annotated[int, Field(ge=1)] | None = None
    """Keep a checkpoint every so many steps too, not only after each epoch."""
    checkpoint_minutes: Annotated[float, Field(gt=0)] | None = 10.0
    """Keep a checkpoint every so many minutes too."""
    deterministic: bool = False
    """Only operations that give the same bits on a GPU each time; on a CPU they do anyway."""
    compile: bool = False
    """Compile the network with `torch.compile`. It costs minutes, pays on GPUs, and changes the last bits."""
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    """`auto` is bf16 on a GPU that has it, and float32 elsewhere. On a CPU with AMX, bf16 may be twice as fast."""
    channels_last: bool = True
    """Keep the pixels' channels together in memory, which convolutions like."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    trackers: Trackers = ()
    """Who is told of every step and epoch, beside the run directory."""
    events: RunEvents = ()
    """What acts on the run, before and after evaluation, before saving, and at other times: plugins offer them."""
    data: Annotated[Options | None, Offered("datasets")] = None
    """The data set, with its options; `--data` takes the place of it."""

    @model_validator(mode="after")
    def _one_length(self) -> Recipe:
        if self.steps is not None and self.time is not None:
            raise ValueError("has both `steps` and `time`: one of them says how long the run is")
        if [part.until for part in self.sizes] != sorted({part.until for part in self.sizes}):
            raise ValueError("has `sizes` whose `until` do not rise")
        return self

    @property
    def seconds(self) -> float | None:
        """The time budget in seconds."""
        return float(self.time[:-1]) * {"s": 1, "m": 60, "h": 3600}[self.time[-1]] if self.time else None

    def sides(self, epochs: int, full: int) -> list[tuple[int, int]]:
        """The epochs of a run at which the input's shorter side changes, and what it then is: `full` at last."""
        ends = [math.ceil(part.until * epochs) for part in self.sizes]
        return list(zip([0, *ends], [*(part.size for part in self.sizes), full], strict=True))

    def preprocessing(self, input: InputSpec) -> Preprocessing:
        """What evaluation does to images for a network with this input.

        Raises:
            DataError: `mean` or `std` has another number of channels than the input.

        """
        return preprocessing_for(
            input,
            self.crop,
            self.mean,
            self.std,
            self.background,
            resize=self.resize,
            interpolation=self.interpolation,
        )


class DataChoice(Settings):
    """Which data set, with its options."""

    data: Annotated[Options, Offered("datasets")]
