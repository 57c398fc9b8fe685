"""What the preview shows is what a loader gives."""

import numpy as np
import pytest
import torch

from archspec.data.folder import open_folder
from archspec.data.loader import Loader
from archspec.data.preprocessing import preprocessing_for
from archspec.data.transforms import TrainTransform
from archspec.data.views import choose_positions, training_view
from archspec.plugins import Plugins
from archspec.spec.arch import InputSpec
from archspec.spec.settings import default_options


@pytest.mark.parametrize("epoch", [0, 1, 4])
def test_a_view_is_the_one_in_the_epochs_batches(photos, epoch):
    index = open_folder(photos, 0.15, 0.15, 0).splits["train"]
    settings = preprocessing_for(InputSpec(size=(16, 16)), 1.0, None, None)
    transform = TrainTransform(settings, default_options("transforms", "strong", Plugins(installed=False)))
    loader = Loader(index, settings.reading, transform, batch_size=10, seed=7, shuffle=True)
    batches = list(loader.epoch(epoch))
    images, positions = (torch.cat([getattr(batch, name) for batch in batches]) for name in ("images", "positions"))
    for position in (0, 5, 40):
        view = training_view(index, settings.reading, position, transform, seed=7, epoch=epoch)
        (place,) = (positions == position).nonzero()[0].tolist()
        assert (images[place].permute(1, 2, 0).numpy() == view).all()


def test_images_are_chosen_from_every_class():
    labels = np.array([0] * 50 + [1] * 3 + [2] * 20)
    for count in (1, 2, 3, 6, 9, 73, 100):
        chosen = choose_positions(labels, count, seed=3)
        assert len(set(chosen)) == len(chosen) == min(count, 73)
        counts = np.bincount(labels[chosen], minlength=3)
        wanted = {1: 1, 2: 1, 3: 1, 6: 2, 9: 3}.get(count)
        assert wanted is None or counts.max() == wanted
        assert (np.diff(labels[chosen]) >= 0).all()


def test_which_images_are_chosen_depends_on_the_seed():
    labels = np.repeat(np.arange(4), 30)
    assert choose_positions(labels, 8, seed=1) == choose_positions(labels, 8, seed=1)
    assert choose_positions(labels, 8, seed=1) != choose_positions(labels, 8, seed=2)
