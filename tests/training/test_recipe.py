"""Recipes and data choices: found by name, changed by `--set`, wrong in a known place."""

from pathlib import Path

import pytest

from archspec.errors import ArchspecError, DocumentError
from archspec.training.documents import choose_data, load_recipe, load_training, recipe_names, split_overrides


def faults(name, overrides, plugins):
    with pytest.raises(DocumentError) as caught:
        load_recipe(name, overrides, plugins)
    return caught.value.diagnostics


def test_every_recipe_that_comes_along_can_be_loaded(plugins):
    assert {"default", "quick"} <= set(recipe_names())
    for name in recipe_names():
        assert load_recipe(name, (), plugins).epochs >= 1
    assert load_recipe("default", (), plugins).optimizer.offer.name == "adamw"
    assert load_recipe("quick", (), plugins).optimizer.offer.name == "adamw"


def test_a_recipe_may_be_a_file(tmp_path, plugins):
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: 7\noptimizer: {type: adamw, lr: 0.5}\n")
    recipe = load_recipe(str(path), ["recipe.batch_size=9"], plugins)
    assert (recipe.epochs, recipe.batch_size, recipe.optimizer.lr) == (7, 9, 0.5)


def test_overrides_are_typed_and_reach_deep(plugins):
    overrides = ["recipe.optimizer.lr=1e-3", "recipe.augmentation.scale=[0.2, 0.9]", "recipe.mean=[0.1, 0.2, 0.3]"]
    recipe = load_recipe("default", overrides, plugins)
    assert recipe.optimizer.lr == 0.001
    assert recipe.optimizer.betas == (0.9, 0.999)
    assert recipe.augmentation.scale == (0.2, 0.9)
    assert recipe.mean == (0.1, 0.2, 0.3)


def test_another_optimizer_does_not_need_the_first_ones_options(plugins):
    recipe = load_recipe("default", ["recipe.optimizer={type: sgd}"], plugins)
    assert recipe.optimizer.offer.name == "sgd"
    assert recipe.optimizer.lr == 0.1


def test_an_unknown_recipe_is_an_error_that_guesses(plugins, tmp_path):
    with pytest.raises(ArchspecError) as caught:
        load_recipe("quik", (), plugins)
    assert caught.value.render() == "error: there is no recipe 'quik'\n  help: did you mean 'quick'?"
    with pytest.raises(ArchspecError, match=r"there is no recipe '.*absent\.yaml'") as caught:
        load_recipe(str(tmp_path / "absent.yaml"), (), plugins)
    assert caught.value.help.startswith("known recipes: cifar, default, finetune, imagenet-a1")


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("recipe.epoch=3", "unknown key 'epoch'", "did you mean 'epochs'?"),
        ("recipe.optimizer.type=sdg", "unknown optimizer 'sdg'", "did you mean 'sgd'?"),
        ("recipe.optimizer=adamv", "unknown optimizer 'adamv'", "did you mean 'adamw'?"),
        ("recipe.schedule=cosin", "unknown schedule 'cosin'", "did you mean 'cosine'?"),
        ("recipe.loss=focl", "unknown loss 'focl'", "did you mean 'focal'?"),
        ("recipe.loss.smothing=0", "unknown key 'smothing'", "did you mean 'smoothing'?"),
        ("recipe.loss.smoothing=1", "'loss.smoothing' must be less than 1.0, not 1", ""),
        ("recipe.loss=3", "'loss' must name a loss, not 3", ""),
        ("recipe.epochs=0", "'epochs' must be at least 1, not 0", ""),
        ("recipe.optimizer.lr=fast", "'optimizer.lr' must be a number, not the text 'fast'", ""),
        ("recipe.precision=bf61", "must be 'auto', 'float32', 'bf16' or 'fp16'", "did you mean 'bf16'?"),
    ],
)
def test_a_wrong_override_is_shown_at_its_place(plugins, override, message, hint):
    diagnostics = faults("default", ["recipe.seed=3", override], plugins)
    assert len(diagnostics) == 1
    (found,) = diagnostics
    assert message in found.message
    assert hint == found.hint
    place = found.place
    assert (place.file, place.line, place.text) == ("--set", 2, override)
    wrong = override[place.column - 1 : place.column - 1 + place.length]
    assert wrong in (override.partition("=")[2], override.partition("=")[0].split(".")[-1])


