"""The rules for another number of input channels, on numbers that were worked out by hand, and timm's."""

import pytest
import torch

from archspec.errors import WeightsError
from archspec.weights.inputs import FORMULAS, adapt_input, choose_rule

WEIGHT = torch.tensor([1.0, 2.0, 6.0]).reshape(1, 3, 1, 1)
BY_HAND = {
    ("sum", 1): [9.0],
    ("sum", 2): [4.5, 4.5],
    ("sum", 4): [2.25, 2.25, 2.25, 2.25],
    ("mean", 1): [3.0],
    ("mean", 4): [3.0, 3.0, 3.0, 3.0],
    ("repeat", 1): [3.0],
    ("repeat", 4): [0.75, 1.5, 4.5, 0.75],
    ("repeat", 6): [0.5, 1.0, 3.0, 0.5, 1.0, 3.0],
    ("zero-extra", 4): [1.0, 2.0, 6.0, 0.0],
    ("zero-extra", 3): [1.0, 2.0, 6.0],
}


@pytest.mark.parametrize("case", BY_HAND)
def test_a_rule_gives_what_its_formula_does(case):
    rule, channels = case
    assert adapt_input(WEIGHT, channels, rule).flatten().tolist() == BY_HAND[case]
    assert {rule for rule, _ in BY_HAND} == set(FORMULAS)


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 6])
def test_auto_is_what_timm_does_for_one_and_for_more_channels(channels):
    adapt = pytest.importorskip("timm.models._manipulate").adapt_input_conv
    weight = torch.randn(8, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    rule = choose_rule("auto", 3, channels)
    assert rule == ("sum" if channels < 3 else "repeat")
    ours = adapt_input(weight, channels, rule)
    if channels == 2:  # for which timm takes the first two of three
        assert torch.equal(ours, weight.sum(1, keepdim=True).expand(-1, 2, -1, -1) / 2)
    else:
        torch.testing.assert_close(ours, adapt(channels, weight), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("rule", "channels"), [("sum", 1), ("sum", 4), ("repeat", 6), ("zero-extra", 3)])
def test_an_image_of_equal_channels_gives_what_it_gave(rule, channels):
    weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    grey = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    before = torch.nn.functional.conv2d(grey.expand(-1, 3, -1, -1), weight)
    after = torch.nn.functional.conv2d(grey.expand(-1, channels, -1, -1), adapt_input(weight, channels, rule))
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


def test_half_precision_is_added_up_in_single():
    weight = torch.tensor([2048.0, 1.0, 0.0]).reshape(1, 3, 1, 1).half()
    made = adapt_input(weight, 1, "mean")
    assert made.dtype == torch.float16
    assert made.item() == 683.0  # in half, 2048 + 1 is 2048, and a third of that 682.5


def test_the_weight_itself_stays():
    weight = WEIGHT.clone()
    adapt_input(weight, 4, "zero-extra")
    assert torch.equal(weight, WEIGHT)


def test_zero_extra_takes_no_channel_away():
    with pytest.raises(WeightsError) as caught:
        choose_rule("zero-extra", 3, 1)
    assert caught.value.message == (
        "the input rule 'zero-extra' only adds channels, and the network has 1 where the file has 3"
    )
