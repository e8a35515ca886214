"""The meta-gradient's checker is checked: what is right passes, what is wrong is named.

Quadratic tasks, L_i(t) = (t - c)'A(t - c) / 2, have a closed form with and without the second
derivatives; a small tanh network has none, and is nobody's special case.
"""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.meta import adapt, maml_loss
from tinymeta.testing import Vacuous, check_meta_grad

T, D, RATE = 3, 4, 0.1
rng = np.random.default_rng(0)


def batch_of(rows: int = 5):
    return tm.Batch(rng.normal(size=(T, rows, 2)), rng.normal(size=(T, rows, 1)))


NET = {"w": rng.normal(size=(2, 3)), "b": rng.normal(size=3), "v": rng.normal(size=(3, 1))}
NET_TASKS = tm.Tasks(batch_of(), batch_of())


def net_loss(p, batch):
    hidden = tm.tanh(batch.x @ p["w"] + p["b"][..., None, :])
    return tm.losses.mse(hidden @ p["v"], batch.y)


def quadratic_batch():
    roots = rng.normal(size=(T, D, D))
    return tm.Batch(roots @ roots.swapaxes(1, 2), rng.normal(size=(T, D)))


POINT, QUADRATICS = rng.normal(size=D), tm.Tasks(quadratic_batch(), quadratic_batch())


def quadratic(t, batch):
    """(T, D) -> (T,), for arrays and for tensors."""
    d = (t - batch.y)[..., None, :]
    return (0.5 * (d @ batch.x) * d).sum((-1, -2))


def inner(loss, steps):
    return lambda params, support: adapt(loss, params, support, lr=RATE, steps=steps)


def meta_grad_of(loss, steps, reduce=tm.mean, **options):
    return tm.grad(
        lambda p, tasks: reduce(maml_loss(loss, p, tasks, lr=RATE, steps=steps, **options))
    )


def complaint(meta_grad, loss, adapt, params, tasks, **options) -> str:
    with pytest.raises(AssertionError) as error:
        check_meta_grad(meta_grad, loss, adapt, params, tasks, **options)
    return str(error.value)


PROBLEMS = {"tanh net": (net_loss, NET, NET_TASKS), "quadratics": (quadratic, POINT, QUADRATICS)}
each_problem = pytest.mark.parametrize("problem", PROBLEMS)


# ---- what is right passes ------------------------------------------------------------------------


@each_problem
@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("over_tasks", ["mean", "sum"])
def test_the_exact_meta_gradient_passes(problem, steps, over_tasks):
    loss, params, tasks = PROBLEMS[problem]
    exact = meta_grad_of(loss, steps, getattr(tm, over_tasks))
    for seed in range(5):
        report = check_meta_grad(
            exact, loss, inner(loss, steps), params, tasks, seed=seed, over_tasks=over_tasks
        )
        assert len(report.rows) == 4 and all(row.size > 0 for row in report.rows)
        assert report.cosine == pytest.approx(1) and report.norm_ratio == pytest.approx(1)


def test_no_steps_is_the_plain_gradient():
    plain = tm.grad(
        lambda p, tasks: net_loss(
            tm.tree.map(lambda x: tm.broadcast_to(x, (T, *x.shape)), p), tasks.query
        ).mean()
    )
    check_meta_grad(plain, net_loss, inner(net_loss, 0), NET, NET_TASKS)


def test_a_method_of_the_library_passes_with_its_metrics():
    model = tm.nn.mlp(2, 3, 1, activation=tm.tanh)
    method = tm.meta.maml(model, tm.losses.mse, lr=RATE, steps=2)
    loss = lambda p, batch: tm.losses.mse(model(p, batch.x), batch.y)
    check_meta_grad(method.meta_grad, loss, inner(loss, 2), model.init(rng), NET_TASKS)
    stopped = tm.meta.maml(model, tm.losses.mse, lr=RATE, steps=2, first_order=True)
    assert "first-order MAML" in complaint(
        stopped.meta_grad, loss, inner(loss, 2), model.init(rng), NET_TASKS
    )


def test_a_single_number_has_one_direction():
    loss = lambda t, batch: ((t[:, None] * batch.x[..., 0] - batch.y[..., 0]) ** 2).mean(1)
    report = check_meta_grad(meta_grad_of(loss, 1), loss, inner(loss, 1), 0.5, NET_TASKS)
    assert len(report.rows) == 1


# ---- what is wrong is named ----------------------------------------------------------------------


def plain(loss):
    return tm.grad(
        lambda p, tasks: loss(
            tm.tree.map(lambda x: tm.broadcast_to(x, (T, *x.shape)), p), tasks.query
        ).mean()
    )


