"""Right functions of PyTorch with kinks, jumps of curvature and none: no check calls one wrong."""

import warnings

import numpy as np
import pytest

from tinymeta.testing import Foreign, Kink, Undecided, check_grads, check_identities, check_taylor

pytestmark = pytest.mark.peers

SEEDS = 20
TARGET = 0.1 * np.arange(16.0).reshape(4, 4)
# fmt: off
FUNCTIONS = {                   # of torch, its functional, x (4, 4) and a target like it
    "relu":       lambda t, F, x, y: t.relu(x),
    "leaky_relu": lambda t, F, x, y: F.leaky_relu(x),
    "hardtanh":   lambda t, F, x, y: F.hardtanh(x),
    "abs":        lambda t, F, x, y: t.abs(x),
    "l1_loss":    lambda t, F, x, y: F.l1_loss(x, y),
    "smooth_l1":  lambda t, F, x, y: F.smooth_l1_loss(x, y),
    "huber":      lambda t, F, x, y: F.huber_loss(x, y, delta=0.5),
    "max_pool2d": lambda t, F, x, y: F.max_pool2d(x[None, None], 2),
    "sort":       lambda t, F, x, y: x.sort(1)[0] * y,
    "max":        lambda t, F, x, y: x.max(1)[0],
    "min":        lambda t, F, x, y: x.min(0)[0],
    "clamp":      lambda t, F, x, y: x.clamp(-0.5, 0.5),
    "norm 1":     lambda t, F, x, y: x.norm(1),
    "norm inf":   lambda t, F, x, y: x.norm(float("inf")),
    "elu":        lambda t, F, x, y: F.elu(x),
    "softplus":   lambda t, F, x, y: F.softplus(x),
    "gelu":       lambda t, F, x, y: F.gelu(x),
    "tanh":       lambda t, F, x, y: t.tanh(x),
    "logsumexp":  lambda t, F, x, y: x.logsumexp(1),
    "a network":  lambda t, F, x, y: (t.relu(x @ y) @ x + x).sum(),
}
# fmt: on


@pytest.fixture
def torch():
    with warnings.catch_warnings():  # of what it does while it is imported
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # of 16 numbers: threads would only wait
    yield torch
    torch.set_num_threads(before)


def foreign(torch, f, name="f"):
    made = Foreign(f, vjp=torch.func.vjp, asarray=torch.as_tensor)
    made.__name__ = name
    return made


@pytest.mark.parametrize(
    "check, order",
    [
        (check_grads, {"order": 2}),
        (check_identities, {}),
        (check_taylor, {"order": 1}),
        (check_taylor, {"order": 2}),
    ],
    ids=["grads", "identities", "taylor of order 1", "taylor of order 2"],
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_right_function_passes_at_nearly_all_points_and_is_never_called_wrong(
    name, check, order, torch
):
    f = FUNCTIONS[name]
    target = torch.as_tensor(TARGET)
    g = foreign(torch, lambda x: f(torch, torch.nn.functional, x, target), name)
    undecided = []
    for seed in range(SEEDS):
        try:
            check(g, np.random.default_rng(seed).normal(size=(4, 4)), seed=seed, **order)
        except (Kink, Undecided) as error:  # any other error is a false alarm
            undecided.append(error)
    assert len(undecided) <= 1, undecided[0]


@pytest.mark.parametrize("name", ["relu", "sort", "huber", "norm 1", "gelu", "max_pool2d"])
@pytest.mark.parametrize("check", [check_grads, check_identities, check_taylor])
def test_its_wrong_twin_is_red_at_every_point(name, check, torch):
    """One thousandth of the gradient is lost; identities, which know no values, see it bent."""
    f, target = FUNCTIONS[name], torch.as_tensor(TARGET)

    def wrong(x):
        y = f(torch, torch.nn.functional, x, target)
        return 0.999 * y + 0.001 * y.detach()

    def crooked(x):
        return Crooked.apply(f(torch, torch.nn.functional, x, target))

    class Crooked(torch.autograd.Function):
        @staticmethod
        def forward(y):
            return y.clone()

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return g + 1e-3 * g.abs()

    g = foreign(torch, crooked if check is check_identities else wrong)
    for seed in range(5):
        with pytest.raises(AssertionError) as error:
            check(g, np.random.default_rng(seed).normal(size=(4, 4)), seed=seed)
        assert error.type is AssertionError, "neither Kink nor Undecided"


def test_tensors_that_hold_no_array_are_read(torch):
    """Zeros that are lazy, negative views, sparse gradients."""
    x = np.random.default_rng(0).normal(size=(3, 4))
    for f in (
        torch.sgn,
        torch.abs,
        lambda x: x.norm(1),
        lambda x: torch.complex(x, x * x).conj().imag,
    ):
        check_grads(foreign(torch, lambda x: f(x) + x**3), x, order=2)

    class Rows(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x * 3.0

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, g):
            return (3.0 * g).to_sparse()

    x_torch = lambda x: torch.as_tensor(x).requires_grad_()

    def backward(g, x):
        leaf = x_torch(x)
        return torch.autograd.grad(Rows.apply(leaf), leaf, torch.as_tensor(g))[0]

    check_grads(Foreign(lambda x: 3.0 * x, backward=backward), x, order=1)


def test_bfloat16_inside_is_named(torch):
    short = foreign(torch, lambda x: torch.exp(x).to(torch.bfloat16), "short")
    with pytest.raises(ValueError, match="short returns float32 for float64 inputs, too coarse"):
        check_grads(short, np.ones(3))


@pytest.mark.parametrize("check", [check_grads, check_identities, check_taylor])
def test_a_backward_that_reads_its_cotangent_by_memory_is_red(check, torch):
    def square(by):
        class Square(torch.autograd.Function):
            @staticmethod
            def forward(x):
                return x * x

            @staticmethod
            def setup_context(ctx, inputs, output):
                ctx.save_for_backward(*inputs)

            @staticmethod
            def backward(ctx, g):
                return 2 * ctx.saved_tensors[0] * by(g)

        return foreign(torch, Square.apply, "square")

    x = np.random.default_rng(0).normal(size=(3, 4))
    check(square(lambda g: g), x)
    with pytest.raises(AssertionError, match="another gradient of a cotangent that is not contig"):
        check(
            square(lambda g: torch.as_strided(g, g.shape, (g.shape[1], 1))),
            x,
            **({} if check is check_identities else {"order": 1}),
        )
