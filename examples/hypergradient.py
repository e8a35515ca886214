"""Learn what is usually tuned: a weight for each example, a learning rate for each step.

    python examples/hypergradient.py                                  weights, some labels are wrong
    python examples/hypergradient.py --work rates --steps 100 --lr 0.03 --iterations 100
    python examples/hypergradient.py --work cost                      memory and time

What one learns: a small net is trained from scratch, 1,000 steps, on glyphs of which two in five
have a wrong label. The loss on clean images, after all those steps, is differentiated by the weight
of each training image: the wrong ones lose theirs, though nobody said which they are. By the same
gradient a learning rate that is far too small becomes a schedule, better than any constant rate. Of
all the states that the net passes through only a few are kept.
"""

import time
import tracemalloc

import console  # noqa: F401  from here on Ctrl-C is one sentence
import numpy as np
from hypergradient_pictures import draw_cost, draw_rates, draw_weights

import tinymeta as tm
from tinymeta.meta.evaluation import Score
from tinymeta.meta.recompute import REMATS
from tinymeta.runs.flags import INNER_LOOP_FLAGS, only_evaluates, parse_flags, parser
from tinymeta.runs.run_files import back_up_earlier_run, write_table
from tinymeta.runs.training import generators, print_result, run_example, train_or_load

WRONG = 0.4  # the share of training images with a wrong label
DRAWERS = {"train": 40, "validation": 20, "test": 20}  # images of each character
KNOTS = 20  # of a schedule, between which the rates are interpolated
CONSTANT_RATES = (10 ** np.linspace(-2, 1, 13)).tolist()  # what a schedule is compared with


# ---- the descent ---------------------------------------------------------------------------------


class Descent:
    """A net, its images, and how it is trained for so many steps, given hyperparameters.

    hyper: {"weights": (N,)}, which pass a sigmoid, or {"rates": (KNOTS,)}, logarithms.
    """

    def __init__(self, args, rng):
        self.net = tm.nn.mlp(14 * 14, 32, args.way, activation=tm.tanh)
        self.train, self.validation, self.test = images_of(args.way)
        true = self.train.y
        self.is_wrong = rng.permutation(len(true)) < WRONG * len(true)
        if args.work == "rates":
            self.is_wrong[:] = False
        elsewhere = (true + rng.integers(1, args.way, len(true))) % args.way
        self.train = self.train._replace(y=np.where(self.is_wrong, elsewhere, true))
        # The images of each step, (steps, images in a batch), and how the rates are interpolated.
        self.batches = rng.integers(len(true), size=(args.steps, args.batch))
        place = np.linspace(0, KNOTS - 1, args.steps)[:, None]
        self.hats = np.maximum(0, 1 - abs(place - np.arange(KNOTS))).astype(np.float32)
        self.lr, self.steps = args.lr, args.steps

    def hyper(self, work):
        """Where the learning begins: all weights alike, one rate for all steps."""
        if work == "rates":
            return {"rates": np.full(KNOTS, np.log(self.lr), np.float32)}
        return {"weights": np.zeros(len(self.train.y), np.float32)}

    def step(self, params, hyper, k):
        """One gradient step on the k-th batch."""
        seen = tm.take(self.batches, k)
        images, labels = tm.take(self.train.x, seen), tm.take(self.train.y, seen)
        weights, rate = 1.0, self.lr
        if "weights" in hyper:
            weights = tm.sigmoid(tm.take(hyper["weights"], seen))
        if "rates" in hyper:
            rate = tm.exp((tm.take(self.hats, k) * hyper["rates"]).sum())

        def objective(params):
            return (weights * losses(self.net(params, images), labels)).mean()

        gradient = tm.grad(objective)(params)
        return tm.tree.map(lambda p, g: p - rate * g, params, gradient)

    def outer_loss(self, params, hyper):
        """The loss on clean images that the steps have not seen."""
        return losses(self.net(params, self.validation.x), self.validation.y).mean()


def losses(logits, labels):
    """The cross-entropy of each example, (N, K) and (N,) -> (N,): each is a task of its own."""
    return tm.losses.cross_entropy(logits[:, None], labels[:, None])


def images_of(way):
    """Batches of `way` characters to train on, to validate and to test, 14 x 14, by other hands."""
    glyphs = tm.data.Glyphs(seed=0, drawers=sum(DRAWERS.values()))
    images = glyphs.characters(1, per_alphabet=way).images.astype(np.float32)
    coarse = images.reshape(way, -1, 14, 2, 14, 2).mean((3, 5)).reshape(way, -1, 14 * 14)
    ends = np.cumsum(list(DRAWERS.values()))
    return [
        tm.Batch(part.reshape(-1, 14 * 14), np.repeat(np.arange(way), part.shape[1]))
        for part in np.split(coarse, ends[:-1], axis=1)
    ]


def hypergradient_method(descent, args):
    """A Method whose parameters are the hyperparameters, and whose tasks are nets to begin with."""
    of_start = tm.meta.hypergradient(
        descent.step,
        descent.outer_loss,
        steps=args.steps,
        remat=args.remat,
        compiled=not args.no_jit,
    )

    def meta_grad(hyper, start):
        found = of_start(hyper, start)
        return {"loss": found.loss}, found.grads

    return tm.meta.Method(lambda rng: descent.hyper(args.work), meta_grad, predict=None)


