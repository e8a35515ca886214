"""Each pass alone: what it makes of a program of a few equations, and what the checker refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta.jit.codegen import kernel_of
from tinymeta.jit.compile import checked
from tinymeta.jit.fuse import fuse
from tinymeta.jit.legalize import with_legal_layouts
from tinymeta.jit.lower import lower
from tinymeta.jit.materialize import choose_materialized
from tinymeta.jit.program import Equation, program_of
from tinymeta.jit.replay import Replay
from tinymeta.jit.simplify import simplify
from tinymeta.jit.trace import Traced
from tinymeta.jit.views import layout_of, source
from tinymeta.testing.interpreted import without_compiling

rng = np.random.default_rng(0)
X, W = np.ones((4, 3), np.float32), np.ones((3, 5), np.float32)


def traced(f, *args):
    return checked(Traced(f, args, {}).program, "trace")


def operations(program) -> list[str]:
    return [eqn.op for eqn in program.equations if eqn.op not in ("input", "constant")]


def simple(f, *args) -> list[str]:
    return operations(checked(simplify(traced(f, *args)), "simplify"))


# ---- the checker ---------------------------------------------------------------------------------


def test_a_program_that_does_not_hold_together_is_refused():
    good = traced(lambda x, w: tm.tanh(x @ w), X, W)
    x, w, product, tanh = good.equations
    for equations, words in (
        ((x, w, tanh), "uses .*, which is not made before it"),
        ((x, w, tanh, product), "not made before it"),
        ((x, w, product, product, tanh), "is there twice"),
        ((x, w, product), "is not in the program"),
    ):
        with pytest.raises(AssertionError, match=f"a pass: .*{words}"):
            checked(good._replace(equations=equations), "a pass")
    wrong = Equation("tanh", (product,), {}, (4, 6), np.float32)
    with pytest.raises(AssertionError, match=r"should be float32\(4, 5\)"):
        checked(program_of([wrong], good.inputs), "a pass")


# ---- trace and simplify --------------------------------------------------------------------------


def test_what_nothing_needs_is_not_in_the_program():
    assert operations(traced(lambda x: (tm.exp(x), tm.sin(x))[1], X)) == ["sin"]


def test_constants_are_computed_while_tracing():
    assert operations(traced(lambda x: x * (tm.exp(np.float32(2.0)) + 1.0), X)) == ["mul"]


@pytest.mark.parametrize(
    "f, expected",
    [
        (lambda x: tm.reshape(tm.reshape(x, (2, 6)), (3, 4)), ["reshape"]),
        (lambda x: tm.reshape(tm.reshape(x, (2, 6)), (4, 3)), []),
        (lambda x: tm.transpose(tm.transpose(x)), []),
        (lambda x: -(-x), []),
        (lambda x: x * 1.0 + -0.0, []),
        (lambda x: x + 0.0, ["add"]),  # x may be -0
        (lambda x: tm.exp(x) + tm.exp(x), ["exp", "add"]),
        (lambda x: tm.transpose(tm.transpose(x) @ tm.transpose(tm.square(x).T)), None),
        (lambda x: tm.broadcast_to(x, (2, 4, 3)).sum(0), ["mul"]),
        (lambda x: tm.sin(tm.broadcast_to(x, (2, 4, 3))), ["sin", "broadcast_to"]),
        (lambda x: x * 0.0, ["mul"]),  # x may be infinite
    ],
)
def test_shorter_ways(f, expected):
    found = simple(f, X)
    assert found == expected if expected is not None else len(found) < len(operations(traced(f, X)))


def test_a_product_that_is_read_transposed_alone_is_computed_transposed():
    """(x^T g)^T is g^T x: what is added to w is read row after row."""
    x, g, w = rng.normal(size=(4, 3)), rng.normal(size=(4, 5)), rng.normal(size=(5, 3))

    def step(x, g, w):
        return w + (x.T @ g).T

    found = simplify(traced(step, x, g, w))
    (product,) = [eqn for eqn in found.equations if eqn.op == "matmul"]
    assert operations(found) == ["transpose", "matmul", "add"]
    assert product.shape == (5, 3) and product.inputs[0].inputs[0] is found.inputs[1]
    np.testing.assert_allclose(Replay(found)([x, g, w])[0], w + g.T @ x)


def test_a_product_with_other_readers_is_not_computed_twice():
    def both(x, g):
        product = x.T @ g
        return product, tm.exp(product.T)

    assert simple(both, X, X) == ["transpose", "matmul", "transpose", "exp"]
    assert simple(lambda x, g: (x.T @ g, (x.T @ g).T), X, X).count("matmul") == 1


def test_no_loop_of_a_meta_gradient_reads_a_product_column_by_column():
    """Some of its products are gradients of g @ w^T with respect to w."""
    model = tm.nn.mlp(3, 8, 6, 2)
    x, y = np.ones((2, 4, 5, 3), np.float32), np.ones((2, 4, 5, 2), np.float32)
    tasks = tm.Tasks(tm.Batch(x[0], y[0]), tm.Batch(x[1], y[1]))
    meta_grad = tm.meta.maml(model, tm.losses.mse, lr=0.1, steps=2).meta_grad
    found = simplify(lower(traced(meta_grad, model.init(rng), tasks)))
    turned = [eqn for eqn in found.equations if eqn.op == "transpose"]
    readers = {eqn.op for eqn in found.equations if {*eqn.inputs} & {*turned}}
    assert turned and readers == {"matmul"}


@pytest.mark.parametrize("tasks", [(), (2,), (2, 3)])
def test_a_column_by_a_row_is_part_of_the_loop_around_it(tasks):
    x, y = rng.normal(size=(*tasks, 4, 1)), rng.normal(size=(*tasks, 1, 5))
    found = simplify(traced(lambda x, y: tm.exp(x @ y), x, y))
    assert operations(found) == ["broadcast_to", "broadcast_to", "mul", "exp"]
    replay = Replay(found)
    assert len(replay.steps) == 1 and replay.kinds == ["loops"]
    np.testing.assert_allclose(replay([x, y])[0], np.exp(x @ y))


def test_checkpointed_equations_are_not_merged_with_others():
    def f(x, kept=lambda f: f):
        return tm.value_and_grad(lambda x: kept(lambda x: tm.exp(tm.exp(x)))(x).sum())(x)

    assert simple(f, X).count("exp") == 2
    assert simple(lambda x: f(x, tm.checkpoint), X).count("exp") > 2


# ---- lower ---------------------------------------------------------------------------------------


def test_all_orders_share_the_windows_of_an_image():
    x, w = np.ones((2, 5, 5, 1), np.float32), np.ones((3, 3, 1, 4), np.float32)

    def first(w):
        return tm.grad(lambda w: tm.square(tm.conv2d(x, w)).sum())(w)

    def second(w):
        return tm.grad(lambda w: tm.square(first(w)).sum())(w)

    for f in (first, second):
        found = operations(simplify(checked(lower(traced(f, w)), "lower")))
        assert not {"conv", "conv_input", "conv_weight"} & {*found}
        assert found.count("to_cols") == 1 and "matmul" in found


def test_each_pass_does_what_its_name_says():
    """Lowering replaces convolutions and nothing else; simplifying has something left to do."""
    net = tm.nn.conv4(3, filters=4)
    params, x = net.init(np.random.default_rng(0)), np.ones((2, 3, 28, 28, 1), np.float32)
    y = np.tile(np.arange(3), (2, 1))
    tasks = tm.Tasks(tm.Batch(x, y), tm.Batch(x, y))
    first = traced(tm.meta.maml(net, lr=0.1).meta_grad, params, tasks)
    second = checked(lower(first), "lower")
    third = checked(simplify(second), "simplify")
    new = {"to_cols", "from_cols", "matmul", "reshape", "transpose"}
    for op in {*operations(first), *operations(second)} - new:
        count = 0 if op.startswith("conv") else operations(first).count(op)
        assert operations(second).count(op) == count, op
    assert len(third.equations) < 0.9 * len(second.equations) and len(first.equations) < len(
        second.equations
    )
    assert [y.shape for y in third.outputs] == [y.shape for y in first.outputs]
    assert len(simplify(third).equations) == len(third.equations)  # nothing is left to do


def test_a_captured_array_that_is_repeated_is_a_constant_of_its_own_size():
    bias, column = np.ones(3, np.float32), np.ones((4, 1), np.float32)
    net = tm.nn.LayerNorm(3)
    params = net.init(np.random.default_rng(0))

    def f(x):
        repeated = np.broadcast_to(np.float32(2), (2000, 4, 3))
        return net(params, x + bias) * column + repeated + repeated

    program = traced(f, np.ones((2000, 4, 3), np.float32))
    constants = [eqn for eqn in program.equations if eqn.op == "constant"]
    assert sum(eqn.size for eqn in constants) < 20
    x = np.ones((2000, 4, 3), np.float32)
    np.testing.assert_allclose(tm.jit(f)(x), f(x), rtol=1e-6)


# ---- fuse and codegen ----------------------------------------------------------------------------


def steps_of(f, *args):
    program = with_legal_layouts(simplify(traced(f, *args)))
    return program, fuse(program, choose_materialized(program))


def test_a_chain_and_the_sum_that_ends_it_are_one_loop():
    _, steps = steps_of(lambda x: (tm.exp(x) * tm.tanh(x) - 1.0).sum(0), X)
    assert len(steps) == 1 and steps[0].loop.space == (4, 3)


def test_a_large_sum_in_float64_is_not_one_loop_with_an_expensive_function():
    x = np.ones((64, 64), np.float32)
    exp = lambda x: tm.exp(x).sum(1)
    assert len(steps_of(exp, x)[1]) == 2
    assert len(steps_of(exp, x[:63])[1]) == 1  # too small to matter
    assert len(steps_of(exp, x.astype(np.float64))[1]) == 1  # its vectors have as many lanes
    assert len(steps_of(lambda x: (x * x).sum(1), x)[1]) == 1
    program = with_legal_layouts(simplify(traced(exp, x)))
    assert len(fuse(program, choose_materialized(program, in_vectors=False))) == 1


def test_roots_that_read_the_same_share_a_loop_and_a_product_ends_it():
    _, steps = steps_of(lambda x: (tm.exp(x), tm.sin(x).sum(1)), X)
    assert [len(step.results) for step in steps] == [2]
    _, steps = steps_of(lambda x, w: tm.exp(tm.sin(x) @ w), X, W)
    assert [step.results[0].op for step in steps] == ["sin", "matmul", "exp"]


def test_a_kernel_is_one_for_all_sizes_and_constants():
    def sources(shape, c):
        program, steps = steps_of(
            lambda x: (tm.sigmoid(x) * tm.asarray(c)).sum(0), np.ones(shape, np.float32)
        )
        materialized = choose_materialized(program).materialized
        return [kernel_of(step.loop, materialized).source for step in steps]

    assert sources((4, 3), np.float32(2.0)) == sources((70, 8), np.float32(3.0))
    in_double = [line for line in sources((4, 3), np.float32(2.0))[0].splitlines() if "64" in line]
    assert in_double and all("y0_" in line for line in in_double)  # the sum, and nothing else


# ---- views ---------------------------------------------------------------------------------------

VIEWS = {
    "transpose": lambda x, k: tm.transpose(x, tuple(np.roll(range(x.ndim), k))),
    "flip": lambda x, k: tm.flip(x, k % x.ndim),
    "slice": lambda x, k: x[min(k % 2, x.shape[0] - 1) :, ..., :: 1 + k % 2],
    "broadcast": lambda x, k: tm.broadcast_to(x, (2, *x.shape)) if x.ndim < 4 else x,
    "flatten": lambda x, k: tm.reshape(x, (-1, x.shape[-1])),
    "add axis": lambda x, k: tm.reshape(x, (x.shape[0], 1, -1)),
}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(VIEWS)), st.integers(0, 3)), max_size=4),
    st.sampled_from([(4, 6), (2, 3, 4), (2, 2, 3, 2)]),
)
def test_a_layout_leads_to_the_elements_of_a_view(chain, shape):
    """Where strides can follow a chain of views they lead to NumPy's elements."""

    def f(x):
        for name, k in chain:
            x = VIEWS[name](x, k)
        return x

    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    expected = f(tm.asarray(x)).numpy()
    (y,) = traced(f, x).outputs
    base, views = source(y)
    layout = layout_of(base, views, y.shape)
    assert layout is not None or len(chain) > 1  # any one view of a dense value has one
    if layout is not None:
        flat = x.reshape(-1)[layout.offset :]
        found = np.lib.stride_tricks.as_strided(flat, y.shape, [8 * s for s in layout.strides])
        np.testing.assert_array_equal(found, expected)


