"""Hints in steps: an idea, which a puzzle says itself, then the formula, then the line of code.

python examples/course 10 --hint formula        of the next puzzle of chapter 10 that is not solved
python examples/course 10 --hint code           only if you must
"""

from typing import NamedTuple


class Hint(NamedTuple):
    """What is said about a puzzle beyond its idea."""

    formula: str
    code: str


HINTS = {  # by chapter and puzzle
    "product_rule.times_rule": Hint(
        "dL/da = g dy/da, and the slope dy/da of y = a b is b; dL/db = g dy/db",
        "return g * b, g * a",
    ),
    "product_rule.wave_rule": Hint(
        "dL/dx = g sin(x) + g x cos(x): of the first place, of the second",
        "return g * (np.sin(x) + x * np.cos(x))",
    ),
    "product_rule.quotient_rule": Hint(
        "dL/da = g / b, dL/db = g a (-1 / b^2)", "return g / b, -g * a / b**2"
    ),
    "unbroadcasting.unbroadcast": Hint(
        "sum g over the axes in front that `shape` lacks; then over those where `shape` has a 1, "
        "which stay, as axes of size 1",
        "g = g.sum(axis=tuple(range(g.ndim - len(shape)))), then g.sum(axis=.., keepdims=True) "
        "over those k with shape[k] == 1",
    ),
    "unbroadcasting.mean_rule": Hint(
        "dL/dx_n = g / N for every row n", "return np.broadcast_to(g, x.shape) / len(x)"
    ),
    "matmul.product_rule": Hint(
        "dL/da_ik = sum_j g_ij b_kj, dL/db_kj = sum_i a_ik g_ij", "return g @ b.T, a.T @ g"
    ),
    "matmul.dense_rule": Hint(
        "dL/dx_t = g_t w^T, dL/dw = sum_t x_t^T g_t",
        "x.swapaxes(-1, -2) is the transpose of each task's x; .sum(0) adds up the tasks",
    ),
    "cross_entropy.softmax": Hint(
        "p_nk = exp(z_nk - m_n) / sum_j exp(z_nj - m_n), m_n the largest of row n",
        "powers = np.exp(z - z.max(axis=1, keepdims=True)), divided by their sum along that axis",
    ),
    "cross_entropy.cross_entropy_rule": Hint(
        "dL/dz_nk = g (p_nk - 1 if k is the label of n, else p_nk) / N",
        "p[np.arange(len(z)), labels] -= 1.0, then g * p / len(z)",
    ),
    "grad_of_grad.logistic_rule": Hint(
        "dL/da = g y (1 - y)",
        "return g * y * (1.0 - y): all of these are tensors, and nothing else is needed",
    ),
    "grad_of_grad.slope_penalty": Hint(
        "(|grad f(x)| - 1)^2", "g = tm.grad(f)(x); its length is tm.sqrt((g * g).sum())"
    ),
    "hessian_vector.hvp": Hint(
        "H v = grad_x <grad f(x), v>, where v is held still",
        "return tm.grad(lambda x: (tm.grad(f)(x) * v).sum())(x)",
    ),
    "hessian_vector.solve": Hint(
        "a = <r, r> / <p, H p>; x + a p; r' = r - a H p; p' = r' + (<r', r'> / <r, r>) p",
        "in a loop over range(steps): squared = r @ r, hp = product(p), then a, x, the new r, and "
        "last p = r + (r @ r) / squared * p; stop if squared is 0",
    ),
    "convolution.conv_weight": Hint(
        "dL/dw_k = sum_i x_(k+i) g_i, which is a convolution of other arguments",
        "return conv(x, g)",
    ),
    "convolution.conv_input": Hint(
        "dL/dx_j = sum_k g_(j-k) w_k, with g = 0 outside of its ends",
        "conv of g, padded by len(w) - 1 zeros at both ends (np.pad), and w[::-1]",
    ),
    "convolution.conv_input_rule": Hint(
        "sum_ik g_i u_(i+k) w_k without g_i, and without w_k",
        "return conv(u, w), conv_weight(u, g)",
    ),
    "kinks.absolute_rule": Hint(
        "g times -1 for x < 0, 0 at x = 0, 1 for x > 0", "return g * np.sign(x)"
    ),
    "kinks.maximum_rule": Hint(
        "a's share: g where a > b, g / 2 where a = b, 0 elsewhere; b's is what is left of g",
        "of_a = (a > b) + 0.5 * (a == b)",
    ),
    "kinks.away_from_zero": Hint(
        "x = s d, d between distance and distance + 1, s = -1 or 1",
        "rng.uniform(distance, distance + 1.0, size) * rng.choice([-1.0, 1.0], size)",
    ),
    "contrastive.distance_rule": Hint(
        "dL/da = g (a - b) / d, dL/db = -dL/da; both are 0 where d = 0",
        "the divisor is np.where(d == 0.0, 1.0, d), chosen before the division",
    ),
    "contrastive.contrastive_rule": Hint(
        "dL/dd = 2 d / P for the same class, -2 max(0, m - d) / P for different ones",
        "slope = (1 - different) * 2 * d - different * 2 * np.maximum(0.0, margin - d), and "
        "distance_rule(g * slope / len(a), a, b)",
    ),
    "maml.adapt": Hint(
        "g = grad_theta sum_t L_t(theta_t; support), theta' = theta - alpha g",
        "gs = tm.grad(lambda theta: loss(theta, support).sum())(theta), then a step for each array",
    ),
    "maml.meta_gradient": Hint(
        "grad_theta mean_t L_t(theta - alpha grad L_t(theta; support); query)",
        "inside of the function that tm.grad is given: copies = [tm.broadcast_to(p, (T, *p.shape)) "
        "for p in theta], adapt them, loss(..).mean()",
    ),
    "maml.hessian_term": Hint(
        "mean_t alpha H_t g'_t = (the gradient with the inner one held still) - (the exact one)",
        "tm.stop_gradient around the inner gradient in the one, and not in the other; subtract "
        "array by array",
    ),
    "fusion.fused": Hint(
        "t = tanh(x), u = t * y  ->  u = (tanh(x)) * y",
        r"re.sub(rf'\b{first.result}\b', f'({first.text})', second.text)",
    ),
    "fusion.may_fuse": Hint(
        "first is no Reduction, and second reads first.result, and no loop of `later` does",
        r"bool(re.search(rf'\b{first.result}\b', loop.text)) says whether a loop reads it",
    ),
    "memory.lifetimes": Hint(
        "first: the step that makes it; last: the largest step that reads it, of an output the "
        "last of all, of what nobody reads the first",
        "for k, step in enumerate(steps): lives[step.result] = (k, k), and for each name that it "
        "reads lives[name] = (lives[name][0], k)",
    ),
    "memory.plan": Hint(
        "candidates are 0 and the ends of those placed before; a start fits if, for each neighbour "
        "in time, start >= its end or start + size <= its begin",
        "min(start for start in [0, *ends] if all(.. for begin, end in placed))",
    ),
    "cuda_kernel.add_kernel": Hint(
        "i = block * (threads in a block) + thread, and only where i < size",
        "i = cuda.grid(1), and the sum inside of `if i < x.size:`",
    ),
    "cuda_kernel.sum_kernel": Hint(
        "for distance 4, 2, 1: s_t <- s_t + s_(t + distance) where t < distance; all wait after "
        "each; s_0 is the sum",
        "shared = cuda.shared.array(8, np.float64): each thread stores its element or 0, "
        "cuda.syncthreads(); in the loop threads below distance add shared[t + distance], "
        "cuda.syncthreads() for all; thread 0 stores the result",
    ),
    "your_method.adapt": Hint(
        "theta' = theta - r grad sum_t L_t(theta_t; support), and r goes on as it is",
        "the gradient by params['theta'] as in chapter 10, each array times its rate; return "
        "{'theta': .., 'rates': params['rates']}",
    ),
    "your_method.method": Hint(
        "grad_(theta, r) mean_t L_t(theta - r grad L_t(theta; support); query)",
        "tm.meta.Method(init, meta_grad, predict); tm.value_and_grad has the loss and its "
        "gradient, tm.broadcast_to makes the copies",
    ),
}
