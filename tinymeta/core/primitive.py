"""A primitive is an operation with a name, a shape rule and one derivative rule per input.

All primitives pass one doorway, `bind`. It asks the current interpreter for the value
(eager: run the kernel now; tracing: append a line to a program; testing: note the branch
taken), then records where the value came from, if anybody may want to differentiate it.
Interpreters know nothing of derivatives, and grad.py knows nothing of interpreters: so a
gradient of a gradient can be traced, too.
"""

from collections.abc import Callable

import numpy as np

from .device import allocate, find_kernel, move, together
from .parts import called_with, checked_rules, filling, heading
from .scope import describe_scope, setting, state
from .tensor import Tensor, asarray, serials

registry: dict[str, "Primitive"] = {}
replaced: list["Primitive"] = []  # in order: who keeps what was made of one has to look here


class Primitive:
    """`shape(*inputs, **static) -> (shape, dtype)`, raising for bad input.

    Arrays go positionally, static metadata by keyword. `vjps` holds, for each input,
    `rule(g, y, *inputs, **static)`, the cotangent of that input, or None where the operation is not
    differentiable; for any number of inputs it is one function `rule(i, g, y, *inputs, **static)`.
    Rules are written with operations, so they can be differentiated. `view` kernels return an
    alias; all others fill `out`. `branch(*arrays, **static)`, where the operation has kinks, tells
    which smooth piece its input lies on. `replace`: True or False for what a user made, which can
    be replaced; None for ours.

    Raises TypeError for a part of the wrong kind, ValueError for a name that is taken: all is
    checked before anything is registered.
    """

    def __init__(
        self,
        name,
        *,
        shape,
        vjps,
        family,
        kernels=None,
        view=False,
        text=None,
        branch=None,
        replace=None,
    ):
        check_name(name, replace)
        self.name, self.shape, self.family = name, shape, family
        self.vjps, self.replaceable = checked_rules(name, vjps), replace is not None
        self.kernels, self.view, self.text, self.branch = dict(kernels or {}), view, text, branch
        self.__name__, self.__signature__ = name, called_with(name, shape, self.vjps, Tensor)
        self.__doc__ = f"{heading(self)}\n\nA primitive, of the family {family}."
        if name in registry:
            set_aside(registry[name])
        registry[name] = self

    def pull(self, g: Tensor, y: Tensor, wanted: list[int]) -> list:
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
        return [self.vjps[i] and self.vjps[i](g, y, *y.inputs, **y.static) for i in wanted]

    def __call__(self, *inputs, **static) -> Tensor:
        for x in inputs:
            if type(x) is not Tensor:
                inputs = tuple(map(asarray, inputs))
                break
        return bind(self, inputs, static)

    def __repr__(self):
        return f"<primitive {self.name}>"


def check_name(name: str, replace: bool | None) -> None:
    old = registry.get(name)
    if old is not None and not (replace and old.replaceable):
        way = ", or pass replace=True to put this one in its place" if old.replaceable else ""
        raise ValueError(f"a primitive named {name!r} exists already: choose another name{way}")


def set_aside(old: Primitive) -> None:
    """Let another have its name; who holds it still, as a line does, finds it by a new one."""
    replaced.append(old)
    old.name = f"{old.name}, replaced {len(replaced)}"
    registry[old.name] = old


def primitive(
    name: str,
    *,
    shape: Callable,
    vjps,
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
    watched = {where: filling(name, where, kernel) for where, kernel in kernels.items()}
    return Primitive(
        name,
        shape=shape,
        vjps=vjps,
        family="extension",
        kernels=watched,
        branch=branch,
        replace=replace,
    )


def bind(primitive: Primitive, inputs: tuple, static: dict) -> Tensor:
    """The doorway: compute, and record if an input is tracked."""
    value = (state.interpreter or run_eagerly)(primitive, [t.value for t in inputs], static)
    if state.recording:
        for t in inputs:
            if t.serial:
                return Tensor(value, primitive, inputs, static, next(serials), state.order)
    return Tensor(value)


def run_eagerly(primitive: Primitive, values: list, static: dict):
    """The eager interpreter: a view of the input, or fresh memory, filled by the kernel now."""
    device, values = together(primitive.name, values)
    kernel = primitive.kernels.get(device) or find_kernel(primitive, device)
    if primitive.view:
        return kernel(*values, **static)
    shape, dtype = primitive.shape(*values, **static)
    out = allocate(device, shape, dtype)
    kernel(out, *values, **static)
    return out


def require(x, test: Callable) -> bool:
    """Have `test` look at the array in the tensor `x`, or at a number: it raises what is wrong.

    It looks now; at what a traced function is given, before each run of the program.
    False if it cannot: the values are made on the way, or lie on a GPU.
    """
    value = x.value if isinstance(x, Tensor) else x
    if isinstance(value, (np.ndarray, np.generic, float, int)):
        test(np.asarray(value))
        return True
    later = getattr(value, "require", None)  # of what stands in for an array or number
    return later is not None and later(test)


def debug_nans():
    """`with tm.debug_nans():` the first operation that returns a NaN raises FloatingPointError.

    It names itself, its shapes, where it stands (inner step, derivative order) and the first bad
    element.
    """
    inner = state.interpreter or run_eagerly

    def checked(primitive, values, static):
        with np.errstate(invalid="ignore"):  # the error below says more than a warning
            value = inner(primitive, values, static)
        if has_nan(value):
            index = tuple(int(i) for i in np.argwhere(np.isnan(move(value, "cpu")))[0])
            shapes = ", ".join(f"{v.dtype}{v.shape}" for v in values)
            verb = "was given" if any(has_nan(v) for v in values) else "made"
            raise FloatingPointError(
                f"{primitive.name}({shapes}) {verb} a NaN, first at index {index} of its result, "
                f"in the {describe_scope()} pass: if a tm.where hides the bad branch, "
                "make the operation's input safe as well"
            )
        return value

    return setting(interpreter=checked)


def has_nan(value) -> bool:
    return value.dtype.kind == "f" and bool(np.isnan(move(value, "cpu")).any())
