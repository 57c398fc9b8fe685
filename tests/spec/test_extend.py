"""`extends`: a spec that starts from another one."""

import pytest

import archspec
from archspec.errors import ArchspecError
from archspec.plugins import default_plugins
from archspec.spec.dump import to_data
from archspec.training.documents import load_recipe


@pytest.fixture
def files(tmp_path):
    """Writes documents by name, and returns the folder."""

    def write(**texts):
        for name, text in texts.items():
            path = tmp_path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def load(path, *overrides):
    return archspec.load_spec(path, overrides)


def refused(path, *overrides):
    with pytest.raises(ArchspecError) as caught:
        load(path, *overrides)
    return caught.value


def test_maps_merge_and_lists_and_values_replace(files, small_text):
    child = """extends: base.yaml
name: child
input: {size: 64}
head: {classes: 3}
stages:
  - {block: basic, filters: 16}
"""
    folder = files(base=small_text, child=child)
    spec = load(folder / "child.yaml")
    assert (spec.name, spec.input.channels, spec.input.size) == ("child", 3, (64, 64))
    assert spec.stem == load(folder / "base.yaml").stem
    assert [stage.filters for stage in spec.stages] == [16]
    assert (spec.head.classes, spec.head.offer.name) == (3, "classifier")


def test_a_spec_may_extend_the_zoo_by_name(files):
    spec = load(files(mine="extends: resnet18\nname: mine\ndefaults: {attention: se}\n") / "mine.yaml")
    assert archspec.plan_network(spec).parameters == archspec.plan_network(load("seresnet18")).parameters


def test_a_chain_merges_from_its_end_and_set_comes_last(files, small_text):
    folder = files(
        a=small_text, b="extends: a.yaml\nname: b\nhead: {classes: 5}\n", c="extends: b.yaml\nhead: {dropout: 0.5}\n"
    )
    spec = load(folder / "c.yaml", "head.classes=7")
    assert (spec.name, spec.head.classes, spec.head.dropout) == ("b", 7, 0.5)


def test_a_map_that_names_another_offer_replaces_its_options(files, small_text):
    base = f"defaults: {{norm: {{type: batch, momentum: 0.2}}}}\n{small_text}"
    folder = files(
        base=base,
        other="extends: base.yaml\ndefaults: {norm: {type: group, groups: 8}}\n",
        same="extends: base.yaml\ndefaults: {norm: {eps: 1e-3}}\n",
    )
    assert to_data(load(folder / "other.yaml"))["stages"][0]["norm"] == {"type": "group", "groups": 8, "eps": 1e-5}
    assert to_data(load(folder / "same.yaml"))["stages"][0]["norm"] == {"type": "batch", "eps": 1e-3, "momentum": 0.2}


def test_an_error_in_the_base_points_into_the_base(files, small_text):
    folder = files(base=small_text.replace("block: basic", "block: basik", 1), child="extends: base.yaml\nname: x\n")
    (fault,) = refused(folder / "child.yaml").diagnostics
    assert fault.message == "unknown block 'basik'"
    assert (fault.place.file, fault.place.line) == (str(folder / "base.yaml"), 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: missing.yaml\n", "there is no file 'missing.yaml' to extend"),
        ("extends: resnet19\n", "there is no file 'resnet19' to extend"),
        ("extends: /etc/passwd\n", "cannot name an absolute path"),
        ("extends: ../base.yaml\n", "lies outside the folder of the spec"),
        ("extends: [base.yaml]\n", "must name a file, not a list of 1"),
        ("extends:\n", "must name a file, not nothing"),
        ("extends: child.yaml\n", "files extend each other in a circle: child.yaml -> child.yaml"),
    ],
)
def test_a_base_that_cannot_be_is_an_error_at_its_line(files, small_text, text, said):
    folder = files(base=small_text, inner__child=text)
    (fault,) = refused(folder / "inner" / "child.yaml").diagnostics
    assert said in fault.message
    assert (fault.place.line, fault.path) == (1, ("extends",))


def test_a_circle_of_files_is_shown(files):
    folder = files(a="extends: b.yaml\n", b="extends: c.yaml\n", c="extends: a.yaml\n")
    assert "a.yaml -> b.yaml -> c.yaml -> a.yaml" in refused(folder / "a.yaml").diagnostics[0].message


def test_a_link_out_of_the_folder_is_refused(files, small_text, tmp_path):
    folder = files(base=small_text, inner__child="extends: link.yaml\n")
    (folder / "inner" / "link.yaml").symlink_to(folder / "base.yaml")
    assert "lies outside" in refused(folder / "inner" / "child.yaml").diagnostics[0].message


def test_set_cannot_extend(files, small_text):
    fault = refused(files(base=small_text) / "base.yaml", "extends=resnet18").diagnostics[0]
    assert fault.message == "'extends' can stand only in a file"


def test_a_recipe_may_extend_one_that_comes_along(files):
    folder = files(mine="extends: default\nepochs: 7\naugmentation: {flip: 0}\n")
    recipe = load_recipe(str(folder / "mine.yaml"), ["recipe.batch_size=9"], default_plugins())
    default = load_recipe("default", (), default_plugins())
    assert (recipe.epochs, recipe.batch_size, recipe.augmentation.flip) == (7, 9, 0)
    assert recipe.augmentation.scale == default.augmentation.scale
    assert recipe.optimizer == default.optimizer
