"""The networks in PyTorch, differentiated by its double backward, one task after another."""

import torch
import torch.nn.functional as F
from networks import Network, of_layer

ACTIVATIONS = {"tanh": torch.tanh, "softplus": F.softplus, "relu": F.relu}


def same(x, kernel, stride):
    """x padded as TensorFlow pads: the odd row after."""
    total = [max((-(-n // stride) - 1) * stride + k - n, 0) for n, k in zip(x.shape[-2:], kernel)]
    (top, bottom), (left, right) = ((t // 2, t - t // 2) for t in total)
    return F.pad(x, (left, right, top, bottom))


def forward(network: Network, params, x):
    """x (N, H, W, C) or (N, D)."""
    x = x.permute(0, 3, 1, 2) if x.ndim == 4 else x
    for k, (kind, *options) in enumerate(network.layers):
        p = of_layer(params, k)
        if kind == "conv":
            stride, padding = options
            w = p["w"].permute(3, 2, 0, 1)
            x = same(x, w.shape[-2:], stride) if padding == "same" else x
            x = F.conv2d(x, w, p["b"], stride=stride)
        elif kind == "norm":
            x = F.batch_norm(x, None, None, p["scale"], p["offset"], training=True, eps=1e-3)
        elif kind == "dense":
            x = x @ p["w"] + p["b"]
        elif kind == "pool":
            x = F.max_pool2d(x, 2)
        elif kind == "mean":
            x = x.mean((2, 3))
        else:
            x = ACTIVATIONS[kind](x)
    return x


def loss(network: Network, params, x, y):
    """The loss of one task, a scalar."""
    criterion = F.cross_entropy if network.loss == "cross_entropy" else F.mse_loss
    return criterion(forward(network, params, x), y)


def leaves_of(network: Network):
    """The parameters, tracked."""
    return {name: torch.tensor(p, requires_grad=True) for name, p in network.params.items()}


def tensors(batch, t):
    """x and y of task t."""
    return [torch.tensor(a[t]) for a in batch]


def meta_gradient(network: Network, lr: float, steps: int, first_order: bool = False) -> dict:
    """The gradient of the sum of the tasks' query losses, each after `steps` steps."""
    params, total = leaves_of(network), 0.0
    for t in range(len(network.tasks.support.x)):
        adapted = params
        for _ in range(steps):
            value = loss(network, adapted, *tensors(network.tasks.support, t))
            grads = torch.autograd.grad(value, list(adapted.values()), create_graph=not first_order)
            adapted = {name: p - lr * g for (name, p), g in zip(adapted.items(), grads)}
        total = total + loss(network, adapted, *tensors(network.tasks.query, t))
    return named(params, torch.autograd.grad(total, list(params.values())))


def hessian_vector(network: Network, direction: dict) -> dict:
    """The Hessian of the first task's support loss, times a direction."""
    params = leaves_of(network)
    value = loss(network, params, *tensors(network.tasks.support, 0))
    grads = torch.autograd.grad(value, list(params.values()), create_graph=True)
    slope = sum((g * torch.tensor(direction[name])).sum() for name, g in zip(params, grads))
    return named(params, torch.autograd.grad(slope, list(params.values())))


def named(params, grads):
    return {name: g.numpy() for name, g in zip(params, grads)}
