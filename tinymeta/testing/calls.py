"""What may be called: every public function, and what it calls itself in its errors.

Each is a text, so that a call that is drawn can be read. What a function takes is looked up by the
names of its parameters (argument_texts.py); a new function with familiar names is called from the
day it is there.
"""

import functools
import inspect
from collections.abc import Iterable

import tinymeta as tm

from ..ops.from_text import Elementwise
from .argument_texts import RIGHT, SLOW_DEFAULTS, eval_text

ROOMS = {
    "tm": tm,
    "tm.linalg": tm.linalg,
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
    "tm.data.folder": "reads files, and keeps some",
    "tm.data.folder_split": "reads files, and keeps some",
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
_OTHERWISE = {
    "tm.asarray": "tensor",
    "tm.tensor": "tensor",
    "tm.device": "device",
    "tm.stop_gradient": "tensor",
    **dict.fromkeys(
        ["tm.vjp", "tm.jvp", "tm.hvp"],
        "vjp|jvp|hvp|tensor|tangent|trees|differentiate|sum|function",
    ),
    "tm.meta.evaluate": "evaluate|Sequential|Dense|matmul|loss|tensor|support|adapt",
    **dict.fromkeys(
        ["tm.meta.adapt", "tm.meta.maml_loss"],
        "adapt|maml_loss|tensor|trees|differentiate|mse|matmul|mul|sub|support|parameters",
    ),
}


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
    return METHODS.get(callee) or _OTHERWISE.get(callee) or callee.rpartition(".")[2]


def right_texts(callee: str, parameter: str) -> list[str]:
    """Texts of values that it takes. Raises KeyError for a parameter that nobody knows yet."""
    special = _special(callee, parameter)
    return RIGHT[special] if special in RIGHT else RIGHT[parameter]


def has_slow_default(callee: str, parameter: str) -> bool:
    """Whether a call must give it, since its default asks for much work."""
    return _special(callee, parameter) in SLOW_DEFAULTS


def _special(callee: str, parameter: str) -> str:
    """What a parameter is called in the tables that tell functions apart: "evaluate.tasks"."""
    return f"{error_name_pattern(callee).partition('|')[0]}.{parameter}"
