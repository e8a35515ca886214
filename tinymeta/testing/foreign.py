"""A function of arrays from elsewhere, as one operation of this engine.

Its value comes from calling it, and its pullback is a function from elsewhere, too. So whatever
asks for derivatives can ask for these, to any order at which somebody says what the pullback is.
"""

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from ..core import tree
from ..core.checks import check_function
from ..core.tensor import Tensor
from ..core.tensor import asarray as as_tensor
from ..core.transpose import Undefined
from ..ops.checkpoint import pack, unpack
from ..ops.custom import run_as_one
from .layouts import gappy, same_bits
from .refusals import NoRule, name_of

# Which arrays foreign functions get strided, as views are: "" none, "cotangents", or all "arrays".
LAYOUT = ContextVar("LAYOUT", default="")


class Foreign:
    """`f`, of trees of arrays, as a function of trees of tensors that has derivatives:

        Foreign(f, backward=b)              the pullback, written by hand: b(g, *args) = J(x)^T g
        Foreign(f, vjp=jax.vjp)             any framework's whose vjp(f, *xs) is (f(*xs), pull)
        Foreign(f, vjp=torch.func.vjp, asarray=torch.as_tensor)

    backward: `g` is like `f(*args)`, the result like args, with None for what is not floating, or
    bare for one argument. Order 2 asks for its derivative: `backward=Foreign(b, backward=...)`.
    asarray: makes what `f`, and a pullback by hand, takes of a NumPy array.

    Raises AssertionError if `f` writes into its arguments; ValueError if the pullback returns
    another number of gradients than there are floating inputs, as `NoRule` if there is no pullback;
    TypeError for what is no function.
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
            raise ValueError(f"{name_of(f)}: give a backward or a vjp, not both")
        check_function("Foreign", f=f, asarray=asarray)
        given = {"backward": backward, "vjp": vjp}
        check_function("Foreign", **{what: x for what, x in given.items() if x is not None})
        self.f, self.backward, self.vjp, self.asarray = f, backward, vjp, asarray
        self.__name__ = name_of(f)

    def __call__(self, *args: Any) -> Any:
        leaves, rebuild = tree.flatten(args)
        places = [k for k, x in enumerate(leaves) if is_floating(x)]
        inputs = tuple(as_tensor(leaves[k]) for k in places)
        others = [x if is_floating(x) else self._converted(x) for x in leaves]

        def arguments(floats: Iterable) -> Any:
            complete = list(others)
            for k, x in zip(places, floats):
                complete[k] = x
            return rebuild(complete)

        def run(inputs: tuple[Tensor, ...]) -> tuple[Tensor, _ForeignCall]:
            known = [_known(x) for x in inputs]
            copies = [_copy_for_foreign(x) for x in known]
            result = self._value(arguments, copies, others)
            for k, copy, x in zip(places, copies, known):
                if not same_bits(copy, x):
                    raise AssertionError(
                        f"{self.__name__} writes into its argument "
                        f"{tree.paths(args)[k]}: let it make a new array"
                    )
            result_leaves, rebuild_outputs = tree.flatten(result)
            outputs = [as_tensor(as_numpy(y)) for y in result_leaves]
            return pack(outputs), _ForeignCall(self, arguments, outputs, rebuild_outputs)

        packed, call, _ = run_as_one(run, inputs)
        return call.rebuild_outputs(unpack(packed, call.outputs))

    def _value(self, arguments: Callable, copies: list[np.ndarray], others: list) -> Any:
        """`f` of these floating arrays and the other leaves, of which the floating ones are old."""
        return self.f(*arguments(map(self.asarray, copies)))

    def _converted(self, x: Any) -> Any:
        """A copy of an array, such as `f` takes; all else as it is."""
        if not isinstance(x, (np.ndarray, Tensor)):
            return x
        return self.asarray(np.array(_known(x) if isinstance(x, Tensor) else x))


class _ForeignCall(NamedTuple):
    """One call of a foreign function: the operation that made the packed vector of its outputs.

    A node of the tape has one output, and a function many: packed into one vector, they are one.
    """

    foreign: Foreign
    arguments: Callable  # of f, given the floating ones among them
    outputs: list
    rebuild_outputs: Callable

    @property
    def name(self) -> str:
        return self.foreign.__name__

    def input_cotangents(self, g: Tensor, y: Tensor, wanted: Sequence[int]) -> list:
        """The gradients of the inputs at the places `wanted`: what the backward pass asks for."""
        us = [u if is_floating(u) else None for u in unpack(g, self.outputs)]
        if LAYOUT.get():  # packing has made them contiguous, whatever came in
            us = [u if u is None or u.serial else Tensor(gappy(u.value)) for u in us]
        pullback = self._by_framework if self.foreign.vjp else self._by_hand
        gradients = tree.leaves(pullback(us, y.inputs))
        if len(gradients) != len(y.inputs):
            raise ValueError(
                f"the backward of {self.name} returned {len(gradients)} gradients for "
                f"{len(y.inputs)} floating inputs: return one for each, like the "
                "arguments: a tuple where they are several"
            )
        return [gradients[i] for i in wanted]

    def _by_hand(self, us: list, xs: tuple) -> Any:
        backward = self.foreign.backward
        if backward is None:
            raise NoRule(
                f"nobody said what the derivative of {self.name} is: ask for a lower "
                f"order, or wrap it as Foreign({self.name}, backward=...)"
            )
        if not isinstance(backward, Foreign):
            backward = Foreign(backward, asarray=self.foreign.asarray)
        return backward(self.rebuild_outputs(us), *self.arguments(xs))

    def _by_framework(self, us: list, xs: tuple) -> Any:
        """The framework's pullback, itself a `Foreign` of (us, xs): so it has derivatives, too."""
        f, vjp, asarray = self.foreign.f, self.foreign.vjp, self.foreign.asarray
        assert vjp is not None

        def of_floats(*xs: Any) -> tuple:
            return tuple(y for y in tree.leaves(f(*self.arguments(xs))) if is_floating(y))

        def pullback(us: list, xs: tuple) -> Any:
            return vjp(of_floats, *xs)[1](tuple(us))

        floating_us = [u for u in us if u is not None]
        return Foreign(pullback, vjp=vjp, asarray=asarray)(floating_us, xs)


def is_floating(x: Any) -> bool:
    """Whether a number or any framework's array is floating.

    Told by the name of its dtype: "float32" in NumPy is "torch.float32" there.
    """
    dtype = str(getattr(x, "dtype", type(x).__name__))
    return dtype.rpartition(".")[2].startswith(("float", "bfloat"))


def _known(x: Tensor) -> np.ndarray:
    """Its value; any, where shape and dtype are all that is asked of it."""
    return np.zeros(x.shape, x.dtype) if type(x.value) is Undefined else x.numpy()


def _copy_for_foreign(x: np.ndarray) -> np.ndarray:
    """A copy that a foreign function may keep, in the layout that LAYOUT asks for."""
    layout = LAYOUT.get()
    if layout == "arrays" or layout and not x.flags.c_contiguous:
        return gappy(x)
    return np.array(x)


def as_numpy(y: Any) -> np.ndarray:
    """The array that any framework's array holds.

    Some of PyTorch's hold none: a sparse one; what lazily is zero, or the negative of another;
    bfloat16, which NumPy has not, comes as float32.
    """
    if str(getattr(y, "dtype", "")).endswith("bfloat16"):
        y = y.float() if hasattr(y, "float") else y.astype(np.float32)
    if hasattr(y, "detach"):
        y = y.detach().to_dense().numpy(force=True)
    return np.asarray(y)
