"""The same work in PyTorch, the ways its users would write it.

Parameters travel as a list in the order of tinymeta's leaves, images and kernels in the layout that
PyTorch prefers: both are transposed before the clock runs, and gradients are transposed back. The
results are checked against tinymeta's, in float64, by whoever times them.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

import tinymeta as tm

from . import torch_models as models
from .work import Work

KERNEL, KERNEL_BACK = (3, 2, 0, 1), (2, 3, 1, 0)  # (h, w, C, O) -> (O, C, h, w), and back

Loss = Callable[[list[torch.Tensor], torch.Tensor, torch.Tensor], torch.Tensor]  # params, x, y
Gradient = Callable[..., list[torch.Tensor]]  # of params and the arrays of data

NETS = {  # of the works that are MAML: the net and its loss
    "conv4": (models.conv4, F.cross_entropy),
    "pooled conv4": (models.pooled_conv4, F.cross_entropy),
    "dense": (models.mlp, F.cross_entropy),
    "sinusoid": (models.mlp, F.mse_loss),
}


def contenders(work: Work, compiled: bool, loops: bool) -> dict[str, Callable]:
    """PyTorch's ways of doing a work, by name.

    compiled: torch.compile as well. loops: one task after another as well.
    """
    if work.kind in OPERATIONS:
        return _operation_contenders(work, compiled)
    params = [_kernel_first(np.asarray(leaf)) for leaf in tm.tree.leaves(work.params)]
    data = [torch.tensor(_channels_first(np.asarray(leaf))) for leaf in tm.tree.leaves(work.data)]

    def contender(gradient: Gradient) -> Callable:
        return lambda: [_kernel_back(g.cpu().numpy()) for g in gradient(params, *data)]

    ways = _gradients_of(work, loops)
    if compiled:
        mode = "reduce-overhead" if data[0].is_cuda else "default"  # with CUDA graphs
        first_way = next(iter(ways.values()))
        ways["torch.func, compiled"] = torch.compile(first_way, mode=mode)
    return {name: contender(gradient) for name, gradient in ways.items()}


def _gradients_of(work: Work, loops: bool) -> dict[str, Gradient]:
    """The ways to the gradient of a work that has parameters."""
    if work.kind == "siamese":
        return {"torch.func, grad": torch.func.grad(models.siamese)}
    if work.kind == "prototypical":
        return {"torch.func, vmap and grad": _gradient_of_mean(models.prototypical)}
    if work.kind == "learned optimizer":
        return {"torch.autograd": _gradient_of_unrolled(work.steps)}
    forward, criterion = NETS[work.kind]

    def loss(params: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return criterion(forward(params, x), y)

    ways = {"torch.func, vmap and grad": _gradient_by_vmap(loss, work.lr, work.steps)}
    if loops:
        ways["torch.autograd, loop over tasks"] = _gradient_by_loop(loss, work.lr, work.steps)
    if work.kind == "sinusoid":
        ways["torch, leading task axis"] = _gradient_by_task_axis(work.lr, work.steps)
    return ways


def _operation_contenders(work: Work, compiled: bool) -> dict[str, Callable]:
    """The same for a work that is one operation."""
    run = OPERATIONS[work.kind]
    data = [torch.tensor(array) for array in work.data]

    def contender(run: Callable) -> Callable:
        return lambda: [array.cpu().numpy() for array in run(*data)]

    ways = {"torch": contender(run)}
    if compiled:
        ways["torch, compiled"] = contender(torch.compile(run))
    return ways


def _conv_and_gradients(x: torch.Tensor, w: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The sum of squares of a convolution, and its gradients of x (N, H, W, C), w (h, w, C, O).

    PyTorch's channels come last in strides, not in axes: permuted views cost nothing.
    """

    def total(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        y = F.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), padding=1)
        return y.square().sum()

    grads, value = torch.func.grad_and_value(total, argnums=(0, 1))(x, w)
    return value, *grads


