"""Augmentation and mixing in a run: errors with their place, the same bits anyhow, and what old runs hold."""

import json
import re
import shutil

import pytest
import torch
import torch.nn.functional as F

from archspec.data.loader import Loader
from archspec.data.preprocessing import preprocessing_for
from archspec.data.transforms import TrainTransform
from archspec.errors import DocumentError
from archspec.spec.arch import InputSpec
from archspec.spec.dump import to_yaml
from archspec.training.documents import choose_data, load_recipe
from archspec.training.keeping import fit
from archspec.training.results import StepResult

KEPT = ("checkpoints/last/model.safetensors", "checkpoints/last/training.safetensors", "metrics.jsonl")
LIST = "[{type: random-resized-crop, scale: [0.3, 1]}, flip, trivial-augment, {type: random-erasing, probability: 0.5}]"
MIXED = ["--set", "recipe.augmentation=strong", "--set", "recipe.mixup=0.4", "--set", "recipe.cutmix=1"]
BROKEN = {
    "unknown": (
        "augmentation:\n  - standard\n  - {type: trivial-augmnet}\n",
        "error: unknown transform 'trivial-augmnet'\n"
        "  --> recipe.yaml:3:12   augmentation[1].type\n"
        "3 |   - {type: trivial-augmnet}\n"
        "  |            ^^^^^^^^^^^^^^^ did you mean 'trivial-augment'?\n"
        "  known transforms: ",
    ),
    "option": (
        "augmentation: {type: standard, flop: 0}\n",
        "error: unknown key 'flop'\n"
        "  --> recipe.yaml:1:32   augmentation.flop\n"
        "1 | augmentation: {type: standard, flop: 0}\n"
        "  |                                ^^^^ did you mean 'flip'?\n"
        "  known keys: flip, ratio, scale",
    ),
    "bounds": (
        "augmentation:\n  - random-crop\n  - type: rand-augment\n    magnitude: 31\n",
        "error: 'augmentation[1].magnitude' must be at most 30, not 31\n"
        "  --> recipe.yaml:4:16   augmentation[1].magnitude\n"
        "4 |     magnitude: 31\n"
        "  |                ^^",
    ),
    "order": (
        "augmentation: {scale: [1, 0.5]}\n",
        "error: 'augmentation.scale' is [1, 0.5], whose least is more than its most\n"
        "  --> recipe.yaml:1:23   augmentation.scale\n"
        "1 | augmentation: {scale: [1, 0.5]}\n"
        "  |                       ^^^^^^^^",
    ),
    "no size": (
        "augmentation: [flip, trivial-augment]\n",
        "error: 'augmentation' has no transform that makes the network's size: "
        "begin it with random-resized-crop or a preset\n"
        "  --> recipe.yaml:1:15   augmentation\n"
        "1 | augmentation: [flip, trivial-augment]\n"
        "  |               ^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    "two sizes": (
        "augmentation: [standard, random-crop]\n",
        "error: 'augmentation' makes the network's size 2 times, by 'standard' and 'random-crop': one must do it\n"
        "  --> recipe.yaml:1:15   augmentation\n"
        "1 | augmentation: [standard, random-crop]\n"
        "  |               ^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    "chance": (
        "augmentation: [none, {type: choice, among: [invert, standard]}]\n",
        "error: 'augmentation[1].among' holds 'standard', which makes the network's size: "
        "it cannot be left to chance\n"
        "  --> recipe.yaml:1:44   augmentation[1].among\n"
        "1 | augmentation: [none, {type: choice, among: [invert, standard]}]\n"
        "  |                                            ^^^^^^^^^^^^^^^^^^",
    ),
    "no name": (
        "augmentation: [{scale: [0.5, 1]}]\n",
        "error: 'augmentation[0]' has no 'type'\n"
        "  --> recipe.yaml:1:16   augmentation[0]\n"
        "1 | augmentation: [{scale: [0.5, 1]}]\n"
        "  |                ^^^^^^^^^^^^^^^^^\n"
        "  known transforms: ",
    ),
    "python": (
        "augmentation: torchvision.transforms.v2.RandomCrop\n",
        "error: unknown transform 'torchvision.transforms.v2.RandomCrop'\n"
        "  --> recipe.yaml:1:15   augmentation\n"
        "1 | augmentation: torchvision.transforms.v2.RandomCrop\n"
        "  |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "  known transforms: ",
    ),
    "mixup": (
        "mixup: -1\n",
        "error: 'mixup' must be at least 0.0, not -1\n  --> recipe.yaml:1:8   mixup\n1 | mixup: -1\n  |        ^^",
    ),
    "resize": (
        "resize: squash\n",
        "error: 'resize' must be 'crop', 'stretch' or 'pad', not the text 'squash'\n"
        "  --> recipe.yaml:1:9   resize\n"
        "1 | resize: squash\n"
        "  |         ^^^^^^",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_wrong_augmentation_is_shown_at_its_place(name, tmp_path, monkeypatch, plugins):
    text, said = BROKEN[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(DocumentError) as caught:
        load_recipe("recipe.yaml", (), plugins)
    assert re.sub(r"known transforms: .*", "known transforms: ", caught.value.render()) == said


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("standard", {"type": "standard", "scale": (0.5, 1.0), "flip": 0.5}),
        ("{flip: 0}", {"type": "standard", "scale": (0.5, 1.0), "flip": 0.0}),
        ("{type: strong, erasing: 0.3}", {"type": "strong", "scale": (0.08, 1.0), "flip": 0.5, "erasing": 0.3}),
        ("none", {"type": "none"}),
    ],
)
def test_a_preset_is_a_name_or_a_map(recipe, written, kept):
    augmentation = recipe(f"augmentation={written}").augmentation
    found = {"type": augmentation.offer.name, **augmentation.model_dump()}
    assert {key: found[key] for key in kept} == kept


def test_a_knob_of_the_preset_is_set_behind_its_name(recipe):
    augmentation = recipe("augmentation=strong", "augmentation.flip=0", "augmentation.scale=[0.35, 1]").augmentation
    assert (augmentation.offer.name, augmentation.flip, augmentation.scale) == ("strong", 0, (0.35, 1))
    listed = recipe(f"augmentation={LIST}", "augmentation.3.probability=1").augmentation
    assert [options.offer.name for options in listed] == [
        "random-resized-crop",
        "flip",
        "trivial-augment",
        "random-erasing",
    ]
    assert listed[3].probability == 1


@pytest.mark.parametrize(
    "written", ["standard", "none", "three-augment", LIST, "[none, {type: choice, among: [invert]}]"]
)
def test_what_a_run_keeps_is_read_again_as_the_same(recipe, plugins, tmp_path, written):
    settings = recipe(f"augmentation={written}", "mixup=0.2")
    (tmp_path / "recipe.yaml").write_text(to_yaml(settings))
    assert load_recipe(str(tmp_path / "recipe.yaml"), (), plugins) == settings


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize(
    "written", [LIST, "three-augment", "[random-crop, aug-mix, {type: choice, among: [invert, rotation]}]"]
)
def test_the_batches_are_the_same_bits_with_any_number_of_workers(recipe, plugins, photos, written):
    preprocessing = preprocessing_for(InputSpec(size=(16, 16)), 1.0, None, None)
    data = choose_data(f"imagefolder:{photos}", (), plugins).data
    index = data.offer.make(data, 0).splits["train"]

    def batches(workers):
        transform = TrainTransform(preprocessing, recipe(f"augmentation={written}").augmentation)
        loader = Loader(index, preprocessing.reading, transform, batch_size=16, seed=3, shuffle=True, workers=workers)
        return [batch.images for epoch in (0, 1) for batch in loader.epoch(epoch)]

    alone = batches(0)
    assert not torch.equal(alone[0], alone[4])
    for workers in (1, 3):
        assert all(torch.equal(*pair) for pair in zip(alone, batches(workers), strict=True))


def test_a_mixed_step_is_that_of_torchvision(session_of):
    """The loss and the figures of a first step, with the mix done by hand."""
    session = session_of("epochs=1", "batch_size=63", "mixup=0.8", "seed=4", "warmup_epochs=0")
    network, normalize = session.trainer.network, session.trainer.normalize
    (batch,) = session.trainer.train_loader.epoch(0)
    network.train()
    images, shares = session.trainer.mixing(normalize(batch.images), batch.labels, 0, 0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    logits = network(images)
    wanted = -(0.9 * shares + 0.1 / 3).mul(F.log_softmax(logits, 1)).sum(1).mean()
    network.load_state_dict(before)
    (step,) = [result for result in fit(session) if isinstance(result, StepResult)]
    torch.testing.assert_close(step.loss, wanted.detach())
    assert int(step.correct) == int((logits.argmax(1) == shares.argmax(1)).sum())


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixing_works_in_every_precision(session_of, precision):
    session = session_of("epochs=2", "mixup=0.2", "cutmix=1", f"precision={precision}")
    assert all(torch.isfinite(result.loss) for result in fit(session) if isinstance(result, StepResult))


def test_mixing_moves_nothing_that_the_network_draws(session_of):
    """Dropout draws the same, whether or not a batch was mixed: here none is, for its probability is 0."""
    spec = {"spec_overrides": ["head.dropout=0.5"]}
    plain = session_of("epochs=1", out="plain", **spec)
    never = session_of("epochs=1", "mixup=1", "mix_probability=0", out="never", **spec)
    losses = [[result.loss.item() for result in fit(one) if isinstance(result, StepResult)] for one in (plain, never)]
    assert losses[0] == losses[1]


def test_a_run_that_mixes_and_is_resumed_ends_with_the_same_bits(train, train_new, tmp_path, monkeypatch):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    arguments = ["--epochs", 4, "--batch-size", 16, *MIXED]
    assert train_new(*arguments, "--out", whole)[0] == 0

    class Stop(BaseException):
        """Stands for a kill after the second epoch."""

    from archspec.training import keeping

    keep = keeping._keep_epoch

    def keep_two(*given):
        keep(*given)
        if given[1].epoch == 2:
            raise Stop

    monkeypatch.setattr(keeping, "_keep_epoch", keep_two)
    with pytest.raises(Stop):
        train_new(*arguments, "--out", stopped)
    monkeypatch.undo()
    torch.manual_seed(99)  # whatever was drawn before must not matter
    assert train("--resume", stopped, workers=2)[0] == 0
    for name in KEPT:
        assert (stopped / name).read_bytes() == (whole / name).read_bytes(), name


def test_how_evaluation_sees_images_is_kept_with_the_checkpoint(session_of):
    session = session_of("epochs=1", "resize=pad", "interpolation=bicubic", "crop=1")
    list(fit(session))
    for file in (session.run.path / "run.json", session.run.best / "manifest.json", session.run.last / "manifest.json"):
        kept = json.loads(file.read_text())["preprocessing"]
        assert (kept["resize"], kept["interpolation"], kept["antialias"], kept["crop"]) == ("pad", "bicubic", True, 1)


def test_a_run_of_before_is_resumed_and_evaluated(train, train_new, tmp_path, capsys):
    """Its recipe says `augmentation: {scale, ratio, flip}`, and its preprocessing nothing of resize."""
    from archspec.cli.app import run as archspec

    run, whole = tmp_path / "run", tmp_path / "whole"
    assert train_new("--epochs", 2, "--out", whole)[0] == 0
    shutil.copytree(whole, run)
    for file in (run / "run.json", *run.glob("checkpoints/*/manifest.json")):
        document = json.loads(file.read_text())
        for key in ("resize", "interpolation", "antialias"):
            del document["preprocessing"][key]
        file.write_text(json.dumps(document))
    recipe = (run / "recipe.yaml").read_text()
    new = ("  type: standard\n", "mixup: 0.0\n", "cutmix: 0.0\n", "mix_probability: 1.0\n")
    for line in (*new, "resize: crop\n", "interpolation: bilinear\n"):
        assert line in recipe
        recipe = recipe.replace(line, "")
    (run / "recipe.yaml").write_text(recipe)
    figures = []
    for one in (whole, run):
        assert archspec(["eval", str(one), "--workers", "0", "--json"]) == 0
        figures.append({**json.loads(capsys.readouterr().out), "run": ""})
    assert figures[0] == figures[1]
    assert train("--resume", run)[0] == 0
