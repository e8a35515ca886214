"""What people bring: beside NumPy, eager as compiled, gradients beside differences."""

import warnings

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import check_grads
from tinymeta.testing.interpreted import interpreted_jit

rng = np.random.default_rng(0)
x = rng.normal(size=(3, 4))
y = rng.normal(size=(3, 4))
cube = rng.normal(size=(2, 3, 4))
square = rng.normal(size=(4, 4))
with_zeros = np.array([[0.0, 2.0, 3.0, -1.0, 0.5], [1.0, 0.0, 2.0, 0.0, -1.0]])

# name: (ours, NumPy's, arrays)
VALUES = {
    "outer": (tm.outer, np.outer, (x, y[0])),
    "inner": (tm.inner, np.inner, (cube, x)),
    "inner 0-d": (lambda a: tm.inner(2.0, a), lambda a: np.inner(2.0, a), (x,)),
    "dot": (tm.dot, np.dot, (cube, rng.normal(size=(5, 4, 2)))),
    "dot vectors": (tm.dot, np.dot, (x[0], y[0])),
    "dot 0-d": (lambda a: tm.dot(a, 3.0), lambda a: np.dot(a, 3.0), (x,)),
    "tensordot": (tm.tensordot, np.tensordot, (cube, rng.normal(size=(3, 4, 2)))),
    "tensordot axes": (
        lambda a, b: tm.tensordot(a, b, ((2, 0), (0, 1))),
        lambda a, b: np.tensordot(a, b, ((2, 0), (0, 1))),
        (cube, rng.normal(size=(4, 2, 5))),
    ),
    "tensordot none": (
        lambda a, b: tm.tensordot(a, b, 0),
        lambda a, b: np.tensordot(a, b, 0),
        (x[0], y[0]),
    ),
    "kron": (tm.kron, np.kron, (x[:2, :2], cube)),
    "var": (lambda a: tm.var(a, 1, correction=1), lambda a: np.var(a, 1, ddof=1), (x,)),
    "std": (lambda a: tm.std(a, 0, correction=0.5), lambda a: np.std(a, 0, ddof=0.5), (x,)),
    "prod": (lambda a: tm.prod(a, 1), lambda a: np.prod(a, 1), (with_zeros,)),
    "prod all": (tm.prod, np.prod, (cube,)),
    "prod axes": (
        lambda a: tm.prod(a, (0, 2), True),
        lambda a: np.prod(a, (0, 2), keepdims=True),
        (cube,),
    ),
    "repeat": (lambda a: tm.repeat(a, 2), lambda a: np.repeat(a, 2), (x,)),
    "repeat axis": (
        lambda a: tm.repeat(a, [0, 2, 1], 0),
        lambda a: np.repeat(a, [0, 2, 1], 0),
        (x,),
    ),
    "tile": (lambda a: tm.tile(a, (2, 1, 3)), lambda a: np.tile(a, (2, 1, 3)), (x,)),
    "tile last": (lambda a: tm.tile(a, 2), lambda a: np.tile(a, 2), (cube,)),
    "roll": (lambda a: tm.roll(a, 5), lambda a: np.roll(a, 5), (x,)),
    "roll axes": (
        lambda a: tm.roll(a, (1, -2), (0, -1)),
        lambda a: np.roll(a, (1, -2), (0, -1)),
        (x,),
    ),
    "roll both": (lambda a: tm.roll(a, 1, (0, 1)), lambda a: np.roll(a, 1, (0, 1)), (x,)),
    "roll twice": (lambda a: tm.roll(a, (1, 2), 0), lambda a: np.roll(a, (1, 2), 0), (x,)),
    "vstack": (lambda a, b: tm.vstack([a, b]), lambda a, b: np.vstack([a, b]), (x, y[0])),
    "hstack": (lambda a, b: tm.hstack([a, b]), lambda a, b: np.hstack([a, b]), (x, y)),
    "hstack 1-d": (lambda a: tm.hstack([a, a]), lambda a: np.hstack([a, a]), (x[0],)),
    "column_stack": (
        lambda a, b: tm.column_stack([a, b]),
        lambda a, b: np.column_stack([a, b]),
        (x[:, 0], y),
    ),
    "tril": (lambda a: tm.tril(a, -1), lambda a: np.tril(a, -1), (cube,)),
    "triu": (lambda a: tm.triu(a, 1), lambda a: np.triu(a, 1), (cube,)),
    "diag of a vector": (lambda a: tm.diag(a, -2), lambda a: np.diag(a, -2), (x[0],)),
    "diag of a matrix": (lambda a: tm.diag(a, 1), lambda a: np.diag(a, 1), (x,)),
    "diag beyond": (lambda a: tm.diag(a, 7), lambda a: np.diag(a, 7), (x,)),
    "diagonal": (lambda a: tm.diagonal(a, -1, 2, 0), lambda a: np.diagonal(a, -1, 2, 0), (cube,)),
    "trace": (lambda a: tm.trace(a, 1, 1, 2), lambda a: np.trace(a, 1, 1, 2), (cube,)),
    "split": (lambda a: tm.split(a, 2, 1)[1], lambda a: np.split(a, 2, 1)[1], (x,)),
    "split at": (lambda a: tm.split(a, [1, 3], 1)[1], lambda a: np.split(a, [1, 3], 1)[1], (x,)),
    "dstack": (lambda a, b: tm.dstack([a, b]), lambda a, b: np.dstack([a, b]), (cube, cube)),
    "dstack 2-d": (lambda a, b: tm.dstack([a, b]), lambda a, b: np.dstack([a, b]), (x, y)),
    "dstack 1-d": (lambda a: tm.dstack([a, a]), lambda a: np.dstack([a, a]), (x[0],)),
    "dsplit": (lambda a: tm.dsplit(a, 2)[1], lambda a: np.dsplit(a, 2)[1], (cube,)),
    "hsplit": (lambda a: tm.hsplit(a, 2)[0], lambda a: np.hsplit(a, 2)[0], (x,)),
    "vsplit": (lambda a: tm.vsplit(a, 3)[2], lambda a: np.vsplit(a, 3)[2], (x,)),
    "array_split": (
        lambda a: tm.array_split(a, 3, 1)[0],
        lambda a: np.array_split(a, 3, 1)[0],
        (x,),
    ),
    "mod": (tm.mod, np.mod, (x, y)),
    "logaddexp": (tm.logaddexp, np.logaddexp, (x, y)),
}
EINSUMS = {
    "ij,jk->ik": (x, rng.normal(size=(4, 2))),
    "ij,kj": (x, y),
    "ba": (x,),
    "ij->": (x,),
    "ii": (square,),
    "abb->ba": (rng.normal(size=(2, 3, 3)),),
    "iij,jk->ik": (rng.normal(size=(3, 3, 4)), square),
    "i,j": (x[0], y[1]),
    "i,i->i": (x[0], y[0]),
    "...ij,...jk->...ik": (rng.normal(size=(5, 1, 3, 4)), rng.normal(size=(2, 4, 2))),
    "...i,...i": (cube, x),
    "i...,i->...": (cube, x[0, :2]),
    "ij,jk,kl->li": (x, square, rng.normal(size=(4, 2))),
    "bij,bjk,bk->bi": (cube, rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 3))),
    " i j , j -> i ": (x, x[0]),
}
for _text, _arrays in EINSUMS.items():
    VALUES[f"einsum {_text}"] = (
        (lambda text: lambda *a: tm.einsum(text, *a))(_text),
        (lambda text: lambda *a: np.einsum(text, *a))(_text),
        _arrays,
    )


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_value_is_numpys_eager_and_compiled(name, dtype):
    ours, numpys, arrays = VALUES[name]
    arrays = [a.astype(dtype) for a in arrays]
    expected = numpys(*arrays)
    for f in (ours, interpreted_jit(lambda *a: ours(*a))):
        found = f(*arrays)
        assert found.dtype == dtype and found.shape == expected.shape
        tolerance = 200 * np.finfo(dtype).eps
        np.testing.assert_allclose(found.numpy(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", VALUES)
def test_its_gradients_are_those_of_differences(name):
    ours, _, arrays = VALUES[name]
    if name != "diag beyond":  # which has no elements
        check_grads(ours, *arrays, order=2, n_dirs=1)


SMOOTH = {
    "gelu": tm.gelu,
    "gelu by tanh": lambda x: tm.gelu(x, approximate=True),
    "silu": tm.silu,
    "elu": lambda x: tm.elu(x, 0.7),
    "leaky_relu": lambda x: tm.leaky_relu(x, 0.2),
    "relu6": tm.relu6,
    "hard_tanh": tm.hard_tanh,
    "hard_sigmoid": tm.hard_sigmoid,
    "hard_silu": tm.hard_silu,
}


@pytest.mark.parametrize("name", SMOOTH)
def test_activations_eager_compiled_and_their_gradients(name):
    f, a = SMOOTH[name], np.array([-7.25, -3.5, -1.5, -0.3, 0.2, 0.8, 2.5, 6.5])
    assert f(a.astype(np.float32)).dtype == np.float32 == f(np.arange(3)).dtype
    np.testing.assert_allclose(interpreted_jit(lambda a: f(a))(a), f(a).numpy(), rtol=1e-14)
    check_grads(f, a, order=3)


def test_activations_at_the_ends_and_at_their_kinks():
    ends = np.array([-np.inf, -1e30, 0.0, 1e30, np.inf])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(tm.elu(ends).numpy(), [-1, -1, 0, 1e30, np.inf])
        np.testing.assert_array_equal(tm.gelu(ends).numpy()[1:], [0, 0, 1e30, np.inf])
        slopes = tm.grad(lambda a: tm.elu(a).sum())(ends).numpy()
    assert slopes.tolist() == [0, 0, 1, 1, 1]
    assert tm.grad(tm.leaky_relu)(0.0).item() == np.float32(0.01)
    assert tm.grad(tm.hard_tanh)(1.0).item() == 0.5  # shared with the limit, as clip does


def test_products_have_every_derivative_at_zero():
    a = np.array([0.0, 2.0, 0.0, 3.0])
    assert tm.grad(tm.prod)(a).numpy().tolist() == [0, 0, 0, 0]
    h = tm.hessian(tm.prod)(a).numpy()
    assert h[0, 2] == h[2, 0] == 6 and np.count_nonzero(h) == 2
    assert tm.prod(np.zeros((0, 3)), 0).numpy().tolist() == [1, 1, 1]
    assert tm.prod(np.zeros((2, 0)), 0, True).shape == (1, 0)
    assert tm.prod(np.full(9, 100, np.int8)).item() == 100**9


def test_any_all_and_argmin():
    a = np.array([[0.0, np.nan, 1.0], [0.0, 0.0, 0.0]])
    for ours, numpys in ((tm.any, np.any), (tm.all, np.all)):
        for axis in (None, 0, 1):
            for f in (ours, interpreted_jit(lambda a, f=ours, i=axis: f(a, axis=i))):
                found = f(a, axis=axis) if f is ours else f(a)
                assert found.dtype == bool
                np.testing.assert_array_equal(found.numpy(), numpys(a, axis=axis))
        assert ours(np.zeros(0)).item() == numpys(np.zeros(0))
    for values in (np.array([3, 1, 1], np.uint8), a, np.array([False, True])):
        assert tm.argmin(values).item() == np.argmin(values)
    assert tm.argmin(x, 1).numpy().tolist() == np.argmin(x, 1).tolist()


def test_what_rounds():
    values = np.array([-2.5, -1.5, -0.4, 0.5, 1.5, 2.5, 1234.567, np.nan, np.inf])
    for name in ("floor", "ceil", "trunc", "round"):
        np.testing.assert_array_equal(getattr(tm, name)(values), getattr(np, name)(values))
    for decimals in (-2, 1, 2):
        np.testing.assert_allclose(tm.round(values, decimals), np.round(values, decimals))
    assert tm.floor(np.array([3, -1], np.int8)).dtype == np.int8
    assert not tm.grad(lambda a: tm.floor(a).sum() + tm.round(a, 1).sum())(values[:7]).numpy().any()
    with pytest.raises(TypeError, match=r"^round: whole numbers to -1 decimals: cast int64"):
        tm.round(np.array([15]), -1)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, np.float64])
