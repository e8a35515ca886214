"""The page that has the whole idea: it agrees with the engine, stays a page, and says what it says.

Both in float64; agreement is to 1e-12 of the largest entry.
"""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinymeta as tm

PAGE = Path(__file__).resolve().parent.parent / "examples" / "micrometa.py"
sys.path.append(str(PAGE.parent))
import micrometa as micro  # noqa: E402

EXPRESSIONS = {
    "sums and products": lambda a, b: (a + b * 2.0 - (1.5 - a) * b) ** 2,
    "an array first": lambda a, b: (np.full(3, 0.5) * a - np.ones((3, 3)) + b) * a * b,
    "products of matrices": lambda a, b: (a @ b.T) @ a + b,
    "powers": lambda a, b: a**3 * b**2 - a**5,
    "negative powers": lambda a, b: (a**2 + 1.0) ** -1 * (b**2 + 2.0) ** -0.5,
    "relu": lambda a, b: a.relu() * b + (a @ b).relu() ** 2 if is_micro(a) else engine_relu(a, b),
    "one of them": lambda a, b: a**4,
    "neither": lambda a, b: a * 0.0 + 2.0,
    "a value twice": lambda a, b: a * a * (a + a) + b,
}


def is_micro(x) -> bool:
    return isinstance(x, micro.Tensor)


def engine_relu(a, b):
    return tm.relu(a) * b + tm.relu(a @ b) ** 2


def assert_same(ours, theirs):
    """Lists of tensors of the page and of the engine."""
    assert len(ours) == len(theirs)
    for u, v in zip(ours, theirs):
        expected = np.asarray(v)
        assert expected.dtype == np.float64
        found = u.value.reshape(expected.shape)
        np.testing.assert_allclose(found, expected, 0, 1e-12 * max(1.0, np.abs(expected).max()))


def engine_hvp(f, theta, vs):
    def along(theta):
        return sum((g * v).sum() for g, v in zip(tm.grad(f)(theta), vs))

    return tm.grad(along)(theta)


def tensors(arrays) -> list:
    return [micro.Tensor(x) for x in arrays]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_gradients_and_hessian_vector_products_are_the_engines(name):
    rng = np.random.default_rng(0)
    a, b, u, v, weights = rng.normal(size=(5, 3, 3))

    def f(theta):  # weighted: a plain sum has a cotangent of ones alone
        return (EXPRESSIONS[name](*theta) * weights).sum()

    arrays, directions = [a, b], [u, v]
    assert_same(micro.gradients(f, tensors(arrays)), tm.grad(f)(arrays))
    found = micro.hvp(f, tensors(arrays), tensors(directions))
    assert_same(found, engine_hvp(f, arrays, directions))


@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (3,), (2, 1), (1,), ()])
def test_what_is_broadcast_has_its_own_shape_of_gradient(shape):
    rng = np.random.default_rng(1)
    a, b, v = rng.normal(size=(2, 3)), rng.normal(size=shape), rng.normal(size=shape)
    v = np.asarray(v)

    def f(theta):
        return ((theta[0] * a + theta[0] ** 2) * a).sum()

    ours = micro.gradients(f, tensors([b]))
    assert ours[0].value.shape == shape
    assert_same(ours, tm.grad(f)([b]))
    assert_same(micro.hvp(f, tensors([b]), tensors([v])), engine_hvp(f, [b], [v]))


WHOLE_POWERS = [(power, at) for power in (1, 2, 3, 4) for at in (-1.25, 0.0, 0.75)]


@pytest.mark.parametrize("power, at", [*WHOLE_POWERS, (0.5, 0.0), (0.5, 0.75), (-1, -1.25)])
def test_powers_to_the_third_order_at_zero_and_below(power, at):
    ours, theirs = (lambda x: x**power), (tm.sqrt if power == 0.5 else lambda x: x**power)
    for _ in range(3):
        ours, theirs = micro.grad(ours), tm.grad(theirs)
        assert_same([ours(micro.Tensor(at))], [theirs(np.float64(at))])


def test_relu_has_the_slope_of_the_engines_where_it_has_none():
    ours = micro.grad(lambda x: x.relu())(micro.Tensor(0.0))
    assert_same([ours], [tm.grad(tm.relu)(np.float64(0.0))])


def test_a_gradient_inside_another_keeps_their_variables_apart():
    """With one mistaken for the other, the first is 2 and the second 3 x^2."""
    for engine, x in ((micro, micro.Tensor(3.0)), (tm, np.float64(3.0))):
        one = engine.grad(lambda x, g=engine.grad: x * g(lambda y: x + y)(x))(x)
        two = engine.grad(lambda x, g=engine.grad: x * g(lambda y: x * y)(x))(x)
        assert float(getattr(one, "value", one)) == 1.0
        assert float(getattr(two, "value", two)) == 6.0


