"""Two networks of the field.

The sinusoid MLP and the four-block convolutional net of few-shot learning.
"""

from .. import ops
from ..core.checks import flag, function, one_of, shown, whole
from .init import glorot_uniform, normal
from .layers import Conv2d, Dense, Flatten, MaxPool2d, Sequential, SpatialMean
from .norms import BatchNorm


def mlp(*sizes: int, activation=ops.relu, norm: bool = False, scheme=glorot_uniform) -> Sequential:
    """Dense layers of these sizes with the activation between them.

    mlp(1, 40, 40, 1) is MAML's sinusoid net. With norm, each hidden layer is batch-normalised
    (offset only) before its activation, as in MAML's no-conv Omniglot net, mlp(784, 256, 128, 64,
    64, way, norm=True). `scheme` draws the weights; Finn et al. 2017 use
    init.truncated_normal(0.01).
    """
    if len(sizes) < 2:
        raise ValueError(f"mlp needs at least an input and an output size, got {shown(sizes)}")
    whole("mlp", **{f"size {k}": size for k, size in enumerate(sizes)})
    function("mlp", activation=activation, scheme=scheme)
    flag("mlp", norm=norm)
    layers = []
    for n, m in zip(sizes[:-2], sizes[1:-1]):
        normed = [BatchNorm(m, spatial=0, scale=False)] if norm else []
        layers += [Dense(n, m, scheme=scheme), *normed, activation]
    return Sequential(*layers, Dense(sizes[-2], sizes[-1], scheme=scheme))


def conv4(
    outputs: int | None = 5,
    *,
    channels: int = 1,
    filters: int = 64,
    pool: str = "stride",
    head: str = "mean",
    size: int = 28,
    scale: bool = False,
    activation=ops.relu,
) -> Sequential:
    """Four blocks of [3x3 conv, batch norm, activation] and a linear layer.

    outputs None: the embedding before it.
    pool "stride": convolutions of stride 2, the Omniglot net of Finn et al. 2017 (28-14-7-4-2);
    pool "max": stride 1, then 2x2 max pooling, as in Vinyals et al. 2016 and Snell et al. 2017
    (28-14-7-3-1).
    head "mean": the mean over the last map, `filters` features; "flatten": all of it.
    Batch norm has an offset, and a scale if `scale`. Glorot-uniform kernels, the linear layer N(0,
    1) as in the paper's code for "mean", Glorot for "flatten".
    """
    one_of("conv4", ("stride", "max"), pool=pool)
    one_of("conv4", ("mean", "flatten"), head=head)
    whole("conv4", channels=channels, filters=filters, size=size)
    whole("conv4", **({} if outputs is None else {"outputs": outputs}))
    function("conv4", activation=activation)
    flag("conv4", scale=scale)
    layers, inputs = [], channels
    for _ in range(4):
        layers += [
            Conv2d(inputs, filters, stride=2 if pool == "stride" else 1),
            BatchNorm(filters, scale=scale),
            activation,
        ]
        layers += [MaxPool2d(2)] if pool == "max" else []
        size = -(-size // 2) if pool == "stride" else size // 2
        inputs = filters
    if size < 1:
        raise ValueError(
            "conv4: the image is too small for four halvings: use at least 16x16 with pool='max'"
        )
    layers.append(SpatialMean() if head == "mean" else Flatten())
    features = filters if head == "mean" else filters * size * size
    if outputs is not None:
        scheme = normal(1.0) if head == "mean" else glorot_uniform
        layers.append(Dense(features, outputs, scheme=scheme))
    return Sequential(*layers)
