"""Networks of torchvision and timm to compare with. Nothing is ever fetched for one."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from archspec.errors import WeightsError, shorten
from archspec.plan.plan import Plan
from archspec.plugins import closest

_LIBRARIES = ("torchvision", "timm")


def build_peer(name: str, plan: Plan) -> nn.Module:
    """The network that `torchvision:NAME` or `timm:NAME` means, with the plan's classes and input channels.

    Raises:
        WeightsError: there is no such network, its library is not installed, or it takes no such input.

    """
    library, colon, network = name.partition(":")
    if not (colon and network and library in _LIBRARIES):
        raise WeightsError(f"'{shorten(name)}' names no peer", help="such as torchvision:resnet34 or timm:resnet34")
    return _torchvision(network, plan) if library == "torchvision" else _timm(network, plan)


def _torchvision(network: str, plan: Plan) -> nn.Module:
    from torchvision import models

    _need(network, models.list_models(module=models), "torchvision")
    if plan.input[0] != 3:
        raise WeightsError(f"torchvision's networks take 3 input channels, and {plan.name} has {plan.input[0]}")
    made: nn.Module = models.get_model(network, weights=None, num_classes=plan.output[0])
    return made


def _timm(network: str, plan: Plan) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise WeightsError("timm is not installed", help="pip install timm, or compare with torchvision's") from error
    _need(network, timm.list_models(), "timm")
    made: nn.Module = timm.create_model(network, pretrained=False, num_classes=plan.output[0], in_chans=plan.input[0])
    return made


def _need(network: str, known: Iterable[str], library: str) -> None:
    known = list(known)
    if network not in known:
        match = closest(network, known)
        help = f"did you mean '{match}'?" if match else f"{library}.list_models() has {len(known):,} names"
        raise WeightsError(f"{library} has no network '{shorten(network)}'", help=help)
