"""Which specs a check writes: every value that an option can have, within its bounds, and the same ones each time."""

import pytest

import archspec.testing

CHOOSY = """
class Inner(Settings):
    depth: Annotated[int, Field(ge=2)]
    on: bool = False

class ChoosyOptions(BlockOptions):
    mode: Literal["add", "mean", "break"] = "add"
    flip: bool = True
    ratio: Annotated[int, Field(ge=2, le=3)] = 2
    share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    pair: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=4)]] = (1, 4)
    limit: Annotated[int, Field(ge=8, multiple_of=8)] | None = None
    inner: Inner
    attention: Annotated[Options, Offered("attentions", default="none")]

SEEN = []

def choosy(net, x, options):
    SEEN.append(options)
    if options.mode == "break":
        raise ZeroDivisionError
    return net.conv(x, options.filters, 3, options.strides)

@hookimpl
def archspec_blocks():
    return {"choosy": Offer(ChoosyOptions, choosy)}
"""


def seen_by(plugins, **arguments):
    """What the block was called with while it was checked."""
    seen = plugins.find("blocks", "choosy").make.function.__globals__["SEEN"]
    seen.clear()
    archspec.testing.check_block("choosy", plugins=plugins, **arguments)
    return list(seen)


def test_every_value_is_tried(plugins_of):
    plugins = plugins_of(CHOOSY.replace(', "break"', ""))
    seen = seen_by(plugins)
    tried = {name: {getattr(options, name) for options in seen} for name in type(seen[0]).model_fields}
    assert tried["mode"] == {"add", "mean"}
    assert tried["flip"] == tried["bias"] == {True, False}
    assert tried["padding"] == {"symmetric", "tensorflow"}
    assert tried["ratio"] == {2, 3}
    assert tried["share"] == {0.25, 0.5}
    assert tried["pair"] == {(1, 4), (2, 5), (3, 6)}
    assert tried["limit"] == {None, 8, 16, 24}
    assert {inner.depth for inner in tried["inner"]} == {2, 3, 4}
    assert {inner.on for inner in tried["inner"]} == {True, False}
    assert tried["strides"] >= {1, 2, 3}
    for kind in ("norm", "activation", "attention"):
        assert {options.offer.name for options in tried[kind]} == set(plugins.offers(f"{kind}s"))


def test_one_value_that_fails_is_found(plugins_of):
    with pytest.raises(AssertionError, match=r"(?s)fails: ZeroDivisionError.*mode: break"):
        archspec.testing.check_block("choosy", plugins=plugins_of(CHOOSY))


def test_options_are_held(plugins_of):
    plugins = plugins_of(CHOOSY)
    held = {"mode": "mean", "filters": 20, "pair": [7, 7], "attention": {"type": "se", "ratio": 0.5}}
    for options in seen_by(plugins, options=held, cases=3):
        assert (options.mode, options.filters, options.pair, options.attention.ratio) == ("mean", 20, (7, 7), 0.5)


def test_an_option_held_under_a_wrong_name_is_told(plugins_of):
    with pytest.raises(AssertionError, match=r"fits nowhere: 72 specs were impossible.*\n.*unknown key 'moed'"):
        archspec.testing.check_block("choosy", plugins=plugins_of(CHOOSY), options={"moed": "add"})


def test_a_seed_says_which_specs(plugins_of):
    plugins = plugins_of(CHOOSY)
    held = {"mode": "add"}
    first, second, other = (seen_by(plugins, options=held, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_as_many_cases_as_asked(plugins_of):
    plugins = plugins_of(CHOOSY)
    few, many = (seen_by(plugins, options={"mode": "add"}, cases=cases) for cases in (12, 40))
    assert len(many) > 1.5 * len(few)


def test_a_required_option_that_nothing_describes_must_be_held(plugins_of):
    plugins = plugins_of(CHOOSY.replace("flip: bool = True", "path: str").replace(', "break"', ""))
    with pytest.raises(ValueError, match=r"'path' of ChoosyOptions is required, .*: hold it in `options`"):
        archspec.testing.check_block("choosy", plugins=plugins)
    assert seen_by(plugins, options={"path": "a"}, cases=1)


TRAINED = """
@dataclass(frozen=True)
class Slope(Operation):
    channels: int
    maker: ClassVar[str] = f"{__name__}:slope"
    def parameters(self):
        return {"weight": (self.channels,)}

def slope(operation):
    return nn.PReLU(operation.channels)

def make(net, x, options):
    y = net.conv(x, options.filters, 3, options.strides)
    return net.write(Slope(y.channels), y, name="slope")

@dataclass(frozen=True)
class Drop(Operation):
    maker: ClassVar[str] = f"{__name__}:drop"

def drop(operation):
    return nn.Dropout(0.9)

def random(net, x, options):
    return net.write(Drop(), net.conv(x, options.filters, 3, options.strides), name="drop")

@hookimpl
def archspec_blocks():
    return {"trained": Offer(BlockOptions, make), "random": Offer(BlockOptions, random)}
"""


@pytest.mark.parametrize("name", ["trained", "random"])
def test_operations_of_a_plugin_pass(plugins_of, name):
    archspec.testing.check_block(name, plugins=plugins_of(TRAINED))
