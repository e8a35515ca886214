"""The tour: one product followed through every room.

Then a second derivative, then MAML against its closed form.
Read it beside the code and run it: every claim is an assert.      python examples/tour.py
"""

import numpy as np
from console import script

import tinymeta as tm
from tinymeta.core.device import find_kernel
from tinymeta.core.primitive import registry, run_eagerly
from tinymeta.core.scope import setting, state

script(__doc__)

# 1 -- core/tensor.py: a Tensor is a value and its provenance, what made it from which inputs.
#      Nothing is recorded for constants.
a, b = tm.tensor([1.0, 2.0, 3.0]), tm.tensor([4.0, 5.0, 6.0])
product = a * b
assert product.serial == 0 and product.history() == "constant"
print("1  a * b =", product)

# 2 -- ops/__init__.py: the operator is an operation, found in the registry by its name.
mul = registry["mul"]
assert np.array_equal((a * b).numpy(), mul(a, b).numpy())
print("2  `*` is", mul, "and its scalar text is", repr(mul.text))

# 3 -- cpu/elementwise.py: the text, evaluated with NumPy's names, is the kernel.
#      It fills `out` and knows no Tensor.
kernel, out = find_kernel(mul, "cpu"), np.empty(3, np.float32)
kernel(out, a.numpy(), b.numpy())
assert out.tolist() == [4.0, 10.0, 18.0]
print("3  the kernel filled", out)

# 4 -- core/primitive.py: every operation is run by `bind`,
#      which dispatches to the current interpreter: the eager one, or one of our own.
names = []


def noting(primitive, values, static):
    names.append(primitive.name)
    return run_eagerly(primitive, values, static)


with setting(interpreter=noting):
    (a * b + 1.0).sum()
assert names == ["mul", "add", "sum"]
print("4  `bind` dispatched", names)

# 5 -- core/grad.py, core/tape.py: grad gives the argument a fresh leaf; what is made from it is
#      recorded, node by node, and the backward pass visits the nodes, newest first.


def f(x):
    y = (x * b).sum()
    print("5  while grad runs f, the result remembers:", y.history())
    return y


assert np.array_equal(tm.grad(f)(a).numpy(), b.numpy())  # d(a . b)/da = b
assert state.recording and tm.grad(f)(a).serial == 0  # what leaves grad has no history

# 6 -- The backward pass calls operations, which `bind` runs like all others:
#      so it can be recorded, and differentiated in turn.


def cube(x):
    return x**3


second = tm.grad(tm.grad(cube))
assert second(2.0).item() == 12.0 and tm.grad(second)(0.0).item() == 6.0
print(
    "6  the second derivative of x^3 at 2 is",
    second(2.0).item(),
    "and the third at 0",
    tm.grad(second)(0.0).item(),
)

# An inner derivative may depend on an outer variable; each has a leaf of its own.
assert tm.grad(lambda x: x * tm.grad(lambda y: x + y)(1.0))(1.0).item() == 1.0

# 7 -- meta/maml.py: theta' = theta - alpha grad L(theta),
#      and the derivative of L(theta') passes through that gradient.
# For the quadratic L_i = 1/2 (t - c_i)' A_i (t - c_i),
# the exact meta-gradient is known in closed form:
#     exact  (I - alpha A) A (I - alpha A) (t - c)          first order  A (I - alpha A) (t - c)
rng = np.random.default_rng(0)
tasks, size, alpha = 4, 3, 0.1
roots = rng.normal(size=(tasks, size, size))
A = roots @ roots.swapaxes(1, 2)  # (T, D, D), symmetric
c, theta = rng.normal(size=(tasks, size)), rng.normal(size=size)


def loss(t, batch):  # t (T, D) -> (T,)
    d = t - batch.y
    return 0.5 * (d * (batch.x @ d[..., None])[..., 0]).sum(-1)


problems = tm.Tasks(tm.Batch(A, c), tm.Batch(A, c))  # support = query


def meta_gradient(first_order):
    def outer(t):
        losses = tm.meta.maml_loss(loss, t, problems, lr=alpha, steps=1, first_order=first_order)
        return losses.sum()

    return tm.grad(outer)(theta)


step = np.eye(size) - alpha * A
exact = np.einsum("tij,tjk,tkl,tl->i", step, A, step, theta - c)
first = np.einsum("tij,tjk,tk->i", A, step, theta - c)
assert np.allclose(meta_gradient(False).numpy(), exact, rtol=1e-12)
assert np.allclose(meta_gradient(True).numpy(), first, rtol=1e-12)
assert not np.allclose(exact, first, rtol=0.1)
print(
    "7  the MAML gradient",
    meta_gradient(False).numpy().round(4),
    "is the closed form; first order would say",
    first.round(4),
)
print("the tour is over: every assert held")
