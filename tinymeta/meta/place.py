"""Where a training computes: what its bits depend on, beside its seed and its configuration."""

import llvmlite.binding
import numba
import numpy as np

from ..core.scope import state
from ..core.system import cores


def place() -> str:
    """The device, the cores that chunks are made for, the processor that kernels are made for."""
    return (
        f"{state.device} with {cores()} core(s) of {llvmlite.binding.get_host_cpu_name()}, "
        f"NumPy {np.__version__}, Numba {numba.__version__}"
    )
