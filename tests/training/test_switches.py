"""What a recipe switches on in torch: it is on for that run alone, and torch's faults over it are told plainly."""

import itertools
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from archspec.errors import RunError
from archspec.training import device as devices
from archspec.training import session as sessions
from archspec.training.keeping import fit
from archspec.training.results import EpochResult
from archspec.training.resuming import resume_session
from archspec.training.run import open_run

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
COMPILERS = ("g++", "c++", "clang++", "cl")


@pytest.fixture(autouse=True)
def all_allowed_afterwards():
    yield
    torch.use_deterministic_algorithms(False)


def write_in_place(loss):
    """The loss by way of an operation that torch cannot do in a deterministic way, on a CPU either."""
    return loss + torch.zeros(1).put_(torch.tensor([0]), torch.zeros(1))[0]


def test_deterministic_reaches_torch_and_ends_with_its_run(session_of, monkeypatch):
    monkeypatch.delenv(CUBLAS, raising=False)
    session_of()
    assert not torch.are_deterministic_algorithms_enabled()
    assert CUBLAS not in os.environ
    session_of("deterministic=true")
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ[CUBLAS] == ":4096:8"
    session_of()
    assert not torch.are_deterministic_algorithms_enabled()


def test_what_the_user_told_cublas_stays(session_of, monkeypatch):
    monkeypatch.setenv(CUBLAS, ":16:8")
    session_of("deterministic=true")
    assert os.environ[CUBLAS] == ":16:8"


def test_cublas_is_told_before_a_device_is_used(train, train_new, tmp_path, monkeypatch):
    """It reads its variable when it starts, in a new run and in one that goes on."""
    monkeypatch.delenv(CUBLAS, raising=False)
    seen, choose = [], devices.choose_device

    def look(name):
        seen.append((os.environ.get(CUBLAS), torch.are_deterministic_algorithms_enabled()))
        return choose(name)

    monkeypatch.setattr(devices, "choose_device", look)
    assert train_new("--epochs", 1, "--set", "recipe.deterministic=true", "--out", tmp_path / "run")[0] == 0
    monkeypatch.delenv(CUBLAS)
    torch.use_deterministic_algorithms(False)
    assert train("--resume", tmp_path / "run")[0] == 0
    assert seen == [(":4096:8", True)] * 2


def test_an_operation_without_a_deterministic_version_is_told_before_the_run(train_new, tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "balanced_loss", lambda *_: lambda *given: write_in_place(loss_of(*given)))
    code, said, _ = train_new("--epochs", 1, "--set", "recipe.deterministic=true", "--out", tmp_path / "run")
    assert code == 1
    assert said == (
        "error: an operation cannot give the same bits each time: put_ does not have a deterministic implementation\n"
        "  help: `--set recipe.deterministic=false` allows it\n"
    )
    assert not (tmp_path / "run").exists()
    assert train_new("--epochs", 1, "--out", tmp_path / "run")[0] == 0


def loss_of(logits, targets):
    return torch.nn.functional.cross_entropy(logits, targets)


def test_an_operation_that_comes_later_ends_the_run_and_keeps_its_checkpoint(session_of):
    session = session_of("deterministic=true", "epochs=3", "batch_size=32")
    calls, loss = itertools.count(1), session.trainer.loss
    session.trainer.loss = lambda *given: write_in_place(loss(*given)) if next(calls) > 3 else loss(*given)
    with pytest.raises(RunError, match="an operation cannot give the same bits each time: put_ does not"):
        list(fit(session))
    assert (session.run.last / "model.safetensors").is_file()


def test_other_faults_of_torch_stay_as_they_are(session_of):
    session = session_of("epochs=1")
    session.trainer.loss = lambda logits, targets: logits @ logits
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        list(fit(session))


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="torch.compile needs a C++ compiler")
def test_a_compiled_run_trains_and_goes_on_as_any_other(session_of, plugins, tmp_path):
    """63 images, 32 in a batch: the last one, of 31, is compiled anew."""
    settings = ("epochs=2", "batch_size=32", "optimizer={type: sgd, lr: 0.01}")
    for name in ("whole", "cut"):
        session = session_of(*settings, "compile=true", out=name)
        assert session.trainer.forward is not None
        results = fit(session)
        for result in results:
            if name == "cut" and isinstance(result, EpochResult):
                results.close()
    run = open_run(tmp_path / "cut", plugins)
    data = run.data.data.offer.make(run.data.data, run.recipe.seed)
    session = resume_session(run, data, device=torch.device("cpu"), workers=0)
    assert session.trainer.progress.epoch == 1
    list(fit(session))
    plain = session_of(*settings, out="plain")
    list(fit(plain))
    whole, again, other = (
        load_file(tmp_path / name / "checkpoints/last/model.safetensors") for name in ("whole", "cut", "plain")
    )
    assert set(whole) == set(other) == set(plain.trainer.network.state_dict())
    for name, value in whole.items():
        torch.testing.assert_close(again[name], value, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-4)
    assert any(not torch.equal(other[name], value) for name, value in whole.items()), "it was compiled"


def test_without_a_compiler_the_run_does_not_begin_and_the_cure_is_named(spec_file, photos, tmp_path):
    command = [sys.executable, "-m", "archspec", "train", str(spec_file), "--data", f"imagefolder:{photos}"]
    settings = ["--set", "recipe.compile=true", "--workers", "0", "--device", "cpu", "--out", str(tmp_path / "run")]
    environment = {**os.environ, "CXX": "/nonexistent", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run([*command, *settings], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "error: torch.compile cannot compile the network: InvalidCxxCompiler: No working C++" in done.stderr
    assert "  help: `--set recipe.compile=false` trains it as it is" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
