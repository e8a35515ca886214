import numpy as np

import tinymeta as tm


def hvp(f, x, v):
    return tm.grad(lambda x: (tm.grad(f)(x) * v).sum())(x)


def solve(product, b, steps):
    x, r, p = np.zeros_like(b), b, b
    for _ in range(steps):
        squared = r @ r
        if squared == 0.0:
            break
        hp = product(p)
        a = squared / (p @ hp)
        x, r = x + a * p, r - a * hp
        p = r + (r @ r) / squared * p
    return x
