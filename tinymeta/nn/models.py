"""The two networks of the few-shot literature: an MLP, and four convolutional blocks.

Both are `Sequential`s, so a task axis broadcasts: see `nn/__init__.py`.
"""

from collections.abc import Callable

from .. import ops
from ..core.checks import check_flag, check_function, check_one_of, check_whole, shown
from .init import glorot_uniform, normal
from .layers import Conv2d, Dense, Flatten, GlobalAveragePooling, MaxPool2d, Sequential
from .norms import BatchNorm


def mlp(
    *sizes: int,
    activation: Callable = ops.relu,
    norm: bool = False,
    scheme: Callable = glorot_uniform,
) -> Sequential:
    """Dense layers of these sizes, the activation between them: x (.., N, C) -> (.., N, O).

    sizes: C, those of the hidden layers, O; mlp(1, 40, 40, 1) is MAML's sinusoid net. With norm,
    each hidden layer is batch-normalised (offset only) before its activation, as in MAML's no-conv
    Omniglot net, mlp(784, 256, 128, 64, 64, way, norm=True). `scheme` draws the weights; Finn et
    al. 2017 use init.truncated_normal(0.01). Raises ValueError for fewer than two sizes.
    """
    if len(sizes) < 2:
        raise ValueError(f"mlp needs at least an input and an output size, got {shown(sizes)}")
    numbered = {f"size {k}": size for k, size in enumerate(sizes)}  # so that an error says which
    checked = check_whole("mlp", **numbered)
    check_function("mlp", activation=activation, scheme=scheme)
    check_flag("mlp", norm=norm)
    inputs, *hidden, outputs = checked
    layers: list = []
    for width in hidden:
        layers.append(Dense(inputs, width, scheme=scheme))
        if norm:
            layers.append(BatchNorm(width, spatial=0, scale=False))
        layers.append(activation)
        inputs = width
    layers.append(Dense(inputs, outputs, scheme=scheme))
    return Sequential(*layers)


def conv4(
    outputs: int | None = 5,
    *,
    channels: int = 1,
    filters: int = 64,
    pool: str = "stride",
    head: str = "mean",
    size: int = 28,
    scale: bool = False,
    activation: Callable = ops.relu,
) -> Sequential:
    """Four blocks of [3x3 conv, batch norm, activation] and a linear layer.

    x (.., N, size, size, channels) -> (.., N, outputs). outputs None: without the linear layer, an
    embedding of `filters` numbers ("mean") or of the whole last map ("flatten").
    pool "stride": convolutions of stride 2, the Omniglot net of Finn et al. 2017 (28-14-7-4-2);
    pool "max": stride 1, then 2x2 max pooling, as in Vinyals et al. 2016 and Snell et al. 2017
    (28-14-7-3-1).
    head "mean": the mean over the last map, `filters` features; "flatten": all of it.
    Batch norm has an offset, and a scale if `scale`. Glorot-uniform kernels, the linear layer N(0,
    1) as in the paper's code for "mean", Glorot for "flatten".
    Raises ValueError if nothing is left of an image after four halvings.
    """
    check_one_of("conv4", ("stride", "max"), pool=pool)
    check_one_of("conv4", ("mean", "flatten"), head=head)
    channels, filters, size = check_whole("conv4", channels=channels, filters=filters, size=size)
    if outputs is not None:
        (outputs,) = check_whole("conv4", outputs=outputs)
    check_function("conv4", activation=activation)
    check_flag("conv4", scale=scale)
    strided = pool == "stride"
    layers: list = []
    inputs = channels
    for _ in range(4):
        layers.append(Conv2d(inputs, filters, stride=2 if strided else 1))
        layers.append(BatchNorm(filters, scale=scale))
        layers.append(activation)
        if not strided:
            layers.append(MaxPool2d(2))
        # "same" padding rounds half the size up; a pooling window must fit, which rounds it down.
        size = (size + 1) // 2 if strided else size // 2
        inputs = filters
    if size < 1:
        raise ValueError(
            "conv4: the image is too small for four halvings: use at least 16x16 with pool='max'"
        )
    averaged = head == "mean"
    layers.append(GlobalAveragePooling() if averaged else Flatten())
    features = filters if averaged else filters * size * size
    if outputs is not None:
        scheme = normal(1.0) if averaged else glorot_uniform
        layers.append(Dense(features, outputs, scheme=scheme))
    return Sequential(*layers)
