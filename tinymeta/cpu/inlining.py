"""Functions that become parts of the kernels that call them: `@inlined`.

Each is compiled once in a process for the types of its arguments, and LLVM puts it into every
caller: it prefers a call for a long function, and a call would end a vector loop. It is neither
optimised nor translated by itself, as nothing runs it there.

Why not Numba's own inlining: it copies the source of a function, object by object, into all that
call it, which takes longer than to compile it.
"""

from typing import Any

import llvmlite.binding as llvm
from numba import njit
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

from .passes import kernel_passes


class _PartLibrary(JITCodeLibrary):
    """What Numba translates such a function to: left as it is, to be optimised in its callers."""

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self.codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._shared_module = _for_linking(self._final_module)
        for function in self._final_module.functions:
            if not function.is_declaration:
                function.linkage = "available_externally"  # no machine code of its own
        super()._finalize_final_module()


def _for_linking(module: Any) -> Any:
    """A copy of a module that may be linked into several."""
    module = module.clone()
    for function in module.functions:
        if not function.is_declaration and function.linkage == llvm.Linkage.external:
            function.linkage = "linkonce_odr"
    return module


class _PartCompiler(Compiler):
    """Numba's compiler, into such a library."""

    def __init__(self, typing: Any, target: Any, library: Any, *rest: Any):
        super().__init__(typing, target, _PartLibrary(target.codegen(), "part"), *rest)

    def define_pipelines(self) -> list[Any]:
        return kernel_passes()


# error_model: 1 / 0 is infinite, as NumPy has it, and does not raise. Nothing calls it from Python
# or from C: no wrappers.
INLINE: Any = {
    "error_model": "numpy",
    "forceinline": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": _PartCompiler,
}
inlined = njit(**INLINE)
