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

KERNEL, BACK = (3, 2, 0, 1), (2, 3, 1, 0)           # (h, w, C, O) -> (O, C, h, w), and back


def contenders(work: Work, compiled: bool, loops: bool) -> dict[str, Callable]:
    params = [turned(np.asarray(p), KERNEL) for p in tm.tree.leaves(work.params)]
    (x, y), (x_query, y_query) = work.tasks
    if work.name == "conv4":
        x, x_query = (np.moveaxis(a, -1, -3) for a in (x, x_query))              # (T, N, C, H, W)
    data = [torch.tensor(np.ascontiguousarray(a)) for a in (x, y, x_query, y_query)]
    forward, loss = {"conv4": (conv4, F.cross_entropy), "sinusoid": (mlp, F.mse_loss)}[work.name]

    def contender(gradient):
        return lambda: [turned(g.numpy(), BACK, np.asarray) for g in gradient(params, *data)]

    functional = vmapped(lambda p, x, y: loss(forward(p, x), y), work.lr, work.steps)
    found = {"torch.func, vmap and grad": contender(functional)}
    if compiled:
        found["torch.func, compiled"] = contender(torch.compile(functional))
    if loops:
        found["torch.autograd, loop over tasks"] = contender(
            looping(lambda p, x, y: loss(forward(p, x), y), work.lr, work.steps))
    if work.name == "sinusoid":
        found["torch, leading task axis"] = contender(leading(work.lr, work.steps))
    return found


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
        return ((mlp(p, x) - y) ** 2).mean((1, 2))                               # (T,)

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
        bias, weight = params[k:k + 2]
        x = (torch.relu(x) if k else x) @ weight + bias
    return x


def conv4(params, x):
    """x (N, 1, 28, 28); each block's leaves are bias, weight, offset, scale."""
    for k in range(0, 16, 4):
        bias, weight, offset, scale = params[k:k + 4]
        before = x.shape[-1] % 2                # TensorFlow's "same" for a 3x3 kernel of stride 2
        x = F.conv2d(F.pad(x, (before, 1, before, 1)), weight, bias, stride=2)
        mean = x.mean((0, 2, 3), keepdim=True)
        var = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
        slope = torch.rsqrt(var + 1e-3) * scale[:, None, None]
        x = torch.relu((x - mean) * slope + offset[:, None, None])
    bias, weight = params[16:]
    return x.mean((2, 3)) @ weight + bias
