"""A primitive is an operation with a name, a shape rule and one derivative rule per input.

Every primitive is run by `bind`, in two steps that know nothing of each other:

1. The current interpreter (`state.interpreter`) computes the value. There are two, and wrappers:
   eager     `run_eagerly`, the default: the kernel of the inputs' device fills fresh memory, or
             returns a view, now
   tracing   jit/trace.py: compute nothing, append an equation to a program that is run later
   wrappers  around one of these: `debug_nans` (nans.py) looks for a NaN, testing/kinks.py
             notes which smooth piece each operation was on
2. The result is recorded: it keeps the primitive, the inputs and the metadata if one of the inputs
   is tracked (tensor.py) and `state.recording` holds. This makes the tape (tape.py).

Interpreters see values and no tensors, so they know nothing of derivatives; grad.py sees tensors
and calls derivative rules, which are made of primitives, so it knows nothing of interpreters. So
the gradient of a gradient can be traced and compiled: it is a sequence of binds like any other.
"""

from collections.abc import Callable, Sequence
from inspect import Signature
from typing import Any

import numpy as np

from .definition import call_signature, checked_kernel, checked_rules, help_heading
from .device import allocate, find_kernel, on_one_device
from .scope import state
from .tensor import Tensor, asarray, serials

registry: dict[str, "Primitive"] = {}
replaced: list["Primitive"] = []  # oldest first; `jit` compiles again what used one


class Primitive:
    """An operation: what it is called, how large its result is, its derivatives, its kernels.

    Its arrays are given by position (`inputs`), its metadata by keyword (`static`).
    shape: `shape(*inputs, **static) -> (shape, dtype)` of the result, raising for bad input.
    vjps: for each input `rule(g, y, *inputs, **static)`, the cotangent of that input, given the
    cotangent g of the result y; None where there is no derivative. For any number of inputs it is
    one function `rule(i, g, y, *inputs, **static)`. Rules are written with operations.
    family: the file of a device's folder that has its kernel (device.py).
    kernels: those given by hand, by device. view: they return an alias; all others fill `out`.
    text: of an elementwise operation, its scalar text (text.py), of which kernels are compiled.
    branch: `branch(*arrays, **static)`, if there are kinks: on which smooth piece the input lies.
    replace: True or False for what a user made, which can be replaced; None for ours.

    Raises TypeError for a part of the wrong kind, ValueError for a name that is taken: all is
    checked before anything is registered.
    """

    __name__: str
    __signature__: Signature

    def __init__(
        self,
        name: str,
        *,
        shape: Callable,
        vjps: Any,
        family: str,
        kernels: dict[str, Callable] | None = None,
        view: bool = False,
        text: str | None = None,
        branch: Callable | None = None,
        replace: bool | None = None,
    ):
        _check_name_is_free(name, replace)
        self.name, self.shape, self.family = name, shape, family
        self.vjps = checked_rules(name, vjps)
        self.kernels = dict(kernels or {})
        self.view, self.text, self.branch = view, text, branch
        self.replaceable = replace is not None
        self.__name__ = name
        self.__signature__ = call_signature(name, shape, self.vjps, Tensor)
        self.__doc__ = f"{help_heading(self)}\n\nA primitive, of the family {family}."
        if name in registry:
            _give_up_name(registry[name])
        registry[name] = self

    def input_cotangents(self, g: Tensor, y: Tensor, wanted: list[int]) -> list[Tensor | None]:
        """The cotangents of the inputs in `wanted`, given the cotangent `g` of the output `y`.

        None: no derivative. Raises ValueError if there is not a rule for each input.
        """
        if callable(self.vjps):
            return [self.vjps(i, g, y, *y.inputs, **y.static) for i in wanted]
        if len(self.vjps) != len(y.inputs):
            raise ValueError(
                f"{self.name} has {len(self.vjps)} derivative rules for "
                f"{len(y.inputs)} inputs: give one, or None, for each"
            )
        rules = [self.vjps[i] for i in wanted]
        return [rule and rule(g, y, *y.inputs, **y.static) for rule in rules]

    def __call__(self, *inputs: Any, **static: Any) -> Tensor:
        for x in inputs:  # a loop, as any() would make a generator for each operation
            if type(x) is not Tensor:
                inputs = tuple(map(asarray, inputs))
                break
        return bind(self, inputs, static)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


