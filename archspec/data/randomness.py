"""Randomness as a function: the seed of an epoch's order, of a sample's augmentation, of a step.

What is drawn depends on where it is drawn, never on what was drawn before; so it is the same with any number of
workers, and after a resume.
"""

from __future__ import annotations

import numpy as np
import torch

_MASK = (1 << 64) - 1

ORDER, SAMPLE, STEP, INIT, MIX = 1, 2, 3, 4, 5
"""What a seed is for, so that no two purposes share a stream."""


def seed_for(purpose: int, *place: int) -> int:
    """A 63-bit seed from a purpose and a place: SplitMix64's mixing step for each number (Steele et al. 2014)."""
    state = 0
    for number in (purpose, *place):
        state = (state + 0x9E3779B97F4A7C15 + number) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state >> 1


def seed_generator(purpose: int, *place: int, device: torch.device | None = None) -> None:
    """Seed what transforms and the network draw from: torch's generator of the CPU, and that of the device."""
    seed = seed_for(purpose, *place)
    torch.default_generator.manual_seed(seed)
    if device is not None and device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def epoch_order(count: int, seed: int, epoch: int) -> torch.Tensor:
    """The order of the samples in an epoch: (count,)."""
    generator = torch.Generator().manual_seed(seed_for(ORDER, seed, epoch))
    return torch.randperm(count, generator=generator)


def balanced_order(labels: np.ndarray, seed: int, epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An epoch of as many samples as there are labels, each class as often as the others, but for one.

    Gives positions (count,), and for each how often it came before in the epoch (count,). A class's images are dealt
    out in random order, and anew when all were dealt: so a small class repeats its images, and a large one takes turns.
    """
    generator = torch.Generator().manual_seed(seed_for(ORDER, seed, epoch))
    classes = torch.from_numpy(np.unique(labels))
    share, rest = divmod(len(labels), len(classes))
    larger = set(torch.randperm(len(classes), generator=generator)[:rest].tolist())
    positions, times = [], []
    for number, label in enumerate(classes.tolist()):
        own = torch.from_numpy(np.flatnonzero(labels == label))
        wanted = share + (number in larger)
        rounds = -(-wanted // len(own))
        deals = [own[torch.randperm(len(own), generator=generator)] for _ in range(rounds)]
        positions.append(torch.cat(deals)[:wanted])
        times.append(torch.arange(rounds).repeat_interleave(len(own))[:wanted])
    shuffled = torch.randperm(len(labels), generator=generator)
    return torch.cat(positions)[shuffled], torch.cat(times)[shuffled]
