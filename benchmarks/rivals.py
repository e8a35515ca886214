"""The others that do the same work: whichever of PyTorch and JAX is installed."""

from collections.abc import Callable
from importlib.util import find_spec

from .work import Work


def use_threads(count: int) -> None:
    """Give PyTorch so many threads; JAX takes the cores that the process may run on."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(count)


def rivals(work: Work, compiled: bool = False, loops: bool = False) -> dict[str, Callable]:
    """The contenders of PyTorch and JAX by name: functions that return a list of arrays.

    compiled adds torch.compile, which takes minutes to start; loops, one task after another.
    """
    found: dict[str, Callable] = {}
    if find_spec("torch"):
        from . import in_torch

        found |= in_torch.contenders(work, compiled, loops)
    if find_spec("jax"):
        from . import in_jax

        found |= in_jax.contenders(work, loops)
    return found