def test_every_fault_of_a_recipe_is_shown_with_line_and_column(tmp_path, plugins):
    path = tmp_path / "mine.yaml"
    path.write_text("epochs: many\noptimizer:\n  type: sgd\n  momentun: 0.5\ncrop: 2\n")
    places = [(found.place.line, found.place.column) for found in faults(str(path), (), plugins)]
    assert places == [(1, 9), (4, 3), (5, 7)]


def test_the_options_of_methods_are_wrong_at_their_places(tmp_path, plugins):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "optimizer: {type: adafactor, clip: 0.5}\nschedule: {type: step, milestones: [0.5, 30], gama: 0.1}\n"
        "loss:\n  type: bce\n  threshold: 1\n  sum_classes: yes\ncooldown_epochs: -1\n"
    )
    found = [(fault.place.line, fault.place.column, fault.message) for fault in faults(str(path), (), plugins)]
    assert found == [
        (1, 36, "'optimizer.clip' must be at least 1.0, not 0.5"),
        (2, 42, "'schedule.milestones[1]' must be a share of the schedule, below 1, not 30: epoch 30 of 90 is 0.333"),
        (2, 47, "unknown key 'gama'"),
        (5, 14, "'loss.threshold' must be less than 1.0, not 1"),
        (6, 16, "'loss.sum_classes' must be true or false, not the text 'yes'"),
        (7, 18, "'cooldown_epochs' must be at least 0.0, not -1"),
    ]


def test_milestones_in_epochs_are_told_what_is_meant_and_nothing_else(plugins):
    """The list is not called too short as well, for the entries that are wrong."""
    found = faults("default", ["recipe.schedule={type: step, milestones: [30, 60]}"], plugins)
    meant = "must be a share of the schedule, below 1, not {}: epoch 30 of 90 is 0.333"
    assert [fault.message for fault in found] == [
        f"'schedule.milestones[{index}]' {meant.format(number)}" for index, number in enumerate((30, 60))
    ]
    (short,) = faults("default", ["recipe.schedule={type: step, milestones: []}"], plugins)
    assert short.message == "'schedule.milestones' must hold at least 1 entry, not 0"


def test_overrides_are_shared_out_by_their_prefix():
    assert split_overrides(["head.classes=3", "recipe.epochs=1", "data.root=x", "recipes.x=1"]) == (
        ["head.classes=3", "recipes.x=1"],
        ["recipe.epochs=1"],
        ["data.root=x"],
    )


def root_of(choice, plugins, *overrides):
    return choose_data(choice, overrides, plugins).data.root


