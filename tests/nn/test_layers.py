"""Layers and models against NumPy written out, and against the sizes of the papers' networks."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn

rng = np.random.default_rng(0)


def double(params):
    return tm.tree.map(lambda p: p.astype(np.float64), params)


def count(params):
    return sum(p.size for p in tm.tree.leaves(params))


def test_dense_is_an_affine_map():
    x, params = rng.normal(size=(5, 3)), {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    expected = np.einsum("nc,co->no", x, params["w"]) + params["b"]
    np.testing.assert_allclose(nn.Dense(3, 2)(params, x).numpy(), expected, rtol=1e-14)


def test_conv_adds_its_bias_to_every_place_of_a_channel():
    x, w, b = rng.normal(size=(2, 5, 4, 3)), rng.normal(size=(3, 3, 3, 2)), np.array([10.0, -20.0])
    plain = nn.Conv2d(3, 2, stride=2, bias=False)({"w": w}, x).numpy()
    assert plain.shape == (2, 3, 2, 2)
    np.testing.assert_array_equal(nn.Conv2d(3, 2, stride=2)({"w": w, "b": b}, x).numpy(), plain + b)
    padded = np.pad(x, ((0, 0), (1, 1), (0, 1), (0, 0)))  # "same", as TensorFlow pads 5x4
    window = padded[1, 2:5, 0:3]
    np.testing.assert_allclose(plain[1, 1, 0], np.einsum("abc,abco->o", window, w), rtol=1e-13)


def test_the_former_name_of_global_average_pooling_is_an_alias():
    assert nn.SpatialMean is nn.GlobalAveragePooling


def test_layers_without_parameters():
    x = rng.normal(size=(2, 4, 6, 3))
    np.testing.assert_array_equal(nn.Flatten()(None, x).numpy(), x.reshape(2, 72))
    np.testing.assert_allclose(
        nn.GlobalAveragePooling()(None, x).numpy(), x.mean((1, 2)), rtol=1e-14
    )
    windows = x.reshape(2, 2, 2, 3, 2, 3)
    np.testing.assert_array_equal(nn.MaxPool2d(2)(None, x).numpy(), windows.max((2, 4)))
    assert (
        nn.Flatten().init(rng)
        is nn.GlobalAveragePooling().init(rng)
        is nn.MaxPool2d().init(rng)
        is None
    )


def test_sequential_applies_layers_and_functions_in_order():
    model = nn.Sequential(nn.Dense(3, 4), tm.tanh, nn.Dense(4, 2))
    params = double(model.init(rng))
    assert params[1] is None
    x = rng.normal(size=(5, 3))
    hidden = np.tanh(x @ params[0]["w"] + params[0]["b"])
    expected = hidden @ params[2]["w"] + params[2]["b"]
    np.testing.assert_allclose(model(params, x).numpy(), expected, rtol=1e-12)
    assert "Dense(inputs=3, outputs=4" in repr(model) and "tanh" in repr(model)


@pytest.mark.parametrize("way", [5, 20])
def test_conv4_has_the_size_of_the_paper(way):
    params = nn.conv4(way).init(rng)
    assert count(params) == 111_424 + 4 * 64 + 65 * way  # kernels and biases, offsets, linear layer
    assert count(nn.conv4(way, scale=True).init(rng)) == count(params) + 4 * 64


def test_mlps_have_the_sizes_of_the_paper():
    assert count(nn.mlp(1, 40, 40, 1).init(rng)) == 1_761
    params = nn.mlp(784, 256, 128, 64, 64, 5, norm=True).init(rng)
    offsets = 256 + 128 + 64 + 64
    assert count(params) == 246_272 + 65 * 5 + offsets  # no scales


@pytest.mark.parametrize(
    "pool, head, features",
    [
        ("stride", "mean", 64),
        ("stride", "flatten", 256),
        ("max", "mean", 64),
        ("max", "flatten", 64),
    ],
)
def test_conv4_shapes(pool, head, features):
    x = rng.normal(size=(3, 28, 28, 1)).astype(np.float32)
    embedding = nn.conv4(None, pool=pool, head=head)
    assert embedding(embedding.init(rng), x).shape == (3, features)
    classifier = nn.conv4(7, pool=pool, head=head)
    y = classifier(classifier.init(rng), x)
    assert y.shape == (3, 7) and y.dtype == np.float32


def test_max_pooled_conv4_has_stride_one_convolutions():
    model = nn.conv4(5, pool="max")
    assert {layer.stride for layer in model.layers if isinstance(layer, nn.Conv2d)} == {1}
    assert sum(isinstance(layer, nn.MaxPool2d) for layer in model.layers) == 4


def test_initial_values():
    w = nn.init.glorot_uniform(rng, (3, 3, 16, 32))
    bound = np.sqrt(6 / (9 * 16 + 9 * 32))
    assert w.dtype == np.float32 and 0.99 * bound < np.abs(w).max() <= bound
    far = nn.init.truncated_normal(0.01)(rng, (100, 100))
    assert 0.0199 < np.abs(far).max() <= 0.02
    assert abs(far.std() - 0.0088) < 2e-4  # a normal cut at 2 has std 0.88
    assert abs(nn.init.he_normal(rng, (200, 100)).std() - 0.1) < 2e-3  # sqrt(2 / 200)
    assert abs(nn.init.normal(3.0)(rng, (100, 100)).std() - 3) < 0.1


def test_the_seed_decides_the_initial_values():
    draw = [nn.conv4(5, filters=4).init(np.random.default_rng(seed)) for seed in (7, 7, 8)]
    first, again, other = (np.concatenate([p.ravel() for p in tm.tree.leaves(d)]) for d in draw)
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: nn.Dense(3, 4)({}, np.ones((5, 2))), r"Dense\(3, 4\) needs x .*\(5, 2\)"),
        (lambda: nn.Dense(3, 4)({}, np.ones(3)), r"Dense\(3, 4\) needs x .*\(3,\)"),
        (
            lambda: nn.Conv2d(3, 4, bias=False)(
                {"w": np.ones((3, 3, 3, 4))}, np.ones((1, 5, 5, 2))
            ),
            r"Conv2d: x \(1, 5, 5, 2\)",
        ),
        (
            lambda: nn.BatchNorm(3)({}, np.ones((2, 4, 4, 5))),
            r"BatchNorm\(3\) needs x .* with C = 3, got \(2, 4, 4, 5\)",
        ),
        (
            lambda: nn.BatchNorm(3, spatial=0)({}, np.ones(3)),
            r"BatchNorm\(3\) needs x \(\.\., N, C\)",
        ),
        (lambda: nn.BatchNorm(3, mode="train"), "mode 'train' is not 'batch' or 'frozen'"),
        (lambda: nn.LayerNorm(3)({}, np.ones((2, 4))), r"LayerNorm\(3\) needs x .*\(2, 4\)"),
        (
            lambda: nn.Sequential(tm.tanh)([None, None], np.ones(2)),
            "Sequential of 1 layers got parameters for 2",
        ),
        (lambda: nn.mlp(3), r"at least an input and an output size, got \(3,\)"),
        (lambda: nn.conv4(pool="mean"), "pool 'mean' is not 'stride' or 'max'"),
        (lambda: nn.conv4(head="max"), "head 'max' is not 'mean' or 'flatten'"),
        (lambda: nn.conv4(pool="max", size=8), "too small for four halvings"),
    ],
)
def test_errors_say_what_was_given_and_what_is_needed(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("layer", [nn.Flatten(), nn.GlobalAveragePooling(), nn.MaxPool2d()])
def test_what_is_no_image_is_refused(layer):
    with pytest.raises(ValueError, match=r"expected images \(.., N, H, W, C\), got shape \(5, 4\)"):
        layer(None, np.ones((5, 4)))


@pytest.mark.parametrize(
    "make, named",
    [
        (lambda: nn.Dense(0, 2), "Dense: inputs"),
        (lambda: nn.Dense(2, 1.5), "Dense: outputs"),
        (lambda: nn.Conv2d(1, 2, kernel=-3), "Conv2d: kernel"),
        (lambda: nn.conv4(5, filters=0), "conv4: filters"),
    ],
)
def test_sizes_below_one_are_refused(make, named):
    with pytest.raises(ValueError, match=f"{named}=.* must be a whole number >= 1"):
        make()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: nn.Dense(True, 2), "Dense: inputs=True must be a whole number >= 1"),
        (lambda: nn.Dense(1, 2, bias=np.ones(2)), "Dense: bias=.* must be True or False"),
        (lambda: nn.Conv2d(1, 2, padding="full"), "Conv2d: padding 'full' is not"),
        (lambda: nn.Conv2d(1, 2, scheme=None), "Conv2d: scheme must be a function, got None"),
        (lambda: nn.BatchNorm(2.5), "BatchNorm: channels=2.5 must be"),
        (lambda: nn.LayerNorm("3"), "LayerNorm: features='3'"),
        (lambda: nn.LayerNorm(3, eps=np.nan), "LayerNorm: eps=nan must be a finite number >= 0"),
        (lambda: nn.BatchNorm(1, mode=None), "BatchNorm: mode None is not 'batch' or 'frozen'"),
        (lambda: nn.Sequential(3), "Sequential: layer 0 must be a function, got 3"),
        (lambda: nn.mlp(3, 2.5), "mlp: size 1=2.5 must be"),
        (lambda: nn.mlp(3, 4, activation=3), "mlp: activation must be"),
        (lambda: nn.conv4(pool=3), "conv4: pool 3 is not 'stride' or 'max'"),
        (
            lambda: nn.Dense(3, 4).init(7),
            "Dense: rng must be a Generator, such as np.random.default_rng.0., got 7",
        ),
        (
            lambda: nn.init.he_normal(np.random.default_rng(0), 3),
            "he_normal: the shape must be a tuple of 2 sizes >= 1 or more, got 3",
        ),
        (lambda: nn.init.normal(-1.0), "normal: std=-1.0 must be a finite number >= 0"),
        (
            lambda: nn.Dense(3, 4)({"w": 1}, np.ones((2, 3))),
            "Dense: its parameters are a dict of w, b",
        ),
        (
            lambda: nn.LayerNorm(3)(None, np.ones((2, 3))),
            "LayerNorm: its parameters are a dict of scale, offset, .* got None",
        ),
    ],
)
def test_what_a_layer_is_not_made_of(make, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        make()
