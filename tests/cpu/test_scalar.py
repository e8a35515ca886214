"""The scalar names in a loop: precise as their docstrings say, NumPy at the edges, in vectors.

Precision is measured against float64 NumPy on every 997th float32 there is, and densely near 0.
"""

import re
from functools import cache

import numpy as np
import pytest
from numba import float32, njit
from numba.core.caching import NullCache
from numba.core.config import CPU_NAME

from tinymeta.core import text as grammar
from tinymeta.core.primitive import registry
from tinymeta.core.text import INPUTS, in_loop, names, parsed
from tinymeta.cpu.elementwise import compile_text
from tinymeta.cpu.native import callback, cpu_features
from tinymeta.cpu.pointers import EXACT_OPTIONS, POINTERS, SIGNATURE
from tinymeta.cpu.scalar import FUNCTIONS

OURS = {"exp": 1, "expm1": 2, "log": 1, "log1p": 2, "tanh": 2, "sin": 2, "cos": 2, "sqrt": 0}
LIBM = [
    "exp2",
    "log2",
    "log10",
    "cbrt",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "arcsinh",
    "arccosh",
    "arctanh",
]
EXACT = ["floor", "ceil", "trunc", "rint", "square", "reciprocal", "absolute", "sign"]
ULPS = OURS | dict.fromkeys(LIBM, 1) | dict.fromkeys(EXACT, 0)
PAIRS = {
    "power": 1,
    "arctan2": 1,
    "hypot": 1,
    "fmod": 0,
    "remainder": 1,
    "floor_divide": 0,
    "copysign": 0,
    "maximum": 0,
    "minimum": 0,
}
TEXTS = {op.name: op for op in list(registry.values()) if op.family == "elementwise"}
EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    -3.0,
    2.0,
    1e-42,
    -1e-42,
    1e30,
    -1e30,
    88.8,
    -90.0,
    -104.5,
    np.inf,
    -np.inf,
    np.nan,
]
DENSE = np.concatenate(
    [
        np.arange(0, 2**32, 997, dtype=np.uint32).view(np.float32),
        np.linspace(-20, 20, 200_001, dtype=np.float32),
        np.float32(EDGES),
    ]
)


def in_a_loop(text, dtype, flags=False):
    """kernel(out, *arrays), the text in a loop over elements."""
    inputs = sorted(names(parsed(text)) & {*INPUTS})
    body = {"out[i]": in_loop(text, {name: f"{name}[i]" for name in inputs}, "T", {})}
    return made(body, inputs, dtype, flags)


def all_in_one_loop(texts, dtype, flags=False, **static):
    """kernel(out, a, b, c): text k into out[k]; together they compile in a fraction of the time."""
    elements = {name: f"{name}[i]" for name in INPUTS[:3]}
    body = {f"out[{k}, i]": in_loop(text, elements, "T", static) for k, text in enumerate(texts)}
    return made(body, INPUTS[:3], dtype, flags)


def made(body, inputs, dtype, flags=False):
    source = f"def kernel(out, {', '.join(inputs)}):\n    for i in range({inputs[0]}.size):\n"
    source += "".join(f"        {target} = {value}\n" for target, value in body.items())
    space = FUNCTIONS | {"T": np.dtype(dtype).type}
    exec(source, space)
    return njit(error_model="numpy", fastmath=flags)(space["kernel"])


@cache
def loop_of_each(texts, flags):
    """kernel(k, out, a, b): text k of float32 in a loop of its own; compiled together."""
    source = "def kernel(k, out, a, b):\n"
    elements = {name: f"{name}[i]" for name in INPUTS[:2]}
    for k, text in enumerate(texts):
        source += f"    if k == {k}:\n        for i in range(a.size):\n"
        source += f"            out[i] = {in_loop(text, elements, 'T', {})}\n"
    space = FUNCTIONS | {"T": np.float32}
    exec(source, space)
    return njit(error_model="numpy", fastmath=flags and set(flags))(space["kernel"])


def ulps(result, exact):
    """How many float32 numbers lie between; NaN is 0 from NaN and far from all else."""

    def place(x):
        bits = x.view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)

    both = np.isnan(result) & np.isnan(exact)
    either = np.isnan(result) | np.isnan(exact)
    return np.where(both, 0, np.where(either, 2**32, np.abs(place(result) - place(exact))))


