"""Learning bias made visible: what does a learned initialisation assume where it saw no data?

    python examples/learning_bias.py                                  waves and glyphs
    python examples/learning_bias.py --work sinusoid

What one learns: a learner predicts something where it has no examples; what it predicts there is
its bias. On sinusoids five points are given, all on the left: what is drawn on the right? On glyphs
each class is given once: which changes of the picture leave the prediction as it was? A learned
initialisation (MAML) is compared with a random and a pretrained one, each adapted in the same way,
and with learners whose bias is fixed: a linear one and the nearest neighbour.
"""

import console  # noqa: F401  from here on Ctrl-C is one sentence
import numpy as np
from learning_bias_pictures import draw_beliefs, draw_changes, draw_waves

import tinymeta as tm
from tinymeta.data.affine import warp
from tinymeta.meta.evaluation import squared_error
from tinymeta.runs.flags import parse_flags, parser
from tinymeta.runs.images import blank_characters
from tinymeta.runs.run_files import back_up_earlier_run, write_table
from tinymeta.runs.training import finished_params, generators, run_example

NETS = ("MAML", "pretrained", "random")
SIMPLE = ("linear", "nearest neighbour")


def main(args, name):
    rngs = generators(args.seed)
    studies = {"sinusoid": sinusoids, "glyphs": glyphs}
    chosen = (args.work,) if args.work != "both" else tuple(studies)
    if "glyphs" in chosen:
        blank = blank_characters(15)
        tm.data.episodes(
            blank, np.random.default_rng(0), way=args.way, tasks=1
        )  # raises if too few
    for work in chosen:
        rows, draw = studies[work](args, rngs)
        if work == chosen[0]:
            back_up_earlier_run(args.out, name)
        write_table(rows, args.out / f"{name}_{work}.csv")
        draw()


def trained(method, sample, iterations, rng, beta, name):
    """The parameters after a training that came to its end."""
    return finished_params(
        tm.meta.train(
            method,
            sample,
            iterations=iterations,
            rng=rng,
            rows=2,
            name=name,
            optimizer=tm.optim.adam(beta),
        ),
        iterations,
        name,
    )


# Sinusoids: five points on the left half are given, predictions on the right half are compared.


def sinusoids(args, rngs):
    """(rows of a table, a function that draws the pictures)."""
    init_rng, train_rng, _, test_rng = rngs
    waves, net = tm.data.Sinusoids(), tm.nn.mlp(1, 40, 40, 1)

    def maml(steps):
        return tm.meta.maml(net, tm.losses.mse, lr=0.01, steps=steps)

    def sample():
        return waves.sample(train_rng, tasks=25, shot=10, query=10)

    params = {
        "MAML": trained(maml(1), sample, args.iterations, init_rng, 1e-3, "MAML, waves"),
        "pretrained": trained(
            maml(0), sample, args.iterations, init_rng, 1e-3, "pretraining, waves"
        ),
        "random": tm.tree.map(tm.tensor, net.init(init_rng)),
    }
    wave_values = waves.draw(test_rng, args.test_tasks)
    points = test_rng.uniform(-5, 0, (args.test_tasks, 5, 1)).astype(np.float32)
    support = tm.Batch(points, wave_values(points))
    grid = np.linspace(-5, 5, 101, dtype=np.float32)[:, None]  # (N, 1)
    x = np.broadcast_to(grid, (args.test_tasks, *grid.shape))
    truth = wave_values(x)

    predictions = {}
    for name in NETS:
        for steps in (0, 1, 10):
            prediction = maml(steps).predict(params[name], support, x)
            predictions[f"{name}, {steps} steps"] = prediction.numpy()
    for name, predict in (("linear", linear), ("nearest neighbour", nearest)):
        of_tasks = [predict(*task) for task in zip(support.x, support.y, x)]
        predictions[name] = np.stack(of_tasks)
    left, right = (grid[:, 0] < 0), (grid[:, 0] > 0)
    rows = [("learner", "error where points lie", "error where none lies", "interval")]
    print(f"\nwaves, 5 points seen, all on the left; mean squared error of {args.test_tasks} waves")
    print(f"{'':24}{'left':>8}{'right':>8}")
    for name, y in predictions.items():
        near = squared_error(y[:, left], truth[:, left])
        far = squared_error(y[:, right], truth[:, right])
        interval = 1.96 * far.std() / len(far) ** 0.5
        rows.append((name, near.mean(), far.mean(), interval))
        print(f"{name:24}{near.mean():8.2f}{far.mean():8.2f} +- {interval:.2f}")

    def draw():
        waves = args.out / "learning_bias_waves.png"
        draw_waves(predictions, truth, support, grid, (*NETS, *SIMPLE), waves)
        draw_beliefs(maml, params, args.out / "learning_bias_beliefs.png")

    return rows, draw


def linear(x, y, query):
    """Least squares on (x, 1), at the query points: (N, D), (N, E), (M, D) -> (M, E)."""

    def with_one(z):
        return np.concatenate([z, np.ones((len(z), 1), z.dtype)], 1)

    return with_one(query) @ np.linalg.lstsq(with_one(x), y, rcond=None)[0]


