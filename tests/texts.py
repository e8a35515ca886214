"""Random scalar texts whose value any device must find to a few roundings, and inputs for them.

Half of a text is exact: on the inputs, small multiples of 1/2 and what is no number, its value has
no rounding in float32, so that where it jumps or cancels nobody can differ. Around it stands what
rounds, functions, quotients and their products, each of which keeps a small error small.
"""

import re

import numpy as np
from hypothesis import strategies as st

from tinymeta.core.text import INPUTS, names, parsed

VALUES = [*(k / 2 for k in range(-6, 7)), -0.0, np.inf, -np.inf, np.nan]
EXACT = ["absolute", "sign", "floor", "ceil", "trunc", "rint", "square"]
EXACT_OF_TWO = ["minimum", "maximum", "fmod", "remainder", "floor_divide"]
ROUNDED = [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "cbrt",
    "reciprocal",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "erf",
]
ROUNDED_OF_TWO = ["power", "hypot", "arctan2"]


def calls(names: list[str], kinds: str) -> list:
    """Rules for calls of functions: a gap for each argument, of these kinds."""
    gaps = ", ".join(["{}"] * len(kinds))
    return [(f"{name}({gaps})", kinds) for name in names]


def between(signs: str, kinds: str) -> list:
    """Rules for operators between two gaps of these kinds."""
    return [(f"{{}} {sign} {{}}", kinds) for sign in signs.split()]


# kind -> [(pattern, the kinds of its gaps)]; a kind: x exact, m a mask, r rounded
RULES = {
    "x": [
        *calls(EXACT, "x"),
        *calls(EXACT_OF_TWO, "xx"),
        *between("+ - *", "xx"),
        ("-{}", "x"),
        ("copysign({}, b)", "x"),  # no more: a NaN that is computed has anybody's sign
        *calls(["where"], "mxx"),
        *calls(["where"], "xxx"),
        *between("+", "mm"),
        *between("*", "mx"),
        ("2 * {}", "m"),
        ("-{}", "m"),
    ],
    "m": [
        *between("< <= > >= == !=", "xx"),
        *calls(["isnan", "isfinite"], "x"),
        ("~{}", "m"),
        *between("& | ==", "mm"),
    ],
    "r": [
        *calls(ROUNDED, "x"),
        *calls(ROUNDED_OF_TWO, "xx"),
        *calls(["exp"], "m"),
        *between("/ **", "xx"),
        ("{} ** -1.5", "x"),
        ("pi * {}", "x"),
        ("{} * e", "x"),
        ("nan * {}", "x"),
        ("2 * pi + 0 * {}", "x"),
        ("-{}", "r"),
        *calls(["absolute"], "r"),
        *between("*", "rm"),
        *calls(["maximum"], "rr"),
        *calls(["where"], "mrr"),
    ],
}
LEAVES = {
    "x": [*INPUTS, *INPUTS, "1", "2.5", "-0.5", "-3", "inf"],
    "m": ["a > 0", "b <= c"],
    "r": ["a / 3", "exp(b)", "sin(c)"],
}


@st.composite
def written(draw, kind: str, depth: int) -> str:
    """A text of a kind; each of its parts stands in parentheses."""
    if not depth or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(LEAVES[kind]))
    pattern, gaps = draw(st.sampled_from(RULES[kind]))
    return pattern.format(*(f"({draw(written(gap, depth - 1))})" for gap in gaps))


def in_order(text: str) -> str:
    """Its inputs renamed: a, then b, then c."""
    free = sorted(names(parsed(text)))
    return re.sub(r"\b[abc]\b", lambda found: INPUTS[free.index(found[0])], text)


@st.composite
def texts(draw):
    """(text, whether its value is exact)"""
    kind = draw(st.sampled_from("rrxm"))
    text = draw(written(kind, 3).filter(lambda text: names(parsed(text))))
    return in_order(text), kind != "r"


def inputs(dtype: str, size: int):
    """Three arrays of VALUES."""
    values = st.lists(st.sampled_from(VALUES), min_size=size, max_size=size)
    array = values.map(lambda values: np.array(values, dtype))
    return st.tuples(array, array, array)


def assert_same(found, expected, exact: bool, text: str):
    """The same dtype and numbers; exactly, zeros' signs too, or to a few roundings."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype, text
    if exact:
        np.testing.assert_array_equal(found, expected, text)
        known = ~np.isnan(expected)
        assert (np.signbit(found) == np.signbit(expected))[known].all(), text
    else:
        info = np.finfo(expected.dtype)
        np.testing.assert_allclose(
            found, expected, rtol=16 * info.eps, atol=info.tiny, err_msg=text
        )
