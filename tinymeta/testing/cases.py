"""For every primitive, inputs where its derivatives are defined: which strategy."""

import numpy as np
from hypothesis import strategies as st

from ..core.primitive import Primitive, registry
from ..ops.from_text import Elementwise
from .arrays import bools, distinct, off_kinks, positive, shapes, tensors
from .contraction_operands import conv_cases, factor_cases, matmul_cases, pool_cases
from .operands import (
    Case,
    above_minus_one,
    above_one,
    between_jumps,
    broadcasts,
    casts,
    columns,
    concatenations,
    constant_powers,
    edges,
    gathers,
    inside_one,
    pads,
    perhaps_with_nan,
    reshapes,
    same_shape,
    slices,
    some_axes,
    transposes,
    with_ties,
    without_ties,
)

# fmt: off
TABLE: dict[str, st.SearchStrategy] = {
    "div": same_shape(tensors, positive),           "log": same_shape(positive),
    "log1p": same_shape(above_minus_one),           "rsqrt": same_shape(positive),
    "sqrt": same_shape(positive),                   "reciprocal_or_zero": same_shape(positive),
    "power": same_shape(positive, tensors),         "static_power": constant_powers(),
    "relu_gradient": same_shape(tensors, off_kinks),
    "relu": same_shape(off_kinks),
    "abs": same_shape(off_kinks),                   "sign": same_shape(tensors),
    "maximum": without_ties(),                      "minimum": without_ties(),
    "tie_weight": with_ties(),
    **dict.fromkeys(["equal", "not_equal", "less", "less_equal"], with_ties()),
    **dict.fromkeys(["greater", "greater_equal"], with_ties()),
    **dict.fromkeys(["isfinite", "isinf", "isnan"], same_shape(edges)),
    "where": same_shape(bools, tensors, tensors),
    "log2": same_shape(positive),                   "log10": same_shape(positive),
    "arcsin": same_shape(inside_one),               "arccos": same_shape(inside_one),
    "arctanh": same_shape(inside_one),              "arccosh": same_shape(above_one),
    "tan": same_shape(inside_one),                  "arctan2": same_shape(tensors, positive),
    "mod": between_jumps(),                         "floor_divide": between_jumps(),
    "reshape": reshapes(),                          "transpose": transposes(),
    "broadcast_to": broadcasts(),                   "flip": some_axes(),
    "slice": slices(),                              "pad": pads(),
    "astype": casts(),                              "concatenate": concatenations(),
    "sum": some_axes(),                             "max": some_axes(distinct, min_side=1),
    "argmax": perhaps_with_nan(some_axes(distinct, min_side=1, one=True)),
    "cumulative_sum": columns(tensors, reverse=True), "argsort": perhaps_with_nan(columns(tensors)),
    "take": gathers(False, False),                  "scatter_add": gathers(False, True),
    "take_along": gathers(True, False),             "scatter_add_along": gathers(True, True),
    "matmul": matmul_cases(),                       "conv": conv_cases("xw"),
    "conv_input": conv_cases("gw"),                 "conv_weight": conv_cases("xg"),
    "cholesky": factor_cases("cholesky"),           "lu": factor_cases("lu"),
    "triangular_solve": factor_cases("triangular_solve"),
    "window_argmax": perhaps_with_nan(pool_cases()),
}
# fmt: on


def strategy_for(op: Primitive | str) -> st.SearchStrategy[Case]:
    """The strategy of cases for a primitive, by itself or its name.

    What nobody listed gets arrays of one shape: elementwise operations of any values of both signs,
    others of one to three axes, no two entries alike, if its shape rule takes them.
    Raises KeyError for what cannot do without metadata: add its cases with `register`.
    """
    op = registry[op] if isinstance(op, str) else op
    if op.name in TABLE:
        return TABLE[op.name]
    if isinstance(op, Elementwise):
        return same_shape(*[tensors] * op.arity)
    return _all_different(op).filter(lambda case: _fits(op, case))


def _all_different(op: Primitive) -> st.SearchStrategy[Case]:
    """Arrays of one shape, as many as the operation takes, two if that is any number."""
    parameters = op.__signature__.parameters.values()
    needed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if needed:
        raise KeyError(
            f"{op.name} has no strategy that knows its {', '.join(needed)}: add one "
            f"with tm.testing.register({op.name!r}, strategy), whose examples are "
            "Case(inputs, static)"
        )
    count = 2 if callable(op.vjps) else len(op.vjps)
    together = shapes(min_dims=1).flatmap(lambda shape: distinct((count, *shape)))
    return together.map(lambda rows: Case(tuple(map(np.array, rows)), {}))


def _fits(op: Primitive, case: Case) -> bool:
    """Whether its shape rule takes them."""
    try:
        op.shape(*case.inputs, **case.static)
    except (ValueError, IndexError):
        return False
    return True


def register(name: str, strategy: st.SearchStrategy) -> None:
    """Say on which cases the operation `name` of yours is to be tested.

    strategy: a hypothesis strategy of `Case(inputs, static)`, NumPy arrays in float64 and a dict.
    """
    TABLE[name] = strategy
