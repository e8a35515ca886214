"""`python -m benchmarks [work ...]`: see `python -m benchmarks -h`."""

import argparse
import json
from pathlib import Path

import tinymeta as tm
from tinymeta.core.system import cores
from tinymeta.cpu.blas import blas_threads

from . import __doc__ as door
from . import work
from .alone import measured
from .compile_time import compile_time
from .floor import floor
from .growth import growth
from .profile import profile
from .rivals import rivals, use_threads
from .timing import agreed, alternate, machine, markdown, table, write

VIEWS = ("profile", "floor", "growth", "compile_time")


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=door,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "what",
        nargs="*",
        default=[*work.WORKS],
        metavar="work",
        help=f"some of {', '.join(work.WORKS)} (all); or one of {', '.join(VIEWS)}",
    )
    p.add_argument(
        "--of",
        choices=work.WORKS,
        default="conv4",
        metavar="work",
        help="what profile and floor look at (conv4)",
    )
    p.add_argument("--threads", type=int, default=cores(), help="for everybody (all cores)")
    p.add_argument("--rounds", type=int, default=7, help="turns of each contender (7)")
    p.add_argument(
        "--compile",
        nargs="+",
        default=[],
        metavar="work",
        choices=work.WORKS,
        help="torch.compile, too, for these: minutes to start where convolutions are",
    )
    p.add_argument("--no-loops", action="store_true", help="not one task after another")
    p.add_argument(
        "--no-memory",
        action="store_true",
        help="no process for each contender, in which its memory is measured",
    )
    p.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent / "results",
        help="where report.json and report.md go (benchmarks/results)",
    )
    return p


def main(arguments=None):
    p = parser()
    a = p.parse_args(arguments)
    wrong = {*a.what} - {*work.WORKS, *VIEWS}
    if wrong or len(a.what) > 1 and {*a.what} & {*VIEWS}:
        p.error(f"cannot run {' '.join(a.what)}: give works, or one of {', '.join(VIEWS)}")
    use_threads(a.threads)
    with blas_threads(a.threads):
        if a.what == ["profile"]:
            job = work.WORKS[a.of]()
            print(profile(lambda: job.run(job.params, job.data), a.rounds))
        elif a.what == ["floor"]:
            print(floor(work.ours(work.WORKS[a.of]()), a.rounds))
        elif a.what == ["growth"]:
            growth(a.out, a.rounds)
        elif a.what == ["compile_time"]:
            compile_time(a.out)
        else:
            compare(a)


def compare(a):
    """All works, one after another; the report is written anew after each."""
    report = {"machine": machine(), "works": {}}
    print("  ".join(f"{key} {value}" for key, value in report["machine"].items()))
    for name in a.what:
        job = work.WORKS[name]()

        def contenders(job):
            return work.ours(job) | rivals(job, name in a.compile, not a.no_loops)

        apart = agreed(name, contenders(work.in_double(job)))
        print(f"\n== {job.name}: results agree to {apart:.1e} in float64", flush=True)
        results = alternate(contenders(job), a.rounds)
        if not a.no_memory and job.kind not in work.OPERATIONS:
            for contender, result in results.items():
                if "compiled" not in contender:
                    result |= measured(name, contender, cold=contender == "tinymeta, jit")
        results["tinymeta, jit"] |= kernels(job)
        print(table(results), flush=True)
        report["works"][name] = {"what": job.name, "agreement": apart, "contenders": results}
        write(a.out / "report.json", json.dumps(report, indent=1) + "\n")
        write(a.out / "report.md", markdown(report))
    print(f"written to {a.out}")


def kernels(job) -> dict:
    """How many kernels a compiled work has been given, and how many steps run them."""
    found = tm.explain(job.run, job.params, job.data)
    return {
        "kernels": len(found.kernels),
        "steps": len(found.replay.steps),
        "chunks": len(found.chunks),
    }


if __name__ == "__main__":
    main()
