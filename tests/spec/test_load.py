import pytest
from counting import count_calls

import archspec
from archspec.errors import ArchspecError, DocumentError
from archspec.spec.dump import to_data
from archspec.spec.zoo import zoo_names

SMALL = """name: small
stem: {type: conv, filters: 8}
stages:
- {block: basic, filters: 8}
- {block: bottleneck, filters: 8, activation: gelu, norm: {type: batch, momentum: 0.5}}
head: {type: classifier, classes: 3}
"""


def test_defaults_reach_every_part_that_knows_them(write_spec):
    spec = archspec.load_spec(write_spec(SMALL + "defaults: {padding: tensorflow, bias: true, activation: silu}\n"))
    assert [part.padding for part in (spec.stem, *spec.stages)] == ["tensorflow"] * 3
    assert [part.bias for part in (spec.stem, *spec.stages)] == [True] * 3
    assert [part.activation.offer.name for part in (spec.stem, *spec.stages)] == ["silu", "silu", "gelu"]


def test_a_stage_overrides_a_default_as_a_whole(write_spec):
    spec = archspec.load_spec(write_spec(SMALL + "defaults: {norm: {type: batch, eps: 0.25}}\n"))
    assert (spec.stem.norm.eps, spec.stages[0].norm.eps, spec.stages[1].norm.eps) == (0.25, 0.25, 1e-5)
    assert spec.stages[1].norm.momentum == 0.5


def test_a_default_of_one_block_leaves_the_others_alone(write_spec):
    spec = archspec.load_spec(write_spec(SMALL + "defaults: {expansion: 2}\n"))
    assert spec.stages[1].expansion == 2
    assert not hasattr(spec.stages[0], "expansion")


def test_a_default_stem_option_that_is_no_style_stays_with_the_stages(write_spec):
    spec = archspec.load_spec(write_spec(SMALL + "defaults: {strides: 1, filters: 99}\n"))
    assert (spec.stem.filters, spec.stages[0].filters, spec.stem.strides) == (8, 8, 2)


def test_the_block_itself_can_be_a_default(write_spec):
    text = SMALL.replace("block: basic, ", "") + "defaults: {block: basic}\n"
    spec = archspec.load_spec(write_spec(text))
    assert [stage.offer.name for stage in spec.stages] == ["basic", "bottleneck"]


def test_a_stage_that_is_only_a_name_inherits_too(write_spec):
    text = "name: x\nstem: conv\nstages: [basic]\nhead: {type: classifier, classes: 3}\ndefaults: {filters: 16}\n"
    assert archspec.load_spec(write_spec(text)).stages[0].filters == 16


def test_an_unknown_default_is_an_error_beside_the_others(faults):
    text = SMALL.replace("filters: 8}\nstages", "filters: x}\nstages")
    found = faults(f"defaults: {{expansoin: 2}}\n{text}")
    assert [(d.message, d.place.line) for d in found] == [
        ("neither a stage, the stem nor the head has an option 'expansoin'", 1),
        ("'stem.filters' must be a whole number, not the text 'x'", 3),
    ]


def test_a_wrong_default_is_reported_once(faults):
    found = faults(f"defaults: {{norm: {{type: batch, epss: 1}}}}\n{SMALL}")
    assert [d.message for d in found] == ["unknown key 'epss'"]


def test_missing_stages_do_not_make_the_defaults_wrong(faults):
    text = "name: x\ndefaults: {shortcut: A}\nstem: conv\nhead: {type: classifier, classes: 3}\n"
    assert [d.message for d in faults(text)] == ["the file has no 'stages'"]


def test_defaults_must_be_a_map(faults):
    assert faults(f"defaults: 3\n{SMALL}")[0].message == "'defaults' must be a map of keys, not 3"
    assert faults(f"defaults: [norm]\n{SMALL}")[0].place.line == 1


def test_empty_defaults_change_nothing(write_spec):
    spec = archspec.load_spec(write_spec(SMALL + "defaults:\n"))
    assert to_data(spec) == to_data(archspec.load_spec(write_spec(SMALL)))


def test_a_wrong_default_points_at_the_defaults_and_names_the_part(faults):
    (*_, fault) = faults(f"defaults: {{groups: 3}}\n{SMALL}")
    assert (fault.place.line, fault.place.column, fault.path) == (1, 20, ("stages", 0, "groups"))


def test_every_spec_of_the_zoo_is_found_by_its_bare_name_in_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "resnet34" in zoo_names()
    for name in zoo_names():
        assert archspec.load_spec(name).name == name


def test_a_file_wins_over_a_zoo_name(write_spec, monkeypatch, tmp_path):
    write_spec(SMALL, "resnet34")
    monkeypatch.chdir(tmp_path)
    assert archspec.load_spec("resnet34").name == "small"


def test_a_folder_named_like_a_zoo_spec_does_not_hide_it(monkeypatch, tmp_path):
    (tmp_path / "resnet34").mkdir()
    monkeypatch.chdir(tmp_path)
    assert archspec.load_spec("resnet34").name == "resnet34"


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("resnet3", "did you mean the zoo's 'resnet34'?"),
        ("nothing.yaml", "give a file, or one of 68 names such as bit-"),
    ],
)
def test_a_missing_spec_is_an_error_with_the_names_there_are(name, help):
    with pytest.raises(ArchspecError, match=f"there is no spec '{name}'") as caught:
        archspec.load_spec(name)
    assert caught.value.help.startswith(help)


def test_a_folder_is_no_spec(tmp_path):
    with pytest.raises(ArchspecError, match="is a folder, not a spec"):
        archspec.load_spec(tmp_path)


@pytest.mark.parametrize("path", ["a" * 300, "a/" * 3000, "a\0b", "", "."])
def test_a_path_that_cannot_be_is_an_error_and_no_crash(path):
    with pytest.raises(ArchspecError):
        archspec.load_spec(path)


def test_a_spec_remembers_its_document(write_spec):
    path = write_spec(SMALL)
    source = archspec.load_spec(path).source
    assert source.entries["name"].key.file == str(path)
    assert "defaults" not in source.entries


@pytest.mark.parametrize("size", [5, [7, 9]])
def test_a_size_is_a_square_or_height_and_width(write_spec, size):
    spec = archspec.load_spec(write_spec(SMALL + f"input: {{size: {size}}}\n"))
    assert spec.input.size == (tuple(size) if isinstance(size, list) else (size, size))


def test_the_work_for_wrong_keys_grows_as_their_number(write_spec):
    def refuse(keys):
        path = write_spec(SMALL + "".join(f"key{number}: 1\n" for number in range(keys)))
        with pytest.raises(DocumentError):
            archspec.load_spec(path)

    few, many = count_calls(refuse, 500), count_calls(refuse, 5_000)
    assert many < 11 * few