def on_support(loss, steps):
    return lambda p, tasks: meta_grad_of(loss, steps)(p, tm.Tasks(tasks.support, tasks.support))


MISTAKES = {
    "this is the first-order MAML gradient: the second-derivative term is lost (look for a "
    "stop_gradient or a missing create_graph)": lambda loss, steps: meta_grad_of(
        loss, steps, first_order=True
    ),
    "this is the plain gradient at theta, not adapted": lambda loss, steps: plain(loss),
    "the sum where the mean was expected (a factor T)": lambda loss, steps: meta_grad_of(
        loss, steps, tm.sum
    ),
    "this is the gradient of the support loss after adapting: the query set is not "
    "used": on_support,
    "with its sign flipped": lambda loss, steps: tm.grad(
        lambda p, tasks: -maml_loss(loss, p, tasks, lr=RATE, steps=steps).mean()
    ),
    "it is zero (nothing of theta reaches the loss, or the rules return nothing)": (
        lambda loss, steps: lambda p, tasks: tm.tree.map(np.zeros_like, p)
    ),
}


@each_problem
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_called_by_its_name(problem, steps, name):
    loss, params, tasks = PROBLEMS[problem]
    first_line = complaint(
        MISTAKES[name](loss, steps), loss, inner(loss, steps), params, tasks
    ).splitlines()[0]
    assert first_line == f"check_meta_grad: the meta-gradient is wrong: {name}"


def test_two_mistakes_at_once_have_both_names():
    wrong = meta_grad_of(net_loss, 2, tm.sum, first_order=True)
    said = complaint(wrong, net_loss, inner(net_loss, 2), NET, NET_TASKS)
    assert "first-order MAML" in said and "create_graph), the sum where the mean was" in said
    wrong = meta_grad_of(net_loss, 2)
    said = complaint(wrong, net_loss, inner(net_loss, 2), NET, NET_TASKS, over_tasks="sum")
    assert said.splitlines()[0].endswith("the mean where the sum was expected (a factor 1/T)")


def test_an_unknown_mistake_has_no_name_but_a_place_a_cosine_and_a_ratio():
    def wrong(p, tasks):
        g = meta_grad_of(net_loss, 1)(p, tasks)
        return {**g, "b": g["b"] * 1.01}

    first, *table, summary, worst = complaint(
        wrong, net_loss, inner(net_loss, 1), NET, NET_TASKS, n_dirs=12
    ).splitlines()
    assert first == "check_meta_grad: the meta-gradient is wrong"
    assert len(table) == 13 and "wrong" in "".join(table)
    assert worst.startswith("most off: ['b']: analytic ")
    # Twelve directions span all twelve parameters: these are the gradients' own.
    g = np.concatenate(
        [x.numpy().ravel() for x in tm.tree.leaves(meta_grad_of(net_loss, 1)(NET, NET_TASKS))]
    )
    off = g * np.repeat([1.01, 1, 1], [3, 3, 6])
    cosine = g @ off / np.linalg.norm(g) / np.linalg.norm(off)
    ratio = np.linalg.norm(off) / np.linalg.norm(g)
    assert summary == f"in these directions: cosine {cosine:.6f}, norm ratio {ratio:.6g}"


@pytest.mark.parametrize("off, name", [(1e-6, ": it is right to four digits"), (1e-3, "")])
def test_single_precision_is_no_mistake_and_is_named(off, name):
    wrong = lambda p, tasks: (1 + off) * by_hand(1)(p, tasks)
    said = complaint(wrong, quadratic, descend(1), POINT, QUADRATICS).splitlines()[0]
    assert said.partition(": was")[0] == f"check_meta_grad: the meta-gradient is wrong{name}"


@pytest.mark.parametrize("poisoned", ["gradient", "loss"])
def test_nan_never_passes(poisoned):
    exact = meta_grad_of(net_loss, 1)
    nan = lambda p, tasks: tm.tree.map(lambda g: g * np.nan, exact(p, tasks))
    nan_loss = lambda p, batch: net_loss(p, batch) * np.nan
    said = (
        complaint(nan, net_loss, inner(net_loss, 1), NET, NET_TASKS)
        if poisoned == "gradient"
        else complaint(exact, nan_loss, inner(net_loss, 1), NET, NET_TASKS)
    )
    assert "is not finite" in said if poisoned == "gradient" else "cannot be decided" in said


def test_a_kink_in_the_inner_loop_is_named():
    loss = lambda t, batch: tm.relu(t).sum(-1) + (t * t * batch.y).sum(-1)
    said = complaint(meta_grad_of(loss, 0), loss, inner(loss, 0), np.zeros(D), QUADRATICS)
    assert "kinks between the points compared: relu" in said


