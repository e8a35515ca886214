"""The nets and losses of the works in PyTorch, of parameters as a list in tinymeta's order."""

import torch
import torch.nn.functional as F

from .work import TRUNCATE

Params = list[torch.Tensor]


def mlp(params: Params, x: torch.Tensor) -> torch.Tensor:
    """Dense layers with ReLU between them; each one's leaves are bias, weight."""
    for k in range(0, len(params), 2):
        bias, weight = params[k : k + 2]
        if k:
            x = torch.relu(x)
        x = x @ weight + bias
    return x


def conv4(params: Params, x: torch.Tensor) -> torch.Tensor:
    """Logits (N, 5) of x (N, 1, 28, 28)."""
    x = _embed(params, x)
    bias, weight = params[16:]
    return x @ weight + bias


def _embed(params: Params, x: torch.Tensor) -> torch.Tensor:
    """Four blocks of x (N, 1, 28, 28), then the mean over places; a block's leaves are bias,
    weight, offset, scale."""
    for k in range(0, 16, 4):
        bias, weight, offset, scale = params[k : k + 4]
        before = x.shape[-1] % 2  # TensorFlow's "same" for a 3x3 kernel of stride 2
        padded = F.pad(x, (before, 1, before, 1))
        x = F.conv2d(padded, weight, bias, stride=2)
        x = torch.relu(_normalize(x, offset, scale))
    return x.mean((2, 3))


def _normalize(x: torch.Tensor, offset: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Batch norm of x (N, C, H, W) by its own mean and variance; offset, scale (C,)."""
    mean = x.mean((0, 2, 3), keepdim=True)
    var = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
    slope = torch.rsqrt(var + 1e-3) * scale[:, None, None]
    return (x - mean) * slope + offset[:, None, None]


def pooled_conv4(params: Params, x: torch.Tensor) -> torch.Tensor:
    """Logits (N, 5) of x (N, 3, 84, 84)."""
    bias, weight = params[16:]
    return _embed_pooled(params, x) @ weight + bias


def _embed_pooled(params: Params, x: torch.Tensor) -> torch.Tensor:
    """Four blocks of x (N, C, H, W) with max pooling -> all of the last map, channels last."""
    for k in range(0, 16, 4):
        bias, weight, offset, scale = params[k : k + 4]
        x = F.conv2d(x, weight, bias, padding=1)
        x = F.max_pool2d(torch.relu(_normalize(x, offset, scale)), 2)
    return x.permute(0, 2, 3, 1).flatten(1)


def prototypical(
    params: Params, x: torch.Tensor, y: torch.Tensor, x_query: torch.Tensor, y_query: torch.Tensor
) -> torch.Tensor:
    """The loss of one task: images x (N, 1, 28, 28), labels y (N,), N of which are classes."""
    support, query = _embed_pooled(params, x), _embed_pooled(params, x_query)
    member = F.one_hot(y, len(x)).to(support.dtype)  # (N, K)
    means = member.T @ support / member.sum(0)[:, None]  # (K, D)
    squared = ((query[:, None] - means) ** 2).sum(-1)  # (Q, K)
    return F.cross_entropy(-squared, y_query)


def learned_optimizer(
    params: Params, start: torch.Tensor, w: torch.Tensor, y: torch.Tensor, steps: int
) -> torch.Tensor:
    """The sum over steps of the mean of |W theta - y|^2, as the LSTM's steps change theta.

    start, y (T, D), w (T, D, D). The gradients that the LSTM sees are constants, and so is all
    that lies TRUNCATE steps back.
    """
    *cells, out = params
    cells = [cells[:3], cells[3:]]
    theta, total = start, torch.zeros((), dtype=start.dtype)
    states = [(start.new_zeros(*start.shape, len(out)),) * 2 for _ in cells]
    for k in range(steps):
        if k and k % TRUNCATE == 0:
            theta = theta.detach()
            states = [(h.detach(), c.detach()) for h, c in states]
        here = theta.detach().requires_grad_()
        (x,) = torch.autograd.grad(_squares(here, w, y).sum(), here)
        x = x[..., None]
        for i, (bias, hidden_weight, weight) in enumerate(cells):
            h, c = states[i]
            gates = x @ weight + h @ hidden_weight + bias
            put, forget, show, candidate = gates.chunk(4, -1)
            c = torch.sigmoid(forget + 1) * c + torch.sigmoid(put) * torch.tanh(candidate)
            x = torch.sigmoid(show) * torch.tanh(c)
            states[i] = x, c
        theta = theta + (x @ out)[..., 0]
        total = total + _squares(theta, w, y).mean()
    return total


def _squares(theta: torch.Tensor, w: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """|W theta - y|^2 of each problem (T,)."""
    return (((w @ theta[..., None])[..., 0] - y) ** 2).sum(-1)


def siamese(
    params: Params, a: torch.Tensor, b: torch.Tensor, different: torch.Tensor
) -> torch.Tensor:
    """The contrastive loss of pairs of images a, b (P, 1, 28, 28)."""
    first, second = _embed(params, torch.cat([a, b])).reshape(2, len(a), -1)
    square = (first - second).square().sum(-1)  # (P,), of the distance
    y = different.to(square.dtype)
    hinge = torch.relu(1 - square.sqrt())
    return ((1 - y) * square + y * hinge.square()).mean()
