"""Tables of what may be called, and with which values of its parameters, right and wrong.

All of it is text, so that a call that is drawn can be read, and pasted into a session. What a
function takes is looked up by the names of its parameters; a new function with familiar names is
called from the day it is there.
"""

import functools
import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

import tinymeta as tm

from ..ops.elementwise import Elementwise

ROOMS = {
    "tm": tm,
    "tm.nn": tm.nn,
    "tm.meta": tm.meta,
    "tm.data": tm.data,
    "tm.optim": tm.optim,
    "tm.losses": tm.losses,
}
LEFT_OUT = {
    "tm.save": "writes a file",
    "tm.load": "reads one",
    "tm.about": "reads one",
    "tm.data.Omniglot": "reads, or downloads, files",
    "tm.meta.Checkpoint": "writes a file",
    "tm.primitive": "each call takes a name for good",
    "tm.elementwise": "each call takes a name for good",
    "tm.meta.train": "takes minutes, and shows its progress",
    "tm.meta.learned_optimizer": "takes seconds",
    "tm.warmup": "compiles kernels, for seconds",
    "tm.explain": "compiles kernels, for seconds",
    "tm.Tensor": "the constructor is not for callers",
}
X = "tm.ones((2, 3))"
# What is not listed anywhere, and how it calls itself. (NamedTuples hold what they are given: they
# are left out, and the functions that take them look at it.)
METHODS = {
    **{
        f"{X}.{name}": name
        for name in ("sum", "mean", "max", "min", "astype", "reshape", "transpose")
    },
    f"{X}.__add__": "add",
    f"{X}.__rsub__": "sub",
    f"{X}.__matmul__": "matmul",
    f"{X}.__pow__": "power",
    f"{X}.__lt__": "less",
    f"({X} > 0).__and__": "&",
    f"{X}.__getitem__": "index",
    f"{X}.to": "device",
    "tm.nn.Dense(3, 4)": "Dense",
    "tm.nn.Dense(3, 4).init": "Dense",
    "tm.nn.Conv2d(1, 2)": "Conv2d",
    "tm.nn.BatchNorm(1)": "BatchNorm",
    "tm.nn.BatchNorm(3, spatial=0).freeze": "BatchNorm",
    "tm.nn.LayerNorm(3)": "LayerNorm",
    "tm.nn.MaxPool2d()": "MaxPool2d",
    "tm.nn.Flatten()": "Flatten",
    "tm.nn.GlobalAveragePooling()": "GlobalAveragePooling",
    "tm.nn.Sequential(tm.nn.Dense(3, 4), tm.relu)": "Sequential|Dense",
    **{
        f"tm.nn.init.{name}": name
        for name in ("glorot_uniform", "he_normal", "normal", "truncated_normal")
    },
    "tm.nn.init.normal(1.0)": "normal",
    "tm.data.Sinusoids().sample": "Sinusoids.sample",
    "tm.data.Sinusoids().draw": "Sinusoids.draw",
    "tm.data.Quadratics().sample": "Quadratics.sample",
}
# These run a function that is theirs to name, or look at trees, of which they say what they are.
OTHERWISE = {
    "tm.asarray": "tensor",
    "tm.tensor": "tensor",
    "tm.device": "device",
    "tm.stop_gradient": "tensor",
    **dict.fromkeys(
        ["tm.vjp", "tm.jvp", "tm.hvp"],
        "vjp|jvp|hvp|tensor|cotangent|trees|differentiate|sum|function",
    ),
    "tm.meta.evaluate": "evaluate|Sequential|Dense|matmul|loss|tensor|support|adapt",
    **dict.fromkeys(
        ["tm.meta.adapt", "tm.meta.maml_loss"],
        "adapt|maml_loss|tensor|trees|differentiate|mse|matmul|mul|sub|support|parameters",
    ),
}

# fmt: off
FLOATS = [
    "2.0", "np.float32(0.5)", "np.ones((2, 3), np.float32)", "tm.ones((2, 3))", "np.ones((2, 3))",
    "np.ones(3, np.float32)", "[1.0, 2.0]", "[[0.5, 1.0], [2.0, -1.0]]", "tm.zeros((0, 3))",
    "np.ones((2, 1, 3), np.float16)", "np.arange(6).reshape(2, 3)", "np.array([True, False])",
]
IMAGES = ["np.ones((2, 6, 6, 1), np.float32)", "tm.ones((3, 2, 5, 4, 1))", "np.ones((1, 4, 4, 1))"]
LABELS = ["[0, 1]", "np.array([1, 2])", "tm.tensor([0, 0])", "1"]
WHOLE = ["1", "2", "3", "np.int64(2)"]
FLAGS = ["True", "False"]
SCALARS = ["0.5", "1.0", "np.float32(0.25)"]
DRAWN = ["np.random.default_rng(0)"]
LOSS = ["tm.losses.mse", "lambda p, b: tm.losses.mse(b.x @ p['w'], b.y)"]
PARAMS = ["{'w': np.ones((3, 4), np.float32), 'b': np.zeros(4, np.float32)}"]
BATCH = "tm.Batch(np.ones((2, 5, 3), np.float32), np.ones((2, 5, 4), np.float32))"
LABELLED = "tm.Batch(np.ones((2, 5, 3), np.float32), np.zeros((2, 5), int))"
MODEL = ["tm.nn.mlp(3, 4)"]
CHARACTERS = [
    "tm.data.Characters(np.zeros((6, 4, 4, 4), np.uint8), np.array([0, 0, 0, 1, 1, 1]), "
    "('a/0', 'a/1', 'a/2', 'b/0', 'b/1', 'b/2'))"
]

