"""Transforms of images. They stand in files that are read when a recipe asks for transforms, not at every start."""

from __future__ import annotations

from archspec import Offers, hookimpl


@hookimpl
def archspec_transforms() -> Offers:
    from archspec.builtin import colours, geometry, policies, presets

    return {**presets.OFFERS, **geometry.OFFERS, **colours.OFFERS, **policies.OFFERS}
