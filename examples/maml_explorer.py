"""The MAML explorer: one page on which theta, the tasks and the points can be dragged.

    python examples/maml_explorer.py        writes out/maml_explorer.html: open it in a browser

What one learns: which way exact MAML, first order, Reptile and iMAML move theta, and what the
Hessian's term is by itself, on tasks of two parameters; and how a net that micrometa.py has
meta-trained fits a wave in a few gradient steps. In English and Chinese.

The page is a file that needs no server and no network: the parts in maml_page/ and the weights, in
one. Its arithmetic, maml_page/maths.js, is compared with the engine's in the tests.
"""

import argparse
import itertools
import json
from pathlib import Path

import console  # noqa: F401  from here on Ctrl-C is one sentence
import micrometa
import numpy as np

PARTS = Path(__file__).resolve().parent / "maml_page"
QUADRATICS = {
    "theta": [-0.6, -0.75],
    "tasks": [
        {"centre": [0.25, 1.2], "angle": 0.35, "curvatures": [0.7, 1.85]},
        {"centre": [1.7, 0.2], "angle": 0.0, "curvatures": [0.65, 1.85]},
        {"centre": [0.3, -1.3], "angle": 3.0, "curvatures": [0.65, 3.0]},
    ],
}


def trained_weights(iterations: int, seed: int) -> list:
    """The weights [w (C, O), b (O,), ..] of a net 1-20-20-1 after so many MAML updates."""
    rng = np.random.default_rng(seed)
    theta = micrometa.init(rng, 1, 20, 20, 1)
    for updated in itertools.islice(micrometa.train(theta, rng), iterations + 1):
        theta = updated
    # Biases are (1, O) there; six digits are as many as a picture needs.
    values = [p.value if k % 2 == 0 else p.value[0] for k, p in enumerate(theta)]
    return [np.round(value, 6).tolist() for value in values]


def wave_points(amplitude: float = 3.0, phase: float = 1.0) -> list:
    """Six points on a wave: what the page begins with."""
    return [[x, round(amplitude * np.sin(x - phase), 3)] for x in (-4.2, -2.6, -0.8, 0.9, 2.3, 4.1)]


def page(weights: list) -> str:
    """The whole page, given the net's weights."""
    data = {"weights": weights, "quadratics": QUADRATICS, "points": wave_points()}
    html = (PARTS / "page.html").read_text(encoding="utf-8")
    for name in ("STYLE", "MATHS", "DATA", "PLANE", "PAGE"):
        files = {"STYLE": "page.css", "MATHS": "maths.js", "PLANE": "plane.js", "PAGE": "page.js"}
        part = (PARTS / files[name]).read_text(encoding="utf-8") if name in files else None
        html = html.replace(f"/*{name}*/", part or json.dumps(data, separators=(",", ":")))
    return html


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iterations", type=int, default=2000, help="MAML updates of the net")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
    args = parser.parse_args(arguments)
    if args.iterations < 0:
        parser.error(f"--iterations {args.iterations} must not be negative")
    text = page(trained_weights(args.iterations, args.seed))
    path = args.out / "maml_explorer.html"
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        parser.error(f"the page cannot be written: {error}")
    print(f"written: {path} ({len(text.encode()) / 1000:.0f} kB): open it in a browser")


if __name__ == "__main__":
    main()