# Right values of a parameter, by its name; of one function's, by "function.name".
RIGHT = {
    **dict.fromkeys(["x", "a", "b", "w", "value", "primals", "tangents", "v"], FLOATS),
    **dict.fromkeys(["data", "prediction", "target", "embedded"], FLOATS),
    "axis": ["0", "1", "-1", "None", "(0, 1)"],
    **dict.fromkeys(["axis1", "axis2", "source", "destination"], ["0", "1", "-1"]),
    "axes": ["0", "1", "(1, 0)"],
    "shape": ["3", "(2, 3)", "[3, 2]", "-1", "6", "()"],
    "dtype": ["np.float64", "'int32'", "bool", "None"],
    "keepdims": FLAGS,
    "xs": ["[tm.ones(3), tm.zeros(3)]", "(np.ones((2, 3)), np.ones((2, 3)))", "[1.0, 2.0]"],
    "indices": LABELS,
    "labels": LABELS,
    "classes": WHOLE,
    "n": WHOLE,
    "m": WHOLE,
    "bounds": [*WHOLE, "0.5"],
    "exponent": ["2", "0.5", "-1", "3.0", "np.ones((2, 3), np.float32)"],
    "condition": ["np.array([True, False, True])", "tm.ones((2, 3)) > 0", "True"],
    "widths": ["1", "[(1, 0), (0, 2)]", "[(1, 1)]"],
    "min": ["0.0", "None"],
    "max": ["1.0", "None"],
    "window": ["2", "(2, 1)"],
    "stride": ["None", "1", "2", "(1, 2)"],
    "padding": ["'same'", "'valid'", "1"],
    "index": ["0", "(0, 1)", "slice(1)", "None", "..."],
    "device": ["'cpu'"],
    "name": ["'cpu'", "'inner'"],
    "f": ["lambda *x: tm.sum(tm.asarray(x[0]) ** 2)", "lambda x=1.0, *more: tm.sum(x, *more)"],
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
        ["inputs", "outputs", "kernel", "channels", "features", "filters", "sizes"], WHOLE
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
    "rng": DRAWN,
    "std": SCALARS,
    "params": PARAMS,
    "Sequential.params": [f"[{PARAMS[0]}, None]"],
    "Conv2d.params": ["tm.nn.Conv2d(1, 2).init(np.random.default_rng(0))"],
    "LayerNorm.params": ["{'scale': np.ones(3, np.float32), 'offset': np.zeros(3, np.float32)}"],
    "BatchNorm.params": ["tm.nn.BatchNorm(1).init(None)"],
    **{f"{name}.params": ["None"] for name in ("MaxPool2d", "Flatten", "GlobalAveragePooling")},
    "logits": ["np.ones((2, 3), np.float32)"],
    "different": ["np.array([0, 1])", "0.5"],
    "margin": SCALARS,
    "lr": ["0.1", "tm.ones(())"],
    "beta": SCALARS,
    "beta1": SCALARS,
    "beta2": SCALARS,
    "nesterov": FLAGS,
    "updates": WHOLE,
    "least": SCALARS,
    "support": [BATCH],
    "query": WHOLE,
    "tasks": WHOLE,
    "shot": WHOLE,
    "way": WHOLE,
    "rotations": FLAGS,
    "count": WHOLE,
    "within": ["0.5", "1", "0"],
    "same": ["0.5", "0"],
    "drawers": WHOLE,
    "alphabets": ["1", "2"],
    "characters": CHARACTERS,
    "sets": CHARACTERS,
    "uniform": FLAGS,
    "amplitude": ["(0.1, 5.0)"],
    "phase": ["(0.0, 3.0)"],
    "Sinusoids.x": ["(-5.0, 5.0)"],
    "waves": ["None"],
    "seed": ["0", "7"],
    "first": ["0", "5"],
    "per_alphabet": ["2"],
    "Glyphs.size": ["8", "28"],
    "images": ["np.zeros((2, 5, 5), np.float32)"],
    "alphabet": ["np.zeros(6, int)"],
    "names": ["('a/b',)"],
    "angle": SCALARS,
    "shear": SCALARS,
    "affine.scale": SCALARS,
    "shift": SCALARS,
    "loss": LOSS,
    "maml_loss.tasks": [f"tm.Tasks({BATCH}, {BATCH})"],
    "steps": WHOLE,
    "test_steps": ["None", "2"],
    "model": MODEL,
    "first_order": FLAGS,
    "over_tasks": ["'mean'", "'sum'"],
    "transductive": FLAGS,
    "compiled": FLAGS,
    "strength": SCALARS,
    "cg_steps": WHOLE,
    "progress": ["0.5", "0.0"],
    "batch": WHOLE,
    "method": ["tm.meta.maml(tm.nn.mlp(3, 4), lr=0.1)"],
    "sample": [f"lambda n: tm.Tasks({LABELLED}, {LABELLED})"],
    "measure": ["tm.meta.accuracy"],
    "evaluate.batch": ["2"],
    "evaluate.tasks": ["2", "4"],
    "evaluate.params": ["tm.nn.mlp(3, 4).init(np.random.default_rng(0))"],
}
HUGE = ["10 ** 30", "-10 ** 30", "2 ** 63", "1e300"]
WRONG = [
    "None", "True", "-1", "-7", "0", "5", "2.7", "np.float64(2.5)", "1j", "'23'", "'gpu'",
    "'same'", "''", "b'x'", "nan", "inf", "-inf", "[]", "()", "{}", "[None]", "['a']", "[1, 'a']",
    "[[1.0, 2.0], [3.0]]", "[[1], 2]", "(0, 0)", "(1, -1)", "(0, 1, 2)", "((1, 1), (2,))",
    "[(1, 2, 3)]", "(2.0, 3.0)", "object()", "lambda: 0", "lambda *a: 1 / 0", "complex", "str",
    "object", "'complex64'", "'M8[D]'", "float", "{1, 2}", "range(3)", "slice(None)", "...",
    "np.array([1 + 2j])", "np.array(['a', 'b'])", "np.array([None, 1])", "np.zeros(0)",
    "np.ma.masked_array([1.0, 2.0, 3.0], [True, False, False])", "np.zeros(2, [('a', 'f4')])",
    "np.array(['2020-01-01'], 'M8[D]')", "np.ones((2, 3, 4))", "np.ones((2, 2))",
    "np.ones((3, 2), np.int8)", "np.array([np.nan, 1.0])", "np.array([1.5, -1.0])",
    "np.array([100, -100])", "np.uint8(200)", "np.array(2)", "np.longdouble(2)", "tm.tensor(3)",
    "tm.tensor([1.0, 2.0])", "tm.ones((2, 3)) > 0", "tm.relu", "iter([1, 2])",
]
# Numbers of things that are made or done: so many of them are an honest, endless request.
ENDLESS = {
    "steps", "test_steps", "cg_steps", "tasks", "count", "batch", "size", "filters", "channels",
    "shot", "query", "way", "classes", "drawers", "alphabets", "per_alphabet", "inputs",
    "outputs", "kernel", "features", "sizes", "n", "m", "bounds", "updates",
}
# Any function may be one of these, and what it does is its own affair.
FUNCTIONS = {"f", "loss", "sample", "measure", "scheme", "activation", "layers"}
# fmt: on


