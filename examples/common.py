"""What the examples share: flags, where results go, curves, the result line."""

import argparse
import csv
import os
import sys
import time
from pathlib import Path

import numpy as np

import tinymeta as tm


def parser(description: str, **defaults) -> argparse.ArgumentParser:
    """The common flags, with an example's own defaults."""
    p = argparse.ArgumentParser(description=description,
                                formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    p.add_argument("--root", help="folder of the Omniglot files "
                                  "(default: $TINYMETA_DATA, then the user cache)")
    p.add_argument("--way", type=int, default=5, help="classes in a task")
    p.add_argument("--shot", type=int, default=1,
                   help="labelled examples of a class (sinusoid: points) to learn from")
    p.add_argument("--steps", type=int, default=1, help="inner gradient steps in training")
    p.add_argument("--iterations", type=int, default=1000, help="meta-updates")
    p.add_argument("--beta", type=float, default=1e-3, help="learning rate of Adam")
    p.add_argument("--decay", action="store_true",
                   help="let beta fall to zero along half a cosine")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--no-jit", action="store_true",
                   help="run every operation by itself instead of a compiled program, to compare")
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--out", type=Path, default=Path("out"),
                   help="folder for curves, pictures and parameters")
    p.set_defaults(**defaults)
    return p


def run(main, arguments):
    """Run an example on the chosen device.

    A bad argument or a missing file is one line, not a traceback.
    """
    try:
        with tm.device(arguments.device):
            arguments.out.mkdir(parents=True, exist_ok=True)
            main(arguments)
    except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped by Ctrl-C")


def generators(seed: int):
    """Independent random generators for initialisation, training, validation and test tasks."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]


def optimizer(a):
    """Adam with the rate --beta, falling with --decay."""
    return tm.optim.adam(tm.optim.cosine(a.beta, a.iterations) if a.decay else a.beta)


def keep(out: Path, name: str):
    """What `train(save=...)` calls: parameters and curve, each written beside and then renamed."""
    def save(params, curve):
        tm.save(out / f"{name}.npz", params)
        beside = out / f".{name}.csv"
        with open(beside, "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["iteration", "seconds", *curve[0].metrics, "score", "interval"])
            for row in curve:
                score = (row.score.mean, row.score.interval) if row.score else ("", "")
                metrics = (f"{v:.6g}" for v in row.metrics.values())
                rows.writerow([row.iteration, f"{row.seconds:.1f}", *metrics, *score])
        os.replace(beside, out / f"{name}.csv")
    return save


def result(what: str, score, seed: int, start: float, published: str = ""):
    print(f"result: {what} {score}, seed {seed}, {(time.perf_counter() - start) / 60:.1f} minutes"
          + (f"  (published: {published})" if published else ""), flush=True)


def pyplot():
    """matplotlib.pyplot drawing to files, or None where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        print("no pictures: matplotlib is not installed (pip install 'tinymeta[examples]')")
        return None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    return plt


def save_figure(figure, path: Path):
    beside = path.with_name(f".{path.name}")
    figure.savefig(beside, dpi=120, bbox_inches="tight", format="png")
    os.replace(beside, path)
    print(f"wrote {path}")


def draw_curve(curve, path: Path, measure: str):
    """Loss on the left axis, the validation score with its interval on the right one."""
    plt = pyplot()
    if plt is None:
        return
    figure, left = plt.subplots(figsize=(6, 3.5))
    steps = [row.iteration for row in curve]
    left.plot(steps, [row.metrics["loss"] for row in curve],
              color="tab:gray", label="training loss")
    left.set(xlabel="meta-updates", ylabel="training loss")
    scored = [row for row in curve if row.score]
    if scored:
        right = left.twinx()
        right.errorbar([r.iteration for r in scored], [r.score.mean for r in scored],
                       [r.score.interval for r in scored], color="tab:blue", capsize=2)
        right.set_ylabel(f"validation {measure}", color="tab:blue")
    save_figure(figure, path)
    plt.close(figure)


def image_sets(arguments):
    """(train, validation, test) characters of the chosen data set; the sets share no character."""
    if arguments.data == "omniglot":
        split = tm.data.Omniglot(arguments.root).split(arguments.split, seed=arguments.seed)
        return split.train, split.validation, split.test
    glyphs = tm.data.Glyphs(seed=0)
    return glyphs.characters(30), glyphs.characters(5, first=30), glyphs.characters(15, first=35)


