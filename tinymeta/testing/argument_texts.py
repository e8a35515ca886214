"""Right values of parameters, by the parameter's name, as texts.

As text a call that is drawn can be read, and pasted into a session. A new function whose parameters
have familiar names needs no row here. Which functions there are is in calls.py, what may be wrong
in wrong_argument_texts.py.
"""

import functools
from types import CodeType
from typing import Any

import numpy as np

import tinymeta as tm

# fmt: off
FLOATS = [
    "2.0", "np.float32(0.5)", "np.ones((2, 3), np.float32)", "tm.ones((2, 3))", "np.ones((2, 3))",
    "np.ones(3, np.float32)", "[1.0, 2.0]", "[[0.5, 1.0], [2.0, -1.0]]", "tm.zeros((0, 3))",
    "np.ones((2, 1, 3), np.float16)", "np.arange(6).reshape(2, 3)", "np.array([True, False])",
]
IMAGES = ["np.ones((2, 6, 6, 1), np.float32)", "tm.ones((3, 2, 5, 4, 1))", "np.ones((1, 4, 4, 1))"]
LABELS = ["[0, 1]", "np.array([1, 2])", "tm.tensor([0, 0])", "1"]
_WHOLE = ["1", "2", "3", "np.int64(2)"]
FLAGS = ["True", "False"]
_SCALARS = ["0.5", "1.0", "np.float32(0.25)"]
_DRAWN = ["np.random.default_rng(0)"]
_LOSS = ["tm.losses.mse", "lambda p, b: tm.losses.mse(b.x @ p['w'], b.y)"]
PARAMS = ["{'w': np.ones((3, 4), np.float32), 'b': np.zeros(4, np.float32)}"]
_BATCH = "tm.Batch(np.ones((2, 5, 3), np.float32), np.ones((2, 5, 4), np.float32))"
LABELLED = "tm.Batch(np.ones((2, 5, 3), np.float32), np.zeros((2, 5), int))"
MODEL = ["tm.nn.mlp(3, 4)"]
_CHARACTERS = [
    "tm.data.Characters(np.zeros((6, 4, 4, 4), np.uint8), np.array([0, 0, 0, 1, 1, 1]), "
    "('a/0', 'a/1', 'a/2', 'b/0', 'b/1', 'b/2'))"
]

