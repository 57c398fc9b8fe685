"""timm's stages in a plan, against timm's own networks; its optimizers; its files."""

import subprocess
import sys

import pytest
import timm
import torch
from archspec_timm import TimmOptimizerOptions
from archspec_timm.__main__ import main
from archspec_timm.names import timm_names
from archspec_timm.operation import TimmStage
from archspec_timm.optimizers import make_optimizer

import archspec
from archspec.errors import ArchspecError, DocumentError
from archspec.testing import check_block, check_optimizer, check_stem

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
RESNET = """name: resnet18-of-timm
input: {channels: 3, size: 64}
stem: {type: timm, model: resnet18}
stages:
  - {block: timm, model: resnet18, stage: 1, filters: 64, strides: 2}
  - {block: timm, model: resnet18, stage: 2, filters: 128, strides: 2}
  - {block: timm, model: resnet18, stage: 3, filters: 256, strides: 2}
  - {block: timm, model: resnet18, stage: 4, filters: 512, strides: 2}
head: {type: classifier, classes: 1000}
"""


@pytest.fixture
def plan_of(tmp_path):
    def plan(text, *overrides):
        (tmp_path / "spec.yaml").write_text(text)
        return archspec.plan_network(archspec.load_spec(tmp_path / "spec.yaml", overrides))

    return plan


@pytest.fixture
def faults(plan_of):
    def read(*overrides):
        with pytest.raises(DocumentError) as caught:
            plan_of(RESNET, *overrides)
        (found,) = caught.value.diagnostics
        return found

    return read


def spec_of(model, size=64):
    """A network of all that timm cuts of a model."""
    whole = timm.create_model(model)
    info = [
        whole.feature_info[i] if isinstance(whole.feature_info, list) else whole.feature_info.info[i]
        for i in range(9)
        if i < len(whole.feature_info)
    ]
    lines = [f"name: of-timm\ninput: {{channels: 3, size: {size}}}\nstem: {{type: timm, model: {model}}}\nstages:"]
    for number in range(1, len(info)):
        strides = info[number]["reduction"] // info[number - 1]["reduction"]
        channels = info[number]["num_chs"]
        lines.append(f"  - {{block: timm, model: {model}, stage: {number}, filters: {channels}, strides: {strides}}}")
    return "\n".join([*lines, "head: {type: classifier, classes: 10}\n"])


def test_the_stem():
    check_stem("timm", options={"model": "resnet18", "strides": 2}, cases=4)


@pytest.mark.parametrize(("model", "stage", "filters"), [("resnet18", 2, 128)])
def test_the_block(model, stage, filters):
    held = {"model": model, "stage": stage, "filters": filters, "strides": 2, "repeats": 1}
    check_block("timm", options=held, cases=3)


def test_a_network_of_stages_is_timms(plan_of):
    """Names by the map, figures by archspec's own resnet18, which is torchvision's."""
    plan = plan_of(RESNET, "input.size=224")
    ours = archspec.plan_network(archspec.load_spec("resnet18"))
    assert (plan.parameters, plan.macs, plan.output) == (ours.parameters, ours.macs, ours.output)
    assert [part.output for part in plan.stages] == [part.output for part in ours.stages]
    network, peer = archspec.compile_network(plan), timm.create_model("resnet18")
    names = timm_names(plan)
    state = {}
    for name, _, _ in plan.tensors():
        module = next(module for module in names if name.startswith(f"{module}."))
        state[name] = peer.state_dict()[names[module] + name.removeprefix(module)]
    network.load_state_dict(state)
    images = torch.randn(2, 3, 64, 64)
    for mode in (True, False):
        assert torch.equal(network.train(mode)(images), peer.train(mode)(images))


@pytest.mark.parametrize("model", ["convnext_atto", "efficientnet_b0", "regnety_002", "densenet121", "ghostnet_100"])
def test_stages_are_the_feature_maps_of_timm(plan_of, model):
    plan = plan_of(spec_of(model))
    torch.manual_seed(0)
    peer = timm.create_model(model, features_only=True).eval()
    theirs = peer.state_dict()
    network = archspec.compile_network(plan, end="head").eval()
    own = network.state_dict()
    short = {name.replace(".", "_"): tensor for name, tensor in theirs.items()}
    for name, tensor in own.items():
        tensor.copy_(short[name.split(".timm.")[1].replace(".", "_")])
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        maps = peer(images)
        assert torch.equal(network(images), maps[-1])
        second = archspec.compile_network(
            plan, end="stages.1", state=own | archspec.compile_network(plan).state_dict() | own
        )
        assert torch.equal(second.eval()(images), maps[1])


