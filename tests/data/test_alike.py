"""The search for alike images among many, against comparing all with all."""

import numpy as np
import pytest

from archspec.data import alike
from archspec.data.alike import find_alike
from archspec.data.fingerprint import SIDE, correlation, perceptual_hash
from archspec.data.look import LOOK


def rows_of(hashes, pictures, mirrored=None):
    rows = np.zeros(len(hashes), LOOK)
    rows["hash"], rows["picture"] = hashes, pictures
    rows["mirrored"] = np.arange(len(hashes), dtype=np.uint64) * 0x9E3779B97F4A7C15 if mirrored is None else mirrored
    return rows


def flipped(hashes, bits, generator):
    """Each hash with so many of its bits changed."""
    changed = hashes.copy()
    for row in range(len(hashes)):
        for bit in generator.choice(64, bits, replace=False):
            changed[row] ^= np.uint64(1) << np.uint64(bit)
    return changed


@pytest.mark.parametrize("bits", range(10))
def test_hashes_within_seven_bits_are_found_wherever_the_bits_are(bits):
    generator = np.random.default_rng(bits)
    hashes = generator.integers(0, 2**63, 300, dtype=np.uint64)
    pictures = generator.integers(0, 256, (300, SIDE, SIDE), dtype=np.uint8)
    rows = rows_of(np.concatenate([hashes, flipped(hashes, bits, generator)]), np.concatenate([pictures, pictures]))
    found = find_alike(rows, np.repeat([0, 1], 300))
    expected = [(row, row + 300) for row in range(300)] if bits <= 7 else []
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == expected
    assert found.complete


def test_what_is_found_is_what_comparing_all_with_all_finds():
    generator = np.random.default_rng(0)
    families = generator.integers(0, 2**63, 40, dtype=np.uint64)
    bases = generator.integers(0, 256, (40, SIDE, SIDE))
    family = generator.integers(0, 40, 600)
    hashes = families[family]
    for bits in range(5):
        some = generator.random(600) < 0.5
        hashes[some] = flipped(hashes[some], min(bits, 2), generator)
    blur = generator.integers(-12, 13, (600, SIDE, SIDE))
    rows = rows_of(hashes, np.clip(bases[family] + blur, 0, 255))
    splits = np.sort(generator.integers(0, 3, 600))
    found = find_alike(rows, splits)
    expected = {}
    for second in range(600):
        before = np.arange(second)
        near = np.array([int(x).bit_count() <= alike.MOST_BITS for x in hashes[:second] ^ hashes[second]], dtype=bool)
        like = correlation(rows["picture"][before], np.repeat(rows["picture"][second][None], second, axis=0))
        for split in range(3):
            ours = np.flatnonzero(near & (like >= alike.CORRELATION) & (splits[:second] == split))
            if len(ours):
                expected[second, split] = float(like[ours].max())
    got = {
        (second, splits[first]): similarity
        for first, second, similarity in zip(
            found.first.tolist(), found.second.tolist(), found.similarity.tolist(), strict=True
        )
    }
    assert len(expected) > 300
    assert got.keys() == expected.keys()
    assert list(got.values()) == pytest.approx([expected[key] for key in got], abs=1e-5)


def test_mirrored_pictures_are_found_by_their_mirrored_hash_and_symmetric_ones_are_not_called_mirrored():
    generator = np.random.default_rng(1)
    one, symmetric = generator.integers(0, 256, (2, SIDE, SIDE), dtype=np.uint8)
    symmetric[:, SIDE // 2 :] = symmetric[:, : SIDE // 2][:, ::-1]
    pictures = [one, one[:, ::-1], symmetric, symmetric]
    found = find_alike(rows_of([1, 2, 3 << 40, 3 << 40], pictures, [2, 1, 3 << 40, 3 << 40]), np.zeros(4, int))
    assert list(zip(found.first.tolist(), found.second.tolist(), found.mirrored.tolist(), strict=True)) == [
        (0, 1, True),
        (2, 3, False),
    ]


def test_the_hash_of_a_mirrored_picture_is_the_mirrored_hash():
    grey = np.random.default_rng(2).uniform(0, 255, (32, 32))
    assert perceptual_hash(grey[:, ::-1]) != perceptual_hash(grey)
    assert perceptual_hash(grey[:, ::-1][:, ::-1]) == perceptual_hash(grey) == perceptual_hash(grey * 0.5 + 9)
    frequencies = np.array(
        [
            [
                sum(
                    grey[y, x] * np.cos(np.pi * v * (2 * y + 1) / 64) * np.cos(np.pi * u * (2 * x + 1) / 64)
                    for y in range(32)
                    for x in range(32)
                )
                for u in range(8)
            ]
            for v in range(8)
        ]
    ).ravel()
    bits = (frequencies > np.median(frequencies[1:])).tolist()
    assert perceptual_hash(grey) == int("".join(str(int(bit)) for bit in [False, *bits[1:]]), 2)


def test_very_many_alike_images_take_bounded_work_and_pairs(monkeypatch):
    """5,000 frames of a camera that stands still would be 12 million pairs."""
    generator = np.random.default_rng(3)
    picture = generator.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    hashes = flipped(np.full(5_000, 0x0F1E2D3C4B5A6978, np.uint64), 1, generator)
    compared, pairs = [], alike._pairs

    def counted(starts, ends):
        for query, place in pairs(starts, ends):
            compared.append(len(query))
            yield query, place

    monkeypatch.setattr(alike, "_pairs", counted)
    found = find_alike(rows_of(hashes, np.repeat(picture[None], 5_000, axis=0)), np.repeat([0, 1], [4_000, 1_000]))
    lookups = 2 * alike._BANDS * len(alike._FLIPS)  # as they are and mirrored
    assert 0 < sum(compared) <= lookups * 5_000 * 2 * alike._WINDOW
    assert not found.complete
    assert len(found.first) <= 2 * 5_000
    assert len(np.unique(found.second)) > 4_900
    assert set(found.second[found.first < 4_000].tolist()) >= set(range(4_000, 5_000))
