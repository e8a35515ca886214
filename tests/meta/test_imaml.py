"""iMAML against the minimum and the linear system in closed form."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.meta import imaml, maml
from tinymeta.meta.imaml import conjugate_gradient
from tinymeta.testing.interpreted import interpreted_jit


def test_the_implicit_gradient(linear):
    """theta' = (H + lambda)^-1 (r + lambda theta); then (I + H / lambda)^-1 grad L(theta')."""
    strength, w, expected = 0.7, linear.w(linear.params), np.zeros(3)
    for (H, r), (B, b) in zip(linear.support, linear.query):
        adapted = np.linalg.solve(H + strength * np.eye(3), r + strength * w)
        expected += np.linalg.solve(np.eye(3) + H / strength, B @ adapted - b) / 4
    method = imaml(linear.model, linear.loss, lr=0.15, steps=400, strength=strength, cg_steps=3)
    _, grads = method.meta_grad(linear.params, linear.tasks)
    np.testing.assert_allclose(linear.w(grads), expected, rtol=1e-8)


def test_it_is_the_derivative_of_what_it_minimises(linear):
    """Differentiating through a long inner loop, as MAML does, finds the same."""
    strength = 0.7
    pulled = imaml(linear.model, linear.loss, lr=0.15, steps=150, strength=strength, cg_steps=3)

    def outer(params):
        copies = tm.tree.map(lambda p: tm.broadcast_to(p, (4, *p.shape)), params)

        def proximal_loss(adapted, batch):
            return tm.losses.mse(
                linear.model(adapted, batch.x), batch.y
            ) + 0.5 * strength * tm.square(adapted["w"] - copies["w"]).sum((-2, -1))

        adapted = tm.meta.adapt(proximal_loss, copies, linear.tasks.support, lr=0.15, steps=150)
        query = linear.tasks.query
        return tm.losses.mse(linear.model(adapted, query.x), query.y).mean()

    _, grads = pulled.meta_grad(linear.params, linear.tasks)
    np.testing.assert_allclose(grads["w"], tm.grad(outer)(linear.params)["w"], rtol=1e-6)


def test_a_weak_pull_is_plain_gradient_descent(linear):
    weak = imaml(linear.model, linear.loss, lr=0.1, steps=3, strength=1e-12)
    free = maml(linear.model, linear.loss, lr=0.1, steps=3)
    support, query = linear.tasks
    np.testing.assert_allclose(
        weak.predict(linear.params, support, query.x),
        free.predict(linear.params, support, query.x),
        rtol=1e-9,
    )


def test_conjugate_gradients_solve_each_task_and_stand_still_when_done():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(2, 5, 5))
    A = root @ root.swapaxes(1, 2) + np.eye(5)
    b = [rng.normal(size=(2, 2)), rng.normal(size=(2, 3, 1))]
    b[0][1], b[1][1] = 0.0, 0.0  # one task has nothing to solve

    def system(v):
        flat = tm.concatenate([v[0], v[1][..., 0]], 1)
        y = (A @ flat[..., None])[..., 0]
        return [y[:, :2], y[:, 2:, None]]

    x = conjugate_gradient(system, b, 12)
    flat = np.concatenate([x[0].numpy(), x[1].numpy()[..., 0]], 1)
    rhs = np.concatenate([b[0], b[1][..., 0]], 1)
    np.testing.assert_allclose(flat, np.linalg.solve(A, rhs[..., None])[..., 0], atol=1e-9)
    assert (flat[1] == 0).all()


def test_the_pull_must_be_positive(linear):
    with pytest.raises(ValueError, match="strength must be above 0, got 0"):
        imaml(linear.model, linear.loss, lr=0.1, strength=0)


def diagonal(*entries):
    return lambda v: tm.asarray(v) * np.array(entries)


@pytest.mark.parametrize(
    "system, b", [((1.0, -1.0), (1.0, 1.0)), ((0.0, 0.0), (1.0, 0.0)), ((1.0, 0.0), (1.0, 1.0))]
)
def test_a_system_with_no_next_step_is_refused_and_when_compiled_nan(system, b):
    """Indefinite, with curvature 0 along b; zero; singular, and b not in its range."""
    b = np.array([b, (0.0, 0.0)])
    with pytest.raises(ValueError, match="curvature along a direction is 0 in 1 of 2 systems"):
        conjugate_gradient(diagonal(*system), b, 2)
    found = np.asarray(interpreted_jit(lambda b: conjugate_gradient(diagonal(*system), b, 2))(b))
    assert np.isnan(found[0]).any() and (found[1] == 0).all()


@pytest.mark.parametrize(
    "system, b, x",
    [
        ((-1.0, -2.0), (1.0, 1.0), (-1.0, -0.5)),
        ((1.0, -2.0), (1.0, 3.0), (1.0, -1.5)),
        ((2.0, 0.0), (1.0, 0.0), (0.5, 0.0)),
    ],
)
def test_other_systems_that_have_a_solution_are_solved(system, b, x):
    """Negative, indefinite, singular: and more steps than needed do no harm."""
    for way in (lambda f: f, interpreted_jit):
        found = way(lambda b: conjugate_gradient(diagonal(*system), b, 4))(np.array([b]))
        np.testing.assert_allclose(found, [x], rtol=1e-12)


def test_a_hessian_that_undoes_the_pull(linear):
    """L'' = -lambda: I + H / lambda is 0."""

    def concave(prediction, y):
        return -tm.mean(tm.square(prediction) / 2 - prediction * y, (-2, -1))

    model = tm.nn.Dense(1, 1, bias=False)
    batch = tm.Batch(np.ones((2, 1, 1)), np.ones((2, 1, 1)))
    method = imaml(model, concave, lr=0.01, steps=0, strength=1.0)
    with pytest.raises(ValueError, match="in 2 of 2 systems.* a larger strength"):
        method.meta_grad({"w": np.array([[0.1]])}, tm.Tasks(batch, batch))


@pytest.mark.parametrize("cg_steps", [0, -1])
def test_at_least_one_step_of_conjugate_gradients(linear, cg_steps):
    with pytest.raises(ValueError, match=f"imaml: cg_steps={cg_steps} must be a whole number >= 1"):
        imaml(linear.model, lr=0.1, cg_steps=cg_steps)
