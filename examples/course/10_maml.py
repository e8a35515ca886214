# %% [markdown]
# # 10. MAML, exact against first order
#
#     theta'_i = theta - alpha grad L_i(theta; support)            adapt to task i
#     theta   <- theta - beta grad mean_i L_i(theta'_i; query)     so that adapting helps
#
# (Finn, Abbeel & Levine 2017.) The outer gradient runs through the inner one. By the chain rule
#
#     grad_theta L_i(theta'_i) = (I - alpha H_i) g'_i,
#
# H_i the Hessian of the support loss, g'_i the query's gradient at theta'_i. First order drops H.
# You need not write H anywhere: an engine whose gradients have gradients does it by itself.

# %%
import numpy as np
from grade import grade

import tinymeta as tm
from tinymeta.testing import check_grads, check_meta_grad

rng = np.random.default_rng(0)
T, ALPHA = 3, 0.1


def loss(theta, batch):
    """(T,): one number for each task. theta: arrays (T, ..), a copy for each; batch.x (T, N, 1)."""
    w1, b1, w2 = theta
    prediction = tm.tanh(batch.x @ w1 + b1) @ w2
    return ((prediction - batch.y) ** 2).mean((1, 2))


def waves(phase):
    x = rng.uniform(-3.0, 3.0, (T, 5, 1))
    return tm.Batch(x, np.sin(x - phase))


phases = rng.uniform(0.0, 3.0, (T, 1, 1))
tasks = tm.Tasks(support=waves(phases), query=waves(phases))
theta0 = [rng.normal(size=shape) for shape in ((1, 6), (1, 6), (6, 1))]
copies0 = [np.repeat(p[None], T, axis=0) for p in theta0]
print("each task's loss before adapting:", loss(copies0, tasks.query))


# %% [markdown]
# ## Puzzle 1
# Each task has its own copy of theta, in no other's loss. So **one** gradient, of the sum of the
# losses, holds every task's own gradient in its slice: no loop over tasks. (Of the mean, each would
# be divided by T.) theta is a list of arrays, and a list has no arithmetic: step array by array.


# %%
def adapt(loss, theta, support, alpha):
    """theta' = theta - alpha grad L(theta; support), a list of tensors (T, ..) like theta."""
    raise NotImplementedError(
        "one gradient serves all tasks: find the number that it is of, then step array by array"
    )


def check_adapt(adapt):
    """Look at: the sum over tasks, not the mean; minus alpha; and nothing made a constant."""
    found = [np.asarray(p) for p in adapt(loss, copies0, tasks.support, ALPHA)]
    right = tm.meta.adapt(loss, copies0, tasks.support, lr=ALPHA, steps=1)
    for k, (p, q, start) in enumerate(zip(found, map(np.asarray, right), copies0)):
        assert p.shape == q.shape, f"theta'[{k}] has the shape {p.shape} and must have {q.shape}"
        place = np.unravel_index(np.abs(p - q).argmax(), p.shape)
        place = tuple(map(int, place))
        assert abs(p[place] - q[place]) < 1e-9, (
            f"theta[{k}] at {place} moved by {p[place] - start[place]:.6g} and has to move by "
            f"{q[place] - start[place]:.6g}"
        )

    def adapted_loss(theta):
        return loss(adapt(loss, theta, tasks.support, ALPHA), tasks.query)

    check_grads(adapted_loss, copies0, order=1)


# %% [markdown]
# ## Puzzle 2
# The meta-gradient. Here theta has no task axis: make T copies of it with operations
# (`tm.broadcast_to(p, (T, *p.shape))`), so that the gradient finds its way back and adds up.


# %%
def meta_gradient(loss, theta, tasks, alpha):
    """The gradient of the mean over tasks of the query loss after adapting: a list like theta."""
    raise NotImplementedError(
        "write the adapted loss as a function of theta, all of operations, and ask for its gradient"
    )


def check_meta_gradient(meta_gradient):
    """Look at: the kit has tried the usual mistakes, and names yours if it is one of them."""

    def reference(theta, support):
        return tm.meta.adapt(loss, theta, support, lr=ALPHA, steps=1)

    def meta_grad(theta, tasks):
        return meta_gradient(loss, theta, tasks, ALPHA)

    check_meta_grad(meta_grad, loss, reference, theta0, tasks)


# %% [markdown]
# ## Puzzle 3
# What does first order leave out? The mean over tasks of alpha H_i g'_i. See how large it is.


# %%
def hessian_term(loss, theta, tasks, alpha):
    """First-order minus exact meta-gradient, the mean of alpha H_i g'_i: a list like theta."""
    raise NotImplementedError(
        "first order takes the inner gradient for a constant: what does that leave out?"
    )


def check_hessian_term(hessian_term):
    """Look at: first order is g'_i alone; so first order minus exact is + alpha H_i g'_i."""

    def gradient(first_order):
        options = dict(lr=ALPHA, steps=1, first_order=first_order)
        return tm.grad(lambda t: tm.meta.maml_loss(loss, t, tasks, **options).mean())(theta0)

    found = hessian_term(loss, theta0, tasks, ALPHA)
    for k, (term, first, exact) in enumerate(zip(found, gradient(True), gradient(False))):
        term, right = np.asarray(term), np.asarray(first) - np.asarray(exact)
        assert term.shape == right.shape, f"term {k}: {term.shape} must be {right.shape}"
        place = tuple(map(int, np.unravel_index(np.abs(term - right).argmax(), term.shape)))
        assert abs(term[place] - right[place]) < 1e-9, (
            f"of theta[{k}] at {place} the term is {right[place]:.6g}, yours {term[place]:.6g}"
        )


# %%
if __name__ == "__main__":
    grade(globals())
