"""Image -> pixels -> floats, against torchvision and Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from archspec.data.preprocessing import preprocessing_for
from archspec.data.transforms import EvaluationTransform, Normalize, TrainTransform
from archspec.errors import DataError
from archspec.plugins import Plugins
from archspec.spec.arch import InputSpec
from archspec.spec.settings import default_options

PLUGINS = Plugins(installed=False)


def preprocessing(size=(32, 32), crop=0.8, channels=3, **options):
    return preprocessing_for(InputSpec(channels=channels, size=size), crop, None, None, **options)


def standard(**options):
    return default_options("transforms", "standard", PLUGINS, **options)


def image(width, height, channels=3, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels if channels > 1 else pixels[..., 0])


def levels_apart(one, other):
    return np.abs(one.astype(int) - np.asarray(other).astype(int)).max()


@pytest.mark.parametrize("size", [(80, 80), (80, 120), (120, 80), (160, 90), (20, 20), (40, 50)])
def test_evaluation_resizes_the_shorter_side_and_cuts_out_the_middle(size):
    """At a crop of 0.8, 32 pixels are cut from 40. Smooth, as torchvision's middle may be half a pixel off."""
    photo = image(4, 4).resize((4 * size[0], 4 * size[1]), Image.Resampling.BICUBIC).resize(size)
    reference = v2.Compose([v2.Resize(40), v2.CenterCrop(32)])(photo)
    apart = EvaluationTransform(preprocessing())(photo).astype(int) - np.asarray(reference)
    even = (40 * max(size) // min(size)) % 2 == 0 and 40 * max(size) % min(size) == 0
    assert np.abs(apart).max() <= (2 if even else 16)
    assert abs(apart.mean()) < 1


@pytest.mark.parametrize("size", [(80, 80), (80, 120), (120, 80), (20, 20), (40, 50)])
def test_evaluation_shows_every_detail_as_torchvision_does(size):
    """Noise, at sizes whose middle lies on whole pixels: another scale, filter or place would show."""
    reference = v2.Compose([v2.Resize(40), v2.CenterCrop(32)])(image(*size))
    assert levels_apart(EvaluationTransform(preprocessing())(image(*size)), reference) <= 2


@pytest.mark.parametrize(("size", "resized", "left"), [((80, 80), (32, 32), 0), ((100, 40), (80, 32), 24)])
def test_evaluation_without_a_crop_shows_the_whole_shorter_side(size, resized, left):
    reference = image(*size).resize(resized, Image.Resampling.BILINEAR).crop((left, 0, left + 32, 32))
    assert levels_apart(EvaluationTransform(preprocessing(crop=1.0))(image(*size)), reference) <= 1


def test_evaluation_at_an_oblong_size_keeps_the_proportions():
    """A 24 x 48 (height x width) view of 96 x 48 pixels (width x height): no scaling but by two."""
    shown = EvaluationTransform(preprocessing(size=(24, 48), crop=1.0))(image(96, 48))
    assert shown.shape == (24, 48, 3)
    assert levels_apart(shown, image(96, 48).resize((48, 24), Image.Resampling.BILINEAR)) <= 1


@pytest.mark.parametrize("crop", [1.0, 0.95, 0.875])
@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
def test_evaluation_takes_every_size_of_image(crop, resize):
    """The box of the resize must not leave the image by a rounding error: Pillow refuses it then."""
    transform = EvaluationTransform(preprocessing(crop=crop, channels=1, resize=resize))
    sizes = [(width, height) for width in range(1, 120) for height in {1, 49, 98, width}]
    assert {transform(Image.new("L", size)).shape for size in sizes} == {(32, 32, 1)}


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(80, 80), (48, 96), (100, 31), (20, 20)])
def test_a_stretched_image_is_shown_whole(size, interpolation):
    transform = EvaluationTransform(preprocessing(crop=1.0, resize="stretch", interpolation=interpolation))
    reference = image(*size).resize((32, 32), Image.Resampling[interpolation.upper()])
    assert (transform(image(*size)) == np.asarray(reference)).all()


def test_a_stretched_image_loses_the_same_share_on_each_side():
    """At a crop of 0.8: the middle 32 of 40 x 40, from 80 x 160 pixels."""
    transform = EvaluationTransform(preprocessing(resize="stretch"))
    reference = image(80, 160).resize((32, 32), Image.Resampling.BILINEAR, box=(8, 16, 72, 144))
    assert (transform(image(80, 160)) == np.asarray(reference)).all()


@pytest.mark.parametrize(
    ("size", "drawn", "place"),
    [
        ((64, 32), (32, 16), (0, 8)),
        ((32, 64), (16, 32), (8, 0)),
        ((16, 16), (32, 32), (0, 0)),
        ((96, 3), (32, 1), (0, 15)),
    ],
)
def test_a_padded_image_lies_whole_on_the_mean_colour(size, drawn, place):
    shown = EvaluationTransform(preprocessing(crop=1.0, resize="pad"))(image(*size))
    reference = Image.new("RGB", (32, 32), (124, 116, 104))
    reference.paste(image(*size).resize(drawn, Image.Resampling.BILINEAR), place)
    assert (shown == np.asarray(reference)).all()