def test_remainders_and_quotients_with_operators(dtype):
    a, b = np.array([7, 1, 5, 0], dtype), np.array([2, 3, 5, 4], dtype)
    if np.dtype(dtype).kind != "u":
        a, b = np.concatenate([a, -a, a]), np.concatenate([b, b, -b])
    quotients = lambda a, b: (a % b, a // b, 7 % b, a // 2, 20 // b)
    for run in (lambda f: f, tm.jit):
        found = run(quotients)(tm.asarray(a), tm.asarray(b))
        for f, e in zip(found, quotients(a, b)):
            assert f.dtype == e.dtype
            np.testing.assert_array_equal(f.numpy(), e)
    numbers = tm.jit(lambda x, n: x * (n % 3.0 + n // 2.0))(tm.ones(()), 7.5)
    assert numbers.item() == 7.5 % 3.0 + 7.5 // 2.0


def test_evenly_spaced_numbers():
    for arguments in ((0, 1, 5), (2.0, -1.0, 4, False), (1, 1, 1), (0, 1, 0)):
        found, expected = tm.linspace(*arguments), np.linspace(*arguments)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
    assert tm.linspace(0.1, 0.7, 7).numpy()[-1] == np.float32(0.7)
    slopes = tm.jacobian(lambda a, b: tm.linspace(a, b, 3), (0, 1))(np.array(1.0), np.array(2.0))
    assert [g.numpy().tolist() for g in slopes] == [[1, 0.5, 0], [0, 0.5, 1]]


def test_edges_of_logaddexp_arctan2_and_erf():
    ends = np.array([-np.inf, np.inf, 0.0, np.nan, 1e30])
    a, b = (v.ravel() for v in np.meshgrid(ends, ends))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(tm.logaddexp(a, b).numpy(), np.logaddexp(a, b))
        np.testing.assert_array_equal(tm.arctan2(a, b).numpy(), np.arctan2(a, b))
    slopes = tm.grad(tm.arctan2, (0, 1))(np.array(0.0), np.array(0.0))
    assert [g.item() for g in slopes] == [0, 0]
    assert tm.erf(ends).numpy()[:3].tolist() == [-1, 1, 0]
    with pytest.raises(TypeError, match="^erf has no loop for"):
        tm.erf(np.ones(2, np.longdouble))


WRONG = {
    "einsum: the term 'ijk' does not fit": lambda: tm.einsum("ijk->i", x),
    "einsum: 'ij,jk' does not name 1 operands": lambda: tm.einsum("ij,jk", x),
    "einsum: 'j' has the sizes 4 and 3": lambda: tm.einsum("ij,jk", x, x),
    "einsum: 'i' has two sizes": lambda: tm.einsum("ii", x),
    "einsum: the result 'iq'": lambda: tm.einsum("ij->iq", x),
    "einsum: the result 'i'": lambda: tm.einsum("...i->i", x),
    "tensordot: the shapes": lambda: tm.tensordot(x, x, 1),
    "tensordot: axes 3": lambda: tm.tensordot(x, x, 3),
    "split: axis 0 of": lambda: tm.split(x, 2),
    "array_split: the shape (1000": lambda: tm.array_split(x, 10**30),
    "diag: a vector or a matrix": lambda: tm.diag(cube),
    "tril: matrices": lambda: tm.tril(x[0]),
    "var: of 3 numbers, with correction=3": lambda: tm.var(x, 0, correction=3),
    "repeat: repeats": lambda: tm.repeat(x, [1, 2], 0),
    "roll: shift": lambda: tm.roll(x, (1, 2, 3), (0, 1)),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_what_does_not_fit_is_said_in_one_sentence_eager_and_compiled(sentence):
    for run in (lambda f: f, tm.jit):
        with pytest.raises((ValueError, TypeError)) as caught:
            run(WRONG[sentence])()
        assert str(caught.value).startswith(sentence) and "\n" not in str(caught.value)


# What ported programs called, under the names by which they did; NumPy's of one argument first.
OF_NUMPY = """ceil floor trunc round isnan isfinite isinf exp2 log2 log10 tan sinh cosh arcsin
    arccos arctan arcsinh arccosh arctanh prod cumsum cumprod sort argsort argmin median any
    all trace tril triu diag diagonal var std""".split()
AND_BESIDES = """einsum tensordot dot outer kron inner conv1d conv2d conv_transpose2d max_pool2d
    avg_pool2d cummax split array_split hsplit vsplit dsplit repeat tile roll vstack hstack dstack
    column_stack arctan2 erf logaddexp mod floor_divide topk linspace gelu silu elu leaky_relu relu6
    hard_tanh hard_sigmoid hard_silu scatter_add""".split()
LOSSES = "nll mse mae cross_entropy binary_cross_entropy hinge huber kl_divergence".split()
OF_LINALG = "cholesky solve_triangular solve inv det slogdet lstsq".split()


def test_what_ported_programs_called_is_public():
    assert not {*OF_NUMPY, *AND_BESIDES} - {*tm.__all__}
    assert not {*LOSSES} - {*tm.losses.__all__} and not {*OF_LINALG} - {*tm.linalg.__all__}


@pytest.mark.parametrize("name", OF_NUMPY)
def test_numpys_name_alone_means_the_same(name):
    least = 1.0 if name == "arccosh" else 0.1 if "log" in name else -0.95
    most = 0.95 if name in ("arcsin", "arccos", "arctanh") else 2.5
    values = np.random.default_rng(1).permutation(np.linspace(least, most, 9)).reshape(3, 3)
    found, expected = getattr(tm, name)(values).numpy(), getattr(np, name)(values)
    assert found.shape == expected.shape and found.dtype.kind == expected.dtype.kind
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)
