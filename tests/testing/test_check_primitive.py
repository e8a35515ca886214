"""Each promise of a primitive is broken by a planted fault, and the check says which it was."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta.core.primitive import Primitive, registry, replaced
from tinymeta.core.scope import state
from tinymeta.testing import Case, check_primitive, register, registry_test, strategies

settings.register_profile(
    "no shrinking", settings.get_profile("tinymeta"), database=None, phases=[Phase.generate]
)


@pytest.fixture(autouse=True)
def faults_are_found_and_not_made_small():
    settings.load_profile("no shrinking")
    yield
    settings.load_profile("tinymeta")


def fill(out, a, b):
    np.multiply(a, b, out=out)


RULES = (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
GOOD = {"shape": lambda a, b: (a.shape, a.dtype), "vjps": RULES, "kernels": {"cpu": fill}}
PAIRS = st.tuples(*[strategies.tensors((2, 3))] * 2)


@pytest.fixture
def a_product(a_new_primitive):
    """a * b as one of your own operations, with some of its parts changed; gone after the test."""
    before = dict(strategies.TABLE)

    def make(make=tm.primitive, cases=PAIRS.map(lambda pair: Case(pair, {})), **changed):
        op = make("my product", **{**GOOD, **changed})
        register(op.name, cases)
        return op

    yield make
    strategies.TABLE.clear()
    strategies.TABLE.update(before)


def test_an_operation_that_keeps_its_promises_passes(a_product):
    check_primitive(a_product())
    check_primitive("my product", order=1, dtypes=[np.float64], examples=1)


# ---- kernels ------------------------------------------------------------------------------------


def unfilled(out, a, b):
    np.multiply(a[..., 1:], b[..., 1:], out=out[..., 1:])
    out[..., 0] *= 1  # whatever was there


def writing(out, a, b):
    fill(out, a, b)
    a += 1


def random(out, a, b):
    out[:] = np.random.default_rng().normal(size=out.shape)


@pytest.mark.parametrize(
    "kernel, message",
    [
        (unfilled, "my product (does not fill all of out|gives two values)"),
        (writing, "my product writes into an input"),
        (random, "my product gives two values for one input"),
    ],
)
def test_a_faulty_kernel_is_red(kernel, message, a_product):
    with pytest.raises(AssertionError, match=message):
        check_primitive(a_product(kernels={"cpu": kernel}))


def adding(out, a, b):
    out += a * b


@pytest.mark.parametrize("kernel, found", [(adding, 0), (unfilled, np.nan)])
def test_a_kernel_that_leaves_what_it_finds_is_red(kernel, found, a_product, monkeypatch):
    """Eager memory may happen to be what the check puts there, so it puts two things there."""
    monkeypatch.setattr(
        "tinymeta.core.primitive.allocate", lambda _, shape, dtype: np.full(shape, found, dtype)
    )
    with pytest.raises(AssertionError, match="my product does not fill all of out"):
        check_primitive(a_product(kernels={"cpu": kernel}, vjps=(None, None)))


def test_a_kernel_that_returns_its_result_is_red(a_product):
    with pytest.raises(TypeError, match="my product: its cpu kernel returned a ndarray"):
        check_primitive(a_product(kernels={"cpu": lambda out, a, b: a * b}))


def test_a_kernel_wrong_in_one_dtype_is_red_there_alone(a_product):
    def kernel(out, a, b):
        fill(out, a, b)
        out += np.nan if out.dtype == np.float32 else 0
        if out.dtype == np.float32:
            b[...] = 0

    op = a_product(kernels={"cpu": kernel})
    check_primitive(op, dtypes=[np.float64], examples=4)
    with pytest.raises(AssertionError, match="writes into an input"):
        check_primitive(op, dtypes=[np.float32], examples=4)


def test_a_shape_rule_that_forgets_the_dtype_is_red(a_product):
    with pytest.raises(AssertionError, match="my product makes float64 of float32"):
        check_primitive(a_product(shape=lambda a, b: (a.shape, np.float64)))


def test_a_view_that_breaks_its_shape_rule_is_red(a_product):
    def make(name, **parts):
        return Primitive(name, family="extension", view=True, **parts)

    with pytest.raises(AssertionError, match=r"makes float32\(3, 2\), its shape rule says"):
        check_primitive(a_product(make, kernels={"cpu": lambda a, b: a.T}))


# ---- derivative rules ---------------------------------------------------------------------------


def test_a_missing_rule_is_red(a_product):
    with pytest.raises(AssertionError, match="my product has 1 derivative rules for 2 inputs"):
        check_primitive(a_product(vjps=RULES[:1]))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_wrong_derivative_is_red_at_its_order_and_not_before(depth, a_new_primitive):
    op = a_new_primitive("exp(a)", (lambda g, y, a: 1.001 * g * y,))
    for _ in range(depth - 1):
        op = a_new_primitive("exp(a)", (lambda g, y, a, after=op: g * after(a),))
    if depth > 1:
        check_primitive(op, order=depth - 1, examples=4)
    with pytest.raises(AssertionError, match=f"derivative of {op.name} of order {depth} is wrong"):
        check_primitive(op, order=3)


def test_a_rule_that_multiplies_where_it_should_select_is_red(a_product):
    def larger(g, a, b):
        return g * (a > b)

    with pytest.raises(AssertionError, match="rule 0 lets an infinite cotangent through"):
        check_primitive(
            a_product(
                kernels={"cpu": lambda out, a, b: np.maximum(a, b, out=out)},
                vjps=(lambda g, y, a, b: larger(g, a, b), lambda g, y, a, b: larger(g, b, a)),
                branch=lambda a, b: a > b,
                cases=PAIRS.map(lambda pair: Case((pair[0], pair[1] + 1 / 16), {})),
            )
        )


def test_a_rule_that_calls_what_the_registry_does_not_know_is_red(a_new_primitive):
    stranger = a_new_primitive("exp(a)", (lambda g, y, a: g * y,), name="stranger")
    op = a_new_primitive("exp(a)", (lambda g, y, a: g * stranger(a),), name="its friend")
    check_primitive(op, examples=4)
    del registry["stranger"]
    with pytest.raises(AssertionError, match=r"its friend calls \['stranger'\], not in the reg"):
        check_primitive(op, examples=4)


def test_an_operation_without_derivatives_is_checked_for_the_rest(a_product):
    check_primitive(a_product(vjps=(None, None)))
    del registry["my product"]
    with pytest.raises(AssertionError, match="writes into an input"):
        check_primitive(a_product(vjps=(None, None), kernels={"cpu": writing}))


# ---- what could not fail, and what is missing ----------------------------------------------------


def test_a_strategy_on_which_no_derivative_could_be_wrong_is_red(a_product):
    empty = st.just(Case((np.zeros((2, 0)), np.zeros((2, 0))), {}))
    with pytest.raises(AssertionError, match="my product: its derivatives cannot be wrong on any"):
        check_primitive(a_product(cases=empty))


def test_a_missing_kernel_is_named(a_product):
    with pytest.raises(NotImplementedError, match="my product has no cpu kernel"):
        check_primitive(a_product(kernels={}))


def test_an_operation_without_a_strategy_gets_arrays_of_one_shape(a_product):
    op = a_product()
    del strategies.TABLE[op.name]

    def shape(a, b):
        if a.ndim != 2:
            raise ValueError("matrices, please")
        return a.shape, a.dtype

    @given(strategies.strategy_for(op))
    def all_differ(case):
        a, b = case.inputs
        assert a.ndim == b.ndim == 2 and case.static == {}
        assert len({*a.ravel(), *b.ravel()}) == a.size + b.size

    op.shape = shape
    all_differ()
    check_primitive(op, examples=4)
    op.vjps = (lambda g, y, a, b: g * a, RULES[1])
    with pytest.raises(AssertionError, match="derivative of my product of order 1 is wrong"):
        check_primitive(op, order=1)


def test_any_number_of_inputs_gets_two(a_new_primitive):
    total = tm.primitive(
        "total",
        shape=lambda *xs: (xs[0].shape, xs[0].dtype),
        vjps=lambda i, g, y, *xs: g,
        kernels={"cpu": lambda out, *xs: np.copyto(out, sum(xs))},
    )
    check_primitive(total, examples=4)


@pytest.mark.parametrize(
    "shape, message",
    [
        (lambda a, b, axis: (a.shape, a.dtype), "my product has no strategy .* its axis: add one"),
        (
            lambda a, b, *, axis: (a.shape, a.dtype),
            "my product has no strategy .* its axis: add one",
        ),
    ],
)
def test_what_needs_metadata_needs_a_strategy(shape, message, a_product):
    op = a_product(shape=shape)
    del strategies.TABLE[op.name]
    with pytest.raises(KeyError, match=message):
        check_primitive(op)


def test_what_takes_no_arrays_of_one_shape_needs_a_strategy(a_product):
    def shape(a, b):
        raise ValueError("never")

    op = a_product(shape=shape)
    del strategies.TABLE[op.name]
    with pytest.raises(AssertionError, match="my product: its shape rule takes no .*register"):
        check_primitive(op)


# ---- the test that is inherited -----------------------------------------------------------------


def test_the_inherited_test_checks_each_one_it_was_given(a_product, a_new_primitive):
    bad = a_new_primitive("exp(a)", (lambda g, y, a: -g * y,), name="bad")
    test = registry_test(a_product(), "bad")
    (mark,) = test.pytestmark
    assert mark.args == ("name", ["my product", "bad"])
    test("my product")
    with pytest.raises(AssertionError, match="derivative of bad of order 1 is wrong"):
        test(bad.name)


def test_a_test_file_of_yours_inherits_it_in_one_line(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "import tinymeta as tm\n"
        "tm.elementwise('a * a * a', vjps=(lambda g, y, a: 3.0 * g * a * a,), name='cube')\n"
        "test_ops = tm.testing.registry_test('cube', 'add')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "test_mine.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert "test_mine.py::test_ops[cube] PASSED" in done.stdout, done.stdout
    assert "test_mine.py::test_ops[add] PASSED" in done.stdout


def test_what_the_readme_shows_passes_as_it_stands(a_new_primitive):
    """All code of its chapter on adding, run in order, and the test that it names."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    chapter = readme.split("## Add to it")[1].split("\n## ")[0]
    exec("".join(re.findall(r"```python\n(.*?)```", chapter, re.DOTALL)), {"tm": tm, "np": np})
    test = eval(re.search(r"registry_test\(.*?\)", chapter)[0], {"registry_test": registry_test})
    (mark,) = test.pytestmark
    assert mark.args[1] == ["cube", "cumsum"]
    for name in mark.args[1]:
        test(name)


