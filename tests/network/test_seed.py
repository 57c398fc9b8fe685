"""The Keras network of the tutorial that archspec grew from, against specs/seed-resnet26.yaml: the same outputs."""

import pytest
import torch

import archspec


@pytest.fixture(scope="module")
def keras():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        keras = pytest.importorskip("keras")
        if keras.backend.backend() != "torch":
            pytest.skip("Keras was imported with another backend")
        patch.setattr(torch, "set_default_device", lambda *_: None)
        yield keras


def build_seed(keras):
    """The tutorial's network as it is written there; layers have our names, to copy weights by."""
    layers = keras.layers

    def conv_norm(x, filters, kernel, strides, name, number=""):
        x = layers.Conv2D(filters, kernel, strides=strides, padding="same", name=f"{name}conv{number}")(x)
        return layers.BatchNormalization(name=f"{name}norm{number}")(x)

    def residual(x, filters, strides, project, name):
        y = layers.ReLU()(conv_norm(x, filters, 3, strides, name, 1))
        y = conv_norm(y, filters, 3, 1, name, 2)
        if project:
            x = conv_norm(x, filters, 1, strides, f"{name}shortcut|")
        return layers.ReLU()(layers.Add()([x, y]))

    image = keras.Input((None, None, 3))
    x = layers.ReLU()(conv_norm(image, 64, 7, 2, "stem|"))
    for stage, filters in enumerate((64, 128, 256, 512)):
        for block in range(3):
            first = stage > 0 and block == 0
            x = residual(x, filters, 2 if first else 1, first, f"stages|{stage}|{block}|")
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="head|linear")(x))


def copy_weights(model):
    """Random values into every weight of the Keras network; returns them by our names, in torch's layout."""
    state = {}
    kinds = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    for layer in model.layers:
        for variable in layer.weights:
            shape = tuple(variable.shape)
            if variable.name == "kernel":
                value = torch.as_tensor(variable.value).detach().clone()
                state[f"{layer.name.replace('|', '.')}.weight"] = (
                    value.permute(3, 2, 0, 1) if value.ndim == 4 else value.T
                ).contiguous()
                continue
            scale = (
                torch.rand(shape) + 0.5 if variable.name in ("gamma", "moving_variance") else torch.randn(shape) / 10
            )
            variable.assign(scale)
            state[f"{layer.name.replace('|', '.')}.{kinds.get(variable.name, 'bias')}"] = scale
    return state


def test_the_seed_network_equals_keras(keras):
    torch.manual_seed(0)
    keras.utils.set_random_seed(0)
    model = build_seed(keras)
    network = archspec.build_network("seed-resnet26").eval()
    state = copy_weights(model)
    loaded = archspec.load_weights(network, state)
    assert len(loaded.copied) == len(state)
    trained = sum(variable.value.numel() for variable in model.trainable_variables)
    assert network.plan.parameters == trained == 17_459_082
    for height, width in ((224, 224), (193, 161)):
        x = torch.randn(2, 3, height, width)
        with torch.no_grad():
            theirs = torch.as_tensor(model(x.permute(0, 2, 3, 1), training=False)).cpu()
            ours = network(x)
        assert ours.shape == (2, 10)
        assert ours.std() > 1e-3, "flat probabilities would be equal whatever the weights"
        assert torch.allclose(ours, theirs, atol=1e-5, rtol=0)


def test_the_seed_options_are_keras_defaults(keras):
    norm = keras.layers.BatchNormalization()
    spec = archspec.load_spec("seed-resnet26")
    for part in (spec.stem, *spec.stages):
        assert (part.norm.eps, part.norm.momentum) == (norm.epsilon, pytest.approx(1 - norm.momentum))
