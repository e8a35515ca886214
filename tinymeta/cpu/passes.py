"""The few of Numba's passes that a kernel needs: `kernel_passes`.

Numba's own list has three times as many, for what a kernel never has: closures, `with`, `raise`,
branches on constants, expressions of arrays. Each looks through the whole function, and many then
order it anew.
"""

from typing import Any

from numba.core import typed_passes as typed
from numba.core import untyped_passes as untyped
from numba.core.compiler_machinery import PassManager

_PASSES = (
    untyped.TranslateByteCode,
    untyped.FixupArgs,
    untyped.IRProcessing,
    untyped.ReconstructSSA,
    typed.NopythonTypeInference,
    typed.PreLowerStripPhis,
    typed.IRLegalization,
    typed.NativeLowering,
    typed.NoPythonBackend,
)


def kernel_passes() -> list[Any]:
    """What `define_pipelines` of a Numba compiler returns: one list of passes, ready to run."""
    manager = PassManager("kernel")
    for kind in _PASSES:
        manager.add_pass(kind, kind.name())
    manager.finalize()
    return [manager]