def main(args, name):
    rngs = init_rng, train_rng, validation_rng, test_rng = generators(args.seed)
    descent = Descent(args, init_rng)
    if args.work == "cost":
        return measure_cost(descent, args, name)
    start = time.perf_counter()
    step = descent.step if args.no_jit else tm.jit(descent.step)

    def trained(hyper, params):
        """The net after all steps."""
        for k in range(args.steps):
            params = step(params, hyper, np.asarray(k))
        return params

    def score(hyper, batch, measure, rng, nets):
        """The mean measure(logits, labels) of a batch over nets that begin with other numbers."""
        found = []
        for _ in range(nets):
            logits = descent.net(trained(hyper, descent.net.init(rng)), batch.x)
            found.append(float(np.mean(measure(logits, batch.y))))
        return Score(float(np.mean(found)), float(1.96 * np.std(found) / nets**0.5), nets)

    hyper = train_or_load(
        args,
        hypergradient_method(descent, args),
        lambda k: descent.net.init(train_rng),
        rngs,
        name=name,
        compiled=False,  # of an update, which is steps without end; one step is
        better="smaller",
        measure="loss",
        evaluate=lambda hyper: score(hyper, descent.validation, losses, validation_rng, 3),
    )
    state = test_rng.bit_generator.state

    def print_test(what, hyper):
        test_rng.bit_generator.state = state  # the same nets for all
        for of, measure in (("accuracy", tm.meta.accuracy), ("loss", losses)):
            found = score(hyper, descent.test, measure, test_rng, args.test_tasks)
            print_result(f"test {of}, {what}", found, args.seed, start)

    print_test(f"learned {args.work}", hyper)
    print_test("as at the beginning", descent.hyper(args.work))
    if args.work == "weights":
        true = np.where(descent.is_wrong, -20, 20).astype(np.float32)
        print_test("without the images whose label is wrong", {"weights": true})
        weights = np.asarray(tm.sigmoid(hyper["weights"]))
        lowest = np.argsort(weights)[: descent.is_wrong.sum()]
        print(
            f"of the {len(lowest)} images with the least weight "
            f"{descent.is_wrong[lowest].sum()} have a wrong label, of all {len(weights)} "
            f"{descent.is_wrong.sum()}"
        )
        if not only_evaluates(args):
            draw_weights(weights, descent, args.out / f"{name}_learned.png")
        return
    constants = [{"rates": np.full(KNOTS, np.log(rate), np.float32)} for rate in CONSTANT_RATES]
    validation = [
        score(hyper, descent.validation, losses, np.random.default_rng(args.seed), 3).mean
        for hyper in constants
    ]
    best = int(np.nanargmin(validation))
    print_test(
        f"best constant rate of {len(constants)}, {CONSTANT_RATES[best]:.3g}", constants[best]
    )
    if not only_evaluates(args):
        found = {"learned": hyper, "best constant": constants[best]}
        draw_rates(found, descent, step, args, name)


# ---- memory and time -----------------------------------------------------------------------------


def measure_cost(descent, args, name):
    """Peak memory and CPU time of a hypergradient, for each word and more and more steps."""
    header = ("remat", "steps", "MB", "CPU seconds")
    print("{:>10}{:>8}{:>10}{:>13}".format(*header))
    rows = []
    start, hyper = descent.net.init(np.random.default_rng(args.seed)), descent.hyper("weights")
    for steps in args.inner:
        descent.batches = np.resize(descent.batches, (steps, args.batch))
        for remat in (None, *REMATS):
            if remat is None and steps > args.most_on_one_tape:
                continue
            run = tm.meta.hypergradient(
                descent.step, descent.outer_loss, steps=steps, remat=remat, compiled=not args.no_jit
            )
            run(hyper, start)  # compiled
            tracemalloc.start()
            run(hyper, start)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            began = time.process_time()
            run(hyper, start)
            rows.append((remat or "one tape", steps, peak / 1e6, time.process_time() - began))
            print("{:>10}{:8}{:10.2f}{:13.3f}".format(*rows[-1]), flush=True)
    back_up_earlier_run(args.out, name)
    write_table([header, *rows], args.out / f"{name}.csv")
    draw_cost(rows, args.out / f"{name}.png")


if __name__ == "__main__":
    p = parser(__doc__.splitlines()[0], without=("shot",), iterations=60, beta=0.1, steps=1000)
    p.set_defaults(test_tasks=10)
    p.add_argument(
        "--work",
        choices=("weights", "rates", "cost"),
        default="weights",
        help="what is learned, or that its cost is measured",
    )
    p.add_argument("--remat", **{**INNER_LOOP_FLAGS["remat"], "default": "nested"})
    p.add_argument("--batch", type=int, default=25, help="images of an inner step")
    p.add_argument("--lr", type=float, default=0.3, help="inner rate at the beginning")
    p.add_argument(
        "--inner", type=int, nargs="+", default=[10, 100, 1000, 10000], help="steps to measure"
    )
    p.add_argument(
        "--most-on-one-tape",
        type=int,
        default=1000,
        help="steps up to which everything is recorded at once, to compare",
    )
    args = parse_flags(
        p,
        ("inner", "work", "cost".__eq__),
        ("most_on_one_tape", "work", "cost".__eq__),
        ("iterations", "work", "cost".__ne__),
        ("steps", "work", "cost".__ne__),
        ("remat", "work", "cost".__ne__),
    )
    run_example(main, args, f"hypergradient_{args.work}")
