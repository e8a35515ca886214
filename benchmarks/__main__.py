"""`python -m benchmarks conv4|sinusoid|profile|floor`: see `python -m benchmarks -h`."""

import argparse
import os
from pathlib import Path

from tinymeta.cpu.blas import blas_threads

from . import __doc__ as door
from . import work
from .floor import floor
from .profile import profile
from .rivals import rivals, use_threads
from .timing import alternate, disagreement, machine, table, write

WORKS = {"conv4": work.conv4, "sinusoid": work.sinusoid}


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks", description=door,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=(*WORKS, "profile", "floor"))
    p.add_argument("--steps", type=int, default=1, help="inner gradient steps (1)")
    p.add_argument("--tasks", type=int, help="tasks in the batch (conv4: 32, sinusoid: 25)")
    p.add_argument("--shot", type=int, help="examples of a class (1), or points (sinusoid: 10)")
    p.add_argument("--chunks", type=int, nargs="*",
                   help="tinymeta in so many chunks on the threads, too (conv4: 2)")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                   help="for everybody (all cores; 1 bears other work on the machine best)")
    p.add_argument("--rounds", type=int, default=7, help="turns of each contender (7)")
    p.add_argument("--work", choices=WORKS, default="conv4", help="what profile and floor look at")
    p.add_argument("--compile", action="store_true", help="torch.compile, too: a minute to start")
    p.add_argument("--loops", action="store_true", help="one task after another, too")
    p.add_argument("--out", type=Path, help="the report (benchmarks/results/<what>-<steps>.json)")
    return p


def main(arguments=None):
    a = parser().parse_args(arguments)
    use_threads(a.threads)
    with blas_threads(a.threads):
        run(a)


def run(a):
    name = a.what if a.what in WORKS else a.work
    sizes = {"tasks": a.tasks, "shot": a.shot}
    sizes = {key: value for key, value in sizes.items() if value is not None}
    job = WORKS[name](a.steps, **sizes)
    chunks = a.chunks if a.chunks is not None else [2] if name == "conv4" else []

    facts = machine()
    print("  ".join(f"{key} {value}" for key, value in facts.items()))
    if a.what == "profile":
        print(profile(lambda: work.method(job).meta_grad(job.params, job.tasks), a.rounds))
    elif a.what == "floor":
        print(floor(work.ours(job, chunks, a.threads), a.rounds))
    else:
        compare(job, chunks, facts, a)


def compare(job, chunks, facts, a):
    def contenders(job):
        return work.ours(job, chunks, a.threads) | rivals(job, a.compile, a.loops)

    apart = disagreement(contenders(work.in_double(job, tasks=max([3, *chunks]))))
    if not apart < 1e-9:
        raise SystemExit(f"error: in float64 the gradients differ by {apart:.1e}: no times")
    print(f"gradients agree to {apart:.1e} in float64")
    results = alternate(contenders(job), a.rounds)
    print(table(results))
    out = a.out or Path(__file__).parent / "results" / f"{a.what}-{job.steps}.json"
    tasks, examples = job.tasks.support.x.shape[:2]
    write(out, {"work": job.name, "steps": job.steps, "tasks": tasks, "examples": examples,
                "machine": facts, "agreement": apart, "seconds": results})
    print(f"written to {out}")


if __name__ == "__main__":
    main()
