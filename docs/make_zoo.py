"""Writes specs/README.md, the zoo as tables, from the specs and their comments: `python docs/make_zoo.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import archspec
from archspec.cli.output import human
from archspec.spec.zoo import zoo_files, zoo_names

_HEAD = """# The zoo

Published networks, each a spec of at most 40 lines and a test case. `archspec build NAME` works in any folder, and
`archspec show NAME` prints the file. Where torchvision or timm has the same network, the first line of the spec says
so, and a test holds outputs and gradients equal. This page is made by `python docs/make_zoo.py`.

"""

_NONE = "\N{EN DASH}"

_FOOT = f"""## What the columns say

**input** is what the figures right of it are for, as channels x height x width. **MACs** are multiply-adds of
convolutions and linear layers; **field** is the receptive field in pixels.

**published top-1** is the accuracy in %, of one view, on ImageNet-1k's validation images at the size in the input
column, unless the cell says otherwise. Others measured it, with the recipe of the weights that are named; archspec
trained none of these networks. The figure stands in the spec's comment, and is from

- **torchvision**: the metadata of its [weights](https://docs.pytorch.org/vision/stable/models.html), against which a
  test checks it;
- **timm**: for ResNets and ConvNeXt-Atto, the row at 224x224 of the comparison table in its model cards
  ([one of them](https://huggingface.co/timm/resnext101_32x16d.fb_swsl_ig1b_ft_in1k)); for RepVGG and pre-activation
  ResNets, its [results](https://github.com/huggingface/pytorch-image-models/tree/main/results). The tag is that of the
  weights, which the spec names in full;
- **pycls**: the error in its [model zoo](https://github.com/facebookresearch/pycls/blob/main/MODEL_ZOO.md), taken from
  100;
- **wide-residual-networks**: the README of the authors' [code](https://github.com/szagoruyko/wide-residual-networks),
  the test error without dropout taken from 100;
- the **paper** of the row: its test error taken from 100.

**{_NONE}** under published top-1 means that we have found no figure for just this network: nobody has published weights
of it, or only of a near relative (the SE-ResNets of the paper stride in another convolution), or it is archspec's own.
Under paper it means that no paper describes the network: it is known by an implementation, such as timm's.
"""

_COLUMNS = ("spec", "network", "paper", "published top-1", "input", "parameters", "MACs", "depth", "field")
_ALIGNED = ("---",) * 5 + ("---:",) * 4

# The first pattern that a spec's name matches is its table; what matches none stands in the last one.
_FAMILIES = {
    "ResNet": r"resnet\d+$",
    "ResNet with another stem, shortcut, norm or pool": r"resnet(aa)?\d+",
    "ResNeXt and wide ResNet": r"(wide-)?resnex?t\d+",
    "Squeeze-and-excitation and efficient channel attention": r"(se|eca)resne",
    "Pre-activation ResNet": r"resnetv2-",
    "RegNet": r"regnet-",
    "RepVGG": r"repvgg-",
    "MobileNetV2 and EfficientNet": r"(mobilenet|efficientnet)",
    "ConvNeXt": r"convnext-",
    "For CIFAR-10": r"(cifar-resnet|preact-resnet|wrn-)",
    "Other networks": r"",
}

_SOURCES = ("torchvision", "timm", "pycls", "wide-residual-networks")
"""Where a figure may be from, besides the spec's own paper."""

_PAPER = re.compile(r": (?P<citation>[^,;:]+? \d{4})(?: \([^)]*\))?, (?P<link>https://\S+?)(?=[,;.]?(?:\s|$))")
_TOP1 = re.compile(
    r"Top-1: (?P<percent>\d\d\.\d\d?) %(?: on (?P<data>[\w-]+))?(?: at (?P<size>\d+x\d+))?"
    r" \((?P<source>[^,()]+), (?P<detail>[^()]+)\)\."
)


@dataclass(frozen=True)
class Accuracy:
    """A published accuracy: `# Top-1: 81.41 % at 288x288 (timm, resnetv2_50.a1h_in1k).`"""

    percent: float
    text: str
    data: str
    size: str
    source: str
    detail: str
    """The tag of the weights, or where in the source the figure stands."""

    def cell(self) -> str:
        """What the table says of it."""
        conditions = (f" on {self.data}" if self.data else "") + (f" at {self.size}" if self.size else "")
        source = self.source if self.source in _SOURCES else "paper"
        tag = self.detail.rpartition(".")[2]
        return f"**{self.text}**{conditions} ({source}{f' `{tag}`' if '_' in tag else f', {self.detail}'})"


@dataclass(frozen=True)
class Comment:
    """What the comment at the top of a spec says: `# NETWORK: CITATION, LINK, more.` and perhaps an accuracy."""

    network: str
    paper: str
    accuracy: Accuracy | None


def read_comment(file: Path) -> Comment:
    """The comment at the top of a spec.

    Raises:
        ValueError: a line of it speaks of top-1, and is not of the form; or it is from a source that is not known.

    """
    words, accuracy = [], None
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("#"):
            break
        text = line.removeprefix("#").strip()
        if not re.search(r"\btop\W?1\b", text, re.IGNORECASE):
            words.append(text)
        elif accuracy is None and (match := _TOP1.fullmatch(text)):
            parts = {name: value or "" for name, value in match.groupdict().items()}
            accuracy = Accuracy(percent=float(parts["percent"]), text=parts.pop("percent"), **parts)
        else:
            form = "one line as '# Top-1: 81.41 % [on DATA] [at 288x288] (SOURCE, tag or place).'"
            raise ValueError(f"{file.name}:{number}: expected {form}, not '{line}'")
    text = " ".join(words)
    paper = _PAPER.search(text)
    citation = paper["citation"] if paper else ""
    if accuracy and accuracy.source not in (*_SOURCES, citation):
        known = ", ".join(filter(None, (*_SOURCES, citation)))
        raise ValueError(f"{file.name}: the accuracy is from '{accuracy.source}', which is none of: {known}")
    network = re.split(r":\s|\.(?:\s|$)", text)[0].removesuffix(" for CIFAR-10")
    return Comment(network, f"[{citation}]({paper['link']})" if paper else "", accuracy)


def zoo_page() -> str:
    """The text of specs/README.md."""
    tables: dict[str, list[str]] = {heading: [] for heading in _FAMILIES}
    for name in zoo_names():
        tables[next(heading for heading, pattern in _FAMILIES.items() if re.match(pattern, name))].append(name)
    return _HEAD + "".join(_table(heading, names) for heading, names in tables.items() if names) + _FOOT


def _table(heading: str, names: list[str]) -> str:
    plans = {name: archspec.plan_network(archspec.load_spec(name)) for name in names}
    names = sorted(names, key=lambda name: (_kind(name), plans[name].macs, name))
    rows = (_COLUMNS, _ALIGNED, *(_row(name, plans[name]) for name in names))
    return f"## {heading}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows) + "\n"


def _kind(name: str) -> str:
    """A name without what says how large the network is: `regnet-x-3.2gf` -> `regnet-x`."""
    return re.split(r"-?\d|-[a-z]+$", name)[0]


def _row(name: str, plan: archspec.Plan) -> tuple[str, ...]:
    comment = read_comment(zoo_files()[name])
    accuracy = comment.accuracy.cell() if comment.accuracy else _NONE
    described = (f"[`{name}`]({name}.yaml)", comment.network, comment.paper or _NONE, accuracy)
    size = "x".join(map(str, plan.input))
    return (*described, size, f"{plan.parameters:,}", human(plan.macs), f"{plan.depth:,}", f"{plan.receptive_field:,}")


if __name__ == "__main__":
    Path(__file__).parent.parent.joinpath("specs", "README.md").write_text(zoo_page(), encoding="utf-8", newline="\n")
