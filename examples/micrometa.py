"""micrometa: learning to learn on one page. Exact second-order MAML from scratch, on NumPy alone.

One idea: the rules of differentiation are written in the very operations that they differentiate.
So a gradient is a computation like any other, which can be differentiated in turn, and MAML,

    theta  <-  theta - beta grad L(theta - alpha grad L(theta; support); query),

takes no more than it says. (Finn, Abbeel & Levine 2017)           python examples/micrometa.py
"""

import argparse
import itertools

import numpy as np


# ---- 1. The tape: each value remembers what it was made from -------------------------------------
class Tensor:
    """An array, and its parents: pairs of a tensor that it was made from and a rule.

    A rule takes g, the gradient of a result with respect to this tensor, and returns the parent's
    share. Both are Tensors: what a rule computes is remembered like all else. This is the idea.
    """

    clock = itertools.count()

    def __init__(self, value, *parents):
        self.value = np.asarray(value, dtype=float)
        self.parents = parents  # a constant has none
        self.born = next(Tensor.clock)  # children are younger than their parents

    def __add__(a, b):
        a, b = broadcast(a, b)
        return Tensor(a.value + b.value, (a, lambda g: g), (b, lambda g: g))

    def __mul__(a, b):
        a, b = broadcast(a, b)
        return Tensor(a.value * b.value, (a, lambda g: g * b), (b, lambda g: g * a))

    def __matmul__(a, b):  # (.., N, C) @ (.., C, O) -> (.., N, O), the .. alike
        return Tensor(a.value @ b.value, (a, lambda g: g @ b.T), (b, lambda g: a.T @ g))

    def __pow__(a, n):
        # 0 to a negative power is set to 0: so a ** 0.5 has the slope 0 at 0, where it has none.
        value = np.power(a.value, n, where=(a.value != 0) | (n >= 0), out=np.zeros_like(a.value))
        return Tensor(value, (a, lambda g: g * n * a ** (n - 1)))

    @property
    def T(a):  # with the last two axes exchanged
        return Tensor(a.value.swapaxes(-1, -2), (a, lambda g: g.T))

    def expand(a, shape):  # repeated along new axes and those of size 1
        return Tensor(np.broadcast_to(a.value, shape), (a, lambda g: g.sum(a.value.shape)))

    def sum(a, shape=()):  # the opposite: each is the other's rule
        aligned = (1,) * (a.value.ndim - len(shape)) + shape
        axes = tuple(k for k, size in enumerate(aligned) if size == 1)
        value = a.value.sum(axes, keepdims=True).reshape(shape)
        return Tensor(value, (a, lambda g: g.expand(a.value.shape)))

    # All else is made of these seven and needs no rule.
    relu = lambda a: a * (a.value > 0)  # the mask is a constant
    __sub__ = lambda a, b: a + b * -1.0
    __rsub__ = lambda a, b: a * -1.0 + b
    __radd__, __rmul__ = __add__, __mul__
    __array_ufunc__ = None  # NumPy leaves array * tensor to us


def broadcast(*operands):  # as tensors of one shape; numbers and arrays become constants
    tensors = [x if isinstance(x, Tensor) else Tensor(x) for x in operands]
    shape = np.broadcast(*(x.value for x in tensors)).shape
    return [x if x.value.shape == shape else x.expand(shape) for x in tensors]


# ---- 2. The gradient: from the youngest tensor back to the oldest --------------------------------
def gradients(f, theta, *args, **options):
    """[df/dp for each tensor p in theta], where f(theta, ..) is a single number."""
    # Fresh leaves are variables of our own. A gradient around this one sees through them, to theta.
    leaves = [Tensor(p.value, (p, lambda g: g)) for p in theta]
    y = f(leaves, *args, **options)
    assert y.value.shape == (), "only a single number has a gradient: take its sum()"
    totals = {leaf: Tensor(np.zeros_like(leaf.value)) for leaf in leaves}
    totals[y] = Tensor(1.0)  # dy/dy
    # All that was made from the youngest has had its turn before, so its total is complete.
    while (youngest := max(totals, key=lambda t: t.born)) not in leaves:
        g = totals.pop(youngest)
        for parent, rule in youngest.parents:
            if parent.parents:  # a constant needs no gradient
                totals[parent] = totals[parent] + rule(g) if parent in totals else rule(g)
    return [totals[leaf] for leaf in leaves]


def grad(f):
    return lambda x: gradients(lambda theta: f(*theta), [x])[0]


def dot(us, vs):
    return sum((u * v).sum() for u, v in zip(us, vs))


def hvp(f, theta, vs, *args, **options):  # Hessian times vs: the gradient of <gradient, vs>
    return gradients(lambda theta: dot(gradients(f, theta, *args, **options), vs), theta)


