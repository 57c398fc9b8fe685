"""The example of docs/testing.md runs, and the message that it shows is the message."""

import re
import sys

import pytest

from archspec import Plugins
from archspec.testing import check_block, check_tracker


@pytest.fixture
def example(root, tmp_path, monkeypatch):
    """The blocks of the page, those of Python written to the files that they name."""
    monkeypatch.syspath_prepend(tmp_path)
    text = (root / "docs" / "testing.md").read_text()
    blocks = {}
    for language, block in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL):
        name = block.partition("\n")[0].removeprefix("# ") if language == "python" else language
        blocks[name] = block
        if language == "python":
            (tmp_path / name).write_text(block)
    yield blocks
    sys.modules.pop("archspec_shuffle", None)


def test_the_example_passes(example):
    namespace = {}
    exec(example["test_shuffle.py"], namespace)
    tests = [value for name, value in namespace.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_the_message_is_the_one_that_is_shown(example, tmp_path):
    file = tmp_path / "archspec_shuffle.py"
    wrong = file.read_text().replace('name="depthwise"', 'name=f"depthwise{block.filters}"')
    assert wrong != file.read_text()
    file.write_text(wrong)
    with pytest.raises(AssertionError) as caught:
        check_block("shuffle", plugins=Plugins(["archspec_shuffle"], installed=False))
    assert str(caught.value) == example["text"]


def test_the_example_of_a_tracker_passes(root, tmp_path, monkeypatch):
    text = (root / "docs" / "training.md").read_text()
    (source,) = re.findall(r"```python\n# archspec_figures.py\n(.*?)```", text, re.DOTALL)
    (tmp_path / "archspec_figures.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        check_tracker("figures", plugins=Plugins(["archspec_figures"], installed=False), options={"digits": 2})
    finally:
        sys.modules.pop("archspec_figures", None)
