"""The compiler's checks are checked: each planted fault makes some random step differ.

python -m pytest -m slow tests/testing/test_compiler_faults.py        all of them
"""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.jit import memory
from tinymeta.testing import kernelfaults, planting
from tinymeta.testing.compiled import survey
from tinymeta.testing.passfaults import FAULTS, NotPlanted, noticed, survivors

# Those that take dozens of random steps or more, and two that are a matter of time.
RARE = [
    "the chunks of other threads are not waited for",
    "all calls share one block of memory",
    "a copy is left out",
    "a loop is joined before what it reads is there",
    "integers do not wrap",
    "a result moves along an axis that is summed",
    "maxima of pieces are added up",
    "weights of images are one piece's",
    "large results are those of the first call",
    "windows in blocks are of one task",
    "argmax is along another axis",
    "windows have another stride",
    "views are read as dense arrays",
    "the last merge of each leaf is left out",
]


def faults(rare):
    return [
        pytest.param(fault, id=f"{fault.part}: {fault.what}")
        for fault in FAULTS
        if (fault.what in RARE) == rare
    ]


@pytest.mark.parametrize("fault", faults(rare=False))
def test_a_fault_in_a_pass_is_noticed_soon(fault):
    assert noticed(fault)


@pytest.mark.slow
@pytest.mark.parametrize("fault", faults(rare=True))
def test_every_fault_in_a_pass_is_noticed(fault):
    assert noticed(fault)


# ---- a fault that cannot be planted is an error --------------------------------------------------


def planted_at(where, name, wrong):
    """The fault that `fault` makes, not kept among those of the compiler."""
    before = len(FAULTS)
    planting.fault("memory", "wrong", where, name)(lambda right: wrong)
    return FAULTS.pop(before)


def test_what_a_fault_replaces_has_another_name_now():
    with pytest.raises(AttributeError, match="memory.* has no attribute 'lifetimes_of'"):
        noticed(planted_at(memory, "lifetimes_of", None))


@pytest.mark.parametrize("wrong", [lambda program: {}, lambda *args: args[2]])
def test_a_fault_that_only_stops_the_compiler_is_not_counted_as_noticed(wrong):
    """A wrong function that takes other parameters, or trips over its own line."""
    with pytest.raises(NotPlanted, match="^memory: wrong: (Type|Index)Error"):
        noticed(planted_at(memory, "lifetimes", wrong), examples=8)


def test_a_fault_that_changes_nothing_survives():
    right = planted_at(memory, "lifetimes", memory.lifetimes)
    assert not noticed(right, examples=8) and survivors(8, [right]) == [right]


# ---- the table -----------------------------------------------------------------------------------


def test_a_fault_is_gone_after_its_block():
    for fault in FAULTS:
        with fault.planted():
            pass
    assert survey().round(10).passed
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(tm.jit(lambda x: tm.flip(x, 1) * 2.0)(x).numpy(), x[:, ::-1] * 2)


def test_no_fault_is_rare_that_there_is_not():
    assert {*RARE} <= {fault.what for fault in FAULTS}


def test_an_error_of_a_fault_in_a_kernel_is_not_counted_as_noticed(monkeypatch):
    def broken(out, *xs, **static):
        raise TypeError("this is no kernel")

    monkeypatch.setitem(kernelfaults.FAULTS, "wrong in float32", lambda kernel: broken)
    with pytest.raises(TypeError, match="this is no kernel"):
        kernelfaults.survivors(["exp"])


@pytest.mark.parametrize("name", ["exp", "matmul", "max", "equal", "isinf"])
def test_every_fault_in_a_kernel_is_noticed(name):
    assert kernelfaults.planned([name]) and kernelfaults.survivors([name]) == []


@pytest.mark.slow
def test_every_fault_in_every_kernel_is_noticed():
    assert kernelfaults.survivors() == []
