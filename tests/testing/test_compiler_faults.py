"""The compiler's checks are checked: each planted fault makes some random step differ.

python -m pytest -m slow tests/testing/test_compiler_faults.py        all of them
"""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import kernelfaults
from tinymeta.testing.compiled import survey
from tinymeta.testing.passfaults import FAULTS, noticed

# Those that few random steps are enough for. (Which steps are drawn depends on the modules that are
# loaded, so no smaller number than for all faults is sure to do.)
QUICK = [
    "all numbers are one",
    "equations of different static are one",
    "-x is x",
    "an array with gaps is read as a dense one",
    "the last piece is not taken",
    "the sums of the last group are left out",
    "a flip begins where its source does",
    "a reshape is a dense array",
    "a sum begins with what is there",
    "a value lives one step less",
    "all calls share one arena",
    "results are not copied out of the arena",
    "the outputs are rotated",
]


@pytest.mark.parametrize("what", QUICK)
def test_a_fault_in_a_pass_is_noticed_soon(what):
    (fault,) = [fault for fault in FAULTS if fault.what == what]
    assert noticed(fault)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=[f"{f.part}: {f.what}" for f in FAULTS])
def test_every_fault_in_a_pass_is_noticed(fault):
    assert noticed(fault)


def test_a_fault_is_gone_after_its_block():
    for fault in FAULTS:
        with fault.planted():
            pass
    assert survey().round(10).passed
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(tm.jit(lambda x: tm.flip(x, 1) * 2.0)(x).numpy(), x[:, ::-1] * 2)


@pytest.mark.parametrize("name", ["exp", "matmul", "max"])
def test_every_fault_in_a_kernel_is_noticed(name):
    assert kernelfaults.planned([name]) and kernelfaults.survivors([name]) == []


@pytest.mark.slow
def test_every_fault_in_every_kernel_is_noticed():
    assert kernelfaults.survivors() == []
