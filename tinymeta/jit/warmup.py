"""`warmup`: compile beforehand; and how many kernels were compiled, or found on the disk."""

import time
from collections.abc import Callable
from typing import Any

from ..core.scope import state


def warmup(f: Callable, *args: Any, **kwargs: Any) -> str:
    """Compile all that a function made by `jit` needs for such arguments, and say what was done.

    Nothing is run. Raises ValueError for a function that is not of `jit`.
    """
    if not hasattr(f, "prepare"):
        raise ValueError(f"warmup: {f} is not compiled: pass tm.jit(f)")
    start, built_before = time.perf_counter(), kernels_built()
    f.prepare(*args, **kwargs)
    seconds = time.perf_counter() - start
    new, old = kernels_built_since(built_before)
    name = getattr(f, "__name__", f)
    return f"{name}: {new} kernels compiled, {old} from the cache, {seconds:.2f} s"


def kernels_built() -> tuple[int, int]:
    """Kernels compiled so far, and loaded from the disk, on this thread's device."""
    if state.device == "cpu":
        from .cache import counts  # Numba is slow to import
    else:
        from ..cuda.target import kernel_counts as counts
    return counts["compiled"], counts["loaded"]


def kernels_built_since(before: tuple[int, int]) -> tuple[int, int]:
    """What has been added since `kernels_built()` was `before`."""
    new, old = kernels_built()
    return new - before[0], old - before[1]