def test_only_a_number_has_a_gradient():
    with pytest.raises(AssertionError, match="sum"):
        micro.grad(lambda x: x * 2.0)(micro.Tensor([1.0, 2.0]))


def test_the_contrastive_loss_and_its_second_derivatives_are_the_engines():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 8, 3)) / 2
    b[0], b[1] = a[0], a[1]  # D = 0, of one class and of two
    b[2] = a[2] + 5.0  # far beyond the margin
    different = np.array([0, 1, 1, 0, 1, 0, 1, 1])
    directions = list(rng.normal(size=(2, 8, 3)))

    def ours(theta):
        return micro.contrastive(*theta, different[:, None], margin=1.5)

    def theirs(theta):
        return tm.losses.contrastive(*theta, different, margin=1.5)

    assert_same([ours(tensors([a, b]))], [theirs([a, b])])
    assert_same(micro.gradients(ours, tensors([a, b])), tm.grad(theirs)([a, b]))
    found = micro.hvp(ours, tensors([a, b]), tensors(directions))
    assert_same(found, engine_hvp(theirs, [a, b], directions))


@pytest.fixture
def problem():
    """theta of the page, the same as the engine's parameters, and three waves for both."""
    rng = np.random.default_rng(3)
    theta = [micro.Tensor(rng.normal(size=p.value.shape) / 2) for p in micro.init(rng, 1, 8, 8, 1)]
    layers = [{"w": w.value, "b": b.value[0]} for w, b in zip(theta[::2], theta[1::2])]
    params = [layers[0], None, layers[1], None, layers[2]]
    task = micro.sinusoids(rng, tasks=3)
    batches = [tm.Batch(x.value, y.value) for x, y in task]
    return theta, params, task, tm.Tasks(*batches)


def engine_loss(params, batch):
    return tm.losses.mse(tm.nn.mlp(1, 8, 8, 1)(params, batch.x), batch.y)


def in_the_pages_order(params) -> list:
    return [layer[name] for layer in params if layer for name in ("w", "b")]


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("first_order", [False, True])
def test_meta_gradients_are_the_engines(problem, steps, first_order):
    theta, params, task, tasks = problem
    how = dict(steps=steps, first_order=first_order)

    def theirs(params):
        return tm.meta.maml_loss(engine_loss, params, tasks, lr=micro.ALPHA, **how).mean()

    assert_same([micro.maml_loss(theta, *task, **how)], [theirs(params)])
    expected = in_the_pages_order(tm.grad(theirs)(params))
    assert_same(micro.gradients(micro.maml_loss, theta, *task, **how), expected)


def test_the_exact_meta_gradient_is_not_the_first_order_one(problem):
    theta, _, task, _ = problem
    exact = micro.gradients(micro.maml_loss, theta, *task)
    first = micro.gradients(micro.maml_loss, theta, *task, first_order=True)
    difference = [e - f for e, f in zip(exact, first)]
    assert micro.dot(difference, difference).value > 1e-4 * micro.dot(first, first).value


def test_it_is_a_page_of_numpy():
    text = PAGE.read_text()
    assert len(text.splitlines()) <= 200
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "a file beside it").split(".")[0])
    assert "numpy" in imported and imported - {"numpy"} <= sys.stdlib_module_names


def test_a_short_run_prints_what_it_says():
    command = [sys.executable, "-W", "error", "-I", str(PAGE), "--seed", "1", "--iterations", "20"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "second derivative of x^3 at 5: 30.0"

    def numbers(start: str) -> list[float]:
        (row,) = [line for line in lines if line.strip().startswith(start)]
        return [float(word) for word in row.strip().removeprefix(start).split()]

    assert numbers("same class") == [0.0, 1.0, 3.0]
    assert numbers("different classes") == [0.0, -1.0, 0.0]

    (difference,) = numbers("finite difference")
    (first,) = numbers("first order, g'")
    assert numbers("exact") == numbers("g' - alpha H g'") == [pytest.approx(difference, rel=1e-6)]
    assert abs(first - difference) > 0.01 * abs(difference)

    rows = [line.split() for line in lines if " updates" in line]
    errors = np.array([row[2:] for row in rows], float)  # 0 steps, 1 step: exact, then first order
    assert [int(row[0]) for row in rows] == [0, 4, 8, 12, 16, 20] and errors.shape == (6, 4)
    assert (errors[0, :2] == errors[0, 2:]).all() and (errors[-1, :2] != errors[-1, 2:]).all()
    assert (errors[-1, [1, 3]] < errors[0, [1, 3]]).all(), "it learns"