@functools.cache
def public_callables() -> tuple[str, ...]:
    """The functions, constructors and methods that are called, as one writes them."""
    listed = [f"{room}.{name}" for room, module in ROOMS.items() for name in module.__all__]
    called = [name for name in listed if callable(eval_text(name)) and name not in LEFT_OUT]
    return (*(name for name in called if not _is_named_tuple(name)), *METHODS)


def _is_named_tuple(name: str) -> bool:
    """Whether it is a NamedTuple, which holds whatever it is given."""
    found = eval_text(name)
    return isinstance(found, type) and issubclass(found, tuple)


def eval_text(text: str) -> Any:
    """The object that a text stands for, made anew."""
    return eval(text, {"tm": tm, "np": np, "nan": float("nan"), "inf": float("inf")})


@functools.cache
def parameters_of(callee: str) -> tuple[inspect.Parameter, ...]:
    """The parameters of what is called; of an operator or an elementwise operation, its inputs."""
    function = eval_text(callee)
    names: Iterable[str] = ()
    if isinstance(function, Elementwise):
        names = "abc"[: function.arity]
    elif "__" in callee:
        names = ["index"] if "getitem" in callee else ["x"]
    if names:
        return tuple(inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in names)
    return tuple(inspect.signature(function).parameters.values())


def error_name_pattern(callee: str) -> str:
    """A pattern for the name that its errors may call it by: "sum" of `tm.sum`."""
    return METHODS.get(callee) or OTHERWISE.get(callee) or callee.rpartition(".")[2]


@functools.cache
def wrong_texts(parameter: str) -> list[str]:
    """Texts of values that may be wrong for it."""
    if parameter in FUNCTIONS:
        return [text for text in WRONG if not callable(eval_text(text))]
    return WRONG if parameter in ENDLESS else WRONG + HUGE


def right_texts(callee: str, parameter: str) -> list[str]:
    """Texts of values that it takes. Raises KeyError for a parameter that nobody knows yet."""
    special = f"{error_name_pattern(callee).partition('|')[0]}.{parameter}"
    return RIGHT[special] if special in RIGHT else RIGHT[parameter]