def test_a_timm_stage_between_built_in_ones(plan_of):
    text = RESNET.replace("stem: {type: timm, model: resnet18}", "stem: {type: conv, filters: 64, kernel: 3}")
    text = text.replace("block: timm, model: resnet18, stage: 1,", "block: basic,")
    plan = plan_of(text)
    network = archspec.compile_network(plan)
    network(torch.randn(2, 3, 64, 64)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_grey_images(plan_of):
    plan = plan_of(RESNET, "input.channels=1")
    assert {name: shape for name, shape, _ in plan.tensors()}["stem.timm.conv1.weight"] == (64, 1, 7, 7)


@pytest.mark.parametrize(
    ("override", "path", "said"),
    [
        ("stages.0.model=resnet81", ("stages", 0, "model"), "timm has no network 'resnet81'"),
        ("stages.0.model=hf_hub:someone/model", ("stages", 0, "model"), "timm has no network 'hf_hub:someone/model'"),
        ("stages.0.model=vit_tiny_patch16_224", ("stages", 0, "model"), "timm cannot cut stage 1 of 'vit_tiny"),
        ("stages.3.stage=5", ("stages", 3, "stage"), "'resnet18' has no stage 5"),
        ("stem.strides=4", ("stem", "strides"), "the stem of 'resnet18' has 2 strides, and the spec says 4"),
        ("stages.1.stage=3", ("stages", 1, "stage"), "stage 3 of 'resnet18' takes 128 channels, and gets 64"),
        ("stages.0.filters=65", ("stages", 0, "filters"), "stage 1 of 'resnet18' has 64 filters, and the spec says 65"),
        ("stages.0.strides=1", ("stages", 0, "strides"), "stage 1 of 'resnet18' has 2 strides, and the spec says 1"),
        ("stages.2.repeats=2", ("stages", 2, "repeats"), "'resnet18' has its stage 3 once, and `repeats` is 2"),
    ],
)
def test_what_cannot_be(faults, override, path, said):
    found = faults(override)
    assert found.message.startswith(said)
    assert found.path == path


def test_what_cannot_be_cut_is_told_why(faults):
    assert "it has 1 to 4" in "".join(faults("stages.3.stage=5").notes)
    assert "a row of modules" in "".join(faults("stages.0.model=vit_tiny_patch16_224").notes)
    assert "attention inside them" in "".join(faults("stem.model=swin_tiny_patch4_window7_224").notes)


@pytest.mark.parametrize(("model", "classifier"), [("regnety_002", "head.fc"), ("convnext_atto", None)])
def test_a_classifier_has_a_name_where_nothing_stands_before_it(plan_of, model, classifier):
    assert timm_names(plan_of(spec_of(model))).get("head.linear") == classifier


def test_a_spec_without_timm_loads_neither_timm_nor_torch():
    code = "import sys, archspec as a; a.plan_network(a.load_spec('tiny')); print({'timm', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("name", ["lamb", "adamw", "muon", "rmsproptf", "novograd", "adan", "lion", "nadamw", "sgdp"])
def test_an_optimizer(name):
    check_optimizer("timm", options={"name": name, "betas": None, "eps": None}, cases=2)


@pytest.mark.parametrize("name", ["lamb", "rmsproptf", "adan", "novograd"])
def test_it_steps_as_timms_own(name):
    def run(make):
        torch.manual_seed(0)
        weights = [torch.nn.Parameter(torch.randn(4, 3)), torch.nn.Parameter(torch.randn(4))]
        groups = [{"params": weights[:1], "weight_decay": 0.1}, {"params": weights[1:], "weight_decay": 0.0}]
        optimizer = make(groups)
        for number in range(5):
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(number))
            optimizer.step()
        return weights

    ours = run(lambda groups: make_optimizer(TimmOptimizerOptions(name=name, lr=0.01), groups))
    theirs = run(lambda groups: timm.optim.create_optimizer_v2(groups, name, lr=0.01, weight_decay=0.02))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("adamv", "timm has no optimizer 'adamv'"),
        ("adahessian", "needs the gradient's own"),
        ("kronw", "random numbers"),
    ],
)
def test_an_optimizer_that_cannot_be_had(name, said):
    with pytest.raises(ArchspecError, match=said) as caught:
        make_optimizer(TimmOptimizerOptions(name=name), [{"params": [torch.nn.Parameter(torch.ones(2))]}])
    assert caught.value.help


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("sgd", {"betas": (0.9, 0.99)}, "'sgd' has no `betas`"),
        ("lion", {"eps": 1e-6}, "'lion' has no `eps`"),
        ("adamw", {"betas": (0.9, 0.99, 0.9)}, "'adamw' takes 2 betas, not 3"),
        ("adan", {"betas": (0.9, 0.99)}, "takes 3 betas, not 2"),
    ],
)
def test_an_option_that_the_optimizer_has_not(name, options, said):
    with pytest.raises(ArchspecError, match=said):
        make_optimizer(TimmOptimizerOptions(name=name, **options), [{"params": [torch.nn.Parameter(torch.ones(2))]}])


def test_a_file_of_timms_loads_by_its_names(tmp_path):
    (tmp_path / "spec.yaml").write_text(RESNET)
    torch.save(timm.create_model("resnet18").state_dict(), tmp_path / "resnet18.pth")
    done = subprocess.run(
        [sys.executable, "-m", "archspec_timm", "spec.yaml"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "names.yaml").write_text(done.stdout)
    code = "import sys; from archspec.cli import main; sys.exit(main())"
    command = ["weights", "plan", "spec.yaml", "resnet18.pth", "--map", "names.yaml"]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "coverage      100.0%: 11,689,512 of 11,689,512" in done.stdout


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--help"], 2), (["gone.yaml"], 1), (["resnet18"], 1)])
def test_the_usage_of_names(capsys, arguments, code):
    assert main(arguments) == code
    said = capsys.readouterr()
    assert said.err.startswith("usage" if code == 2 else "error: ")
    assert not said.out


def test_the_operation_is_equal_where_it_is_the_same():
    assert TimmStage("resnet18", 1, (64, 8, 8)) == TimmStage("resnet18", 1, (64, 8, 8))
    with pytest.raises(archspec.ImpossibleShape, match="was measured on"):
        TimmStage("resnet18", 1, (64, 8, 8)).output_shape((64, 9, 8))