def _variance_and_gradient(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The sum of the variances over the first two axes, and its gradient."""
    grads, value = torch.func.grad_and_value(lambda x: x.var((0, 1), correction=0).sum())(x)
    return value, grads


OPERATIONS = {
    "tanh": lambda x: (torch.tanh(x),),
    "softmax": lambda x: (torch.softmax(x, -1),),
    "variance": _variance_and_gradient,
    "conv": _conv_and_gradients,
    "product": lambda x, y: (x @ y,),
    "products": lambda x, y: (x @ y,),
}


def _channels_first(a: np.ndarray) -> np.ndarray:
    """Images (.., N, H, W, C) as (.., N, C, H, W); anything else as it is."""
    return np.ascontiguousarray(np.moveaxis(a, -1, -3) if a.ndim >= 4 else a)


def _kernel_first(a: np.ndarray) -> torch.Tensor:
    """A kernel (h, w, C, O) as (O, C, h, w), contiguous; any other parameter as it is."""
    return torch.tensor(np.ascontiguousarray(a.transpose(KERNEL) if a.ndim == 4 else a))


def _kernel_back(a: np.ndarray) -> np.ndarray:
    """The inverse, of a gradient: a view."""
    return a.transpose(KERNEL_BACK) if a.ndim == 4 else a


def _gradient_by_vmap(loss: Loss, lr: float, steps: int) -> Gradient:
    """A function of one task, mapped over tasks, differentiated as a whole."""

    def loss_after_learning(params, x, y, x_query, y_query):
        for _ in range(steps):
            grads = torch.func.grad(loss)(params, x, y)
            params = [w - lr * g for w, g in zip(params, grads)]
        return loss(params, x_query, y_query)

    return _gradient_of_mean(loss_after_learning)


def _gradient_of_mean(task_loss: Callable) -> Gradient:
    """Of the mean over tasks of task_loss(params, *task)."""

    def mean_over_tasks(params, *data):
        return torch.func.vmap(lambda *task: task_loss(params, *task))(*data).mean()

    return torch.func.grad(mean_over_tasks)


def _gradient_of_unrolled(steps: int) -> Gradient:
    """Of a learned optimizer's parameters, through its steps."""

    def gradient(params, *problems):
        params = [p.detach().requires_grad_() for p in params]
        return torch.autograd.grad(models.learned_optimizer(params, *problems, steps), params)

    return gradient


def _gradient_by_loop(loss: Loss, lr: float, steps: int) -> Gradient:
    """One task after another with autograd's double backward, as the libraries for it do."""

    def gradient(params, *data):
        params = [p.detach().requires_grad_() for p in params]
        total = 0.0
        for x, y, x_query, y_query in zip(*data):
            adapted = params
            for _ in range(steps):
                grads = torch.autograd.grad(loss(adapted, x, y), adapted, create_graph=True)
                adapted = [p - lr * g for p, g in zip(adapted, grads)]
            total = total + loss(adapted, x_query, y_query)
        return torch.autograd.grad(total / len(data[0]), params)

    return gradient


def _gradient_by_task_axis(lr: float, steps: int) -> Gradient:
    """All tasks at once by batched products, as in tinymeta, with autograd's double backward."""

    def loss(params, x, y):
        return ((models.mlp(params, x) - y) ** 2).mean((1, 2))  # (T,)

    def with_task_axis(p, tasks):  # biases (O,) as (T, 1, O), weights (I, O) as (T, I, O)
        inner = [1] if p.ndim == 1 else []
        return p.expand(tasks, *inner, *p.shape)

    def gradient(params, x, y, x_query, y_query):
        params = [p.detach().requires_grad_() for p in params]
        adapted = [with_task_axis(p, len(x)) for p in params]
        for _ in range(steps):
            grads = torch.autograd.grad(loss(adapted, x, y).sum(), adapted, create_graph=True)
            adapted = [p - lr * g for p, g in zip(adapted, grads)]
        return torch.autograd.grad(loss(adapted, x_query, y_query).mean(), params)

    return gradient
