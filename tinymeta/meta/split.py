"""A meta-batch in chunks of tasks, on threads.

The chunks' gradients, averaged (or added up) in fixed order, are the batch's.
Tasks don't meet before the mean, so this changes nothing but time and memory: a chunk's activations
stay in the cache, and NumPy and the kernels let go of Python's lock while they work. The order of
additions is fixed, so the same number of chunks gives the same bits on any number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..core import tree
from ..core.scope import setting, state
from ..cpu.blas import blas_threads


def in_chunks(
    meta_grad: Callable, chunks: int, threads: int = 2, over_tasks: str = "mean"
) -> Callable:
    """`meta_grad(params, tasks)` computed from `chunks` parts of the task axis.

    The parts' sizes may differ by one. over_tasks: "mean" or "sum", what `meta_grad` takes of the
    losses of its tasks, or pairs; of other metrics than the loss it is the mean.
    Raises ValueError if there are fewer tasks than chunks.
    """
    if chunks < 1 or threads < 1:
        raise ValueError(f"in_chunks: chunks ({chunks}) and threads ({threads}) must be at least 1")
    if over_tasks not in ("mean", "sum"):
        raise ValueError(f"in_chunks: over_tasks {over_tasks!r} is not 'mean' or 'sum'")
    pool = ThreadPoolExecutor(threads)

    def whole(params, tasks):
        count = len(tree.leaves(tasks)[0])
        if count < chunks:
            raise ValueError(
                f"in_chunks: {count} tasks cannot be cut into {chunks} chunks: use fewer chunks"
            )
        edges = [count * k // chunks for k in range(chunks + 1)]
        parts = [tree.map(lambda x: x[lo:hi], tasks) for lo, hi in zip(edges, edges[1:])]
        here = {name: getattr(state, name) for name in ("interpreter", "device", "path")}

        def one(part):
            with setting(**here):  # debug_nans and the device hold there, too
                return meta_grad(params, part)

        with blas_threads(1):
            results = list(pool.map(one, parts))
        means = (np.diff(edges) / count).tolist()
        weights = means if over_tasks == "mean" else [1.0] * chunks
        metrics = {
            name: sum(
                w * m[name] for w, (m, _) in zip(weights if name == "loss" else means, results)
            )
            for name in results[0][0]
        }
        grads = tree.map(
            lambda *gs: sum(w * g for w, g in zip(weights, gs)), *(g for _, g in results)
        )
        return metrics, grads

    return whole
