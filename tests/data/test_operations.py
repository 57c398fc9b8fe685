"""Each transform against torchvision's class of the same name with the same seed; and what torchvision lacks."""

import random

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from archspec.data.preprocessing import preprocessing_for
from archspec.data.transforms import EvaluationTransform, TrainTransform
from archspec.errors import DataError, DocumentError
from archspec.plugins import Plugins
from archspec.spec.arch import InputSpec
from archspec.spec.settings import default_options

PLUGINS = Plugins(installed=False)
BILINEAR, BICUBIC = v2.InterpolationMode.BILINEAR, v2.InterpolationMode.BICUBIC


def settings(channels=3, size=(32, 32), **options):
    return preprocessing_for(InputSpec(channels=channels, size=size), 0.9, None, None, **options)


def photo(width=60, height=50, mode="RGB", seed=0):
    """Smooth, with some noise: an even or an empty image would hide differences."""
    draw = np.random.default_rng(seed)
    bands = len(Image.new(mode, (1, 1)).getbands())
    coarse = draw.integers(0, 256, (6, 5, bands), dtype=np.uint8)
    smooth = Image.fromarray(coarse if bands > 1 else coarse[..., 0], mode).resize((width, height))
    noisy = np.asarray(smooth).astype(int) + draw.integers(-20, 20, np.asarray(smooth).shape)
    return Image.fromarray(noisy.clip(10, 240).astype(np.uint8), mode)


def made(name, preprocessing=None, **options):
    offer = PLUGINS.find("transforms", name)
    return offer.make(default_options("transforms", name, PLUGINS, **options), preprocessing or settings())


def bits(transform, image, seed):
    torch.manual_seed(seed)
    return np.asarray(transform(image))


