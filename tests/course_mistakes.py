"""The usual mistakes of a learner of the course, each an edit of a right solution.

A row: the puzzle, what is mistaken, a part of the solution, what stands there instead, and a part
of what the grader has to say to it.
"""

from typing import NamedTuple


class Mistake(NamedTuple):
    puzzle: str
    what: str
    right: str
    wrong: str
    said: str


FIRST, SECOND = "worst entry: argument [0]", "worst entry: argument [1]"  # as the kit names them

PRODUCT_RULE = [
    Mistake("times_rule", "g is forgotten", "g * b, g * a", "b, a", "of times of order 1 is wrong"),
    Mistake("times_rule", "its own factor", "g * b, g * a", "g * a, g * b", FIRST),
    Mistake("times_rule", "one share", "g * b, g * a", "g * b", "returned 1 gradients for 2"),
    Mistake("wave_rule", "one factor held", "+ x * np.cos(x)", "", FIRST),
    Mistake(
        "wave_rule", "shares multiplied", "np.sin(x) + x * np.cos", "np.sin(x) * np.cos", FIRST
    ),
    Mistake("quotient_rule", "the sign", "-g * a", "g * a", SECOND),
    Mistake("quotient_rule", "a is forgotten", "-g * a", "-g", SECOND),
]
UNBROADCASTING = [
    Mistake(
        "unbroadcast",
        "aligned at the front",
        "tuple(range(g.ndim - len(shape)))",
        "tuple(range(len(shape), g.ndim))",
        "of g (4, 3) the sum to (3,) is asked for, and yours is (4,)",
    ),
    Mistake(
        "unbroadcast", "size 1 is lost", ", keepdims=True", "", "sum to (4, 1) is asked for, and y"
    ),
    Mistake(
        "unbroadcast",
        "size 1 stays repeated",
        "g.sum(axis=repeated, keepdims=True)",
        "g",
        "the sum to (4, 1) is asked for, and yours is (4, 3)",
    ),
    Mistake("unbroadcast", "the mean", "g.sum(axis=tuple", "g.mean(axis=tuple", "operand (3,) rep"),
    Mistake("mean_rule", "no 1/N", " / len(x)", "", FIRST),
    Mistake("mean_rule", "1/D", "len(x)", "len(g)", FIRST),
]
MATMUL = [
    Mistake("product_rule", "exchanged", "g @ b.T, a.T @ g", "a.T @ g, g @ b.T", "shape"),
    Mistake("product_rule", "no transpose", "g @ b.T, a.T", "g @ b, a.T", ": return g @ b"),
    Mistake(
        "product_rule",
        "only where all shapes fit",
        "g @ b.T, a.T @ g",
        "g @ (b if b.shape == a.shape else b.T), a.T @ g",
        FIRST,
    ),
    Mistake("dense_rule", "tasks not added up", ".sum(0)", "", "(2, 3, 2)"),
    Mistake("dense_rule", "the mean over tasks", ".sum(0)", ".mean(0)", SECOND),
]
CROSS_ENTROPY = [
    Mistake(
        "softmax", "overflow", " - z.max(axis=1, keepdims=True)", "", "p[0] is nan and must be"
    ),
    Mistake(
        "softmax",
        "one maximum for all",
        ".max(axis=1, keepdims=True)",
        ".max()",
        "is nan and must be",
    ),
    Mistake("softmax", "over examples", "powers.sum(axis=1", "powers.sum(axis=0", "and must be"),
    Mistake("cross_entropy_rule", "no mean", " / len(z)", "", FIRST),
    Mistake("cross_entropy_rule", "no label", "-= 1.0", "-= 0.0", FIRST),
    Mistake("cross_entropy_rule", "g is forgotten", "g * p", "p", FIRST),
    Mistake("cross_entropy_rule", "every row's", "np.arange(len(z)), labels", ":, labels", FIRST),
]
GRAD_OF_GRAD = [
    Mistake(
        "logistic_rule",
        "a constant slope",
        "g * y * (1.0 - y)",
        "g * tm.stop_gradient(y * (1.0 - y))",
        "of order 2 is wrong",
    ),
    Mistake("logistic_rule", "NumPy", "(1.0 - y)", "(1.0 - y.numpy())", "of order 2 is wrong"),
    Mistake("logistic_rule", "half of it", " * (1.0 - y)", "", "of order 1 is wrong"),
    Mistake(
        "slope_penalty",
        "a constant gradient",
        "tm.grad(f)(x)",
        "tm.stop_gradient(tm.grad(f)(x))",
        "of order 1 is wrong",
    ),
    Mistake(
        "slope_penalty", "no square root", "tm.sqrt((g * g).sum())", "(g * g).sum()", "|grad f|"
    ),
]
HESSIAN_VECTOR = [
    Mistake(
        "hvp",
        "a difference",
        "tm.grad(lambda x: (tm.grad(f)(x) * v).sum())(x)",
        "(tm.grad(f)(x + 1e-5 * v) - tm.grad(f)(x - 1e-5 * v)) / 2e-5",
        "exact is asked for",
    ),
    Mistake("solve", "any number of steps", "range(steps)", "range(len(b))", "2 steps cannot"),
    Mistake(
        "hvp", "a constant", "(tm.grad(f)(x) * v)", "(tm.stop_gradient(tm.grad(f)(x)) * v)", FIRST
    ),
    Mistake("hvp", "v is forgotten", "tm.grad(f)(x) * v", "tm.grad(f)(x) * 1.0", FIRST),
    Mistake("hvp", "by v", "lambda x: (tm.grad(f)(x) * v)", "lambda v: (tm.grad(f)(x) * v)", FIRST),
    Mistake("solve", "0 / 0", "if squared == 0.0:", "if False:", "no 0 / 0"),
    Mistake("solve", "steepest descent", " + (r @ r) / squared * p", "", "after 4 steps for 4"),
    Mistake(
        "solve", "upside down", "(r @ r) / squared", "squared / (r @ r)", "after 4 steps for 4"
    ),
    Mistake("solve", "H p twice", "r - a * hp", "r - a * product(p)", "8 products with H"),
]
CONVOLUTION = [
    Mistake("conv_weight", "exchanged", "return conv(x, g)", "return conv(g, x)", "shape"),
    Mistake("conv_weight", "reversed", "return conv(x, g)", "return conv(x, g[::-1])", FIRST),
    Mistake("conv_input", "not reversed", "w[::-1]", "w", FIRST),
    Mistake("conv_input", "padded by K", "len(w) - 1), w", "len(w)), w", "shape"),
    Mistake(
        "conv_input_rule",
        "exchanged",
        "(u, w), conv_weight(u, g)",
        "(u, g), conv_weight(u, w)",
        FIRST,
    ),
]
KINKS = [
    Mistake("absolute_rule", "two cases", "np.sign(x)", "np.where(x < 0, -1, 1)", "|x|'(0) is 0"),
    Mistake("absolute_rule", "no sign", "np.sign(x)", "(x != 0)", FIRST),
    Mistake(
        "maximum_rule", "ties twice", "return g * of_a, g", "return g * (a >= b), g", "2 and 2"
    ),
    Mistake("maximum_rule", "ties lost", " + 0.5 * (a == b)", "", "2 and 2, not [0.0, 4.0]"),
    Mistake("maximum_rule", "the smaller", "(a > b)", "(a < b)", "of maximum of order 1 is wrong"),
    Mistake(
        "away_from_zero", "one sign", " * rng.choice([-1.0, 1.0], size)", "", "all of them have"
    ),
    Mistake("away_from_zero", "near 0", "rng.uniform(distance,", "rng.uniform(0.0,", "nearer to 0"),
]
CONTRASTIVE = [
    Mistake(
        "distance_rule", "sqrt'(0)", "np.where(d == 0.0, 1.0, d)", "d", "[[nan nan]] and must be"
    ),
    Mistake(
        "distance_rule", "too late", "/ np.where(d == 0.0, 1.0, d)", "/ d * (d > 0)", "[[nan nan]]"
    ),
    Mistake(
        "distance_rule",
        "NaN made 0 afterwards",
        "(g / np.where(d == 0.0, 1.0, d))[:, None] * (a - b)",
        "np.nan_to_num((a - b) / d[:, None]) * g[:, None]",
        "divides by 0 there and hides it afterwards",
    ),
    Mistake(
        "distance_rule",
        "both sides computed",
        "(g / np.where(d == 0.0, 1.0, d))[:, None] * (a - b)",
        "np.where(d == 0.0, 0.0, g / d)[:, None] * (a - b)",
        "divides by 0 there and hides it afterwards",
    ),
    Mistake("distance_rule", "one sign", "share, -share", "share, share", SECOND),
    Mistake(
        "contrastive_rule", "no 2", "different) * 2 * d", "different) * d", "of the same class"
    ),
    Mistake(
        "contrastive_rule", "uphill", "- different * 2", "+ different * 2", "different classes"
    ),
    Mistake(
        "contrastive_rule",
        "no margin",
        "np.maximum(0.0, margin - d)",
        "(margin - d)",
        "pairs of different classes",
    ),
    Mistake("contrastive_rule", "no mean", " / len(a), a", ", a", "pairs of the same class"),
]
MAML = [
    Mistake(
        "adapt",
        "first order",
        "p - alpha * g for",
        "p - alpha * tm.stop_gradient(g) for",
        "the derivative of adapted_loss of order 1 is wrong",
    ),
    Mistake("adapt", "the mean", "(theta, support).sum()", "(theta, support).mean()", "to move by"),
    Mistake("adapt", "uphill", "p - alpha * g for", "p + alpha * g for", "has to move by"),
    Mistake("adapt", "no sum", "(theta, support).sum()", "(theta, support)", ": gs ="),
    Mistake(
        "meta_gradient",
        "first order",
        "p - alpha * g for",
        "p - alpha * tm.stop_gradient(g) for",
        "this is the first-order MAML gradient",
    ),
    Mistake(
        "meta_gradient",
        "not adapted",
        "p - alpha * g for",
        "p - 0 * g for",
        "this is the plain gradient at theta, not adapted",
    ),
    Mistake(
        "meta_gradient",
        "the support set",
        "step(copies), tasks.query",
        "step(copies), tasks.support",
        "the query set is not used",
    ),
    Mistake("meta_gradient", "the sum", "query).mean()", "query).sum()", "(a factor T)"),
    Mistake(
        "meta_gradient", "the sign", "return loss(step", "return -loss(step", "its sign flipped"
    ),
    Mistake("hessian_term", "the other way", "f - e for", "e - f for", "the term is"),
    Mistake("hessian_term", "nothing left out", "* tm.stop_gradient(g)", "* g", "yours 0"),
]
FUSION = [
    Mistake(
        "fused",
        "no parentheses",
        'f"({first.text})"',
        "first.text",
        "t = a + b and y = t * at became y = a + b * at: its first element is",
    ),
    Mistake("fused", "parts of names", r'rf"\b{first.result}\b"', "first.result", "cannot be run"),
    Mistake("fused", "once", ", second.text)", ", second.text, count=1)", "which still reads t"),
    Mistake(
        "fused", "the other name", "(second.result,", "(first.result,", "the result is called y"
    ),
    Mistake("may_fuse", "others read it", "and not any(map(reads, later))", "", "z reads t, too"),
    Mistake("may_fuse", "parts of names", r'rf"\b{first.result}\b"', '"t"', "z reads at, which is"),
    Mistake("may_fuse", "reductions", "not reduces and", "", "added up for every y"),
    Mistake("may_fuse", "it is not read", "reads(second) and", "", "y does not read t at all"),
]
MEMORY = [
    Mistake(
        "lifetimes",
        "dead while it is read",
        "(lives[name][0], k)",
        "(lives[name][0], k - 1)",
        "a lives from step 0 to 3, you say (0, 2)",
    ),
    Mistake(
        "lifetimes", "born late", "(lives[name][0], len", "(lives[name][1], len", "a lives from"
    ),
    Mistake(
        "lifetimes", "outputs die", "for name in outputs:", "for name in ():", "you say (3, 3)"
    ),
    Mistake(
        "lifetimes",
        "nobody reads z",
        "lives[step.result] = (k, k)",
        "lives[step.result] = (0, k)",
        "you say",
    ),
    Mistake(
        "plan",
        "overlapping blocks",
        "start >= end or start + sizes[name] <= begin",
        "start >= end or start <= begin",
        "both live and overlap at byte",
    ),
    Mistake(
        "plan", "last left out", "first <= lives[other][1]", "first < lives[other][1]", "overlap"
    ),
    Mistake(
        "plan",
        "no reuse",
        "if first <= lives[other][1] and lives[other][0] <= last",
        "",
        "use places again once their value is dead",
    ),
]
CUDA_KERNEL = [
    Mistake(
        "sum_kernel",
        "rounds in the input",
        "    shared = cuda.shared.array(8, np.float64)\n    t, i = cuda.threadIdx.x, cuda.grid(1)\n"
        "    shared[t] = x[i] if i < x.size else 0.0\n",
        "    shared, t = x, cuda.threadIdx.x\n",
        "you wrote into what you were given",
    ),
    Mistake(
        "sum_kernel",
        "one thread does it all, and barriers besides",
        "    shared = cuda.shared.array(8, np.float64)\n",
        """    if cuda.threadIdx.x == 0:
        first, total = 8 * cuda.blockIdx.x, 0.0
        for k in range(first, min(first + 8, x.size)):
            total += x[k]
        out[cuda.blockIdx.x] = total
    for _ in range(3):
        cuda.syncthreads()
    return
    shared = cuda.shared.array(8, np.float64)
""",
        "one of them does the work of all",
    ),
    Mistake(
        "sum_kernel",
        "one thread does it all",
        "    shared = cuda.shared.array(8, np.float64)\n",
        """    if cuda.threadIdx.x == 0:
        first, total = 8 * cuda.blockIdx.x, 0.0
        for k in range(first, min(first + 8, x.size)):
            total += x[k]
        out[cuda.blockIdx.x] = total
    return
    shared = cuda.shared.array(8, np.float64)
""",
        "one of them does the work of all",
    ),
    Mistake(
        "add_kernel", "no guard", "if i < x.size:", "if True:", "thread 3 of block 1: x[7] is out"
    ),
    Mistake(
        "add_kernel",
        "its number in the block",
        "    i = cuda.grid(1)\n    if",
        "    i = cuda.threadIdx.x\n    if",
        "blocks run in any order",
    ),
    Mistake(
        "add_kernel", "one too few", "i < x.size:", "i < x.size - 1:", "out[7] is nan and must be"
    ),
    Mistake(
        "sum_kernel",
        "no barrier between rounds",
        "        cuda.syncthreads()\n",
        "",
        "a race: thread",
    ),
    Mistake(
        "sum_kernel",
        "no barrier before the rounds",
        "0.0\n    cuda.syncthreads()\n",
        "0.0\n",
        "a race: thread 3 of block 0 reads shared[7] and thread 7 wrote it",
    ),
    Mistake(
        "sum_kernel",
        "a barrier for some threads",
        "        cuda.syncthreads()\n",
        "            cuda.syncthreads()\n",
        "all threads of a block have to call cuda.syncthreads()",
    ),
    Mistake("sum_kernel", "no guard", " if i < x.size else 0.0", "", "is outside of the shape"),
    Mistake(
        "sum_kernel", "a round too few", "while distance > 0", "while distance > 1", "must be 36"
    ),
    Mistake("sum_kernel", "everyone writes", "if t == 0:", "if True:", "a race: thread"),
]
YOUR_METHOD = [
    Mistake(
        "method",
        "as many tasks as in the chapter",
        "count = len(support.x)",
        "count = 4",
        "1 tasks",
    ),
    Mistake(
        "method",
        "predict with rates of its own",
        "return predict(adapted(params, support), x)",
        "fixed = [np.full((1, 1), 0.05) for _ in params['rates']]\n"
        "        return predict(adapted({**params, 'rates': fixed}, support), x)",
        "parameters after one step on its support set: at",
    ),
    Mistake(
        "method",
        "predict of all tasks' supports",
        "return predict(adapted(params, support), x)",
        "means = [np.repeat(p.mean(0, keepdims=True), len(x), 0) for p in support]\n"
        "        return predict(adapted(params, type(support)(*means)), x)",
        "the first task's support set",
    ),
    Mistake(
        "method",
        "predict does not adapt",
        "return predict(adapted(params, support), x)",
        "return predict([tm.broadcast_to(p, (len(x), *p.shape)) for p in params['theta']], x)",
        "the same for another support set",
    ),
    Mistake(
        "method",
        "one theta for all tasks",
        "return predict(adapted(params, support), x)",
        "return predict(adapt(loss, params, support)['theta'], x)",
        "the first task's support set changes",
    ),
    Mistake(
        "adapt",
        "rates that cannot learn",
        '["theta"], params["rates"]\n',
        '["theta"], tm.stop_gradient(params["rates"])\n',
        "the derivative of adapted_loss of order 1 is wrong",
    ),
    Mistake(
        "adapt",
        "first order",
        "p - r * g for",
        "p - r * tm.stop_gradient(g) for",
        "the derivative of adapted_loss of order 1 is wrong",
    ),
    Mistake(
        "adapt",
        "rates that are stepped",
        '"rates": rates}\n\n\ndef m',
        '"rates": theta}\n\n\ndef m',
        "rates[0] has to come out as it went in",
    ),
    Mistake(
        "method",
        "uphill",
        '{"loss": value}, gradients',
        '{"loss": value}, tm.tree.map(lambda g: -g, gradients)',
        "its sign flipped",
    ),
    Mistake("method", "no loss", '{"loss": value}', "{}", "need a loss"),
    Mistake("method", "the sum", "tasks.query).mean()", "tasks.query).sum()", "(a factor T)"),
    Mistake(
        "method",
        "the support set",
        "support), tasks.query).mean()",
        "support), tasks.support).mean()",
        "the query set is not used",
    ),
    Mistake(
        "method",
        "rates stay",
        '{"loss": value}, gradients',
        '{"loss": value}, {**gradients, "rates": [0.0 * g for g in gradients["rates"]]}',
        "most off: ['rates']",
    ),
    Mistake(
        "method",
        "one prediction",
        "support), x)",
        "support), x)[0]",
        "predict: (5, 1), and must be (4, 5, 1)",
    ),
]

MISTAKES = {
    "product_rule": PRODUCT_RULE,
    "unbroadcasting": UNBROADCASTING,
    "matmul": MATMUL,
    "cross_entropy": CROSS_ENTROPY,
    "grad_of_grad": GRAD_OF_GRAD,
    "hessian_vector": HESSIAN_VECTOR,
    "convolution": CONVOLUTION,
    "kinks": KINKS,
    "contrastive": CONTRASTIVE,
    "maml": MAML,
    "fusion": FUSION,
    "memory": MEMORY,
    "cuda_kernel": CUDA_KERNEL,
    "your_method": YOUR_METHOD,
}
