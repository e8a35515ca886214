"""The same work in PyTorch, the ways its users would write it.

Parameters travel as a list in the order of tinymeta's leaves, images and kernels in the layout that
PyTorch prefers: both are turned before the clock runs, and gradients are turned back.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

import tinymeta as tm

from .work import Work

KERNEL, BACK = (3, 2, 0, 1), (2, 3, 1, 0)  # (h, w, C, O) -> (O, C, h, w), and back


def contenders(work: Work, compiled: bool, loops: bool) -> dict[str, Callable]:
    if work.kind in OPERATIONS:
        return of_operation(work, compiled)
    params = [turned(np.asarray(p), KERNEL) for p in tm.tree.leaves(work.params)]
    data = [torch.tensor(channels_first(np.asarray(a))) for a in tm.tree.leaves(work.data)]

    def contender(gradient):
        return lambda: [turned(g.cpu().numpy(), BACK, np.asarray) for g in gradient(params, *data)]

    if work.kind == "siamese":
        ways = {"torch.func, grad": torch.func.grad(siamese)}
    else:
        forward, measure = {"conv4": (conv4, F.cross_entropy), "sinusoid": (mlp, F.mse_loss)}[
            work.kind
        ]

        def loss(p, x, y):
            return measure(forward(p, x), y)

        ways = {"torch.func, vmap and grad": vmapped(loss, work.lr, work.steps)}
        if loops:
            ways["torch.autograd, loop over tasks"] = looping(loss, work.lr, work.steps)
        if work.kind == "sinusoid":
            ways["torch, leading task axis"] = leading(work.lr, work.steps)
    if compiled:
        mode = "reduce-overhead" if data[0].is_cuda else "default"  # with CUDA graphs
        ways["torch.func, compiled"] = torch.compile(next(iter(ways.values())), mode=mode)
    return {name: contender(gradient) for name, gradient in ways.items()}


def of_operation(work: Work, compiled: bool) -> dict[str, Callable]:
    run, data = OPERATIONS[work.kind], [torch.tensor(a) for a in work.data]
    ways = {"torch": run} | ({"torch, compiled": torch.compile(run)} if compiled else {})
    return {
        name: (lambda run=run: [y.cpu().numpy() for y in run(*data)]) for name, run in ways.items()
    }


def conv_and_gradients(x, w):
    """x (N, H, W, C), w (h, w, C, O); PyTorch takes the channels last of strides, not of axes."""

    def total(x, w):
        return F.conv2d(x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), padding=1).square().sum()

    grads, value = torch.func.grad_and_value(total, argnums=(0, 1))(x, w)
    return value, *grads


def variance_and_gradient(x):
    grads, value = torch.func.grad_and_value(lambda x: x.var((0, 1), correction=0).sum())(x)
    return value, grads


OPERATIONS = {
    "tanh": lambda x: (torch.tanh(x),),
    "softmax": lambda x: (torch.softmax(x, -1),),
    "variance": variance_and_gradient,
    "conv": conv_and_gradients,
    "product": lambda x, y: (x @ y,),
    "products": lambda x, y: (x @ y,),
}


def channels_first(a: np.ndarray) -> np.ndarray:
    """Images (.., N, H, W, 1) as (.., N, 1, H, W); anything else as it is."""
    return np.ascontiguousarray(np.moveaxis(a, -1, -3) if a.shape[-3:] == (28, 28, 1) else a)


def turned(a, axes, make=None):
    """A kernel with its axes in another order; anything else as it is."""
    a = a.transpose(axes) if a.ndim == 4 else a
    return make(a) if make else torch.tensor(np.ascontiguousarray(a))


def vmapped(loss, lr: float, steps: int):
    """A function of one task, mapped over tasks, differentiated as a whole."""

    def after_learning(p, x, y, x_query, y_query):
        for _ in range(steps):
            p = [w - lr * g for w, g in zip(p, torch.func.grad(loss)(p, x, y))]
        return loss(p, x_query, y_query)

    def mean_over_tasks(p, *data):
        return torch.func.vmap(lambda *one: after_learning(p, *one))(*data).mean()

    return torch.func.grad(mean_over_tasks)


def looping(loss, lr: float, steps: int):
    """One task after another with autograd's double backward, as the libraries for it do."""

    def gradient(params, *data):
        params = [p.detach().requires_grad_() for p in params]
        total = 0.0
        for x, y, x_query, y_query in zip(*data):
            own = params
            for _ in range(steps):
                grads = torch.autograd.grad(loss(own, x, y), own, create_graph=True)
                own = [p - lr * g for p, g in zip(own, grads)]
            total = total + loss(own, x_query, y_query)
        return torch.autograd.grad(total / len(data[0]), params)

    return gradient


def leading(lr: float, steps: int):
    """All tasks at once by batched products, as in tinymeta, with autograd's double backward."""

    def loss(p, x, y):
        return ((mlp(p, x) - y) ** 2).mean((1, 2))  # (T,)

    def gradient(params, x, y, x_query, y_query):
        params = [p.detach().requires_grad_() for p in params]
        own = [p.expand(len(x), *([1] if p.ndim == 1 else []), *p.shape) for p in params]
        for _ in range(steps):
            grads = torch.autograd.grad(loss(own, x, y).sum(), own, create_graph=True)
            own = [p - lr * g for p, g in zip(own, grads)]
        return torch.autograd.grad(loss(own, x_query, y_query).mean(), params)

    return gradient


def mlp(params, x):
    for k in range(0, len(params), 2):
        bias, weight = params[k : k + 2]
        x = (torch.relu(x) if k else x) @ weight + bias
    return x


def conv4(params, x):
    """x (N, 1, 28, 28); each block's leaves are bias, weight, offset, scale."""
    x = embedded(params, x)
    bias, weight = params[16:]
    return x @ weight + bias


def embedded(params, x):
    for k in range(0, 16, 4):
        bias, weight, offset, scale = params[k : k + 4]
        before = x.shape[-1] % 2  # TensorFlow's "same" for a 3x3 kernel of stride 2
        x = F.conv2d(F.pad(x, (before, 1, before, 1)), weight, bias, stride=2)
        mean = x.mean((0, 2, 3), keepdim=True)
        var = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
        slope = torch.rsqrt(var + 1e-3) * scale[:, None, None]
        x = torch.relu((x - mean) * slope + offset[:, None, None])
    return x.mean((2, 3))


def siamese(params, a, b, different):
    apart = embedded(params, torch.cat([a, b])).reshape(2, len(a), -1)
    squared = (apart[0] - apart[1]).square().sum(-1)
    y = different.to(squared.dtype)
    hinge = torch.relu(1 - squared.sqrt())
    return ((1 - y) * squared + y * hinge.square()).mean()