def bind(primitive: Primitive, inputs: tuple[Tensor, ...], static: dict[str, Any]) -> Tensor:
    """Run a primitive: dispatch to the current interpreter, and record if an input is tracked.

    Inside a jvp, that of tracked inputs is run by it, on primals and tangents (forward.py).
    """
    if state.forward is not None:
        for t in inputs:
            if t.serial:
                run = lambda primals: (bind(primitive, primals, static), primitive, static)
                return state.forward.result_of(run, inputs)[0]
    interpreter = state.interpreter or run_eagerly
    value = interpreter(primitive, [t.value for t in inputs], static)
    if state.recording:
        for t in inputs:
            if t.serial:
                return Tensor(value, primitive, inputs, static, next(serials), state.order)
    return Tensor(value)


def run_eagerly(primitive: Primitive, values: Sequence, static: dict[str, Any]) -> Any:
    """The eager interpreter: a view of the input, or fresh memory, filled by the kernel now."""
    device, values = on_one_device(primitive.name, values)
    kernel = primitive.kernels.get(device) or find_kernel(primitive, device)
    if primitive.view:
        return kernel(*values, **static)
    shape, dtype = primitive.shape(*values, **static)
    try:
        out = allocate(device, shape, dtype)
        kernel(out, *values, **static)
    except MemoryError as error:  # of NumPy or a GPU, who know what is missing and not for what
        what = f"a result of shape {shape} and dtype {np.dtype(dtype)}"
        raise MemoryError(f"{primitive.name}: {what} does not fit the memory: {error}") from None
    return out


def require(x: Any, test: Callable[[np.ndarray], None]) -> bool:
    """Run `test` on the array in the tensor `x`, or on a number; it raises for a bad value.

    Now if the value is known; before each run of the program if x is an argument of a traced
    function. Returns False if neither is possible: the program itself makes it, or a GPU has it.
    """
    value = x.value if isinstance(x, Tensor) else x
    if isinstance(value, (np.ndarray, np.generic, float, int)):
        test(np.asarray(value))
        return True
    require_later = getattr(value, "require", None)  # of what stands in for an array or number
    return require_later is not None and require_later(test)


def primitive(
    name: str,
    *,
    shape: Callable,
    vjps: Any,
    kernels: dict[str, Callable],
    branch: Callable | None = None,
    replace: bool = False,
) -> Primitive:
    """Register an operation of your own; calling the result on tensors or arrays applies it.

    shape: `shape(*inputs, **static) -> (shape, dtype)`, raising ValueError for what doesn't fit.
    vjps: for each input `rule(g, y, *inputs, **static)`, its cotangent, or None; or one function
    `rule(i, g, y, *inputs, **static)` for any number of inputs. Written with operations.
    kernels: {"cpu": kernel}, each `kernel(out, *arrays, **static)` filling all of `out`; it returns
    None.
    branch: `branch(*arrays, **static)`, which smooth piece the input lies on, if there are kinks.
    replace: put it in the place of one of your own with that name; what `jit` compiled with that
    one is compiled again.

    Raises ValueError if the name is taken, TypeError for a part that is no function.
    """
    checked = {where: checked_kernel(name, where, kernel) for where, kernel in kernels.items()}
    return Primitive(
        name,
        shape=shape,
        vjps=vjps,
        family="extension",
        kernels=checked,
        branch=branch,
        replace=replace,
    )


def _check_name_is_free(name: str, replace: bool | None) -> None:
    """Raise ValueError for a name that is taken, unless the primitive there may be replaced."""
    old = registry.get(name)
    if old is not None and not (replace and old.replaceable):
        way = ", or pass replace=True to put this one in its place" if old.replaceable else ""
        raise ValueError(f"a primitive named {name!r} exists already: choose another name{way}")


def _give_up_name(old: Primitive) -> None:
    """Rename a primitive; equations that were traced with it find it in the registry by that."""
    replaced.append(old)
    old.name = f"{old.name}, replaced {len(replaced)}"
    registry[old.name] = old