SAME = {
    "random-resized-crop": ({}, v2.RandomResizedCrop((32, 32), scale=(0.5, 1.0))),
    "random-resized-crop, options": (
        {"scale": [0.1, 0.4], "ratio": [0.5, 2.0], "interpolation": "bicubic"},
        v2.RandomResizedCrop((32, 32), scale=(0.1, 0.4), ratio=(0.5, 2.0), interpolation=BICUBIC),
    ),
    "random-crop": ({}, v2.Compose([v2.Resize(32), v2.RandomCrop((32, 32), padding=4)])),
    "random-crop, reflect": (
        {"padding": 6, "border": "reflect", "interpolation": "bicubic"},
        v2.Compose([v2.Resize(32, interpolation=BICUBIC), v2.RandomCrop((32, 32), padding=6, padding_mode="reflect")]),
    ),
    "random-crop, mean": (
        {"border": "mean", "padding": 2},
        v2.Compose([v2.Resize(32), v2.RandomCrop((32, 32), padding=2, fill=(124, 116, 104))]),
    ),
    "random-crop, unpadded": ({"padding": 0}, v2.Compose([v2.Resize(32), v2.RandomCrop((32, 32))])),
    "flip": ({}, v2.RandomHorizontalFlip()),
    "vertical-flip": ({"probability": 0.7}, v2.RandomVerticalFlip(0.7)),
    "rotation": ({}, v2.RandomRotation(15, interpolation=BILINEAR)),
    "rotation, mean": (
        {"degrees": 80.0, "fill": "mean", "interpolation": "nearest"},
        v2.RandomRotation(80, fill=(124, 116, 104)),
    ),
    "affine": ({}, v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), interpolation=BILINEAR)),
    "affine, shear": (
        {"shear": 20.0, "interpolation": "bicubic"},
        v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), 20, interpolation=BICUBIC),
    ),
    "perspective": ({}, v2.RandomPerspective()),
    "color-jitter": ({}, v2.ColorJitter(0.3, 0.3, 0.3)),
    "color-jitter, some": (
        {"hue": 0.2, "saturation": 0.0, "probability": 0.4},
        v2.RandomApply([v2.ColorJitter(0.3, 0.3, 0.0, 0.2)], 0.4),
    ),
    "grayscale": ({"probability": 0.5}, v2.RandomGrayscale(0.5)),
    "gaussian-blur": ({}, v2.GaussianBlur(13, (0.1, 2.0))),
    "solarize": ({"threshold": 90}, v2.RandomSolarize(90)),
    "posterize": ({}, v2.RandomPosterize(4)),
    "autocontrast": ({}, v2.RandomAutocontrast()),
    "equalize": ({}, v2.RandomEqualize()),
    "invert": ({}, v2.RandomInvert()),
    "sharpness": ({}, v2.RandomAdjustSharpness(2)),
    "trivial-augment": ({}, v2.TrivialAugmentWide(interpolation=BILINEAR, fill=0)),
    "rand-augment": (
        {"operations": 3, "magnitude": 12, "fill": "mean"},
        v2.RandAugment(3, 12, interpolation=BILINEAR, fill=(124, 116, 104)),
    ),
    "auto-augment": (
        {"policy": "svhn"},
        v2.AutoAugment(v2.AutoAugmentPolicy.SVHN, interpolation=BILINEAR, fill=0),
    ),
    "aug-mix": ({"severity": 7, "depth": 2}, v2.AugMix(7, 3, 2)),
    "choice": (
        {"among": ["invert", {"type": "solarize", "probability": 1.0}]},
        v2.RandomChoice([v2.RandomInvert(), v2.RandomSolarize(128, 1.0)]),
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_a_transform_is_torchvisions_bit_for_bit(case):
    options, reference = SAME[case]
    transform = made(case.partition(",")[0], **options)
    for seed in range(12):
        image = photo(seed=seed)
        found = bits(transform, image, seed)
        assert (found == bits(reference, image, seed)).all(), seed


def test_every_transform_is_compared():
    compared = {case.partition(",")[0] for case in SAME}
    presets = {"none", "light", "standard", "strong", "three-augment"}
    assert {*compared, *presets, "random-erasing"} == set(PLUGINS.offers("transforms"))


@pytest.mark.parametrize(("fill", "value"), [("mean", 0), ("noise", "random")])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_erasing_pixels_is_erasing_what_is_normalised(fill, value, mode):
    """The box and the noise are those of torchvision on the normalised image, to the nearest level."""
    preprocessing = settings(channels=len(mode))
    transform = made("random-erasing", preprocessing, fill=fill, probability=0.8)
    mean, std = list(preprocessing.mean), list(preprocessing.std)
    reference, erased = v2.RandomErasing(0.8, value=value), 0
    for seed in range(12):
        image = photo(mode=mode, seed=seed)
        floats = functional.normalize(functional.pil_to_tensor(image) / 255, mean, std)
        torch.manual_seed(seed)
        wanted = 255 * functional.normalize(
            reference(floats), [-m / s for m, s in zip(mean, std, strict=True)], [1 / s for s in std]
        )
        found = functional.pil_to_tensor(functional.to_pil_image(bits(transform, image, seed)))
        erased += bool((found != functional.pil_to_tensor(image)).any())
        assert (found - wanted.clamp(0, 255)).abs().max() < 0.51
    assert 6 <= erased < 12


LISTS = {
    "none": lambda p: [EvaluationTransform(p).view],
    "light": lambda p: [v2.RandomResizedCrop(p.size, (0.6, 1.0)), v2.RandomHorizontalFlip()],
    "standard": lambda p: [v2.RandomResizedCrop(p.size, (0.5, 1.0)), v2.RandomHorizontalFlip()],
    "strong": lambda p: [
        v2.RandomResizedCrop(p.size, (0.08, 1.0)),
        v2.RandomHorizontalFlip(),
        v2.TrivialAugmentWide(interpolation=BILINEAR, fill=0),
        made("random-erasing", p, probability=0.1),
    ],
    "three-augment": lambda p: [
        v2.RandomResizedCrop(p.size, (0.08, 1.0)),
        v2.RandomHorizontalFlip(),
        v2.RandomChoice([v2.RandomGrayscale(1.0), v2.RandomSolarize(128, 1.0), v2.GaussianBlur(13, (0.1, 2.0))]),
        v2.ColorJitter(0.3, 0.3, 0.3),
    ],
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_preset_is_its_transforms_in_a_row(name, mode):
    preprocessing = settings(channels=len(mode))
    transform, parts = made(name, preprocessing), LISTS[name](preprocessing)
    for seed in range(12):
        torch.manual_seed(seed)
        wanted = photo(mode=mode, seed=seed)
        for part in parts:
            wanted = part(wanted)
        assert (bits(transform, photo(mode=mode, seed=seed), seed) == np.asarray(wanted)).all()


def test_the_knobs_of_a_preset_reach_its_transforms():
    whole = {"scale": [1.0, 1.0], "ratio": [1.0, 1.0], "flip": 1.0}
    image = photo(32, 32)
    mirrored = np.asarray(image)[:, ::-1]
    assert (bits(made("light", **whole), image, 0) == mirrored).all()
    blank = bits(made("strong", erasing=1.0, scale=[1.0, 1.0]), image, 0)
    assert (blank == (124, 116, 104)).all(2).any()
    grey = [bits(made("three-augment", jitter=0.0, **whole), image, seed) for seed in range(12)]
    assert any((view == np.asarray(functional.to_grayscale(image, 3))[:, ::-1]).all() for view in grey)


def test_the_recipes_interpolation_is_that_of_a_crop_unless_it_has_its_own():
    preprocessing = settings(interpolation="bicubic")
    for options, mode in (({}, BICUBIC), ({"interpolation": "bilinear"}, BILINEAR)):
        reference = v2.RandomResizedCrop((32, 32), (0.5, 1.0), interpolation=mode)
        transform = made("random-resized-crop", preprocessing, **options)
        assert (bits(transform, photo(), 1) == bits(reference, photo(), 1)).all()


@pytest.mark.parametrize("size", [(24, 40), (40, 24), (32, 32)])
@pytest.mark.parametrize("image", [(60, 50), (7, 90), (90, 7), (1, 1), (40, 24)])
def test_a_random_crop_takes_images_of_every_size_and_shape(size, image):
    view = bits(made("random-crop", settings(size=size), padding=0), photo(*image), 0)
    assert view.shape == (*size, 3)


def test_a_random_crop_of_an_image_that_fits_scales_nothing():
    """The recipe of CIFAR: pad by four, cut the size out."""
    image = photo(32, 32)
    padded = np.pad(np.asarray(image), ((4, 4), (4, 4), (0, 0)))
    view = bits(made("random-crop"), image, 3)
    places = [(top, left) for top in range(9) for left in range(9)]
    assert any((padded[top : top + 32, left : left + 32] == view).all() for top, left in places)


@pytest.mark.parametrize("side", [1, 2, 3, 9])
def test_a_blur_wider_than_the_image_is_as_wide_as_it_can(side):
    assert bits(made("gaussian-blur", sigma=[3.0, 3.0]), photo(side, side + 1), 0).shape == (side + 1, side, 3)


COLOURS = ["color-jitter", "grayscale", "solarize", "posterize", "autocontrast", "equalize", "invert", "sharpness"]


@pytest.mark.parametrize("name", COLOURS)
def test_colours_change_and_transparency_does_not(name):
    image = photo(mode="RGBA")
    changed = bits(made(name, settings(channels=4), probability=1.0), image, 1)
    assert (changed[..., 3] == np.asarray(image)[..., 3]).all()
    assert (changed[..., :3] != np.asarray(image)[..., :3]).any()
    plain = bits(made(name, probability=1.0), image.convert("RGB"), 1)
    assert (changed[..., :3] == plain).all()


@pytest.mark.parametrize("name", ["trivial-augment", "rand-augment", "auto-augment", "aug-mix", "strong"])
def test_a_policy_refuses_transparency(name):
    with pytest.raises(DataError, match="takes grey or colour images") as caught:
        made(name, settings(channels=4))
    assert "input.channels" in caught.value.help


@pytest.mark.parametrize("name", sorted(PLUGINS.offers("transforms")))
def test_nothing_is_drawn_but_from_torchs_generator(name):
    """numpy's and Python's states neither matter nor move."""
    options = {"among": ["invert", "rotation"]} if name == "choice" else {}
    transform = made(name, **options)
    for seed in range(4):
        views = []
        for other in (1, 2):
            np.random.seed(other)
            random.seed(other)
            states = np.random.get_state()[1].tolist(), random.getstate()
            views.append(bits(transform, photo(seed=seed), seed))
            assert (np.random.get_state()[1].tolist(), random.getstate()) == states
        assert (views[0] == views[1]).all()


def test_a_list_is_done_in_its_order():
    """The crop, the flip, the erasing; each draws after the one before."""
    preprocessing = settings()
    names = "random-resized-crop", "flip", "random-erasing"
    options = tuple(default_options("transforms", name, PLUGINS) for name in names)
    for seed in range(6):
        torch.manual_seed(seed)
        found = TrainTransform(preprocessing, options)(photo())
        torch.manual_seed(seed)
        wanted = photo()
        for name in names:
            wanted = made(name, preprocessing)(wanted)
        assert (found == np.asarray(wanted)).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("random-resized-crop", {"scale": [0.0, 1.0]}),
        ("random-resized-crop", {"scale": [0.9, 0.5]}),
        ("random-resized-crop", {"scale": [0.5]}),
        ("random-resized-crop", {"interpolation": "nearest"}),
        ("standard", {"flip": 1.5}),
        ("standard", {"erasing": 0.5}),
        ("rotation", {"degrees": -3.0}),
        ("affine", {"shear": 90.0}),
        ("gaussian-blur", {"sigma": [2.0, 1.0]}),
        ("rand-augment", {"magnitude": 31}),
        ("rand-augment", {"operations": 0}),
        ("choice", {}),
        ("choice", {"among": []}),
        ("choice", {"among": ["standard"]}),
        ("none", {"flip": 0.5}),
    ],
)
def test_an_option_out_of_bounds_is_refused(name, options):
    with pytest.raises(DocumentError):
        default_options("transforms", name, PLUGINS, **options)
