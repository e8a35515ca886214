"""tinymeta: learning to learn, made visible and exact.

A reverse-mode autodiff engine whose gradients are ordinary computations,
and meta-learning built on it:

    import tinymeta as tm
    tm.grad(tm.grad(lambda x: x**3))(2.0)                       # 12.0
    tm.meta.maml_loss(loss, params, tasks, lr=0.4, steps=1)     # differentiate it:
                                                                # the exact MAML gradient

Rooms, in reading order: core (what is recorded, how derivatives are taken), ops (what each
operation means), cpu (its kernels), nn (layers, losses, optimizers), meta (methods), data (few-shot
tasks), testing (why believe it), jit (a traced function as one fast program), ranks (the same
training past one machine), runs (trainings as commands: python -m tinymeta train --help).
"""

from importlib import import_module
from typing import TYPE_CHECKING

from . import ops
from .core import tree
from .core.device import device, devices
from .core.forward import jvp
from .core.grad import grad, stop_gradient, value_and_grad, vjp
from .core.nans import debug_nans
from .core.primitive import primitive
from .core.scope import scope
from .core.tensor import Tensor, asarray, tensor
from .jit import explain, jit, warmup
from .ops import *  # noqa: F403  the operations, under their own names
from .ops import linalg

if TYPE_CHECKING:
    from . import data, meta, nn, ranks, testing
    from .data import Batch, Tasks
    from .io import about, load, save
    from .nn import losses, optim

# What not every program needs is imported when it is first asked for, from these modules: so a test
# file that only checks a gradient waits for NumPy and little else.
LAZY = {
    "data": "data",
    "meta": "meta",
    "nn": "nn",
    "ranks": "ranks",
    "testing": "testing",
    "Batch": "data",
    "Tasks": "data",
    "about": "io",
    "load": "io",
    "save": "io",
    "losses": "nn",
    "optim": "nn",
}

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Tasks",
    "Tensor",
    "about",
    "asarray",
    "data",
    "debug_nans",
    "device",
    "devices",
    "explain",
    "grad",
    "jit",
    "jvp",
    "linalg",
    "load",
    "losses",
    "meta",
    "nn",
    "optim",
    "primitive",
    "ranks",
    "save",
    "scope",
    "stop_gradient",
    "tensor",
    "testing",
    "tree",
    "value_and_grad",
    "vjp",
    "warmup",
    *ops.__all__,
]


def __getattr__(name: str) -> object:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{LAZY[name]}", __name__)
    globals()[name] = module if name == LAZY[name] else getattr(module, name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *LAZY})
