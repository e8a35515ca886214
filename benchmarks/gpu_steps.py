"""Meta-steps on a GPU, beside PyTorch and JAX where these are installed with CUDA.

A gradient, from data on the device to its numbers on the host. Each work is checked first to give
the same in all contenders, in float64.
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

import tinymeta as tm

from . import work
from .gpu_kernels import WORKS
from .gpu_rates import torch_on_gpu
from .timing import alternate, disagreement, seconds, table


def steps(small: bool, rounds: int, compiled_torch: bool) -> Iterator[tuple[str, dict]]:
    """(work, what was found), three times for each work: it grows.

    small: a rehearsal, in one round. compiled_torch: beside torch.compile, too, which takes
    minutes.
    """
    jobs = {"rehearsal": rehearsal} if small else {name: work.WORKS[name] for name in WORKS}
    for name, build in jobs.items():
        contenders, measure_device = ours(build())
        first = seconds(contenders["tinymeta, jit"])
        found = {"first": first, **measure_device()}
        yield name, found
        double = work.in_double(build())
        in_float64 = ours(double)[0] | rivals_on_gpu(double, compiled=False)
        found["agreement"] = difference = disagreement(in_float64)
        yield name, found
        others = rivals_on_gpu(build(), compiled_torch)
        times = alternate(contenders | others, 1 if small else rounds)
        times["tinymeta, jit"] |= {"first": first, "peak": found["arena"]}
        print(f"{name}: results agree to {difference:.1e} in float64")
        print(f"{table(times)}\n{found}", flush=True)
        yield name, found | {"contenders": times}


def rehearsal() -> work.Work:
    """A work that the simulator can run."""
    rng, model = np.random.default_rng(0), tm.nn.mlp(1, 3, 1)
    batches = tm.data.Sinusoids().sample(rng, tasks=1, shot=2, query=2)
    params, loss = model.init(rng), tm.losses.mse
    return work.maml("rehearsal", "sinusoid", model, loss, 0.01, 1, params, batches)


def ours(job: work.Work) -> tuple[dict[str, Callable], Callable[[], dict]]:
    """(contenders with data on the device, a function that measures the compiled one there)."""
    with tm.device("cuda"):
        params, data = (tm.tree.map(tm.tensor, tree) for tree in (job.params, job.data))
        job = job._replace(params=params, data=data)
    compiled = tm.jit(job.run)

    def contender(run):
        def call():
            with tm.device("cuda"):
                return [y.numpy() for y in tm.tree.leaves(run(job.params, job.data))]

        return call

    def measure() -> dict:
        (program,) = compiled.programs.values()
        return measure_device(program.replay)

    return {"tinymeta, jit": contender(compiled), "tinymeta, eager": contender(job.run)}, measure


def measure_device(launches: Any) -> dict:
    """How long the device is at work in a step: many replays without waiting between them.

    launches: jit.graph.Launches, which has been called.
    """
    from tinymeta.cuda.target import SIMULATED

    return {
        "arena": launches.memory.size,
        "launches": len(launches.recording.launches),
        "graph": launches.graph,
        "device seconds": seconds_of_replay(launches.replay, 2 if SIMULATED else 50),
    }


def seconds_of_replay(replay: Callable[[], Any], count: int) -> float:
    """Of one of `count` replays, queued one behind the other."""
    from tinymeta.cuda.driver import current

    def many_replays() -> None:
        for _ in range(count):
            replay()
        current().synchronize()

    replay()
    current().synchronize()
    return seconds(many_replays) / count


def rivals_on_gpu(job: work.Work, compiled: bool) -> dict[str, Callable]:
    """PyTorch and JAX, each if it has a GPU."""
    torch, found = torch_on_gpu(), {}
    if torch:
        torch.set_default_device("cuda")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        from . import in_torch

        found |= in_torch.contenders(job, compiled, loops=False)
    if find_spec("jax"):
        import jax

        if jax.default_backend() == "gpu":
            from . import in_jax

            found |= in_jax.contenders(job, loops=False)
    return found
