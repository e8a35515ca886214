def product_rule(g, a, b):
    return g @ b.T, a.T @ g


def dense_rule(g, x, w):
    return g @ w.T, (x.swapaxes(-1, -2) @ g).sum(0)
