"""Every whole spec in the reference page can be planned."""

import re

import archspec


def test_the_specs_in_the_reference_can_be_planned(root, write_spec):
    text = (root / "docs" / "spec.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        assert archspec.plan_network(archspec.load_spec(write_spec(block))).parameters > 0


def test_every_built_in_name_is_in_the_reference(root):
    text = (root / "docs" / "spec.md").read_text(encoding="utf-8")
    plugins = archspec.Plugins(installed=False)
    for kind in ("stems", "blocks", "heads", "norms", "activations", "shortcuts", "attentions"):
        for name, offer in plugins.offers(kind).items():
            assert f"`{name}`" in text, f"{kind}: {name}"
            for option in offer.options.model_fields:
                assert f"`{option}`" in text, f"{kind}: {name}.{option}"
