"""What images went through before the network of a file saw them: as the file says, or as its library does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archspec.data.preprocessing import Preprocessing
from archspec.paths import is_file
from archspec.plan.operations import Shape

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MOST_BYTES = 10_000_000
_CROPS = {"center": "crop", "squash": "stretch", "border": "pad"}
"""timm's `crop_mode`, and our `resize`."""


@dataclass(frozen=True)
class KnownPreprocessing:
    """Preprocessing, and who says so."""

    values: Preprocessing
    """For the channels and the size that the file's network had."""
    origin: str
    stated: bool
    """Whether the file says it, rather than being of a library whose networks have it."""

    def fit(self, input: Shape) -> Preprocessing:
        """The same for the input (C, H, W) of another network.

        One channel has the mean of the means and of the deviations; more than there are take them in turn.
        """
        channels, *size = input
        change: dict[str, Any] = {"channels": channels, "size": tuple(size)}
        for name in ("mean", "std"):
            values = getattr(self.values, name)
            turns = tuple(values[number % len(values)] for number in range(channels))
            change[name] = (sum(values) / len(values),) if channels == 1 else turns
        return self.values.model_copy(update=change)

    def record(self) -> dict[str, Any]:
        return {**self.values.model_dump(mode="json"), "origin": self.origin, "stated": self.stated}


def _usual(
    network: str,
    interpolation: str,
    crop: float = 0.875,
    mean: tuple[float, ...] = _MEAN,
    std: tuple[float, ...] = _STD,
) -> tuple[str, Preprocessing]:
    values = {"channels": 3, "size": (224, 224), "crop": crop, "mean": mean, "std": std, "interpolation": interpolation}
    return network, Preprocessing.model_validate(values)


USUAL = {
    "torchvision": _usual("resnet18", "bilinear"),
    "torchvision RegNet": _usual("regnet_x_800mf", "bilinear"),
    "torchvision ConvNeXt": _usual("convnext_tiny", "bilinear", 224 / 236),
    "torchvision MobileNetV2": _usual("mobilenet_v2", "bilinear"),
    "torchvision EfficientNet": _usual("efficientnet_b0", "bicubic"),
    "timm ResNet-D": _usual("resnet50d", "bicubic"),
    "timm ResNetV2": _usual("resnetv2_50", "bicubic", 0.95, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "timm RegNet": _usual("regnetx_002", "bicubic"),
    "timm RepVGG": _usual("repvgg_a0", "bilinear"),
    "timm RepVGG, fused": _usual("repvgg_a0", "bilinear"),
    "timm ConvNeXt": _usual("convnext_atto", "bicubic"),
    "timm MobileNet": _usual("mobilenetv2_100", "bicubic"),
}
"""For each naming a network of it, and what torchvision's `IMAGENET1K_V1` or timm's default weights of it take."""


def usual_preprocessing(naming: str) -> KnownPreprocessing | None:
    """What files with a library's names take when they say nothing; None for names that say nothing of it."""
    if naming not in USUAL:
        return None
    network, values = USUAL[naming]
    library = "torchvision's IMAGENET1K_V1" if naming.startswith("torchvision") else "timm's default"
    return KnownPreprocessing(values, f"assumed: that of {library} weights of {network}", stated=False)


def stated_by(path: Path, content: Any, metadata: Mapping[str, str]) -> dict[str, Any]:
    """What a file says of its network: its metadata, a checkpoint's entry, or a `config.json` beside it, as timm's has.

    Nothing that is not understood is an error: a stranger's file may say anything under these names.
    """
    if "pretrained_cfg" in metadata:
        return {"by": "the file's metadata", **_parse(json.dumps(dict(metadata)))}
    if isinstance(content, Mapping) and isinstance(content.get("pretrained_cfg"), Mapping):
        return {"by": "the checkpoint's pretrained_cfg", "pretrained_cfg": dict(content["pretrained_cfg"])}
    beside = path.with_name("config.json")
    if path.name in ("model.safetensors", "pytorch_model.bin") and is_file(beside):
        with beside.open("rb") as stream:
            return {"by": "the config.json beside it", **_parse(stream.read(_MOST_BYTES))}
    return {}


def _parse(text: str | bytes) -> dict[str, Any]:
    try:
        read = json.loads(text)
        found = read if isinstance(read, dict) else {}
        return {
            key: json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value
            for key, value in found.items()
        }
    except (ValueError, RecursionError):
        return {}


def stated_preprocessing(stated: Mapping[str, Any]) -> KnownPreprocessing | None:
    """The preprocessing in timm's `pretrained_cfg`, where it is one that archspec does."""
    config = stated.get("pretrained_cfg")
    if not isinstance(config, Mapping):
        return None
    try:
        channels, *size = config["input_size"]
        values = {
            "channels": channels,
            "size": tuple(size),
            "crop": config.get("crop_pct", 0.875),
            "mean": tuple(map(float, config["mean"])),
            "std": tuple(map(float, config["std"])),
            "interpolation": config.get("interpolation", "bilinear"),
            "resize": _CROPS[config.get("crop_mode", "center")],
        }
        preprocessing = Preprocessing.model_validate(values)
    except (KeyError, TypeError, ValueError, ValidationError):
        return None
    if not len(preprocessing.mean) == len(preprocessing.std) == channels:
        return None
    return KnownPreprocessing(preprocessing, f"stated by {stated['by']}", stated=True)


def stated_classes(stated: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The `label_names` that timm writes beside its `pretrained_cfg`."""
    config = stated.get("pretrained_cfg")
    for names in (stated.get("label_names"), config.get("label_names") if isinstance(config, Mapping) else None):
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return tuple(names)
    return None


def pretrained_config(preprocessing: Preprocessing, classes: tuple[str, ...] | None) -> dict[str, str]:
    """The metadata that `stated_by` reads, for a file that archspec writes."""
    modes = {ours: theirs for theirs, ours in _CROPS.items()}
    config = {
        "input_size": [preprocessing.channels, *preprocessing.size],
        "crop_pct": preprocessing.crop,
        "crop_mode": modes[preprocessing.resize],
        "interpolation": preprocessing.interpolation,
        "mean": list(preprocessing.mean),
        "std": list(preprocessing.std),
    }
    names = {"label_names": json.dumps(list(classes))} if classes is not None else {}
    return {"pretrained_cfg": json.dumps(config), **names}
