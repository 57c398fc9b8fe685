"""An operation whose module has several layers, and a stem of one width: what a plugin that wraps modules needs."""

import pytest

import archspec
from archspec.finetuning.parts import set_training
from archspec.testing import check_block, check_stem

LAYERS = """
def layers(operation):
    channels, filters = operation.channels, operation.filters
    return nn.Sequential(nn.Conv2d(channels, filters, 3, 1, 1), nn.BatchNorm2d(filters), nn.Conv2d(filters, filters, 1))

@dataclass(frozen=True)
class Layers(Operation):
    channels: int
    filters: int
    maker: ClassVar[str] = __name__ + ":layers"

    def output_shape(self, *inputs):
        return (self.filters, *inputs[0][1:])

    def parameters(self):
        vector = (self.filters,)
        first = {"0.weight": (self.filters, self.channels, 3, 3), "0.bias": vector}
        last = {"2.weight": (self.filters, self.filters, 1, 1), "2.bias": vector}
        return first | {"1.weight": vector, "1.bias": vector} | last

    def buffers(self):
        vector = (self.filters,)
        return {"1.running_mean": vector, "1.running_var": vector, "1.num_batches_tracked": ()}

    def macs(self, output):
        return output[0] * output[1] * output[2] * (9 * self.channels + self.filters)

    def window(self):
        return 3, 1

class Ordered(Layers):
    def tensors(self):
        one, two, three, four, *last = super().tensors()[:6]
        return [one, two, three, four, *super().tensors()[6:], *last]

def block(net, x, options, operation):
    if options.strides > 1:
        raise ImpossibleShape("it does not stride", "strides")
    return net.write(operation(x.channels, options.filters), x, name="layers")

@hookimpl
def archspec_blocks():
    make = {"ordered": Ordered, "unordered": Layers}
    return {
        name: Offer(BlockOptions, lambda net, x, options, kind=kind: block(net, x, options, kind))
        for name, kind in make.items()
    }

@hookimpl
def archspec_stems():
    return {"narrow": Offer(StemOptions, lambda net, x, stem: net.conv(x, 64, 3, stem.strides))}
"""


def test_an_operation_may_say_the_order_of_its_tensors(plugins_of):
    plugins = plugins_of(LAYERS)
    check_block("ordered", plugins=plugins, cases=4)
    with pytest.raises(AssertionError, match="the module's tensors are"):
        check_block("unordered", plugins=plugins, cases=4)


def test_a_stem_of_one_width_is_no_fault(plugins_of):
    check_stem("narrow", plugins=plugins_of(LAYERS), cases=4)


@pytest.mark.parametrize("bn", ["eval", "batch", "update"])
def test_norms_inside_an_operation_do_as_its_parameters_are_treated(plugins_of, write_spec, bn):
    plugins = plugins_of(LAYERS)
    text = "name: a\ninput: {size: 8}\nstem: {type: conv, filters: 8}\nstages: [{block: ordered, filters: 8}]\n"
    spec = archspec.load_spec(write_spec(f"{text}head: {{type: classifier, classes: 2}}\n"), plugins=plugins)
    network = archspec.build_network(spec)
    names = [name for name, _ in network.named_parameters()]
    set_training(network, {name: archspec.Treatment(trains=False, bn=bn) for name in names})
    norm = network.get_submodule("stages.0.0.layers.1")
    assert (norm.training, norm.track_running_stats) == {
        "eval": (False, True),
        "batch": (True, False),
        "update": (True, True),
    }[bn]
