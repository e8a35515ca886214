"""For every primitive, the inputs on which its derivatives are defined, with and without a task axis."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from ..core.primitive import Primitive, registry
from ..ops.conv import Geometry, geometry_of
from .arrays import bools, distinct, integers, off_kinks, positive, shapes, tensors


class Case(NamedTuple):
    """Arguments of a primitive: arrays by position, static metadata by keyword."""

    inputs: tuple
    static: dict


# ---- elementwise --------------------------------------------------------------------------------


def above_minus_one(shape):
    return tensors(shape, low=-0.75, high=3.0)


@st.composite
def same_shape(draw, *kinds):
    """Arrays of one shape, each of its kind."""
    shape = draw(shapes())
    return Case(tuple(draw(kind(shape)) for kind in kinds), {})


@st.composite
def off_ties(draw):
    """Two arrays of one shape that differ everywhere by at least 1/16."""
    shape = draw(shapes())
    return Case((draw(tensors(shape)), np.asarray(draw(tensors(shape)) + 1 / 16)), {})


@st.composite
def static_powers(draw):
    exponent = draw(st.sampled_from([3, 4, -1, -2, 1.5, -0.5]))
    kind = tensors if isinstance(exponent, int) and exponent > 0 else positive
    return Case((draw(kind(draw(shapes()))),), {"exponent": exponent})


# ---- movement, reductions, indices ---------------------------------------------------------------


@st.composite
def reshapes(draw):
    shape = draw(shapes())
    target = draw(st.sampled_from([(int(np.prod(shape)),), (1, *shape), (*shape, 1), shape[::-1]]))
    return Case((draw(tensors(shape)),), {"shape": target})


@st.composite
def transposes(draw):
    shape = draw(shapes())
    return Case((draw(tensors(shape)),), {"axes": tuple(draw(st.permutations(range(len(shape)))))})


@st.composite
def broadcasts(draw):
    target = draw(shapes())
    kept = draw(st.integers(0, len(target)))
    shape = tuple(draw(st.sampled_from([1, n])) for n in target[len(target) - kept :])
    return Case((draw(tensors(shape)),), {"shape": target})


@st.composite
def some_axes(draw, kind=tensors, min_side: int = 0, max_dims: int = 3, one: bool = False):
    shape = draw(shapes(min_dims=1 if one else 0, max_dims=max_dims, min_side=min_side))
    axes = (
        st.sets(st.sampled_from(range(len(shape))), min_size=int(one), max_size=1 if one else None)
        if shape
        else st.just(())
    )
    return Case((draw(kind(shape)),), {"axes": tuple(sorted(draw(axes)))})


@st.composite
def slices(draw):
    shape = draw(shapes())
    of_axes = []
    for n in shape:
        start, stop = sorted((draw(st.integers(0, n)), draw(st.integers(0, n))))
        of_axes.append(slice(start, stop, draw(st.integers(1, 3))))
    return Case((draw(tensors(shape)),), {"slices": tuple(of_axes)})


@st.composite
def pads(draw):
    shape = draw(shapes())
    width = st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
    return Case((draw(tensors(shape)),), {"widths": tuple(draw(width) for _ in shape)})


@st.composite
def casts(draw):
    return Case((draw(tensors(draw(shapes()))),), {"dtype": np.dtype(np.float64)})


@st.composite
def concatenations(draw):
    shape = list(draw(shapes(min_dims=1)))
    axis = draw(st.integers(0, len(shape) - 1))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        shape[axis] = draw(st.integers(0, 3))
        parts.append(draw(tensors(tuple(shape))))
    return Case(tuple(parts), {"axis": axis})


@st.composite
def gathers(draw, along: bool, adjoint: bool):
    """take and take_along on (A, n, B), and their adjoints on (A, m, B)."""
    sides = st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 4), st.integers(0, 2))
    a, n, m, b = draw(sides)
    index = draw(integers((a, m, b) if along else (m,), n))
    x = draw(tensors((a, m if adjoint else n, b)))
    return Case((x, index), {"size": n} if adjoint else {})


# ---- contractions and windows --------------------------------------------------------------------


@st.composite
def matmul_cases(draw, min_side: int = 0):
    """Two matrices that fit, (.., N, K) and (.., K, M), of sides min_side to 3.

    Shrinks to the smallest.
    """
    lead = draw(shapes(max_dims=2))
    n, k, m = draw(st.tuples(*[st.integers(min_side, 3)] * 3))
    return Case((draw(tensors((*lead, n, k))), draw(tensors((*lead, k, m)))), {})


@st.composite
def geometries(draw, pooling: bool = False) -> Geometry:
    """Strides 1 to 3, every padding, odd and even sizes, rows left over, images below the kernel.

    pooling: only those in which no window lies outside of the image.
    """
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    image = tuple(max(1, k + draw(st.integers(-1, 3))) for k in kernel)
    pad = st.tuples(*[st.integers(0, min(kernel) - 1 if pooling else 2)] * 2)
    padding = draw(st.one_of(st.sampled_from(["valid", "same"]), st.tuples(pad, pad)))
    pads = padding if isinstance(padding, tuple) else [(0, 0)] * 2
    if any(n + sum(pad) < k for n, k, pad in zip(image, kernel, pads)):
        padding = "same"  # the one that always fits
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    return geometry_of("case", image, kernel, stride, padding)


@st.composite
def conv_cases(draw, operands: str = "xw", min_examples: int = 0):
    """Two operands of <g, conv(x, w)>, by their letters; static: their `Geometry`.

    x (.., N, H, W, C), w (.., h, w, C, O), g (.., N, H', W', O), with and without task axes, of any
    stride and padding; always valid. Shrinks to a 1x1 kernel on a 1x1 image.
    """
    geometry = draw(geometries())
    lead = draw(shapes(max_dims=2, min_side=1, max_side=2))
    n = draw(st.integers(min_examples, 2))
    c, o = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    sizes = {
        "x": (*lead, n, *geometry.image, c),
        "w": (*lead, *geometry.kernel, c, o),
        "g": (*lead, n, *geometry.result, o),
    }
    return Case(tuple(draw(tensors(sizes[letter])) for letter in operands), {"geometry": geometry})


@st.composite
def pool_cases(draw, min_examples: int = 0):
    """Images (.., N, H, W, C) without ties, and the `Geometry` of windows that are never empty.

    min_examples: the least N.
    """
    geometry = draw(geometries(pooling=True))
    lead = draw(shapes(min_dims=1, max_dims=2, min_side=min_examples, max_side=2))
    shape = (*lead, *geometry.image, draw(st.integers(1, 2)))
    return Case((draw(distinct(shape)),), {"geometry": geometry})


@st.composite
def perhaps_with_nan(draw, cases):
    """One element of the first input may be NaN: for what has a value there, and no derivative."""
    case = draw(cases)
    x = case.inputs[0]
    if x.size and draw(st.booleans()):
        x.flat[draw(st.integers(0, x.size - 1))] = np.nan
    return case


# ---- which case for which primitive --------------------------------------------------------------

# fmt: off
TABLE = {
    "div": same_shape(tensors, positive),           "log": same_shape(positive),
    "log1p": same_shape(above_minus_one),           "rsqrt": same_shape(positive),
    "sqrt": same_shape(positive),                   "reciprocal_or_zero": same_shape(positive),
    "power": same_shape(positive, tensors),         "static_power": static_powers(),
    "relu": same_shape(off_kinks),
    "relu_gradient": same_shape(tensors, off_kinks),
    "abs": same_shape(off_kinks),                   "sign": same_shape(tensors),
    "maximum": off_ties(),                          "minimum": off_ties(),
    "tie_weight": same_shape(tensors, tensors),     "where": same_shape(bools, tensors, tensors),
    "reshape": reshapes(),                          "transpose": transposes(),
    "broadcast_to": broadcasts(),                   "flip": some_axes(),
    "slice": slices(),                              "pad": pads(),
    "astype": casts(),                              "concatenate": concatenations(),
    "sum": some_axes(),                             "max": some_axes(distinct, min_side=1),
    "argmax": perhaps_with_nan(some_axes(distinct, min_side=1, one=True)),
    "take": gathers(False, False),                  "scatter_add": gathers(False, True),
    "take_along": gathers(True, False),             "scatter_add_along": gathers(True, True),
    "matmul": matmul_cases(),                       "conv": conv_cases("xw"),
    "conv_input": conv_cases("gw"),                 "conv_weight": conv_cases("xg"),
    "window_argmax": perhaps_with_nan(pool_cases()),
}
# fmt: on


def strategy_for(op: Primitive | str):
    """The strategy of cases for a primitive, by itself or its name.

    What nobody listed gets arrays of one shape: elementwise operations of any values of both signs,
    others of one to three axes, no two entries alike, if its shape rule takes them.
    Raises KeyError for what cannot do without metadata: add its cases with `register`.
    """
    op = registry[op] if isinstance(op, str) else op
    if op.name in TABLE:
        return TABLE[op.name]
    if op.family == "elementwise":
        return same_shape(*[tensors] * op.arity)
    return all_different(op).filter(lambda case: fits(op, case))


def all_different(op: Primitive):
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


def fits(op: Primitive, case: Case) -> bool:
    """Does its shape rule take them?"""
    try:
        op.shape(*case.inputs, **case.static)
    except (ValueError, IndexError):
        return False
    return True


def register(name: str, strategy) -> None:
    """Say on which cases the operation `name` of yours is to be tested.

    strategy: a hypothesis strategy of `Case(inputs, static)`, NumPy arrays in float64 and a dict.
    """
    TABLE[name] = strategy
