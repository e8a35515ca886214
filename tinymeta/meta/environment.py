"""The machine and the libraries that a training computes with.

Its bits depend on them, and on the seed and the configuration: on the instructions that kernels are
compiled to and, of a program that is not split over tasks, on the threads of its BLAS.
"""

import numpy as np

from ..core.scope import state
from ..system.resources import cores


def environment() -> str:
    """The device, the number of cores, the processor, and the versions of NumPy and Numba.

    Of a GPU that does not multiply in float32 also in what it does.
    """
    import llvmlite.binding  # both are slow to import
    import numba

    is_usual = state.products == "float32"
    device = state.device if is_usual else f"{state.device} (products in {state.products})"
    return (
        f"{device} with {cores()} core(s) of {llvmlite.binding.get_host_cpu_name()}, "
        f"NumPy {np.__version__}, Numba {numba.__version__}"
    )
