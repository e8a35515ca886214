"""`python -m benchmarks [work ...]`: see `python -m benchmarks -h`.

Without a view it compares: each work is checked to give the same gradient in all contenders, in
float64, then timed, and the report is written to --out.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import tinymeta as tm
from tinymeta.cpu.blas import blas_threads
from tinymeta.system.resources import cores

from . import __doc__ as description
from . import work
from .alone import measure_alone
from .compile_time import compile_time
from .density import density
from .floor import floor
from .growth import growth
from .operations import operations
from .product_rates import product_rates
from .profile import profile
from .rivals import rivals, use_threads
from .timing import alternate, check_agreement, machine, markdown, table, write

VIEWS = ("profile", "floor", "growth", "compile_time", "density", "product_rates", "operations")


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m benchmarks`."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "names",
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
        help="the work that profile and floor look at (conv4)",
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
    p.add_argument(
        "--no-tables", action="store_true", help="of density: leave out tables aligned by hand"
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
        help="the folder for report.json and report.md (benchmarks/results)",
    )
    return p


def main(arguments: list[str] | None = None) -> None:
    """Run the command; SystemExit with a message for names that it does not have."""
    p = parser()
    options = p.parse_intermixed_args(arguments)  # names may stand behind options
    first, *others = options.names
    if first == "density":
        try:
            print(density(others or ["tinymeta"], tables=not options.no_tables))
        except FileNotFoundError as error:
            p.error(str(error))
        return
    has_view = not {*options.names}.isdisjoint(VIEWS)
    if {*options.names} - {*work.WORKS, *VIEWS} or has_view and others:
        p.error(f"cannot run {' '.join(options.names)}: give works, or one of {', '.join(VIEWS)}")
    use_threads(options.threads)
    with blas_threads(options.threads):
        if first == "profile":
            job = work.WORKS[options.of]()
            print(profile(lambda: job.run(job.params, job.data), options.rounds))
        elif first == "floor":
            print(floor(work.ours(work.WORKS[options.of]()), options.rounds))
        elif first == "product_rates":
            print(product_rates(options.rounds))
        elif first == "operations":
            print(operations(options.rounds))
        elif first == "growth":
            growth(options.out, options.rounds)
        elif first == "compile_time":
            compile_time(options.out)
        else:
            _compare(options)


def _compare(options: argparse.Namespace) -> None:
    """Compare all contenders of each work; the report is written anew after each.

    Raises SystemExit where they disagree: nothing is timed that was not checked.
    """
    report = {"machine": machine(), "works": {}}
    print("  ".join(f"{key} {value}" for key, value in report["machine"].items()))
    for name in options.names:
        job = work.WORKS[name]()
        results, disagreement = _compare_work(name, job, options)
        print(table(results), flush=True)
        report["works"][name] = {"what": job.name, "agreement": disagreement, "contenders": results}
        write(options.out / "report.json", json.dumps(report, indent=1) + "\n")
        write(options.out / "report.md", markdown(report))
    print(f"written to {options.out}")


def _compare_work(
    name: str, job: work.Work, options: argparse.Namespace
) -> tuple[dict[str, dict], float]:
    """What was measured of each contender, and how far apart their results are in float64."""

    def contenders(job: work.Work) -> dict[str, Callable]:
        others = rivals(job, compiled=name in options.compile, loops=not options.no_loops)
        return work.ours(job) | others

    disagreement = check_agreement(name, contenders(work.in_double(job)))
    print(f"\n== {job.name}: results agree to {disagreement:.1e} in float64", flush=True)
    results = alternate(contenders(job), options.rounds)
    if not options.no_memory and job.kind not in work.OPERATIONS:
        for contender, result in results.items():
            if "compiled" not in contender:
                result |= measure_alone(name, contender, cold=contender == "tinymeta, jit")
    results["tinymeta, jit"] |= _count_kernels(job)
    return results, disagreement


def _count_kernels(job: work.Work) -> dict[str, int]:
    """How many kernels a compiled work has been given, and how many steps run them."""
    explained = tm.explain(job.run, job.params, job.data)
    return {
        "kernels": len(explained.kernels),
        "steps": len(explained.replay.steps),
        "chunks": len(explained.chunks),
    }


if __name__ == "__main__":
    main()
