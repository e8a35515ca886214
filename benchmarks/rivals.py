"""Who else does the same work: whichever of PyTorch and JAX is installed."""

from collections.abc import Callable
from importlib.util import find_spec

from .work import Work


def use_threads(count: int):
    """For PyTorch; JAX takes the cores that the process may run on."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(count)


def rivals(work: Work, compiled: bool = False, loops: bool = False) -> dict[str, Callable]:
    """Functions that return the gradient; `compiled` and `loops` add the slow ones."""
    found = {}
    if find_spec("torch"):
        from . import in_torch

        found |= in_torch.contenders(work, compiled, loops)
    if find_spec("jax"):
        from . import in_jax

        found |= in_jax.contenders(work, loops)
    return found
