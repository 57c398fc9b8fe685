"""`budget:` what its bounds mean, and what happens when they are broken."""

import pytest

import archspec
from archspec.errors import BudgetError, DocumentError
from archspec.plan.budget import find_broken_bounds, plan_within_budget
from archspec.spec.budget import read_bounds
from archspec.spec.dump import to_data, to_yaml


def holds(text, figure):
    return all(bound.holds(figure) for bound in read_bounds(text))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("< 12", (0, 11), (12, 13)),
        ("<= 12", (12,), (13,)),
        ("> 12", (13,), (12, 0)),
        (">= 12", (12, 13), (11,)),
        ("== 12", (12,), (11, 13)),
        (">= 200, < 900", (200, 899), (199, 900)),
        ("<1.5k", (1499,), (1500,)),
        (" <=  2.5M ", (2_500_000,), (2_500_001,)),
        ("== 0.1G", (100_000_000,), (100_000_001,)),
        ("== 21.797672M", (21_797_672,), (21_797_671,)),
        ("<= 1T", (10**12,), (10**12 + 1,)),
        ("<= 1Ki", (1024,), (1025,)),
        ("<= 1.5Mi", (1_572_864,), (1_572_865,)),
        ("== 2 Gi", (2**31,), (2**31 + 1,)),
    ],
)
def test_what_a_bound_means(text, inside, outside):
    assert all(holds(text, figure) for figure in inside)
    assert not any(holds(text, figure) for figure in outside)


@pytest.mark.parametrize(
    "text",
    ["12M", "<", "< M", "=< 3", "< -3", "< 1e6", "< 12m", "< 3K", "< 3KB", "< 1,000", "< 3,", ",", "< 3 > 2", "<< 3"],
)
def test_anything_else_is_an_error_at_its_line(faults, small_text, text):
    (fault,) = faults(f'{small_text}budget:\n  macs: "{text}"\n')
    assert (fault.place.line, fault.place.column, fault.path) == (10, 9, ("budget", "macs"))


def test_bytes_have_binary_suffixes_and_numbers_have_none(write_spec, faults, small_text):
    archspec.load_spec(write_spec(f"{small_text}budget: {{activation_memory: '< 64Mi'}}\n"))
    assert "unknown suffix" in faults(f"{small_text}budget: {{parameters: '< 64Mi'}}\n")[0].message


def test_a_budget_that_is_kept_says_nothing(write_spec, small_text):
    plan = archspec.plan_network(archspec.load_spec(write_spec(small_text)))
    figures = ("parameters", "macs", "receptive_field", "activation_memory")
    exact = "".join(f"  {name}: '>= {getattr(plan, name)}, <= {getattr(plan, name)}'\n" for name in figures)
    spec = archspec.load_spec(write_spec(f"{small_text}budget:\n{exact}", "exact.yaml"))
    assert plan_within_budget(spec) == plan
    assert list(find_broken_bounds(spec, plan)) == []


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ("< {0}", "not below the budget of {0:,}"),
        ("<= {1}", "over the budget of {1:,}"),
        ("> {0}", "not above the budget of {0:,}"),
        (">= {2}", "under the budget of {2:,}"),
        ("== {1}", "over the budget of {1:,}"),
        ("== {2}", "under the budget of {2:,}"),
    ],
)
def test_a_broken_bound_says_the_figure_and_the_side(write_spec, small_text, bound, said):
    figure = archspec.plan_network(archspec.load_spec(write_spec(small_text))).parameters
    numbers = figure, figure - 1, figure + 1
    spec = archspec.load_spec(write_spec(small_text), [f"budget.parameters='{bound.format(*numbers)}'"])
    with pytest.raises(BudgetError) as caught:
        plan_within_budget(spec)
    (fault,) = caught.value.diagnostics
    assert fault.message == f"parameters are {figure:,}, {said.format(*numbers)}"
    assert (fault.place.file, fault.place.line) == ("--set", 1)


def test_every_broken_bound_is_told_at_once(write_spec, small_text):
    text = f"{small_text}budget:\n  parameters: '< 1k, > 100M'\n  macs: '< 1k'\n  activation_memory: '< 1Ki'\n"
    with pytest.raises(BudgetError) as caught:
        plan_within_budget(archspec.load_spec(write_spec(text)))
    assert [fault.place.line for fault in caught.value.diagnostics] == [10, 10, 11, 12]
    assert isinstance(caught.value, DocumentError)


def test_a_network_can_be_planned_whatever_its_budget(write_spec, small_text):
    spec = archspec.load_spec(write_spec(f"{small_text}budget: {{macs: '< 1'}}\n"))
    assert archspec.plan_network(spec).macs > 1


def test_a_budget_is_kept_in_a_resolved_spec(write_spec, small_text):
    spec = archspec.load_spec(write_spec(f"{small_text}budget: {{macs: '>= 1, < 2G'}}\n"))
    assert to_data(spec)["budget"] == {"macs": ">= 1, < 2G"}
    assert archspec.load_spec(write_spec(to_yaml(spec), "again.yaml")) == spec
