# %% [markdown]
# # 7. The three faces of a convolution
#
#     y_i = sum_k x_(i+k) w_k         x (N,), w (K,), y and g (N - K + 1,)
#
# Take <g, y> = sum_ik g_i x_(i+k) w_k. It is linear in x, in w and in g: one form of three
# letters. Its derivative by g is the convolution itself; by w and by x, the two other faces. And
# as each face is the form with one letter left out, **the rules of the faces are faces**. So
# convolutions have derivatives of every order, and three kernels are enough.

# %%
import numpy as np
from grade import grade

from tinymeta.testing import Foreign, check_grads


def conv(x, w):
    """y (N - K + 1,)"""
    return np.array([x[i : i + len(w)] @ w for i in range(len(x) - len(w) + 1)])


x0, w0 = np.array([1.0, 2.0, 0.0, -1.0, 3.0]), np.array([1.0, 0.5, -2.0])
print("conv:", conv(x0, w0))


# %% [markdown]
# ## Puzzle 1: by w
# The share of w_k is sum_i g_i x_(i+k). Look at it for a while: you know this function.


# %%
def conv_weight(x, g):
    """dL/dw (K,), given x (N,) and g (N - K + 1,)."""
    raise NotImplementedError(
        "which x does w_k meet, and at which g? Write the sum, and read what it is"
    )


def check_conv_weight(conv_weight):
    """Look at: the result has the shape of w, and w_k meets x_(i+k) at g_i."""
    f = Foreign(lambda w: conv(x0, w), backward=lambda g, w: conv_weight(x0, g))
    check_grads(f, w0, order=1)


# %% [markdown]
# ## Puzzle 2: by x
# The share of x_j is sum_k g_(j-k) w_k, where g is 0 beyond its ends: the minus sign says that one
# of the two runs backwards.


# %%
def conv_input(g, w):
    """dL/dx (N,), given g (N - K + 1,) and w (K,)."""
    raise NotImplementedError(
        "x_j is read by up to K results: collect the g of each, times the w it met"
    )


def check_conv_input(conv_input):
    """Look at: j - k, not j + k: w is reversed; and x has K - 1 more elements than g."""
    f = Foreign(lambda x: conv(x, w0), backward=lambda g, x: conv_input(g, w0))
    check_grads(f, x0, order=1)


# %% [markdown]
# ## Puzzle 3: the rule of a rule
# y = conv_input(g, w) is one face, of g and w. Given u = dL/dy (N,), find the shares of g and of w
# among the faces. (This is the second derivative of a convolution.)


# %%
def conv_input_rule(u, g, w):
    """(dL/dg (N - K + 1,), dL/dw (K,)) of y = conv_input(g, w), given u = dL/dy (N,)."""
    raise NotImplementedError(
        "one form of three letters: the derivative by a letter leaves that letter out"
    )


def check_conv_input_rule(conv_input_rule):
    """Look at: u has taken the place of x in the form of three letters."""

    def face(g, w):
        return np.convolve(g, w)

    g0 = np.array([0.3, -1.0, 2.0])
    check_grads(Foreign(face, backward=conv_input_rule), g0, w0, order=1)


# %%
if __name__ == "__main__":
    grade(globals())
