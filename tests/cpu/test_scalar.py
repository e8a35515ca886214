"""The scalar names in a loop: precise as their docstrings say, NumPy at the edges, in vectors.

Precision is measured against float64 NumPy on every 997th float32 there is, and densely near 0.
"""

import ast
import re

import numpy as np
import pytest
from numba import njit
from numba.core.config import CPU_NAME
from llvmlite import binding as llvm

from tinymeta.core.primitive import registry
from tinymeta.cpu.elementwise import compile_text
from tinymeta.cpu.scalar import FUNCTIONS

ULPS = {"exp": 1, "expm1": 2, "log": 1, "log1p": 2, "tanh": 2, "sin": 2, "cos": 2, "sqrt": 0}
TEXTS = {op.name: op for op in list(registry.values()) if op.family == "elementwise"}
EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -3.0, 2.0, 1e-42, -1e-42, 1e30, -1e30, 88.8, -90.0, -104.5,
         np.inf, -np.inf, np.nan]
DENSE = np.concatenate([np.arange(0, 2**32, 997, dtype=np.uint32).view(np.float32),
                        np.linspace(-20, 20, 200_001, dtype=np.float32), np.float32(EDGES)])


class Typed(ast.NodeTransformer):
    """Numbers, and inf, in the loop's dtype: what a kernel's author has to do."""

    def visit_Constant(self, node):
        return ast.parse(f"T({node.value})", mode="eval").body

    def visit_Name(self, node):
        return ast.parse("T(inf_)", mode="eval").body if node.id == "inf" else node


def in_a_loop(text, dtype, flags=False, **static):
    """kernel(out, *arrays), the text in a loop over elements."""
    inputs = sorted(set(re.findall(r"\b[abc]\b", text)))
    line = ast.unparse(ast.fix_missing_locations(Typed().visit(ast.parse(text, mode="eval"))))
    for name in inputs:
        line = re.sub(rf"\b{name}\b", f"{name}[i]", line)
    source = (f"def kernel(out, {', '.join(inputs)}):\n"
              f"    for i in range(out.size):\n        out[i] = {line}\n")
    T = np.dtype(dtype).type
    space = FUNCTIONS | {"T": T, "inf_": np.inf} | {k: T(v) for k, v in static.items()}
    exec(source, space)
    return njit(error_model="numpy", fastmath=flags)(space["kernel"])


def ulps(result, exact):
    """How many float32 numbers lie between; NaN is 0 from NaN and far from all else."""
    def place(x):
        bits = x.view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    both = np.isnan(result) & np.isnan(exact)
    either = np.isnan(result) | np.isnan(exact)
    return np.where(both, 0, np.where(either, 2**32, np.abs(place(result) - place(exact))))


@pytest.mark.parametrize("name", ULPS)
@pytest.mark.parametrize("flags", [False, {"contract"}], ids=["strict", "contract"])
def test_float32_is_within_its_bound_everywhere(name, flags):
    out = np.empty_like(DENSE)
    in_a_loop(f"{name}(a)", np.float32, flags)(out, DENSE)
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(DENSE.astype(np.float64)).astype(np.float32)
    worst = ulps(out, exact)
    at = worst.argmax()
    assert worst[at] <= ULPS[name], f"{name}({DENSE[at]!r}) = {out[at]!r}, not {exact[at]!r}"
    numbers = ~np.isnan(exact)
    assert (np.signbit(out) == np.signbit(exact))[numbers].all()            # of zeros as well


@pytest.mark.parametrize("name, bound", [("sigmoid", 4), ("softplus", 4)])
def test_the_composed_texts_stay_precise(name, bound):
    x = np.linspace(-87, 100, 400_001, dtype=np.float32)
    exact, out = np.empty_like(x, dtype=np.float64), np.empty_like(x)
    compile_text(TEXTS[name].text)(exact, x.astype(np.float64))
    in_a_loop(TEXTS[name].text, np.float32)(out, x)
    assert ulps(out, exact.astype(np.float32)).max() <= bound


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TEXTS)
def test_every_text_means_in_a_loop_what_it_means_to_numpy(name, dtype):
    op = TEXTS[name]
    rng = np.random.default_rng(0)
    values = np.concatenate([np.array(EDGES), rng.normal(0, 3, 40)]).astype(dtype)
    inputs = [x.ravel() for x in np.meshgrid(*[values] * op.arity)]
    if op.skip:
        inputs[0] = np.nan_to_num(inputs[0]) > 0
    static = {"exponent": 3} if "exponent" in op.text else {}
    out, expected = (np.empty(inputs[0].size, op.result or dtype) for _ in range(2))
    with np.errstate(all="ignore"):
        compile_text(op.text)(expected, *inputs, **static)
    in_a_loop(op.text, dtype, **static)(out, *inputs)
    info = np.finfo(dtype)
    np.testing.assert_allclose(out, expected, rtol=8 * info.eps, atol=info.tiny)


@pytest.mark.parametrize("dtype", [np.int64, np.int32])
@pytest.mark.parametrize("name", ["sign", "absolute", "maximum", "minimum"])
def test_integers_stay_integers(name, dtype):
    a, b = (x.ravel() for x in np.meshgrid(*[np.arange(-2, 3, dtype=dtype)] * 2))
    arrays = (a, b)[:getattr(np, name).nin]
    out = np.empty_like(a)
    in_a_loop(f"{name}({', '.join('ab'[:len(arrays)])})", dtype)(out, *arrays)
    np.testing.assert_array_equal(out, getattr(np, name)(*arrays))


def compiled(text, **static):
    kernel = in_a_loop(text, np.float32, **static)
    arity = len(set(re.findall(r"\b[abc]\b", text)))
    kernel.compile(f"void({', '.join(['float32[::1]'] * (arity + 1))})")
    return kernel.inspect_llvm(kernel.signatures[0])


@pytest.mark.parametrize("name", ULPS)
def test_the_loop_is_a_vector_loop(name):
    features = llvm.get_host_cpu_features()
    if CPU_NAME or not features.get("avx"):
        pytest.skip("this machine has no AVX, or NUMBA_CPU_NAME hides it")
    code = compiled(f"{name}(a)")
    assert re.search(r"<(8|16) x float>", code)


@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh", "sqrt", "absolute",
                                  "sign", "maximum", "minimum"])
def test_float32_never_passes_through_float64(name):
    arguments = "a, b" if name in ("maximum", "minimum") else "a"
    assert not re.search(r"\bdouble\b", compiled(f"{name}({arguments})"))


def test_the_table_has_every_name_of_every_text():
    names = {n for op in TEXTS.values() for n in re.findall(r"\b([a-z]\w+)\(", op.text)}
    assert names <= set(FUNCTIONS)


def test_outside_a_kernel_a_name_says_what_it_is():
    with pytest.raises(TypeError, match="exp of cpu.scalar works inside compiled kernels"):
        FUNCTIONS["exp"](1.0)
