"""`archspec freeze plan`: without torch, as a table on two widths, and as JSON."""

import subprocess
import sys

import pytest
from rich.console import Console

import archspec
from archspec.finetuning.choice import read_freezing
from archspec.finetuning.phases import phases
from archspec.finetuning.policy import make_policy
from archspec.report.freezing import print_phases

POLICIES = [
    "gradual:2",
    "until:stages.3",
    "lp-ft",
    "layer-decay",
    "patterns:stem.*,*.conv2.weight,stages.1.0.*",
    "none",
]


@pytest.fixture
def shown():
    """What is printed on a terminal of some columns."""
    plugins = archspec.Plugins(installed=False)

    def show(spec, policy, width, epochs=30):
        plan = archspec.plan_network(archspec.load_spec(spec, plugins=plugins))
        options = read_freezing(policy, plugins)
        console = Console(width=width, color_system=None)
        with console.capture() as capture:
            print_phases(plan, options, epochs, phases(plan, make_policy(options, plan, epochs), epochs), console)
        return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"

    return show


@pytest.mark.parametrize("width", [60, 120])
def test_the_table_is_as_it_was(shown, root, compare_with_golden, width):
    cases = [("resnet18", policy) for policy in POLICIES] + [("resnet50", "gradual")]
    text = "\n".join(f"$ {spec} {policy}\n{shown(spec, policy, width)}" for spec, policy in cases)
    compare_with_golden(root / "tests" / "golden" / f"freeze-plan-{width}.txt", text)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_a_figure_is_whole_or_not_there(shown, width):
    text = shown("resnet50", "gradual", width)
    assert "…" not in text
    for figure in ("stages.3 to head", "45.3 %"):
        assert figure in text
    assert ("17,013,736" in text) == (width >= 80)


def test_a_rate_that_changes_is_shown_on_any_width(shown):
    assert "0.0751 to 1" in shown("resnet18", "layer-decay", 60)
    assert "0.1" in shown("resnet18", "lp-ft", 60).partition("6-30")[2].splitlines()[0]


def test_json_has_every_phase(cli):
    result = cli("freeze", "plan", "resnet18", "--freeze", "gradual:2", "--epochs", 5, "--json")
    assert result.code == 0
    found = result.json
    assert found["freeze"] == {"type": "gradual", "bn": "eval", "every": 2}
    assert (found["name"], found["parameters"], found["epochs"]) == ("resnet18", 11_689_512, 5)
    assert [(phase["first_epoch"], phase["last_epoch"]) for phase in found["phases"]] == [(1, 2), (3, 4), (5, 5)]
    second = found["phases"][1]
    assert (second["trains"], second["trained"], second["frozen"]) == (["stages.3 to head"], 8_906_728, 2_782_784)
    assert second["batch_norms"] == {"eval": 15, "train": 5}
    assert second["scales"] == [1.0, 1.0]
    assert second["prefix"] == {
        "steps": 50,
        "last": "stages.2.1.act2",
        "border": "stages.3.0",
        "at_border": True,
        "output": [256, 14, 14],
    }
    shares = [phase["compute"] for phase in found["phases"]]
    assert found["compute"] == pytest.approx((2 * shares[0] + 2 * shares[1] + shares[2]) / 5)


def test_overrides_reach_the_spec_and_the_policy(cli):
    sets = ("--set", "head.classes=10", "--set", "recipe.freeze.bn=batch")
    found = cli("freeze", "plan", "resnet18", "--freeze", "until:stages.3", *sets, "--json").json
    assert found["parameters"] == 11_181_642
    assert found["phases"][0]["batch_norms"] == {"batch": 15, "train": 5}
    assert found["phases"][0]["prefix"]["last"] == "stem.conv"


def test_without_a_policy_the_recipes_is_shown(cli, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("epochs: 7\nfreeze: {type: lp-ft, probe: 2}\n")
    found = cli("freeze", "plan", "resnet18", "--recipe", recipe, "--set", "recipe.freeze.probe=3", "--json").json
    assert [phase["last_epoch"] for phase in found["phases"]] == [3, 7]
    found = cli("freeze", "plan", "resnet18", "--recipe", recipe, "--freeze", "head-only", "--json").json
    assert [phase["last_epoch"] for phase in found["phases"]] == [7]
    recipe.write_text("steps: 100\nfreeze: head-only\n")
    result = cli("freeze", "plan", "resnet18", "--recipe", recipe)
    assert (result.code, "give --epochs" in result.err) == (2, True)
    assert cli("freeze", "plan", "resnet18", "--recipe", recipe, "--epochs", 2).code == 0


def test_an_error_is_shown_at_its_letters(cli):
    result = cli("freeze", "plan", "resnet18", "--freeze", "until:stagse.2")
    assert result.code == 1
    assert result.err.splitlines()[:4] == [
        "error: 'stagse.2' is no block of resnet18",
        "  --> --freeze:1:7   freeze.stage",
        "1 | until:stagse.2",
        "  |       ^^^^^^^^ did you mean 'stages.2'?",
    ]
    as_json = cli("freeze", "plan", "resnet18", "--freeze", "until:stagse.2", "--json").json
    assert as_json["errors"][0]["column"] == 7


@pytest.mark.parametrize("arguments", [["resnet18", "--freeze", "gradual"], ["resnet50", "--freeze", "none", "--json"]])
def test_no_torch_is_imported(arguments):
    program = (
        "import sys; from archspec.cli.app import run; assert run(sys.argv[1:]) == 0; "
        "heavy = {'torch', 'torchvision', 'numpy', 'PIL'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program, "freeze", "plan", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "everything" in done.stdout