def test_what_is_padded_is_nothing_once_it_is_normalised():
    settings = preprocessing(crop=1.0, resize="pad")
    shown = EvaluationTransform(settings)(image(64, 32))
    floats = Normalize(settings, torch.device("cpu"))(torch.from_numpy(shown.copy()).permute(2, 0, 1)[None])
    assert floats[:, :, :8].abs().max() < 0.01


def test_a_padded_image_is_cut_as_any_other():
    """At a crop of 0.5, the middle 32 of 64 x 64, in which 128 x 64 pixels are 64 x 32."""
    shown = EvaluationTransform(preprocessing(crop=0.5, resize="pad"))(image(128, 64))
    reference = image(128, 64).resize((32, 32), Image.Resampling.BILINEAR, box=(32, 0, 96, 64))
    assert (shown == np.asarray(reference)).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_padding_knows_every_number_of_channels(channels):
    settings = preprocessing(crop=1.0, channels=channels, resize="pad")
    shown = EvaluationTransform(settings)(image(64, 32, channels))
    assert tuple(shown[0, 0]) == settings.mean_levels


def test_an_image_that_is_reduced_is_averaged_over():
    """What `antialias` says of both: the sum of a fine pattern is grey, where a sample of it is black or white."""
    stripes = Image.fromarray(np.tile(np.array([0, 255], dtype=np.uint8), (256, 128)))
    for interpolation in ("bilinear", "bicubic"):
        settings = preprocessing(channels=1, interpolation=interpolation)
        assert settings.antialias is True
        assert np.abs(EvaluationTransform(settings)(stripes).astype(int) - 127).max() <= 8


def test_training_is_what_torchvision_draws_with_the_same_seed():
    transform = TrainTransform(preprocessing(), standard(scale=(0.3, 1.0), flip=0.5))
    for seed in range(8):
        torch.manual_seed(seed)
        found = transform(image(60, 50))
        torch.manual_seed(seed)
        reference = v2.RandomHorizontalFlip(0.5)(v2.RandomResizedCrop(32, scale=(0.3, 1.0))(image(60, 50)))
        assert (found == np.asarray(reference)).all()


def test_training_depends_on_the_seed_alone():
    transform = TrainTransform(preprocessing(), standard())
    views = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        views.append(transform(image(60, 50)))
    assert (views[0] == views[1]).all()
    assert (views[0] != views[2]).any()


@pytest.mark.parametrize("flip", [0, 1])
def test_an_augmentation_of_the_whole_image_only_mirrors_it(flip):
    whole = TrainTransform(preprocessing(), standard(scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=float(flip)))
    pixels = np.asarray(image(32, 32))
    assert (whole(image(32, 32)) == (pixels[:, ::-1] if flip else pixels)).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_have_the_networks_size_and_channels(channels):
    for transform in (
        EvaluationTransform(preprocessing((24, 40), channels=channels)),
        TrainTransform(preprocessing((24, 40), channels=channels), standard()),
    ):
        pixels = transform(image(61, 50, channels))
        assert pixels.shape == (24, 40, channels)
        assert pixels.dtype == np.uint8


@pytest.mark.parametrize("given", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("wanted", [torch.channels_last, torch.contiguous_format])
def test_normalisation_is_torchvisions_in_the_memory_format_of_the_network(given, wanted):
    settings = preprocessing_for(InputSpec(), 1.0, (0.1, 0.5, 0.9), (0.2, 0.3, 0.4))
    images = torch.randint(0, 256, (2, 3, 6, 5), dtype=torch.uint8).contiguous(memory_format=given)
    channels_last = wanted is torch.channels_last
    found = Normalize(settings, torch.device("cpu"), channels_last=channels_last)(images)
    reference = functional.normalize(
        functional.to_dtype(images, torch.float32, scale=True), list(settings.mean), list(settings.std)
    )
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, reference, rtol=0, atol=2e-6)
    assert found.is_contiguous(memory_format=wanted)


def test_the_inverse_of_normalisation_gives_the_levels_back():
    normalize = Normalize(preprocessing(), torch.device("cpu"))
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(normalize.inverse(normalize(levels)), levels)


def test_without_a_word_photos_are_normalised_as_imagenet():
    settings = preprocessing()
    assert settings.mean == (0.485, 0.456, 0.406)
    assert settings.std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize("name", ["mean", "std"])
def test_a_mean_of_another_number_of_channels_is_refused(name):
    values = {"mean": None, "std": None, name: (0.5, 0.5)}
    with pytest.raises(DataError, match=f"`{name}` has 2 values, and the network's input 3 channels"):
        preprocessing_for(InputSpec(), 1.0, **values)
