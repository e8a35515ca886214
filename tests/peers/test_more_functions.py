"""Convolutions, pooling, losses and activations beside PyTorch's, values and gradients."""

from functools import partial
from importlib import import_module

import numpy as np
import pytest

import tinymeta as tm


class Later:
    """The functions of a module that is imported when one is called, not to list these tests."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, function: str):
        return lambda *args, **options: getattr(import_module(self._name), function)(
            *args, **options
        )


torch, F = Later("torch"), Later("torch.nn.functional")
pytestmark = pytest.mark.peers
rng = np.random.default_rng(0)
x = rng.normal(size=(2, 9, 8, 4))
z, t = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))


def images(f):
    """PyTorch's f of images as ours are, (N, H, W, C)."""
    return lambda x, *w: f(x.permute(0, 3, 1, 2), *w).permute(0, 2, 3, 1)


def kernels(f):
    """.. and of kernels (h, w, C, O)."""
    return images(lambda x, w: f(x, w.permute(3, 2, 0, 1)))


CASES = {}
for stride, pad, gap, groups in ((1, 0, 1, 2), (2, 1, 2, 1), ((1, 2), (2, 1), (2, 3), 4)):
    pads = pad if isinstance(pad, int) else tuple((p, p) for p in pad)
    options = {"stride": stride, "dilation": gap, "groups": groups}
    CASES[f"conv2d {stride} {pad} {gap} {groups}"] = (
        partial(tm.conv2d, padding=pads, **options),
        kernels(partial(F.conv2d, padding=pad, **options)),
        (x, rng.normal(size=(3, 2, 4 // groups, 8))),
    )
for stride, pad, gap, more in ((1, 0, 1, 0), (2, 1, 1, 1), (3, 2, 2, 2)):
    options = {"stride": stride, "padding": pad, "dilation": gap, "output_padding": more}
    CASES[f"conv_transpose2d {stride} {pad} {gap} {more}"] = (
        partial(tm.conv_transpose2d, **options),
        kernels(partial(F.conv_transpose2d, **options)),
        (x, rng.normal(size=(3, 3, 2, 4))),
    )
for window, stride, pad, gap, ceil in (
    (2, None, 0, 1, True),
    (3, 2, 1, 1, True),
    (2, 3, 1, 1, True),
    (3, 1, 1, 2, False),
    (2, 2, 1, 3, True),
):
    options = {"stride": stride, "padding": pad, "ceil_mode": ceil}
    CASES[f"max_pool2d {window} {stride} {pad} {gap} {ceil}"] = (
        partial(tm.max_pool2d, window=window, dilation=gap, **options),
        images(partial(F.max_pool2d, kernel_size=window, dilation=gap, **options)),
        (x,),
    )
    for counted in (False, True):
        CASES[f"avg_pool2d {window} {stride} {pad} {ceil} {counted}"] = (
            partial(tm.avg_pool2d, window=window, count_include_pad=counted, **options),
            images(partial(F.avg_pool2d, kernel_size=window, count_include_pad=counted, **options)),
            (x,),
        )
CASES["conv1d"] = (
    lambda x, w: tm.conv1d(x, w, stride=2, padding=3, dilation=2, groups=2),
    lambda x, w: F.conv1d(
        x.permute(0, 2, 1), w.permute(2, 1, 0), stride=2, padding=3, dilation=2, groups=2
    ).permute(0, 2, 1),
    (x[:, :, 0], rng.normal(size=(3, 2, 6))),
)
CASES |= {
    name: (getattr(tm, ours), function, (3 * z,))
    for name, ours, function in (
        ("gelu", "gelu", F.gelu),
        ("silu", "silu", F.silu),
        ("elu", "elu", F.elu),
        ("leaky_relu", "leaky_relu", F.leaky_relu),
        ("relu6", "relu6", F.relu6),
        ("hardtanh", "hard_tanh", F.hardtanh),
        ("hardsigmoid", "hard_sigmoid", F.hardsigmoid),
        ("hardswish", "hard_silu", F.hardswish),
        ("erf", "erf", torch.erf),
        ("sort", "sort", lambda x: torch.sort(x).values),
        ("cummax", "cummax", lambda x: x.reshape(-1).cummax(0).values),
        ("prod", "prod", torch.prod),
    )
}
CASES["gelu by tanh"] = (
    lambda x: tm.gelu(x, approximate=True),
    lambda x: F.gelu(x, approximate="tanh"),
    (z,),
)
CASES["std"] = (lambda x: tm.std(x, 1, correction=1), lambda x: torch.std(x, 1), (z,))
CASES["huber"] = (
    lambda x, y: tm.losses.huber(x, y, 0.5),
    lambda x, y: F.huber_loss(x, y, delta=0.5),
    (z, t),
)
CASES["mae"] = (tm.losses.mae, F.l1_loss, (z, t))
CASES["binary_cross_entropy"] = (
    lambda x: tm.losses.binary_cross_entropy(x, t > 0),
    lambda x: F.binary_cross_entropy_with_logits(x, torch.tensor(1.0 * (t > 0))),
    (z,),
)
CASES["kl_divergence"] = (
    lambda x: tm.losses.kl_divergence(x, tm.softmax(t)),
    lambda x: F.kl_div(F.log_softmax(x, 1), F.softmax(torch.tensor(t), 1), reduction="batchmean"),
    (z,),
)
CASES["nll"] = (
    lambda x: tm.losses.nll(x, [0, 2, 1, 1, 0]),
    lambda x: F.nll_loss(x, torch.tensor([0, 2, 1, 1, 0])),
    (z,),
)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_pytorch(name):
    pytest.importorskip("torch")
    ours, theirs, arrays = CASES[name]
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = theirs(*tensors)
    u = rng.normal(size=tuple(expected.shape))
    expected.backward(torch.tensor(u))
    found, pull = tm.vjp(ours, *arrays)
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    gradients = pull(u)
    gradients = gradients if isinstance(gradients, (tuple, list)) else [gradients]
    rtol = 1e-7 if name == "hardsigmoid" else 1e-9  # its 1/6 is a float32
    for g, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_allclose(g.numpy(), tensor.grad.numpy(), rtol=rtol, atol=1e-11)
