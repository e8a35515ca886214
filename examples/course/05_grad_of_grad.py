# %% [markdown]
# # 5. The gradient of a gradient
#
# So far your rules were made of NumPy, whose results remember nothing. Now write them in
# **operations of the engine**, which remember what they were made from. Then what a rule returns
# can be differentiated in turn. No more than this is the secret of second order.

# %%
import numpy as np
from grade import grade

import tinymeta as tm
from tinymeta.testing import check_grads

cube_slope = tm.grad(lambda x: x**3)
print("x^3 at 3 has the slope", float(cube_slope(3.0)))
print("and that slope has the slope", float(tm.grad(cube_slope)(3.0)))


# %% [markdown]
# ## Puzzle 1
# y = 1 / (1 + exp(-a)), the logistic function. Its slope is y (1 - y): the rule is handed y, so it
# need not compute it again. All of g, y and a are tensors: use `*` and `-` as you are used to.


# %%
def logistic_rule(g, y, a):
    """dL/da, a tensor, given the tensors g = dL/dy, the result y and the input a."""
    raise NotImplementedError("the slope can be said with y alone; say it in operations on tensors")


def check_logistic_rule(logistic_rule):
    """Look at: if order 1 is right and order 2 is not, your rule made a constant of a tensor."""
    text = "1 / (1 + exp(-a))"
    logistic = tm.elementwise(text, (logistic_rule,), name="course_logistic", replace=True)
    check_grads(logistic, np.array([-1.5, 0.2, 2.0]), order=3)


# %% [markdown]
# ## Puzzle 2
# A loss may hold a gradient: the penalty (|grad f(x)| - 1)^2 asks f to be as steep as 1 everywhere
# (Gulrajani et al. 2017). To train with it one differentiates through that gradient.


# %%
def slope_penalty(f, x):
    """(|grad f(x)| - 1)^2, one number, a tensor; f takes x (D,) and returns one number."""
    raise NotImplementedError("a gradient is a tensor like any other: go on computing with it")


def check_slope_penalty(slope_penalty):
    """Look at: the penalty has a gradient itself; .numpy() and tm.stop_gradient cut it off."""
    x = np.array([0.5, -1.0, 2.0])

    def f(x):
        return (x**3).sum() + x[0] * x[1]

    length = np.linalg.norm(3 * x**2 + np.array([x[1], x[0], 0.0]))
    right = (length - 1) ** 2
    found = float(np.asarray(slope_penalty(f, tm.tensor(x))))
    assert abs(found - right) < 1e-9, (
        f"|grad f| is {length:.6g} at {x}, so the penalty is {right:.6g}, not {found:.6g}"
    )
    check_grads(lambda x: slope_penalty(f, x), x, order=1)


# %%
if __name__ == "__main__":
    grade(globals())
