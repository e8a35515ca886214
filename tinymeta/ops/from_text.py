"""An elementwise operation from its scalar text, such as "a * exp(-b)".

`Elementwise` is the kind of primitive that the table in elementwise.py is made of; `elementwise`
makes one of your own. The text is all that a device needs: evaluated on arrays it is the eager CPU
kernel, pasted into a loop it is a statement of a compiled one.

Calling an operation brings its inputs to one dtype and one shape first (promote.py); so in a rule
all inputs have one shape, but for 0-d constants, whose cotangent nobody asks for.
"""

from collections.abc import Callable
from inspect import Parameter
from typing import Any

import numpy as np

from ..core.definition import checked_rules, help_heading
from ..core.naming import ARGUMENT_ERRORS, prefix_error
from ..core.primitive import Primitive, bind
from ..core.tensor import Tensor, asarray
from ..core.text import GRAMMAR, INPUTS, is_mask, names, parsed
from .checks import Shape, ShapeDtype
from .described import described
from .promote import promote, to_common_shape


class Elementwise(Primitive):
    """A primitive given by a scalar text.

    The result has the inputs' dtype, or `result` if that is given; `floating` operations turn
    integers into float32; the first `skip` inputs keep a dtype of their own.
    """

    def __init__(
        self,
        name: str,
        text: str,
        vjps: Any,
        *,
        result: str | None = None,
        floating: bool = False,
        skip: int = 0,
        branch: Callable | None = None,
        replace: bool | None = None,
    ):
        free = sorted(names(parsed(text)))  # a b c, and static metadata
        self.arity = len({*free} & {*INPUTS})
        self.static_names = {*free} - {*INPUTS}
        self.result = None if result is None else np.dtype(result)
        self.floating = floating
        self.skip = skip
        super().__init__(
            name,
            shape=self.common_shape,
            vjps=vjps,
            family="elementwise",
            text=text,
            branch=branch,
            replace=replace,
        )
        parameters = []
        for x in free:
            kind = Parameter.POSITIONAL_ONLY if x in INPUTS else Parameter.KEYWORD_ONLY
            parameters.append(Parameter(x, kind))
        self.__signature__ = self.__signature__.replace(parameters=parameters)
        self.__doc__ = f"{help_heading(self)}\n\n{described(self)}"

    def __call__(self, *inputs: Any, **static: Any) -> Tensor:
        if len(inputs) != self.arity:
            raise TypeError(f"{self.name} takes {self.arity} inputs, got {len(inputs)}")
        if not self.static_names.issuperset(static):
            unknown = min(static.keys() - self.static_names)
            raise TypeError(f"{self.name} takes no argument {unknown!r}, but inputs by position")
        try:
            kept = tuple(map(asarray, inputs[: self.skip])) if self.skip else ()
            promoted = promote(self.name, inputs[self.skip :], self.floating)
            tensors = to_common_shape(self.name, kept + promoted)
            return bind(self, tensors, static)
        except ARGUMENT_ERRORS as error:
            prefix_error(error, self.name)
            raise

    def common_shape(self, *inputs: Any, **static: Any) -> ShapeDtype:
        """The shape rule: the one shape that all inputs have which are not 0-d, or ()."""
        shape: Shape = ()
        for x in inputs:
            if x.shape and x.shape != shape:
                if shape:
                    raise ValueError(
                        f"{self.name}: the shapes {[x.shape for x in inputs]} differ; "
                        "primitives do not broadcast: use the operators, "
                        "or tm.broadcast_to first"
                    )
                shape = x.shape
        if self.result is not None:
            return shape, self.result
        return shape, inputs[-1].dtype


def elementwise(
    text: str, vjps: Any, *, name: str | None = None, replace: bool = False
) -> Elementwise:
    """An elementwise operation of your own, from a scalar text such as "a * exp(-b)".

    text: in a, b, c and NumPy's names, those of core/text.py. It computes in floats; a comparison
    is 1 or 0.
    vjps: for each input `rule(g, y, *inputs)`, written with tinymeta's operations, or None.
    replace: put it in the place of one of your own with that name, as in `tm.primitive`.
    Raises ValueError for a name that is taken, what cannot stand in a text, or too few rules.
    """
    tree = parsed(text)
    inputs = sorted(names(tree))
    if inputs not in (["a"], ["a", "b"], ["a", "b", "c"]):
        raise ValueError(
            f"elementwise: the inputs of {text!r} are {', '.join(inputs) or 'none'}; name "
            f"them a, then b, then c: {GRAMMAR}"
        )
    vjps = checked_rules(name or text, vjps)
    if not callable(vjps) and len(vjps) != len(inputs):
        raise ValueError(
            f"elementwise: the text {text!r} has {len(inputs)} inputs (a, b, c) and "
            f"there are {len(vjps)} rules: give one, or None, for each input"
        )
    counted = f"where({text}, 1, 0)" if is_mask(tree) else text  # a gradient needs floats
    return Elementwise(name or text, counted, vjps, floating=True, replace=replace)