def test_imagefolder_alone_means_the_folder_data(plugins, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert root_of("imagefolder", plugins) == str(tmp_path / "data")
    assert root_of("imagefolder:photos", plugins) == str(tmp_path / "photos")
    assert root_of("imagefolder:/srv/photos", plugins) == str(Path("/srv/photos").resolve())
    assert root_of("imagefolder", plugins, "data.root=elsewhere") == str(tmp_path / "elsewhere")


@pytest.mark.parametrize("root", ["C:\\photos", "C:/photos", "a:b:c", "2024", "no", "[x]", "a=b"])
def test_a_root_is_everything_after_the_first_colon_and_is_text(plugins, root, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert root_of(f"imagefolder:{root}", plugins) == str((tmp_path / root).resolve())


def test_a_root_in_the_home_folder_is_found(plugins, monkeypatch, tmp_path):
    """No shell spells out the ~ in `imagefolder:~/photos`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert root_of("imagefolder:~/photos", plugins) == str(tmp_path / "photos")


def test_a_root_of_nothing_is_not_the_working_folder(plugins):
    with pytest.raises(ArchspecError, match="root"):
        choose_data("imagefolder:", (), plugins)


@pytest.mark.parametrize("choice", ["photos", "./photos", "/srv/photos", "C:\\photos"])
def test_a_bare_folder_gets_the_hint_to_write_imagefolder(plugins, choice, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(ArchspecError) as caught:
        choose_data(choice, (), plugins)
    assert choice in caught.value.message
    assert caught.value.help == f"write `--data imagefolder:{choice}`"


def test_a_misspelt_data_set_gets_a_guess(plugins):
    with pytest.raises(ArchspecError) as caught:
        choose_data("imagefoldr:x", (), plugins)
    assert caught.value.help == "did you mean 'imagefolder'?"


def test_an_unknown_option_of_the_data_set_is_shown_at_its_place(plugins):
    with pytest.raises(DocumentError) as caught:
        choose_data("imagefolder", ["data.validatoin=0.2"], plugins)
    (found,) = caught.value.diagnostics
    assert found.hint == "did you mean 'validation'?"
    assert (found.place.file, found.place.line, found.place.column) == ("--set", 1, 6)


@pytest.fixture
def recipe_with(tmp_path):
    """Writes a recipe that holds this, and returns its path."""

    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(f"epochs: 3\n{text}\n")
        return str(path)

    return write


def test_a_recipe_may_name_its_data(recipe_with, plugins, tmp_path):
    path = recipe_with(f"data: {{type: table, root: {tmp_path}/labels.csv, thresholds: [1, 2.5]}}")
    recipe, choice = load_training(path, None, ["recipe.epochs=5", "data.validation=0.3"], plugins)
    assert (recipe.epochs, recipe.data) == (5, None)  # what a run keeps apart
    assert choice.data.offer.name == "table"
    assert (choice.data.root, choice.data.thresholds) == (f"{tmp_path}/labels.csv", (1, 2.5))
    assert choice.data.validation == 0.3
    assert load_recipe(path, ["recipe.data.root=x.csv"], plugins).data.root == "x.csv"


def test_a_bare_name_of_data_has_options_by_override(recipe_with, plugins, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    choice = load_training(recipe_with("data: imagefolder"), None, ["data.root=photos"], plugins)[1]
    assert choice.data.root == str(tmp_path / "photos")


def test_data_of_the_command_line_takes_the_place_of_the_recipes(recipe_with, plugins, tmp_path):
    path = recipe_with("data: {type: table, root: labels.csv, thresholds: [1]}")
    choice = load_training(path, f"imagefolder:{tmp_path}", ["data.test=0.1"], plugins)[1]
    assert choice == choose_data(f"imagefolder:{tmp_path}", ["data.test=0.1"], plugins)


def test_a_recipe_without_data_leaves_it_to_the_caller(plugins):
    recipe, choice = load_training("default", None, ["data.test=0.1"], plugins)
    assert choice is None
    assert recipe == load_recipe("default", (), plugins)


def test_a_recipe_inherits_its_data(recipe_with, plugins, tmp_path):
    recipe_with("data: {type: table, root: labels.csv, label: kind}")
    (tmp_path / "child.yaml").write_text("extends: mine.yaml\ndata: {label: species}\n")
    choice = load_training(str(tmp_path / "child.yaml"), None, (), plugins)[1]
    assert (Path(choice.data.root).name, choice.data.label) == ("labels.csv", "species")


@pytest.mark.parametrize(
    ("text", "overrides", "place", "message", "hint"),
    [
        ("data: tabel", [], ("mine.yaml", 2, 7), "unknown dataset 'tabel'", "did you mean 'table'?"),
        ("data: {type: table}", [], ("mine.yaml", 2, 7), "'data' has no 'root'", ""),
        ("data: {type: imagefolder, rot: x}", [], ("mine.yaml", 2, 27), "unknown key 'rot'", "did you mean 'root'?"),
        ("data:\n  type: imagefolder\n  test: many", [], ("mine.yaml", 4, 9), "'data.test' must be a number", ""),
        ("data: imagefolder", ["data.tset=1"], ("--set", 1, 6), "unknown key 'tset'", "did you mean 'test'?"),
        ("data: imagefolder", ["data.root=x", "data.test=7"], ("--set", 2, 11), "must be less than 0.5, not 7", ""),
        ("data: {type: table, root: x, thresholds: [2, 1]}", [], ("mine.yaml", 2, 7), "that do not rise", ""),
        ("data: null", [], ("mine.yaml", 2, 7), "'data' must name a dataset, not nothing", ""),
    ],
)
def test_data_that_is_wrong_in_a_recipe_is_shown_at_its_place(
    recipe_with, plugins, text, overrides, place, message, hint
):
    with pytest.raises(DocumentError) as caught:
        load_training(recipe_with(text), None, overrides, plugins)
    (found,) = caught.value.diagnostics
    assert message in found.message
    assert found.hint == hint
    assert (Path(found.place.file).name, found.place.line, found.place.column) == place


def test_a_table_gets_the_hint_to_write_table(plugins, tmp_path):
    (tmp_path / "labels.csv").write_text("path,label\n")
    with pytest.raises(ArchspecError) as caught:
        choose_data(f"{tmp_path}/labels.csv", (), plugins)
    assert caught.value.help == f"write `--data table:{tmp_path}/labels.csv`"
