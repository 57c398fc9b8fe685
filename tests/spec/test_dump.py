import pytest

import archspec
from archspec.spec.dump import to_data, to_yaml
from archspec.spec.zoo import zoo_names


@pytest.mark.parametrize("name", zoo_names())
def test_a_resolved_spec_of_the_zoo_reloads_to_the_same_spec_and_plan(write_spec, name):
    spec = archspec.load_spec(name)
    again = archspec.load_spec(write_spec(to_yaml(spec)))
    assert to_data(again) == to_data(spec)
    assert archspec.plan_network(again) == archspec.plan_network(spec)


def test_every_option_is_spelled_out(write_spec, small_text):
    data = to_data(archspec.load_spec(write_spec(small_text)))
    assert data["stages"][0] == {
        "block": "basic",
        "norm": {"type": "batch", "eps": 1e-5, "momentum": 0.1},
        "activation": "relu",
        "padding": "symmetric",
        "bias": False,
        "weight_standardization": False,
        "standardization_eps": 1e-6,
        "filters": 16,
        "strides": 2,
        "repeats": 1,
        "dilation": 1,
        "drop_path": 0.0,
        "drop_path_rule": "linear",
        "shortcut": "B",
        "groups": 1,
        "attention": "none",
        "antialias": "none",
        "zero_init_residual": False,
    }
    assert data["input"] == {"channels": 3, "size": [32, 32]}


@pytest.mark.parametrize(
    "name", ["1e3", "08", "0o17", "010", "1E5", "123", "0x1F", "1.5", "null", "no", "true", "5.", "a.b"]
)
def test_a_name_that_looks_like_another_type_reloads_as_text(write_spec, small_text, name):
    spec = archspec.load_spec(write_spec(small_text.replace("name: small", f"name: '{name}'")))
    assert archspec.load_spec(write_spec(to_yaml(spec), "again.yaml")).name == name


@pytest.mark.parametrize("eps", ["1e-5", "1e-30", "0.1", "1", "0.30000000000000004", "5e-324"])
def test_a_number_reloads_to_the_last_bit(write_spec, small_text, eps):
    spec = archspec.load_spec(write_spec(small_text), [f"stages.0.norm.eps={eps}"])
    assert archspec.load_spec(write_spec(to_yaml(spec), "again.yaml")).stages[0].norm.eps == float(eps)