# `contract` is what generated loops have. It may fuse a product and a sum of what is written here;
# what a library computes is the same with and without.
@pytest.mark.parametrize("name", ULPS)
def test_float32_is_within_its_bound_everywhere(name):
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(DENSE.astype(np.float64)).astype(np.float32)
    numbers, out = ~np.isnan(exact), np.empty_like(DENSE)
    for flags, tested in ((("contract",), (*ULPS,)), (False, (*OURS, "cbrt"))):
        if name not in tested:
            continue
        texts = tuple(f"{function}(a)" for function in tested)
        loop_of_each(texts, flags)(tested.index(name), out, DENSE, DENSE)
        worst = ulps(out, exact)
        at = worst.argmax()
        assert worst[at] <= ULPS[name], f"{name}({DENSE[at]!r}) = {out[at]!r}, not {exact[at]!r}"
        assert (np.signbit(out) == np.signbit(exact))[numbers].all()  # of zeros as well


@pytest.mark.parametrize("name", PAIRS)
def test_a_function_of_two_float32_is_within_its_bound(name):
    """On every pair of edges, and on numbers of all sizes beside others."""
    edges = [x.ravel() for x in np.meshgrid(*[np.float32(EDGES)] * 2)]
    random = DENSE[::7], np.random.default_rng(0).permutation(DENSE[::7])
    a, b = map(np.concatenate, zip(edges, random))
    out = np.empty_like(a)
    texts = tuple(f"{function}(a, b)" for function in PAIRS)
    loop_of_each(texts, ("contract",))([*PAIRS].index(name), out, a, b)
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(a.astype(np.float64), b.astype(np.float64)).astype(np.float32)
    worst = ulps(out, exact)
    at = worst.argmax()
    assert worst[at] <= PAIRS[name], (
        f"{name}({a[at]!r}, {b[at]!r}) = {out[at]!r}, not {exact[at]!r}"
    )
    if name not in ("maximum", "minimum"):  # of -0 and 0 NumPy takes any
        assert (np.signbit(out) == np.signbit(exact))[~np.isnan(exact)].all()