# ---- 3. A network and two losses -----------------------------------------------------------------
def init(rng, *sizes):  # [w, b, w, b, ..] of dense layers: w (C, O), b (1, O)
    theta = []
    for c, o in itertools.pairwise(sizes):
        theta += [Tensor(rng.normal(0, (2 / (c + o)) ** 0.5, (c, o))), Tensor(np.zeros((1, o)))]
    return theta


def net(theta, x):  # (.., N, C) -> (.., N, O)
    x = x @ theta[0] + theta[1]
    for w, b in zip(theta[2::2], theta[3::2]):
        x = x.relu() @ w + b
    return x


def mse(theta, x, y):  # the mean over N points; of several tasks, the sum of their means
    return ((net(theta, x) - y) ** 2).sum() * (1 / x.value.shape[-2])


def contrastive(a, b, y, margin=1.0):
    """The mean over P pairs of (1 - y) D^2 + y max(0, m - D)^2, y = 1: different classes (P, 1)."""
    squared = ((a - b) ** 2).sum((len(a.value), 1))  # D^2 = ||a - b||^2, (P, D) -> (P, 1)
    hinge = (margin - squared**0.5).relu()
    return ((1 - y) * squared + y * hinge**2).sum() * (1 / len(a.value))


# ---- 4. MAML: learn to fit a new wave from ten points, in one step -------------------------------
ALPHA, BETA = 0.01, 0.1  # the inner learning rate, the length of an outer step


def adapt(theta, x, y, steps=1, first_order=False):
    """theta' = theta - alpha grad L(theta): a function of theta like any other."""
    for _ in range(steps):
        gs = gradients(mse, theta, x, y)
        if first_order:
            gs = [Tensor(g.value) for g in gs]  # the same values, as constants
        theta = [p - ALPHA * g for p, g in zip(theta, gs)]
    return theta


def maml_loss(theta, support, query, **options):
    """The mean over T tasks of the error on the query after adapting to the support."""
    # Each task has its own copy of theta, in no other's loss: one gradient adapts them all.
    tasks = len(support[0].value)
    copies = [p.expand((tasks, *p.value.shape)) for p in theta]
    return mse(adapt(copies, *support, **options), *query) * (1 / tasks)


def sinusoids(rng, tasks, n=10):  # support and query, x and y each (T, N, 1)
    amplitude = rng.uniform(0.1, 5.0, (tasks, 1, 1))
    phase = rng.uniform(0.0, np.pi, (tasks, 1, 1))
    xs = rng.uniform(-5.0, 5.0, (2, tasks, n, 1))
    return [(Tensor(x), Tensor(amplitude * np.sin(x - phase))) for x in xs]


def train(theta, rng, **options):  # yields theta before each update, without its past
    while True:
        yield theta
        gs = gradients(maml_loss, theta, *sinusoids(rng, tasks=25), **options)
        length = dot(gs, gs).value ** 0.5
        theta = [Tensor(p.value - BETA * g.value / length) for p, g in zip(theta, gs)]


# ---- 5. What comes out ---------------------------------------------------------------------------
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--iterations", type=int, default=1500)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)

    print("second derivative of x^3 at 5:", grad(grad(lambda x: x**3))(Tensor(5.0)).value)
    print("contrastive loss, margin 1: its slope at a distance of 0, 0.5, 1.5")
    for y, kind in enumerate(("same class", "different classes")):
        slope = grad(lambda d: contrastive(d, Tensor([[0.0]]), y))
        print(f"    {kind:20}", *(slope(Tensor([[d]])).value.item() for d in (0.0, 0.5, 1.5)))

    theta, (support, query) = init(rng, 1, 40, 40, 1), sinusoids(rng, tasks=1)
    exact = gradients(maml_loss, theta, support, query)
    first = gradients(maml_loss, theta, support, query, first_order=True)  # g'
    curved = hvp(maml_loss, theta, first, support, support, steps=0)  # H g', H of the support
    formula = [g - ALPHA * h for g, h in zip(first, curved)]
    along = [Tensor(rng.normal(size=p.value.shape)) for p in theta]
    moved = lambda t: maml_loss([p + t * u for p, u in zip(theta, along)], support, query).value
    print("meta-gradient of one task along a random direction")
    print(f"    finite difference    {(moved(1e-6) - moved(-1e-6)) / 2e-6:.9f}")
    for name, g in (("exact", exact), ("g' - alpha H g'", formula), ("first order, g'", first)):
        print(f"    {name:20} {dot(g, along).value:.9f}")

    print("squared error on new waves    exact: 0 steps   1 step    first order: 0 steps   1 step")
    held_out = sinusoids(rng, tasks=500)
    runs = [train(theta, np.random.default_rng(args.seed), first_order=f) for f in (False, True)]
    for done, *thetas in zip(range(args.iterations + 1), *runs):
        if done % max(1, args.iterations // 5) == 0:
            errors = [maml_loss(t, *held_out, steps=k).value for t in thetas for k in (0, 1)]
            print("    {:5} updates{:27.3f}{:9.3f}{:24.3f}{:9.3f}".format(done, *errors))
