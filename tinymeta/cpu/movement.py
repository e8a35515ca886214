"""Moving elements: views where NumPy has one, copies into `out` elsewhere."""

import numpy as np


def reshape(x, *, shape):
    return x.reshape(shape)


def transpose(x, *, axes):
    return x.transpose(axes)


def broadcast_to(x, *, shape):
    return np.broadcast_to(x, shape)


def slice(x, *, slices):
    return x[(*slices, ...)]  # the dots keep a 0-d array from becoming a scalar


def flip(x, *, axes):
    return x[(*(np.s_[::-1] if i in axes else np.s_[:] for i in range(x.ndim)), ...)]


def astype(out, x, *, dtype):
    np.copyto(out, x, casting="unsafe")


def pad(out, x, *, widths):
    """out = 0;  out[lo + i * (gap + 1)] = x[i]  along each axis, for widths (lo, hi, gap)."""
    out.fill(0)
    steps = tuple(
        np.s_[lo : lo + (n - 1) * (gap + 1) + 1 : gap + 1] if n else np.s_[lo:lo]
        for n, (lo, _, gap) in zip(x.shape, widths)
    )
    out[steps] = x


def concatenate(out, *xs, axis):
    np.concatenate(xs, axis=axis, out=out)