# ---- gradients of strangers ----------------------------------------------------------------------


def by_hand(steps, first_order=False):
    """The mean over tasks of (I - aA)^n B (t_n - b); NumPy alone."""

    def meta_grad(theta, tasks):
        total = 0.0
        for A, c, B, b in zip(*tasks.support, *tasks.query):
            contraction = np.linalg.matrix_power(np.eye(D) - RATE * A, steps)
            outer = B @ (c + contraction @ (theta - c) - b)
            total = total + (outer if first_order else contraction @ outer) / T
        return total

    return meta_grad


def descend(steps):
    """The inner loop in NumPy."""

    def adapted(t, support):
        for _ in range(steps):
            t = t - RATE * (support.x @ (t - support.y)[..., None])[..., 0]
        return t

    return adapted


@pytest.mark.parametrize("steps", range(4))
def test_numpy_from_end_to_end(steps):
    check_meta_grad(by_hand(steps), quadratic, descend(steps), POINT, QUADRATICS)
    if steps:
        said = complaint(
            by_hand(steps, first_order=True), quadratic, descend(steps), POINT, QUADRATICS
        )
        assert "this is the first-order MAML gradient" in said.splitlines()[0]


@pytest.mark.parametrize(
    "meta_grad, message",
    [
        (lambda p, tasks: {"w": p["w"]}, r"the gradient has the leaves \[\"\['w'\]\"\]"),
        (
            lambda p, tasks: tm.tree.map(lambda x: np.stack([x] * T), p),
            r"of \['b'\] has the shape \(3, 3\), the parameter \(3,\): are the tasks' grad",
        ),
        (lambda p, tasks: None, "the gradient has the leaves"),
    ],
    ids=["a leaf forgotten", "one for each task", "nothing"],
)
def test_a_gradient_of_another_form_is_refused(meta_grad, message):
    with pytest.raises(AssertionError, match=message):
        check_meta_grad(meta_grad, net_loss, inner(net_loss, 1), NET, NET_TASKS)


@pytest.mark.parametrize(
    "params, options, message",
    [
        ({}, {}, "no parameters"),
        (NET, {"n_dirs": 0}, "n_dirs=0 must be a whole number >= 1"),
        (NET, {"over_tasks": "max"}, "over_tasks 'max' is not 'mean' or 'sum'"),
    ],
)
def test_a_check_that_could_not_fail_is_refused(params, options, message):
    with pytest.raises(ValueError, match=message):
        check_meta_grad(
            lambda p, tasks: p, net_loss, inner(net_loss, 1), params, NET_TASKS, **options
        )


@pytest.mark.parametrize(
    "tasks",
    [
        3,
        None,
        "ab",
        ((), ()),
        NET_TASKS[:1],
        (NET_TASKS.support, tm.tree.map(lambda x: x[1:], NET_TASKS.query)),
        tm.tree.map(lambda x: x[:0], NET_TASKS),
    ],
    ids="a number|nothing|text|no arrays|no query|another T|no tasks".split("|"),
)
def test_tasks_that_are_none_are_refused(tasks):
    with pytest.raises(
        ValueError, match=r"^check_meta_grad: tasks must be \(support, query\), who"
    ):
        check_meta_grad(lambda p, tasks: p, net_loss, inner(net_loss, 1), NET, tasks)


@pytest.mark.parametrize("what", ["meta_grad", "loss", "adapt"])
def test_what_is_no_function_is_refused(what):
    functions = {"meta_grad": net_loss, "loss": net_loss, "adapt": net_loss} | {what: None}
    with pytest.raises(TypeError, match=f"^check_meta_grad: {what} must be a function, got None"):
        check_meta_grad(*functions.values(), NET, NET_TASKS)


def test_losses_that_do_not_move_say_nothing():
    constant = lambda p, batch: (batch.y**2).sum((1, 2))
    with pytest.raises(Vacuous, match="the query losses do not move"):
        check_meta_grad(
            lambda p, tasks: tm.tree.map(np.zeros_like, p),
            constant,
            lambda p, support: p,
            NET,
            NET_TASKS,
        )
    said = complaint(lambda p, tasks: p, constant, lambda p, support: p, NET, NET_TASKS)
    assert "is wrong" in said


@pytest.mark.parametrize("params", [object(), "weights", {"w": np.ones(2), "f": print}])
def test_parameters_that_are_no_arrays_are_named(params):
    with pytest.raises(
        TypeError, match=r"^check_meta_grad: params.* is .*, which is no array: giv"
    ):
        check_meta_grad(print, print, print, params, (np.ones((2, 1)), np.ones((2, 1))))
