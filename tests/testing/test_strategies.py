"""The cases that strategies draw are varied and away from kinks; a missing strategy is named."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta.core.primitive import registry
from tinymeta.testing import check_primitive, register, strategies, strategy_for

ROOT = Path(__file__).parent.parent.parent
quick = settings(max_examples=3000, database=None)

# fmt: off
VARIETY = {
    "0-d":                          ("exp", lambda c: c.inputs[0].shape == ()),
    "empty":                        ("exp", lambda c: c.inputs[0].shape == (2, 0)),
    "size 1 among others":          ("exp",
        lambda c: 1 in c.inputs[0].shape and c.inputs[0].size > 1),
    "broadcast of an axis of 1":    ("broadcast_to",
        lambda c: c.inputs[0].shape == (1,) and c.static["shape"] == (3,)),
    "a slice with a step":          ("slice",
        lambda c: any(s.step > 1 for s in c.static["slices"])),
    "a pad with gaps":              ("pad",
        lambda c: any(w[2] for w in c.static["widths"]) and c.inputs[0].size > 1),
    "an index met twice":           ("take", lambda c: len(set(c.inputs[1])) < len(c.inputs[1])),
    "an image without a task axis": ("conv", lambda c: c.inputs[0].ndim == 4),
    "an image with a task axis":    ("conv",
        lambda c: c.inputs[0].ndim == 5 and c.inputs[0].shape[0] == 2),
    "stride 1":                     ("conv", lambda c: c.static["geometry"].stride == (1, 1)),
    "strides 2 and 3":              ("conv", lambda c: c.static["geometry"].stride == (2, 3)),
    "a padding that is uneven":     ("conv",
        lambda c: any(a != b for a, b in c.static["geometry"].pads)),
    "no padding":                   ("conv",
        lambda c: c.static["geometry"].pads == ((0, 0), (0, 0))),
    "an even image":                ("conv", lambda c: c.static["geometry"].image == (4, 4)),
    "an odd image":                 ("conv", lambda c: c.static["geometry"].image == (3, 5)),
    "rows left over":               ("conv", lambda c: left_over(c.static["geometry"])),
    "an image below the kernel":    ("conv",
        lambda c: c.static["geometry"].image[0] < c.static["geometry"].kernel[0]),
    "no example":                   ("conv", lambda c: c.inputs[0].shape[-4] == 0),
    "a tie":                        ("equal",
        lambda c: c.inputs[0].size > 1 and (c.inputs[0] == c.inputs[1]).any()),
}
# fmt: on


def left_over(g):
    return (g.image[0] + sum(g.pads[0]) - g.kernel[0]) % g.stride[0] > 0


@pytest.mark.parametrize("what", VARIETY)
def test_there_are_cases_with(what):
    name, condition = VARIETY[what]
    first = settings(quick, phases=[Phase.generate])
    assert condition(find(strategy_for(name), condition, settings=first))


@pytest.mark.parametrize("name", sorted(n for n, p in registry.items() if p.branch and any(p.vjps)))
def test_cases_keep_away_from_kinks(name):
    """No step of a difference quotient crosses a branch."""
    op = registry[name]

    @settings(max_examples=30)
    @given(strategy_for(op), st.integers(0, 2**32 - 1))
    def check(case, seed):
        rng = np.random.default_rng(seed)
        moved = [
            x + rng.uniform(-0.02, 0.02, x.shape) if x.dtype.kind == "f" else x for x in case.inputs
        ]
        np.testing.assert_array_equal(
            op.branch(*case.inputs, **case.static), op.branch(*moved, **case.static)
        )

    check()


def test_values_are_coarse_so_that_they_shrink_well():
    some = lambda case: case.inputs[0].size > 1 and case.inputs[0].ravel()[0] > 0.3
    case = find(strategy_for("mul"), some, settings=quick)
    assert all((x * 16 == np.round(x * 16)).all() for x in case.inputs)
    assert case.inputs[0].shape == (2,) and case.inputs[0][0] == 0.375


# ---- operations of one's own --------------------------------------------------------------------


def test_an_elementwise_operation_of_ones_own_has_a_strategy(a_new_primitive):
    op = a_new_primitive(
        "a * exp(-b)", (lambda g, y, a, b: g * tm.exp(-b), lambda g, y, a, b: -g * y)
    )

    assert len(find(strategy_for(op), lambda case: True).inputs) == 2
    check_primitive(op, examples=5)


def test_a_missing_strategy_names_the_operation_and_the_remedy(a_new_primitive):
    op = tm.primitive("my sum", shape=lambda x, axes: ((), x.dtype), vjps=(None,), kernels={})
    with pytest.raises(LookupError) as error:
        strategy_for(op)
    remedy = "has no strategy that knows its axes: add one with tm.testing.register('my sum'"
    assert remedy in str(error.value)
    register(op.name, st.just(strategies.Case((np.ones(2),), {})))
    assert find(strategy_for(op.name), lambda c: True).inputs[0].shape == (2,)
    del strategies.TABLE[op.name]


# ---- hypothesis is optional ---------------------------------------------------------------------


def run(code: str, **env):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, **env},
    )


def test_gradients_are_checked_without_hypothesis():
    done = run(
        "import sys; sys.modules['hypothesis'] = None\n"
        "import tinymeta as tm; print(len(tm.testing.check_grads(tm.exp, 1.0).rows))\n"
        "tm.testing.strategy_for('exp')"
    )
    assert done.stdout == "4\n" and "hypothesis" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("ci, derandomize", [("", False), ("1", True)])
def test_the_profile(ci, derandomize):
    done = run(
        "import hypothesis, tinymeta.testing.strategies\n"
        "profile = hypothesis.settings.get_profile('tinymeta')\n"
        "print(profile.deadline, profile.derandomize)",
        CI=ci,
    )
    assert done.stdout == f"None {derandomize}\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'tinymeta.testing' has no attribute 'chek_grads'"):
        tm.testing.chek_grads