# Right values of a parameter, by its name; of one function's, by "function.name".
ADAPTING = ("adapt", "maml_loss", "maml", "anil", "meta_sgd", "maml_plus", "reptile", "imaml")
RIGHT = {
    **dict.fromkeys(["x", "a", "b", "w", "value", "primals", "tangents", "v"], FLOATS),
    **dict.fromkeys(["data", "prediction", "target", "embedded"], FLOATS),
    "axis": ["0", "1", "-1", "None", "(0, 1)"],
    **dict.fromkeys(["axis1", "axis2", "source", "destination"], ["0", "1", "-1"]),
    "axes": ["0", "1", "(1, 0)"],
    "shape": ["3", "(2, 3)", "[3, 2]", "-1", "6", "()"],
    "dtype": ["np.float64", "'int32'", "bool", "None"],
    "keepdims": FLAGS,
    "lower": FLAGS,
    "xs": ["[tm.ones(3), tm.zeros(3)]", "(np.ones((2, 3)), np.ones((2, 3)))", "[1.0, 2.0]"],
    "indices": LABELS,
    "labels": LABELS,
    "classes": _WHOLE,
    "n": _WHOLE,
    "m": _WHOLE,
    "bounds": [*_WHOLE, "0.5"],
    "exponent": ["2", "0.5", "-1", "3.0", "np.ones((2, 3), np.float32)"],
    "condition": ["np.array([True, False, True])", "tm.ones((2, 3)) > 0", "True"],
    "widths": ["1", "[(1, 0), (0, 2)]", "[(1, 1)]"],
    "min": ["0.0", "None"],
    "max": ["1.0", "None"],
    "window": ["2", "(2, 1)"],
    "stride": ["None", "1", "2", "(1, 2)"],
    "padding": ["'same'", "'valid'", "1"],
    **dict.fromkeys(["start", "stop"], ["0.0", "1", "tm.ones(())"]),
    "num": ["5", "1", "0"],
    "endpoint": FLAGS,
    "decimals": ["0", "1", "-1"],
    "indices_or_sections": ["1", "[1]", "(0, 1)"],
    "repeats": ["2", "[1, 2]", "0"],
    "reps": ["2", "(2, 1)", "0"],
    "roll.shift": ["1", "-1", "(1, 2)"],
    "k": ["0", "1", "-1"],
    "offset": ["0", "1", "-1"],
    "tensordot.axes": ["0", "1", "(0, 0)"],
    "subscripts": ["'ij,ij->i'", "'...,...'"],
    "operands": ["np.ones((2, 3), np.float32)"],
    "alpha": _SCALARS,
    "negative_slope": _SCALARS,
    "approximate": FLAGS,
    "correction": ["0", "1", "0.5"],
    "values": ["np.ones(2, np.float32)", "np.ones((2, 3))"],
    "scatter_add.indices": ["[0, 1]", "np.array([1, 0])"],
    "scatter_add.size": ["2", "3"],
    "dilation": ["1", "2"],
    "groups": ["1"],
    "ceil_mode": FLAGS,
    "count_include_pad": FLAGS,
    "output_padding": ["0"],
    "conv1d.x": ["np.ones((2, 6, 1), np.float32)"],
    "conv1d.w": ["np.ones((3, 1, 2), np.float32)"],
    "conv1d.stride": ["1", "2"],
    "conv_transpose2d.x": IMAGES,
    "conv_transpose2d.w": ["np.ones((3, 3, 2, 1), np.float32)"],
    "conv_transpose2d.stride": ["1", "2"],
    "topk.k": ["1", "2"],
    "descending": FLAGS,
    "index": ["0", "(0, 1)", "slice(1)", "None", "...", "[0, 1]", "(0, np.array([1, 1]))"],
    "device": ["'cpu'"],
    "products": ["'float32'"],
    "name": ["'cpu'", "'inner'"],
    "f": ["lambda *x: tm.sum(tm.asarray(x[0]) ** 2)", "lambda x=1.0, *more: tm.sum(x, *more)"],
    "fwd": ["lambda *x: (tm.asarray(x[0]) ** 2, x)"],
    "bwd": ["lambda x, g: (2.0 * x[0] * g, *(None,) * (len(x) - 1))"],
    "solve": ["lambda a: a"],
    "optimality": ["lambda x, a: x - a"],
    "linear": ["'cg'", "'dense'"],
    "tol": ["1e-6", "None"],
    "jacobian.mode": ["'reverse'", "'forward'"],
    "argnum": ["0", "(0,)"],
    "has_aux": FLAGS,
    "args": FLOATS,
    "tree": PARAMS,
    "conv2d.x": IMAGES,
    "max_pool2d.x": IMAGES,
    "avg_pool2d.x": IMAGES,
    "conv2d.w": ["np.ones((3, 3, 1, 2), np.float32)"],
    "Conv2d.x": IMAGES,
    "MaxPool2d.x": IMAGES,
    "Flatten.x": IMAGES,
    "GlobalAveragePooling.x": IMAGES,
    "BatchNorm.x": IMAGES,
    **dict.fromkeys(
        ["inputs", "outputs", "kernel", "channels", "features", "filters", "sizes"], _WHOLE
    ),
    "bias": FLAGS,
    "scale": FLAGS,
    "spatial": ["0", "2"],
    "mode": ["'batch'", "'frozen'"],
    "eps": ["1e-3", "1e-5"],
    "scheme": ["tm.nn.init.he_normal"],
    "activation": ["tm.relu", "tm.tanh"],
    "norm": FLAGS,
    "pool": ["'stride'", "'max'"],
    "head": ["'mean'", "'flatten'"],
    "layers": ["tm.relu", "tm.nn.Flatten()"],
    "size": ["28", "16"],
    "rng": _DRAWN,
    "std": _SCALARS,
    "params": PARAMS,
    "Sequential.params": [f"[{PARAMS[0]}, None]"],
    "Conv2d.params": ["tm.nn.Conv2d(1, 2).init(np.random.default_rng(0))"],
    "LayerNorm.params": ["{'scale': np.ones(3, np.float32), 'offset': np.zeros(3, np.float32)}"],
    "BatchNorm.params": ["tm.nn.BatchNorm(1).init(None)"],
    **{f"{name}.params": ["None"] for name in ("MaxPool2d", "Flatten", "GlobalAveragePooling")},
    "logits": ["np.ones((2, 3), np.float32)"],
    "log_probabilities": ["np.zeros((2, 3), np.float32)"],
    "delta": _SCALARS,
    "binary_cross_entropy.logits": ["np.ones((2, 3), np.float32)"],
    "binary_cross_entropy.target": ["np.ones((2, 3))", "np.zeros((2, 3), bool)"],
    "kl_divergence.target": ["np.ones((2, 3), np.float32) / 3"],
    "different": ["np.array([0, 1])", "0.5"],
    "margin": _SCALARS,
    "lr": ["0.1", "tm.ones(())"],
    "beta": _SCALARS,
    "beta1": _SCALARS,
    "beta2": _SCALARS,
    "nesterov": FLAGS,
    "updates": _WHOLE,
    "least": _SCALARS,
    "support": [_BATCH],
    "query": _WHOLE,
    "tasks": _WHOLE,
    "shot": _WHOLE,
    "way": _WHOLE,
    "rotations": FLAGS,
    "count": _WHOLE,
    "within": ["0.5", "1", "0"],
    "same": ["0.5", "0"],
    "drawers": _WHOLE,
    "alphabets": ["1", "2"],
    "characters": _CHARACTERS,
    "sets": _CHARACTERS,
    "uniform": FLAGS,
    "amplitude": ["(0.1, 5.0)"],
    "phase": ["(0.0, 3.0)"],
    "Sinusoids.x": ["(-5.0, 5.0)"],
    "waves": ["None"],
    "seed": ["0", "7"],
    "draw": ["lambda rng: rng.normal(size=(1, 3))"],
    "first": ["0", "5"],
    "per_alphabet": ["2"],
    "Glyphs.size": ["8", "28"],
    "images": ["np.zeros((2, 5, 5), np.float32)"],
    "alphabet": ["np.zeros(6, int)"],
    "names": ["('a/b',)"],
    "Pictures.images": ["np.zeros((2, 5, 5, 1), np.uint8)"],
    "Pictures.labels": ["np.array([0, 1])"],
    "Pictures.names": ["('a', 'b')"],
    "files": ["()", "('0.png', '1.png')"],
    "notes": ["()", "('all grey',)"],
    "inverted": FLAGS,
    "affine.channels": FLAGS,
    "angle": _SCALARS,
    "shear": _SCALARS,
    "affine.scale": _SCALARS,
    "shift": _SCALARS,
    "loss": _LOSS,
    "maml_loss.tasks": [f"tm.Tasks({_BATCH}, {_BATCH})"],
    "steps": _WHOLE,
    "test_steps": ["None", "2"],
    "model": MODEL,
    "first_order": FLAGS,
    "over_tasks": ["'mean'", "'sum'"],
    "transductive": FLAGS,
    "remat": ["None", "'steps'", "'sqrt'", "'nested'"],
    **{f"{name}.mode": ["'reverse'", "'mixed'"] for name in ADAPTING},
    "step": ["lambda state, hyper, k: tm.tree.map(lambda x: 0.5 * x, state)"],
    "outer_loss": ["lambda state, hyper: tm.sum(state)"],
    "compiled": FLAGS,
    "strength": _SCALARS,
    "cg_steps": _WHOLE,
    "progress": ["0.5", "0.0"],
    "batch": _WHOLE,
    "method": ["tm.meta.maml(tm.nn.mlp(3, 4), lr=0.1)"],
    "sample": [f"lambda n: tm.Tasks({LABELLED}, {LABELLED})"],
    "measure": ["tm.meta.accuracy"],
    "evaluate.batch": ["2"],
    "evaluate.tasks": ["2", "4"],
    "evaluate.params": ["tm.nn.mlp(3, 4).init(np.random.default_rng(0))"],
}
# What is never left at its default, which would take the time of hundreds of calls.
SLOW_DEFAULTS = {"evaluate.tasks"}
# fmt: on


@functools.cache
def _compiled(text: str) -> CodeType:
    return compile(text, "<string>", "eval")


def eval_text(text: str) -> Any:
    """The object that a text stands for, made anew."""
    return eval(_compiled(text), {"tm": tm, "np": np, "nan": float("nan"), "inf": float("inf")})
