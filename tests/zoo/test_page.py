"""The page of the zoo is what its generator writes, and every spec of it is short."""

import runpy

from archspec.spec.zoo import zoo_names


def test_the_zoos_page_is_up_to_date(root):
    page = runpy.run_path(str(root / "docs" / "make_zoo.py"))["zoo_page"]()
    assert (root / "specs" / "README.md").read_text(encoding="utf-8") == page, "run: python docs/make_zoo.py"


def test_every_spec_has_at_most_forty_lines(root):
    for name in zoo_names():
        assert len((root / "specs" / f"{name}.yaml").read_text().splitlines()) <= 40, name
