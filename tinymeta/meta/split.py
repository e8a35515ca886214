"""A meta-batch in chunks of tasks, on threads.

The chunks' gradients, averaged (or added up) in fixed order, are the batch's.
The loss is a mean over tasks that do not depend on each other, so this changes nothing but time and
memory: a chunk's activations stay in the cache, and NumPy and the kernels release Python's lock
while they work. The order of additions is fixed, so the same number of chunks gives the same bits
on any number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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

    def chunked_meta_grad(params, tasks):
        count = len(tree.leaves(tasks)[0])
        if count < chunks:
            raise ValueError(
                f"in_chunks: {count} tasks cannot be cut into {chunks} chunks: use fewer chunks"
            )
        edges = [count * k // chunks for k in range(chunks + 1)]
        parts = [_tasks_between(tasks, start, end) for start, end in zip(edges, edges[1:])]
        # The state is each thread's own: debug_nans and the device must hold in those, too.
        inherited = "interpreter", "device", "products", "path"
        here = {name: getattr(state, name) for name in inherited}

        def of_part(part):
            with setting(**here):
                return meta_grad(params, part)

        with blas_threads(1):
            results = list(pool.map(of_part, parts))
        metrics = [metrics for metrics, _ in results]
        grads = [grads for _, grads in results]

        shares = (np.diff(edges) / count).tolist()  # of the tasks, for each chunk
        weights = shares if over_tasks == "mean" else [1.0] * chunks
        total_metrics = {}
        for name in metrics[0]:
            of_metric = weights if name == "loss" else shares
            total_metrics[name] = _weighted_sum(of_metric, [m[name] for m in metrics])
        total_grads = tree.map(lambda *leaves: _weighted_sum(weights, leaves), *grads)
        return total_metrics, total_grads

    return chunked_meta_grad


def _tasks_between(tasks: Any, start: int, end: int) -> Any:
    return tree.map(lambda x: x[start:end], tasks)


def _weighted_sum(weights, values):
    return sum(w * value for w, value in zip(weights, values))
