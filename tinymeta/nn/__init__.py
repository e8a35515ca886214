"""
Here     layers, models, losses and optimizers: pure functions of trees of parameters.
Imports  core ops
Never    kernels, data, a hidden state; a derivative rule.
Add one  a layer is `init(rng) -> params` and `layer(params, x)`,
         with and without a leading task axis.
Tests    tests/nn/
"""

from ..core.naming import speaking
from . import init, losses, optim
from .layers import BatchNorm, Conv2d, Dense, Flatten, LayerNorm, MaxPool2d, Sequential, SpatialMean
from .models import conv4, mlp

__all__ = ["BatchNorm", "Conv2d", "Dense", "Flatten", "LayerNorm", "MaxPool2d", "Sequential",
           "SpatialMean", "conv4", "init", "losses", "mlp", "optim"]

# Not Sequential: which of its layers it was is what one wants to know.
for _layer in (BatchNorm, Conv2d, Dense, Flatten, LayerNorm, MaxPool2d, SpatialMean):
    _layer.__call__ = speaking(_layer.__name__, _layer.__call__)
    _layer.init = speaking(_layer.__name__, _layer.init)
for _name in losses.__all__:
    setattr(losses, _name, speaking(_name, getattr(losses, _name)))