# ---- what is joined and cut again ----------------------------------------------------------------

A, B = np.array([-0.0, 1.0, 2.0]), np.array([3.0, -0.0, np.inf, 5.0])


def joined(a, b):
    return tm.concatenate([a, b])


def padded(a, b):
    return tm.pad(a, [(0, 4)]) + tm.pad(b, [(3, 0)]) + tm.pad(a, [(2, 2)])


@pytest.mark.parametrize("join", [joined, padded])
@pytest.mark.parametrize("begin", range(7))
@pytest.mark.parametrize("end", range(1, 8))
def test_a_slice_of_what_was_joined_has_the_same_bits(join, begin, end):
    f = lambda a, b: join(a, b)[begin:end]
    program = checked(simplify(traced(f, A, B)), "simplify")
    with without_compiling():
        (found,) = Replay(program)([A, B])
    assert found.tobytes() == f(tm.asarray(A), tm.asarray(B)).numpy().tobytes()


def test_a_part_that_is_cut_out_again_was_never_joined():
    assert simple(lambda a, b: joined(a, b)[3:7], A, B) == []
    assert simple(lambda a, b: joined(a, b)[4:6], A, B) == ["slice"]
    assert simple(lambda a, b: joined(a, b)[2:4], A, B) == ["concatenate", "slice"]
    assert simple(lambda a, b: joined(a, b)[::2], A, B) == ["concatenate", "slice"]
    two_terms = lambda a, b: (tm.pad(a, [(0, 4)]) + tm.pad(b, [(3, 0)]))[3:7]
    assert simple(two_terms, A, B) == ["add"]  # b + 0
    rows = lambda x: tm.concatenate([x, x * 2.0], axis=1)[1:, 3:5]
    assert sorted(simple(rows, X)) == ["mul", "slice"]
