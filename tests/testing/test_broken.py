"""Every promise that an offer can break is one that its check finds, and tells of with a spec that shows it."""

import textwrap

import pytest

import archspec
import archspec.testing

BLOCKS = '''
def convolution(operation):
    """Makes one convolution as a block of the operation."""
    def block(net, x, options):
        y = net.write(operation(x.channels, options.filters, 3, options.strides), x, name="conv")
        return net.act(net.norm(y))
    return block

def then(module):
    """Makes a convolution and an operation without tensors, whose module is this."""
    @dataclass(frozen=True)
    class Then(Operation):
        maker: ClassVar[str] = f"{__name__}:{module.__name__}"
        input_needed = True
    def block(net, x, options):
        y = net.conv(x, options.filters, 3, options.strides)
        return net.norm(net.write(Then(), y, name="then"))
    return block

class Module(nn.Module):
    def __init__(self, operation):
        super().__init__()

class Unsaid(Conv):
    def parameters(self):
        return {**super().parameters(), "bias": (self.out_channels,)}

class Cheap(Conv):
    def macs(self, output):
        return super().macs(output) // 2

class Smaller(Conv):
    maker = f"{__name__}:unpadded"

def unpadded(o):
    return nn.Conv2d(o.in_channels, o.out_channels, 3, o.stride, bias=False)

class Blind(Conv):
    def window(self):
        return 1, self.stride

class Still(Conv):
    def window(self):
        return 3, 1

class Idle(Conv):
    maker = f"{__name__}:IdleModule"
    def parameters(self):
        return {**super().parameters(), "idle": (3,)}

class IdleModule(nn.Conv2d):
    def __init__(self, o):
        super().__init__(o.in_channels, o.out_channels, 3, o.stride, 1, bias=False)
        self.idle = nn.Parameter(torch.ones(3))

class Detached(Module):
    def forward(self, x):
        return x.detach() * 2

class Untested(Module):
    def forward(self, x):
        if not self.training:
            raise ZeroDivisionError("nothing is left")
        return x

class Shrinking(Module):
    def forward(self, x):
        return x if self.training else x[..., 1:]

class Noisy(Module):
    def forward(self, x):
        return x + torch.randn_like(x)

class Burning(Module):
    def forward(self, x):
        return x / 0

class Squashing(Module):
    def forward(self, x):
        return x.sigmoid()

@dataclass(frozen=True)
class Squash(Operation):
    """Its gradient is taken from its output, and it says that it is not."""
    maker: ClassVar[str] = f"{__name__}:Squashing"
    output_needed: ClassVar[bool] = False

def overwritten(net, x, options):
    return net.act(net.write(Squash(), net.conv(x, options.filters, 3, options.strides), name="squash"))

def names(name):
    def block(net, x, options):
        return net.conv(x, options.filters, 3, options.strides, name=name(x, options))
    return block

numbers = itertools.count()

def unstrided(net, x, options):
    return net.conv(x, options.filters, 3)

def widening(net, x, options):
    return net.conv(x, x.channels * 2, 3, options.strides)

def lonely(net, x, options):
    if x.channels == options.filters + 8:
        raise ImpossibleShape("one is enough")
    return net.conv(x, options.filters + 8, 3, options.strides)

def never(net, x, options):
    raise ImpossibleShape("no network has this")

def even(net, x, options):
    return net.conv(net.conv(x, 16, 2, padding="symmetric", name="even"), options.filters, 3, options.strides)

def vector(net, x, options):
    return net.global_average_pool(x)

def raising(net, x, options):
    return net.conv(x, options.filters // 0, 3)

def nothing(net, x, options):
    net.conv(x, options.filters, 3)

def gated(net, x, options):
    x = net.conv(x, options.filters, 3, options.strides)
    return net.write(Multiply(), x, net.write(Middle(), x, name="mean"), name="gate")

@dataclass(frozen=True)
class Middle(Operation):
    maker: ClassVar[str] = f"{__name__}:MiddleModule"
    def output_shape(self, shape):
        return (shape[0], 1, 1)

class MiddleModule(Module):
    def forward(self, x):
        return x.amax((2, 3), keepdim=True)

def steps(net, x, options):
    y = net.conv(x, options.filters, 3, options.strides)
    for _ in range(next(numbers)):
        y = net.activation(y, "Tanh")
    return y

def operations(net, x, options):
    return net.activation(net.conv(x, options.filters, 3, options.strides), ("Tanh", "ReLU")[next(numbers) % 2])

def order(net, x, options):
    names = sorted(("conv1", "conv2"), reverse=x.shape[1] > 18)
    y = net.conv(x, options.filters, 3, options.strides, name=names[0])
    return net.conv(y, options.filters, 3, name=names[1])

@hookimpl
def archspec_blocks():
    blocks = {
        "parameters": convolution(Unsaid), "macs": convolution(Cheap), "shape": convolution(Smaller),
        "field": convolution(Blind), "window": convolution(Still), "idle": convolution(Idle),
        "detached": then(Detached), "eval": then(Untested), "eval-shape": then(Shrinking), "noisy": then(Noisy),
        "infinite": then(Burning), "overwritten": overwritten, "counter": names(lambda x, o: f"conv{next(numbers)}"),
        "width-name": names(lambda x, o: f"conv{o.filters}"), "size-name": names(lambda x, o: f"conv{x.shape[1]}"),
        "unstrided": unstrided, "widening": widening, "lonely": lonely, "never": never, "even": even,
        "vector": vector, "raising": raising, "nothing": nothing, "gated": gated,
        "steps": steps, "operations": operations, "order": order,
    }
    return {name: Offer(BlockOptions, make) for name, make in blocks.items()}
'''
FAULTS = {
    "parameters": r"'stages\.0\.0\.conv' \(Unsaid\) declares the parameters \{'weight': \(64, 64, 3, 3\), 'bias': .*"
    r" and its module has \{'weight': \(64, 64, 3, 3\)\}",
    "macs": r"'stages\.0\.0\.conv' \(Cheap\) declares 4,718,592 multiply-adds, and torch counts 9,437,184",
    "shape": r"in training, 'stages\.0\.0\.conv' \(Smaller\) makes \(3, 64, 14, 14\), and declares \(3, 64, 16, 16\)",
    "field": r"a pixel depends on 5 pixels of the image, and the plan declares 3: `window\(\)` must say so",
    "window": r"its operations' `window\(\)` declare a stride of 1, not [23]",
    "idle": r"no gradient reaches stages\.0\.0\.conv\.idle: it would never train",
    "detached": r"no gradient reaches .*stages\.0\.0\.conv\.weight, stem\.conv\.weight",
    "eval": r"in evaluation, Untested fails: ZeroDivisionError: nothing is left",
    "eval-shape": r"in evaluation, 'stages\.0\.0\.then' \(Then\) makes \(3, 64, 16, 15\), and declares",
    "noisy": r"in evaluation, one batch gives two outputs: it must be deterministic",
    "infinite": r"in evaluation, the output is not finite",
    "overwritten": r"RuntimeError: one of the variables needed for gradient computation has been modified",
    "counter": r"planned twice, it writes 'stages\.0\.0\.conv0', and then 'stages\.0\.0\.conv1'",
    "steps": r"planned twice, it writes 'head\.pool', and then 'stages\.0\.0\.act': what it writes",
    "operations": r"planned twice, it writes 'stages\.0\.0\.act' as \(Activation\(.*'Tanh'.*Activation\(.*'ReLU'",
    "order": r"the order of tensors depends on widths or sizes",
    "width-name": r"names of tensors depend on widths or sizes: stages\.0\.0\.conv128\.weight, st.*\.0\.0\.conv64\.",
    "size-name": r"names of tensors depend on widths or sizes: stages\.0\.0\.conv16\.weight, stages\.0\.0\.conv24\.",
    "unstrided": r"its first block makes \d+x\d+ px of \d+x\d+, where a stride of [23] makes \d",
    "widening": r"a following block, of stride 1, makes \(\d+, 8, 8\) of \(\d+, 8, 8\), and must keep the shape",
    "lonely": r"its first block fits, and an equal one of stride 1 behind it does not: one is enough",
    "never": r"'never' of plugin_\d+ fits nowhere: 72 specs were impossible\. The last one:\n.*: no network has this\n",
    "even": r"'even' of plugin_\d+ fits nowhere: .*\n.*an even kernel \(=2\) in stages\[0\] takes the map from",
    "vector": r"it makes the vector \(64,\), not a map \(C, H, W\)",
    "raising": r"'raising' among blocks of plugin_\d+ fails: ZeroDivisionError: .*plugin_\d+\.py:\d+",
    "nothing": r"it must return the Value that it wrote, not None",
    "gated": r"a pixel depends on \d+ pixels of the image, and the plan declares 5: .*a scope of the role 'gate'",
}
OTHERS = {
    "attention": (
        "def make(net, x, options, block_channels): return net.write(ChannelMean(), x, name='mean')",
        r"it makes \(64, 1, 1\) of \(64, 16, 16\), and must keep the shape",
    ),
    "head": (
        "def make(net, x, options): return net.linear(net.global_average_pool(x), 10)",
        r"it makes \(10,\) for 3 classes: a head ends in \(3,\)",
    ),
    "head-steps": (
        "def make(net, x, options, calls=itertools.count()):\n"
        "    y = net.linear(net.global_average_pool(x), options.classes)\n"
        "    return y if next(calls) % 2 else net.activation(y, 'Tanh')",
        r"planned twice, it writes \d+ steps, and then \d+: what it writes must depend on its options",
    ),
    "norm": (
        "def make(net, x, options, *, name, zero_init): return net.write(BatchNorm(x.channels), x, name='norm')",
        r"it writes 'stages\.0\.0\.norm', and was asked for the name 'norm1'",
    ),
    "activation": (
        "def make(net, x, options, *, name): return net.activation(x, 'Hardswish', name='swish')",
        r"it writes 'stages\.0\.0\.swish', and was asked for the name 'act'",
    ),
    "shortcut": (
        "def make(net, x, options, channels): return x",
        r"it makes (\(\d+, \d+, \d+\) of \(\d+, \d+, \d+\), where the block has \d+ channels"
        r"|\d+x\d+ px of \d+x\d+, where a stride of [23] makes)",
    ),
    "stem-stride": (
        "def make(net, x, options): return net.conv(x, 16, 3, 1)",
        r"its operations' `window\(\)` declare a stride of 1, which is no multiple of 2",
    ),
    "stem": (
        "def make(net, x, options): return net.conv(x, 16, 5, options.strides, padding='valid')",
        r"it makes 14x14 px of 32x32, where a stride of 2 makes 16 x 16",
    ),
}
BASES = {"head": "HeadOptions", "stem": "StemOptions"}
HOOK = """
{source}

@hookimpl
def archspec_{kind}s():
    return {{"bad": Offer({options}, make)}}
"""


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_block_is_found(plugins_of, name):
    with pytest.raises(AssertionError, match=FAULTS[name]) as caught:
        archspec.testing.check_block(name, plugins=plugins_of(BLOCKS))
    message = str(caught.value)
    assert f"block '{name}' of plugin_" in message.splitlines()[0]
    assert f"block: {name}" in message


@pytest.mark.parametrize("case", OTHERS)
def test_a_broken_part_of_another_kind_is_found(plugins_of, case):
    source, expected = OTHERS[case]
    kind = case.partition("-")[0]
    plugins = plugins_of(HOOK.format(source=source, kind=kind, options=BASES.get(kind, "Options")))
    with pytest.raises(AssertionError, match=expected) as caught:
        getattr(archspec.testing, f"check_{kind}")("bad", plugins=plugins)
    assert str(caught.value).startswith(f"{kind} 'bad' of plugin_")


def test_the_message_ends_with_a_spec_to_paste(plugins_of, write_spec):
    plugins = plugins_of(BLOCKS)
    with pytest.raises(AssertionError) as caught:
        archspec.testing.check_block("macs", plugins=plugins)
    text = textwrap.dedent(str(caught.value).partition("in this spec:\n")[2])
    plan = archspec.plan_network(archspec.load_spec(write_spec(text), plugins=plugins))
    assert plan.blocks[1].kind == "macs"