@pytest.mark.parametrize("functions, variables", [(ULPS, "a"), (PAIRS, "a, b")])
def test_float64_is_numpy(functions, variables):
    small = np.random.default_rng(0).normal(0, 1, 20_000)
    x = np.concatenate([EDGES, [5e-324, 1e300, 709.9, -745.2, 1023.9, -1074.5], small, 1e3 * small])
    inputs = [x] if functions is ULPS else [a.ravel() for a in np.meshgrid(x[:200], x[:200])]
    padded = [*inputs, inputs[0], inputs[0]][:3]
    out = np.empty((len(functions), inputs[0].size))
    texts = [f"{name}({variables})" for name in functions]
    all_in_one_loop(texts, np.float64, {"contract"})(out, *padded)
    for name, found in zip(functions, out, strict=True):
        with np.errstate(all="ignore"):
            expected = getattr(np, name)(*inputs)
        np.testing.assert_allclose(found, expected, rtol=2e-15, atol=5e-324, err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_no_number_and_what_is_infinite(dtype):
    x = np.array(EDGES, dtype)
    for name in ("isnan", "isfinite"):
        out = np.empty(x.shape, bool)
        in_a_loop(f"{name}(a)", dtype, {"contract"})(out, x)
        np.testing.assert_array_equal(out, getattr(np, name)(x))


@pytest.mark.parametrize("name, bound", [("sigmoid", 4), ("softplus", 4)])
def test_the_composed_texts_stay_precise(name, bound):
    x = np.linspace(-87, 100, 400_001, dtype=np.float32)
    exact, out = np.empty_like(x, dtype=np.float64), np.empty_like(x)
    compile_text(TEXTS[name].text)(exact, x.astype(np.float64))
    in_a_loop(TEXTS[name].text, np.float32)(out, x)
    assert ulps(out, exact.astype(np.float32)).max() <= bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_text_means_in_a_loop_what_it_means_to_numpy(dtype):
    rng = np.random.default_rng(0)
    values = np.concatenate([np.array(EDGES), rng.normal(0, 3, 15)]).astype(dtype)
    inputs = [x.ravel() for x in np.meshgrid(*[values] * 3)]
    out = np.empty((len(TEXTS), inputs[0].size), dtype)
    # What the first input selects by is a bool; a comparison's result is stored as 0 and 1.
    texts = [re.sub(r"\ba\b", "(a > 0)", op.text) if op.skip else op.text for op in TEXTS.values()]
    all_in_one_loop(texts, dtype, exponent=3)(out, *inputs)
    info = np.finfo(dtype)
    for op, text, found in zip(TEXTS.values(), texts, out, strict=True):
        static = {"exponent": 3} if "exponent" in text else {}
        expected = np.empty(found.size, op.result or dtype)
        with np.errstate(all="ignore"):
            compile_text(text)(expected, *inputs[: op.arity], **static)
        np.testing.assert_allclose(
            found, expected, rtol=8 * info.eps, atol=info.tiny, err_msg=op.name
        )


INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
OF_BOOLS = ["a + b", "a * b", "maximum(a, b)", "minimum(a, b)", "absolute(a)", "where(a > b, a, b)"]
OF_INTEGERS = [
    *OF_BOOLS,
    "power(a, c)",
    "a - b",
    "-a",
    "sign(a)",
    "remainder(a, b)",
    "floor_divide(a, b)",
]


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
def test_integers_wrap_around_as_numpys_do(dtype):
    info = np.iinfo(dtype) if dtype != "bool" else None
    values = [info.min, info.min + 1, info.max - 1, info.max, 0, 1, 2, 3] if info else [False, True]
    a, b = (x.ravel() for x in np.meshgrid(*[np.array(values, dtype)] * 2))
    c = np.arange(len(b)).astype(dtype) % 7 if info else b
    texts = OF_INTEGERS if info else OF_BOOLS
    cast = "T" if info else "bool"  # as a loop does with what it stores
    elements = {"a": "a[i]", "b": "b[i]", "c": "c[i]"}
    body = {
        f"out[{k}, i]": f"{cast}({in_loop(text, elements, 'T', {})})"
        for k, text in enumerate(texts)
    }
    out = np.empty((len(texts), a.size), dtype)
    made(body, ["a", "b", "c"], dtype)(out, a, b, c)
    for text, found in zip(texts, out, strict=True):
        expected = np.empty_like(a)
        inputs = [{"a": a, "b": b, "c": c}[name] for name in sorted(names(parsed(text)) & {*"abc"})]
        with np.errstate(all="ignore"):  # of what is divided by 0
            compile_text(text.replace("c)", "b)"))(expected, *inputs)
        np.testing.assert_array_equal(found, expected, text)


@cache
def compiled(text):
    """LLVM's code of the text in a loop over float32, in the form of a generated kernel."""
    inputs = sorted(names(parsed(text)) & {*INPUTS})
    source = "def kernel(arena, args):\n"
    for k, name in enumerate(["out", *inputs], 1):
        source += f"    {name} = float32_at(arena, args[{k}])\n"
    value = in_loop(text, {name: f"{name}[i]" for name in inputs}, "T", {})
    source += f"    for i in range(args[0]):\n        out[i] = {value}\n"
    space = FUNCTIONS | POINTERS | {"T": float32}
    exec(source, space)
    return callback(space["kernel"], SIGNATURE, EXACT_OPTIONS, NullCache()).inspect_llvm()


@pytest.mark.parametrize("name", [*OURS, *EXACT])
def test_the_loop_is_a_vector_loop(name):
    features = cpu_features()
    if CPU_NAME or not features.get("avx"):
        pytest.skip("this machine has no AVX, or NUMBA_CPU_NAME hides it")
    code = compiled(f"{name}(a)")
    assert re.search(r"<(8|16) x float>", code)


@pytest.mark.parametrize(
    "text",
    [
        *(f"{name}(a)" for name in ("exp", "expm1", "log", "log1p", "tanh", "sqrt", *EXACT)),
        "maximum(a, b)",
        "minimum(a, b)",
        "copysign(a, b)",
        "power(a, b)",
        "pi * a - e",
        "a + (a > 0.1)",
        "where(isfinite(a), a, nan)",
        "where(isnan(a) | ~(a < inf), 0.3, a)",
        "a ** 2.5",
    ],
)
def test_float32_never_passes_through_float64(text):
    assert not re.search(r"\bdouble\b", compiled(text))


def test_a_call_that_is_no_vector_and_in_float64_is_seen():
    code = compiled("hypot(a, b)")
    assert re.search(r"\bdouble\b", code) and not re.search(r"<(8|16) x float>", code)


def test_the_table_has_every_name_that_a_text_may_have():
    assert set(FUNCTIONS) == {*grammar.FUNCTIONS, "inf", "nan"}


def test_outside_a_kernel_a_name_says_what_it_is():
    for name in ("exp", "tan"):
        with pytest.raises(TypeError, match=f"{name} of cpu.* works inside compiled kernels"):
            FUNCTIONS[name](1.0)
