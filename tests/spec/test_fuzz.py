"""Whatever a spec file holds, only an error for the user comes out of it, within a second and little memory.

`ARCHSPEC_FUZZ=10000 pytest -s tests/spec/test_fuzz.py` runs so many cases, and prints what they took.
"""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from counting import count_calls
from hypothesis import given, settings
from hypothesis import strategies as st

import archspec
from archspec.errors import ArchspecError
from archspec.spec.dump import to_data, to_yaml
from archspec.spec.zoo import zoo_folder, zoo_names

resource = pytest.importorskip("resource")  # not on Windows

TEXTS = [(zoo_folder() / f"{name}.yaml").read_bytes() for name in zoo_names()]
TREES = [yaml.safe_load(text) for text in TEXTS]
PIECES = [
    b"-",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"&a ",
    b"*a",
    b"\t",
    b"\n",
    b"!!int ",
    b"'",
    b"\xff",
    b"\0",
    b"~",
    b"<<: ",
]

KEYS = ["defaults", "strides", "groups", "shortcut", "bias", "nmae", "dilation", "width", "output_stride"]
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 70),
    st.sampled_from(
        [10**9, 10**12, 10**40, 0.5, 1e-5, float("nan"), float("inf"), "", "basic", "conv", "A", "batch", "none", "é"]
    ),
    st.text(max_size=5),
    st.lists(st.integers(0, 40), max_size=3),
    st.dictionaries(
        st.sampled_from(["type", "eps", "filters", "block", "norm"]), st.integers(0, 3) | st.text(max_size=3)
    ),
)


@st.composite
def mutated_bytes(draw):
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        piece = draw(st.sampled_from(PIECES) | st.binary(max_size=3))
        text = text[:at] + piece + text[min(len(text), at + draw(st.integers(0, 6))) :]
    return text


def _places(node):
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield node, key
        yield from _places(child)


@st.composite
def mutated_trees(draw):
    tree = yaml.safe_load(yaml.safe_dump(draw(st.sampled_from(TREES))))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(tree))
        if not places:
            break
        parent, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["set", "drop", "rename", "copy"])):
            case "set":
                parent[key] = draw(values)
            case "drop":
                del parent[key]
            case "rename" if isinstance(parent, dict):
                parent[
                    draw(
                        st.sampled_from(
                            ["defaults", "strides", "groups", "shortcut", "bias", "nmae", "dilation", "width"]
                        )
                    )
                ] = parent.pop(key)
            case "copy" if isinstance(parent, list):
                parent.append(parent[key])
    return yaml.safe_dump(tree, allow_unicode=True).encode()


_FILE = Path(tempfile.gettempdir()) / f"archspec-fuzz-{os.getpid()}.yaml"


def plan(text):
    _FILE.write_bytes(text)
    try:
        spec = archspec.load_spec(_FILE)
        archspec.plan_network(spec)
        return spec
    finally:
        _FILE.unlink()


class Tally:
    """How many cases there were, how many were planned, and the calls of the one that took most."""

    cases = planned = most = 0


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


@pytest.fixture(scope="module", autouse=True)
def little_memory():
    """No case takes 500 MB: the process's peak is not so far above where it stood."""
    before = peak_memory()
    yield
    grown = peak_memory() - before
    print(f"\n{Tally.cases:,} cases: {Tally.planned:,} planned, {Tally.cases - Tally.planned:,} explained;", end=" ")
    print(f"{Tally.most:,} calls at most; peak memory grew by {grown:.0f} MiB")
    assert grown < 500


def plan_or_explain(text):
    Tally.cases += 1
    spec = error = None

    def attempt():
        nonlocal spec, error
        try:
            spec = plan(text)
        except ArchspecError as caught:
            error = caught

    calls = count_calls(attempt)
    Tally.planned += error is None
    Tally.most = max(Tally.most, calls)
    assert calls < CALLS
    return spec, error


CALLS = 500_000
"""Far more than any case takes, which is some 20,000."""
CASES = int(os.environ.get("ARCHSPEC_FUZZ", "300"))


@settings(max_examples=CASES)
@given(mutated_bytes() | mutated_trees())
def test_a_mutated_spec_is_planned_or_explained(text):
    spec, error = plan_or_explain(text)
    if spec is not None:
        assert to_data(plan(to_yaml(spec).encode())) == to_data(spec)
        return
    assert error.render().startswith("error: ")
    assert error.records()


@settings(max_examples=max(CASES // 3, 100))
@given(
    st.from_regex(r"(stages|stem|head|input|name|defaults)(\.[a-z0-9*]{1,7}){0,3}", fullmatch=True), st.text(max_size=8)
)
def test_any_override_is_applied_or_explained(path, value):
    with contextlib.suppress(ArchspecError):
        archspec.plan_network(archspec.load_spec("tiny", [f"{path}={value}"]))