def nearest(x, y, query):
    """The y of the nearest example: (N, D), (N, E), (M, D) -> (M, E)."""
    squared = ((query[:, None] - x[None]) ** 2).sum(-1)  # (M, N)
    return y[squared.argmin(1)]


# Glyphs: one example of each class; the query is the same picture, changed more and more.

CHANGES = {
    "turned by degrees": (0, 5, 10, 15, 20, 30, 45),
    "moved by pixels": (0, 1, 2, 3, 4, 5, 6),
    "drawn by another hand": (0,),
}


def glyphs(args, rngs):
    """(rows of a table, a function that draws the picture)."""
    init_rng, train_rng, _, test_rng = rngs
    source = tm.data.Glyphs(seed=0)
    train, test = source.characters(30), source.characters(15, first=35)
    net = tm.nn.conv4(args.way, filters=args.filters)
    lr = tm.meta.rates_except_norm(net.init(np.random.default_rng(0)), 0.5)
    maml = tm.meta.maml(net, lr=lr, test_steps=3)
    params = {
        "MAML": trained(
            maml,
            lambda: tm.data.episodes(train, train_rng, way=args.way, tasks=8),
            args.glyph_iterations,
            init_rng,
            3e-3,
            "MAML, glyphs",
        ),
        "pretrained": pretrained(net, train, args, init_rng, train_rng),
        "random": tm.tree.map(tm.tensor, net.init(init_rng)),
    }
    drawn = tm.data.episodes(test, test_rng, way=args.way, tasks=args.test_tasks, rotations=False)
    support = drawn.support
    rows = [("change", "size", *NETS, *SIMPLE)]
    print(
        f"\nglyphs, {args.way} classes seen once; share of right answers in {args.test_tasks} tasks"
    )
    for change, sizes in CHANGES.items():
        print(f"{change:24}" + "".join(f"{name:>19}" for name in (*NETS, *SIMPLE)))
        for size in sizes:
            x = drawn.query.x if "hand" in change else changed(support.x, change, size)
            classes = [
                np.asarray(maml.predict(params[name], support, x)).argmax(-1) for name in NETS
            ]
            one_hot = np.eye(args.way, dtype=np.float32)[support.y]  # (T, N, K)
            flat_support = support.x.reshape(*support.x.shape[:2], -1)  # (T, N, D)
            flat_query = x.reshape(*x.shape[:2], -1)
            for predict in (linear, nearest):
                of_tasks = [predict(*task) for task in zip(flat_support, one_hot, flat_query)]
                classes.append(np.stack(of_tasks).argmax(-1))
            right = [(predicted == support.y).mean() for predicted in classes]
            rows.append((change, size, *right))
            print(f"{size:>24}" + "".join(f"{r:19.3f}" for r in right))
    path = args.out / "learning_bias_changes.png"
    return rows, lambda: draw_changes(rows, list(CHANGES)[:2], 1 / args.way, path)


def changed(x, change: str, size: float):
    """All pictures turned by so many degrees, or moved to the right by so many pixels."""
    images = x[..., 0]
    if "moved" in change:
        return np.pad(images, ((0, 0),) * 3 + ((size, 0),))[..., : images.shape[-1]][..., None]
    angle = np.deg2rad(size)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    flat = images.reshape(-1, *images.shape[-2:])
    return warp(flat, np.broadcast_to(matrix, (len(flat), 2, 2))).reshape(x.shape)


def pretrained(net, train, args, init_rng, train_rng):
    """A classifier of all training characters; then a fresh head for `way` classes."""
    whole = tm.nn.Sequential(*net.layers[:-1], tm.nn.Dense(args.filters, len(train)))

    def loss(params, batch):
        return tm.losses.cross_entropy(whole(params, batch.x), batch.y)

    def meta_grad(params, batch):
        value, grads = tm.value_and_grad(loss)(params, batch)
        return {"loss": value}, grads

    def sample():
        y = train_rng.integers(len(train), size=64)
        x = train.images[y, train_rng.integers(train.drawers, size=64)]
        return tm.Batch(x[..., None].astype(np.float32), y)

    classifier = tm.meta.Method(whole.init, meta_grad, None)
    params = trained(
        classifier, sample, args.glyph_iterations, init_rng, 3e-3, "pretraining, glyphs"
    )
    return [*params[:-1], tm.tree.map(tm.tensor, net.init(init_rng)[-1])]


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], training=False, without=("shot", "beta"), iterations=10000)
    p.add_argument(
        "--work", choices=("sinusoid", "glyphs", "both"), default="both", help="what is learned"
    )
    p.add_argument("--glyph-iterations", type=int, default=800, help="updates on glyphs")
    p.add_argument("--filters", type=int, default=32, help="of each convolution, on glyphs")
    p.add_argument("--test-tasks", type=int, default=200, help="tasks of the test")
    args = parse_flags(
        p,
        ("way", "work", "sinusoid".__ne__),
        ("iterations", "work", "glyphs".__ne__),
        ("glyph_iterations", "work", "sinusoid".__ne__),
        ("filters", "work", "sinusoid".__ne__),
    )
    run_example(main, args, "learning_bias")