def test_without_names_it_is_the_whole_registry():
    (mark,) = registry_test().pytestmark
    assert mark.args[1] == sorted(registry)


def test_what_was_replaced_is_not_asked_for(a_product):
    a_product(), a_product(replace=True)
    (mark,) = registry_test().pytestmark
    assert "my product" in mark.args[1]
    assert [name for name in registry if name not in mark.args[1]] == [replaced[-1].name]


# ---- devices ------------------------------------------------------------------------------------


def test_a_device_is_checked_with_its_own_kernel(a_product, monkeypatch):
    both = {"cpu": True, "other": True, "absent": "no driver; use --device cpu"}
    monkeypatch.setattr("tinymeta.core.device.DEVICES", (*both,))
    for module in ("core.device", "testing.primitives"):
        monkeypatch.setattr(f"tinymeta.{module}.devices", lambda: both)
    monkeypatch.setattr("tinymeta.testing.kernelcheck.move", lambda value, name: value)
    kernel = dict(cpu=fill, other=lambda out, a, b: fill(out, a, b + 1))
    with pytest.raises(AssertionError, match="my product does not fill all of out"):
        check_primitive(a_product(kernels=kernel), examples=4)
    check_primitive("my product", devices=("cpu",), examples=4)
    with pytest.raises(RuntimeError, match="device 'absent' is not usable: no driver"):
        check_primitive("my product", devices=("absent",))


