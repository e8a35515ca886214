"""Test your gradient in five lines: a PyTorch function, `autograd.Function` and `nn.Module`.

pip install torch 'tinymeta[test]' && pytest examples/gradcheck/test_torch.py
"""

import pytest

torch = pytest.importorskip("torch")


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x


def test_an_autograd_function(gradcheck):  # and its second derivative
    gradcheck(Square, torch.randn(3, 4))


def test_a_module_by_its_parameters_and_its_input(gradcheck):
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Tanh())
    gradcheck(net, torch.randn(5, 4))


def test_a_loss_by_what_requires_a_gradient(gradcheck):
    x, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0])
    w = torch.randn(4, 3, requires_grad=True)
    gradcheck(lambda w: torch.nn.functional.cross_entropy(x.to(w.dtype) @ w, labels), w)


@pytest.mark.gradcheck(order=1, kinks="one-sided")
def test_at_a_kink_any_subgradient_passes(gradcheck):
    gradcheck(torch.relu, torch.tensor([0.0, 1.0, -1.0]))


class OnceSquare(Square):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * g * x.detach()


def test_what_a_mistake_of_second_order_looks_like(gradcheck):
    gradcheck(OnceSquare, torch.randn(3), order=1)
    with pytest.raises(AssertionError, match="the derivative of OnceSquare of order 2 is wrong"):
        gradcheck(OnceSquare, torch.randn(3))
