# %% [markdown]
# # 14. A method of your own
#
# Why should all weights adapt at one speed? Let the **rates be learned, too**: one for each array,
#
#     theta'_i = theta - rate o grad L_i(theta; support),
#     (theta, rate) <- (theta, rate) - beta grad mean_i L_i(theta'_i; query),
#
# o entry by entry: Meta-SGD (Li et al. 2017) with fewer rates. As a method of this library it is a
# `Method`: three pure functions, init, meta_grad and predict. Then `tm.meta.train` and
# `tm.meta.evaluate` take it like those of meta/. When you have done this one, change it: nothing
# else needs to know.

# %%
import numpy as np
from grade import grade

import tinymeta as tm
from tinymeta.testing import check_grads, check_meta_grad

rng = np.random.default_rng(0)
T = 4


def predict(theta, x):
    """(T, N, 1), of theta: arrays (T, ..), and x (T, N, 1)."""
    w1, b1, w2 = theta
    return tm.tanh(x @ w1 + b1) @ w2


def loss(theta, batch):
    """(T,)"""
    return ((predict(theta, batch.x) - batch.y) ** 2).mean((1, 2))


def init_theta(rng):
    return [rng.normal(size=shape) for shape in ((1, 6), (1, 6), (6, 1))]


def sample(rng):
    """Tasks: waves of any phase."""
    phase = rng.uniform(0.0, 3.0, (T, 1, 1))
    x = rng.uniform(-3.0, 3.0, (2, T, 5, 1))
    return tm.Tasks(*(tm.Batch(x, np.sin(x - phase)) for x in x))


# %% [markdown]
# ## Puzzle 1
# A copy of theta and of the rates for each task; a rate (T, 1, 1) broadcasts over its array. Note
# that the rates are used inside and learned outside: their gradient comes by itself.


# %%
def adapt(loss, params, support):
    """{"theta": .., "rates": ..} after one step on the support set, the rates as they were.

    params: theta, a list of (T, ..), and rates, a list of (T, 1, 1), one for each array of theta.
    """
    raise NotImplementedError(
        "the step of chapter 10 with a rate for each array, in a result that is like params"
    )


def _stepped(params, support):
    """What adapting has to return, of parameters that have a task axis."""
    theta = tm.meta.adapt(loss, params["theta"], support, lr=params["rates"], steps=1)
    return {**params, "theta": theta}


def _some_params():
    rates = [np.full((1, 1), rate) for rate in (0.1, 0.05, 0.2)]
    return {"theta": init_theta(np.random.default_rng(1)), "rates": rates}


def check_adapt(adapt):
    """Look at: both theta and the rates reach the adapted loss; nothing is made a constant."""
    support, query = sample(np.random.default_rng(2))
    copies = tm.tree.map(lambda p: np.repeat(p[None], T, axis=0), _some_params())
    found = adapt(loss, copies, support)
    assert set(found) == {"theta", "rates"}, f"the result has {sorted(found)}, not theta and rates"
    for k, (rate, before) in enumerate(zip(found["rates"], copies["rates"])):
        assert np.array_equal(rate, before), f"rates[{k}] has to come out as it went in"
    for k, (p, right) in enumerate(zip(found["theta"], _stepped(copies, support)["theta"])):
        error = np.abs(np.asarray(p) - np.asarray(right))
        assert error.max() < 1e-9, (
            f"theta[{k}] differs by up to {error.max():.6g} from theta - rate * gradient"
        )

    def adapted_loss(params):
        return loss(adapt(loss, params, support)["theta"], query)

    check_grads(adapted_loss, copies, order=1)


# %% [markdown]
# ## Puzzle 2
# Now the method. `init(rng)` makes the parameters (rates of 0.05, say, of shape (1, 1)),
# `meta_grad(params, tasks)` returns ({"loss": ..}, gradients like params), and
# `predict(params, support, x)` adapts and predicts, for as many tasks as `support` has. Parameters
# are a dict of lists, a tree: `tm.tree.map(f, params)` takes f to each array. Do not call your
# inner function `predict`: it would hide the one that you are given.


# %%
def method(init_theta, predict, loss):
    """A tm.meta.Method whose parameters are {"theta": .., "rates": ..}, without a task axis."""
    raise NotImplementedError(
        "three functions: what it begins with, the gradient of the adapted loss, an answer "
        "after adapting"
    )


def check_method(method):
    """Look at: the gradient, by theta and by the rates, of the mean query loss after one step."""
    ours = method(init_theta, predict, loss)
    params = ours.init(np.random.default_rng(3))
    assert set(params) == {"theta", "rates"}, f"the parameters are {sorted(params)}"
    rng = np.random.default_rng(4)
    before = _held_out(ours, params)
    _check_predictions(ours)
    _check_gradients(ours)
    for _ in range(40):
        metrics, gs = ours.meta_grad(params, sample(rng))
        assert "loss" in metrics, f"the metrics are {sorted(metrics)} and need a loss"
        params = tm.tree.map(lambda p, g: np.asarray(p) - 0.05 * np.asarray(g), params, gs)
    after = _held_out(ours, params)
    assert after < 0.8 * before, (
        f"40 updates took the error on new waves from {before:.3f} to {after:.3f}: not learned"
    )


def _check_gradients(ours):
    """The meta-gradient is that of the query loss after one step, for any number of tasks."""
    tasks = sample(np.random.default_rng(7))
    three = tm.Tasks(*(tm.Batch(x[:3], y[:3]) for x, y in tasks))

    def of_params(params, batch):
        return loss(params["theta"], batch)

    check_meta_grad(ours.meta_grad, of_params, _stepped, _some_params(), three)


def _check_predictions(ours):
    """Each task's prediction is that of theta after one step on its own support set."""
    params = _some_params()
    (x, y), query = sample(np.random.default_rng(6))

    def found(y, count=T):
        result = np.asarray(ours.predict(params, tm.Batch(x[:count], y[:count]), query.x[:count]))
        assert result.shape == (count, 5, 1), (
            f"predict of {count} tasks: {result.shape}, and must be {(count, 5, 1)}"
        )
        return result

    together, other = found(y), found(np.concatenate([-y[:1], y[1:]]))
    assert not np.allclose(together[0], other[0]), (
        "predict gives the same for another support set: adapt to it first"
    )
    assert np.allclose(together[1:], other[1:], atol=1e-9), (
        "the first task's support set changes what predict gives for the others: adapt a copy of "
        "the parameters for each task"
    )
    copy = tm.tree.map(lambda p: p[None], params)
    adapted = _stepped(copy, tm.Batch(x[:1], y[:1]))["theta"]
    right = np.asarray(predict(adapted, query.x[:1]))
    for first in (together[:1], found(y, count=1)):
        place = tuple(map(int, np.unravel_index(np.abs(first - right).argmax(), right.shape)))
        assert abs(first[place] - right[place]) < 1e-9, (
            "what predict gives for a task is not that of its parameters after one step on its "
            f"support set: at {place} {first[place]:.6g}, and must be {right[place]:.6g}"
        )


def _held_out(ours, params):
    support, query = sample(np.random.default_rng(5))
    found = np.asarray(ours.predict(params, support, query.x))
    assert found.shape == query.y.shape, f"predict: {found.shape}, and must be {query.y.shape}"
    return float(((found - query.y) ** 2).mean())


# %%
if __name__ == "__main__":
    grade(globals())
