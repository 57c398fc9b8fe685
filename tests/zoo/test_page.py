"""The page of the zoo is what its generator writes, every spec of it is short, and its accuracies are the published."""

import runpy

import pytest

import archspec
from archspec.spec.zoo import zoo_files, zoo_names

ELSEWHERE = {"mobilenetv2-100": "mobilenet_v2"}
"""What torchvision calls a network that it calls otherwise."""


@pytest.fixture(scope="module")
def generator(root):
    return runpy.run_path(str(root / "docs" / "make_zoo.py"))


@pytest.fixture(scope="module")
def accuracies(generator):
    read = {name: generator["read_comment"](file).accuracy for name, file in zoo_files().items()}
    return {name: accuracy for name, accuracy in read.items() if accuracy}


def test_the_zoos_page_is_up_to_date(root, generator):
    page = generator["zoo_page"]()
    assert (root / "specs" / "README.md").read_text(encoding="utf-8") == page, "run: python docs/make_zoo.py"


def test_every_spec_has_at_most_forty_lines(root):
    for name in zoo_names():
        assert len((root / "specs" / f"{name}.yaml").read_text().splitlines()) <= 40, name


def test_every_spec_stands_on_the_page_once_and_small_networks_stand_before_large_ones(generator):
    rows = [line for line in generator["zoo_page"]().splitlines() if line.startswith("| [`")]
    order = [row.split("`")[1] for row in rows]
    assert sorted(order) == zoo_names()
    for small, large in (
        ("resnet18", "resnet101"),
        ("regnet-x-800mf", "regnet-x-3.2gf"),
        ("resnet152", "cifar-resnet20"),
    ):
        assert order.index(small) < order.index(large)


def test_every_accuracy_is_a_percentage(accuracies):
    assert len(accuracies) > 50
    for name, accuracy in accuracies.items():
        assert 50 < accuracy.percent < 100, name


def test_accuracies_of_torchvision_are_those_of_its_metadata(accuracies):
    models = pytest.importorskip("torchvision.models")
    theirs = {name: accuracy for name, accuracy in accuracies.items() if accuracy.source == "torchvision"}
    assert len(theirs) >= 12
    for name, accuracy in theirs.items():
        weights = models.get_model_weights(ELSEWHERE.get(name, name.replace("-", "_")))[accuracy.detail]
        assert accuracy.percent == round(weights.meta["_metrics"]["ImageNet-1K"]["acc@1"], 2), name
        _, *size = archspec.plan_network(archspec.load_spec(name)).input
        assert weights.transforms().crop_size * 2 == size, name
        assert not accuracy.data
        assert not accuracy.size


HEAD = "# A-1: Doe et al. 2020 (A title), https://example.org/1234.5678, table 1; and more.\n"


def comment(generator, folder, lines):
    file = folder / "a.yaml"
    file.write_text(f"{HEAD}{lines}\nname: a\n", encoding="utf-8")
    return generator["read_comment"](file)


@pytest.mark.parametrize(
    ("line", "cell"),
    [
        ("(torchvision, IMAGENET1K_V1)", "**75.5** (torchvision `IMAGENET1K_V1`)"),
        ("at 288x288 (timm, a_1.ra2_in1k)", "**75.5** at 288x288 (timm `ra2_in1k`)"),
        ("on CIFAR-10 (Doe et al. 2020, table 6, best of five)", "**75.5** on CIFAR-10 (paper, table 6, best of five)"),
    ],
)
def test_a_comment_has_a_network_a_paper_and_an_accuracy(generator, tmp_path, line, cell):
    read = comment(generator, tmp_path, f"# Top-1: 75.5 % {line}.")
    assert (read.network, read.paper) == ("A-1", "[Doe et al. 2020](https://example.org/1234.5678)")
    assert read.accuracy.cell() == cell


def test_a_comment_may_have_no_accuracy(generator, tmp_path):
    assert comment(generator, tmp_path, "# On top of 100 others, this is one.").accuracy is None


@pytest.mark.parametrize(
    "line",
    [
        "# Top-1: 75.5 (torchvision, IMAGENET1K_V1).",
        "# Top-1: 75 % (torchvision, IMAGENET1K_V1).",
        "# Top-1: 75.5 % (torchvision, IMAGENET1K_V1)",
        "# Top-1: 75.5 % (torchvision).",
        "# Top-1: 75.5 % at 288 (timm, a_1.ra2_in1k).",
        "# top 1: 75.5 % (torchvision, IMAGENET1K_V1).",
        "# Top-1 accuracy: 75.5 % (torchvision, IMAGENET1K_V1).",
        "# Top-1: 75.5 % (hearsay, a_1).",
        "# Top-1: 75.5 % (Roe et al. 2020, table 1).",
        "# Top-1: 75.5 % (torchvision, A_V1).\n# Top-1: 75.6 % (torchvision, A_V2).",
    ],
)
def test_a_malformed_accuracy_is_an_error(generator, tmp_path, line):
    with pytest.raises(ValueError, match=r"^a\.yaml.*(expected one line as|none of: torchvision)"):
        comment(generator, tmp_path, line)
