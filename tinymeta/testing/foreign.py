"""A function of arrays from elsewhere, as one operation of this engine.

Its value comes from calling it, and its pullback is a function from elsewhere, too. So whatever
asks for derivatives can ask for these, to any order at which somebody says what the pullback is.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np

from ..core import tree
from ..core.scope import state
from ..core.tensor import Tensor, serials
from ..core.tensor import asarray as as_tensor
from ..ops.checkpoint import pack, unpack
from .layouts import gappy
from .subject import NoRule, called, same_bits

# What foreign functions get with a stride in it, as views have: "", "cotangents" or "arrays", all.
LOOSE = ContextVar("LOOSE", default="")


class Foreign:
    """`f`, of trees of arrays, as a function of trees of tensors that has derivatives:

        Foreign(f, backward=b)              the pullback, written by hand: b(g, *args) = J(x)^T g
        Foreign(f, vjp=jax.vjp)             any framework's whose vjp(f, *xs) is (f(*xs), pull)
        Foreign(f, vjp=torch.func.vjp, asarray=torch.as_tensor)

    backward: `g` is like `f(*args)`, the result like args, with None for what is not floating, or
    bare for one argument. Order 2 asks for its derivative: `backward=Foreign(b, backward=...)`.
    asarray: makes what `f` takes of a NumPy array.

    Raises AssertionError if `f` writes into its arguments; ValueError if the pullback returns
    another number of gradients than there are floating inputs, as `NoRule` if there is no pullback.
    """

    def __init__(
        self,
        f: Callable,
        *,
        backward: Callable | None = None,
        vjp: Callable | None = None,
        asarray: Callable = np.asarray,
    ):
        if backward is not None and vjp is not None:
            raise ValueError(f"{called(f)}: give a backward or a vjp, not both")
        self.f, self.backward, self.vjp, self.asarray = f, backward, vjp, asarray
        self.__name__ = called(f)

    def __call__(self, *args):
        flat, rebuild = tree.flatten(args)
        places = [k for k, x in enumerate(flat) if floating(x)]
        inputs = tuple(as_tensor(flat[k]) for k in places)
        others = [self.own(x) if isinstance(x, (np.ndarray, Tensor)) else x for x in flat]

        def among_others(xs):
            full = list(others)
            for k, x in zip(places, xs):
                full[k] = x
            return rebuild(full)

        copies = [laid_out(x.value) for x in inputs]
        result = self.f(*among_others(map(self.asarray, copies)))
        for k, (copy, x) in enumerate(zip(copies, inputs)):
            if not same_bits(copy, x.value):
                raise AssertionError(
                    f"{self.__name__} writes into its argument "
                    f"{tree.paths(args)[places[k]]}: let it make a new array"
                )
        outputs, rebuild_outputs = tree.flatten(result)
        outputs = [as_tensor(array_of(y)) for y in outputs]
        packed = pack(outputs)
        if state.recording and any(x.serial for x in inputs):
            call = Call(self, among_others, outputs, rebuild_outputs)
            packed = Tensor(packed.value, call, inputs, {}, next(serials), state.order)
        return rebuild_outputs(unpack(packed, outputs))

    def own(self, x):
        """An array of its own, such as `f` takes."""
        return self.asarray(np.array(x.numpy() if isinstance(x, Tensor) else x))


class Call(NamedTuple):
    """One call of a foreign function, as what made the packed vector of its outputs."""

    foreign: Foreign
    arguments: Callable  # of f, with these floats among them
    outputs: list
    rebuild_outputs: Callable
    name = property(lambda self: self.foreign.__name__)

    def pull(self, g, y, wanted):
        us = [u if floating(u) else None for u in unpack(g, self.outputs)]
        if LOOSE.get():  # what was packed lies in order, whatever came in
            us = [u if u is None or u.serial else Tensor(gappy(u.value)) for u in us]
        by = self.by_framework if self.foreign.vjp else self.by_hand
        shares = tree.leaves(by(us, y.inputs))
        if len(shares) != len(y.inputs):
            raise ValueError(
                f"the backward of {self.name} returned {len(shares)} gradients for "
                f"{len(y.inputs)} floating inputs: return one for each, like the "
                "arguments"
            )
        return [shares[i] for i in wanted]

    def by_hand(self, us, xs):
        backward = self.foreign.backward
        if backward is None:
            raise NoRule(
                f"nobody said what the derivative of {self.name} is: ask for a lower "
                f"order, or wrap it as Foreign({self.name}, backward=...)"
            )
        backward = backward if isinstance(backward, Foreign) else Foreign(backward)
        return backward(self.rebuild_outputs(us), *self.arguments(xs))

    def by_framework(self, us, xs):
        f, vjp, asarray = self.foreign.f, self.foreign.vjp, self.foreign.asarray

        def of_floats(*xs):
            return tuple(y for y in tree.leaves(f(*self.arguments(xs))) if floating(y))

        def pullback(us, xs):
            return vjp(of_floats, *xs)[1](tuple(us))

        return Foreign(pullback, vjp=vjp, asarray=asarray)([u for u in us if u is not None], xs)


def floating(x) -> bool:
    """Of a number or any framework's array: "float32" in NumPy is "torch.float32" there."""
    dtype = str(getattr(x, "dtype", type(x).__name__))
    return dtype.rpartition(".")[2].startswith(("float", "bfloat"))


def laid_out(x: np.ndarray) -> np.ndarray:
    """A copy for a foreign function to keep."""
    loose = LOOSE.get()
    return gappy(x) if loose == "arrays" or loose and not x.flags.c_contiguous else np.array(x)


def array_of(y) -> np.ndarray:
    """The array that any framework's array holds.

    Some of PyTorch's hold none: a sparse one; what lazily is zero, or the negative of another;
    bfloat16, which NumPy has not, comes as float32.
    """
    if str(getattr(y, "dtype", "")).endswith("bfloat16"):
        y = y.float() if hasattr(y, "float") else y.astype(np.float32)
    if hasattr(y, "detach"):
        y = y.detach().to_dense().numpy(force=True)
    return np.asarray(y)