def test_a_device_that_differs_from_the_cpu_is_red(a_product, monkeypatch):
    both = {"cpu": True, "other": True}
    monkeypatch.setattr("tinymeta.core.device.DEVICES", (*both,))
    for module in ("core.device", "testing.primitives"):
        monkeypatch.setattr(f"tinymeta.{module}.devices", lambda: both)
    monkeypatch.setattr("tinymeta.testing.kernelcheck.move", lambda value, name: value)
    monkeypatch.setattr(
        "tinymeta.core.primitive.on_one_device", lambda name, xs: (state.device, xs)
    )
    monkeypatch.setattr("tinymeta.core.primitive.allocate", lambda name, *like: np.empty(*like))
    kernel = dict(cpu=fill, other=lambda out, a, b: np.multiply(a, b * (1 + 1e-4), out=out))
    with pytest.raises(AssertionError, match="my product on other is not what it is on the CPU"):
        check_primitive(a_product(kernels=kernel), examples=4)


def test_a_pullback_that_is_not_linear_is_red(a_product):
    crooked = (lambda g, y, a, b: g * b * (1 + 1e-12 * g), RULES[1])  # no difference sees that
    with pytest.raises(AssertionError, match="my product(: broken: | is not linear)"):
        check_primitive(a_product(vjps=crooked), order=1)
