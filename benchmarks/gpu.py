"""`python -m benchmarks.gpu`: all there is to know about a GPU, in one command and under 8 minutes.

Its parts are in the order of their worth. The kernels are compiled, in a process for each core.
Meta-steps are timed beside PyTorch and JAX where these are installed with CUDA, each after a check
in float64 that all compute the same; products are timed beside cuBLAS, convolutions beside
products. Then trust in the rest: the parity suite on the device, in float32 and float64, eager and
compiled. Last a short training on images. results/gpu.json is written after each result, so that a
run cut short leaves what it had; a part that fails is noted there, and the next one begins.

With --first it begins with what a GPU is asked that this code has not met, as gpu_first.py tells:
each part in a process of its own, with a limit to its time. With --rehearse that is done without a
GPU, by the emulator of tinymeta/ptx.

With NUMBA_ENABLE_CUDASIM=1 it rehearses itself, without kernels and training, on sizes that the
simulator can run. No figure of a rehearsal means anything.
"""

import argparse
from pathlib import Path

import tinymeta as tm

from . import gpu_first
from .gpu_parts import NOT_REHEARSED, PARTS
from .gpu_report import failures, run_part, summary
from .timing import machine


def main(arguments: list[str] | None = None) -> None:
    """Run the command; SystemExit where there is no GPU, and with status 1 if a part failed."""
    p = _parser()
    options = p.parse_args(arguments)
    if options.first is None and options.rehearse:
        p.error("--rehearse is for --first")
    if unknown := set(options.first or ()) - set(gpu_first.PARTS):
        p.error(f"--first has no part {min(unknown)}: choose of {', '.join(gpu_first.PARTS)}")
    name = "--first" if options.first is not None else "all"
    out = (
        Path(__file__).parent / "results" / ("gpu_first.json" if name == "--first" else "gpu.json")
    )
    options.out = options.out or out
    report: dict = {"device": "emulated", "machine": machine(), "simulated": options.rehearse}
    if not options.rehearse:
        report |= _device()
    facts = {"device": report["device"], **report["machine"]}
    print("  ".join(f"{key} {value}" for key, value in facts.items()))
    (_all if options.first is None else gpu_first.run)(options, report)
    print(f"\n== summary\n{summary(report)}\nwritten to {options.out}")
    if failures(report):
        raise SystemExit(1)


def _device() -> dict:
    """The report's words on the GPU; SystemExit where none is usable."""
    usable = tm.devices()["cuda"]
    if usable is not True:
        raise SystemExit(f"error: cuda is not usable here: {usable}")
    from tinymeta.cuda.driver import current
    from tinymeta.cuda.target import SIMULATED

    return {"device": current().name, "simulated": SIMULATED}


def _all(options: argparse.Namespace, report: dict) -> None:
    """The parts, in this process."""
    small = report["simulated"]
    for name, part in PARTS.items():
        if name not in options.skip and not (small and name in NOT_REHEARSED):
            run_part(name, part(options, small), report, options.out)


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--rounds", type=int, default=7, help="turns of each contender (7)")
    p.add_argument(
        "--data", choices=("glyphs", "omniglot"), default="glyphs", help="to train on (glyphs)"
    )
    p.add_argument(
        "--compile", action="store_true", help="torch.compile with CUDA graphs, too: minutes"
    )
    p.add_argument("--skip", nargs="+", default=[], choices=tuple(PARTS))
    p.add_argument(
        "--first",
        nargs="*",
        metavar="part",
        help=f"what to ask a GPU first: {', '.join(gpu_first.PARTS)} (all)",
    )
    p.add_argument("--rehearse", action="store_true", help="--first without a GPU, emulated")
    p.add_argument("--out", type=Path, help="(results/gpu.json, gpu_first.json)")
    return p


if __name__ == "__main__":
    main()
