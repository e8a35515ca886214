"""How the functions of a scalar text are compiled: always inlined into the loop that calls them.

LLVM prefers a call for a long function, and a call would end the vector loop.
"""

from typing import Any

from numba import njit

# error_model: 1 / 0 is infinite, as NumPy has it, and does not raise.
INLINE: Any = {"error_model": "numpy", "forceinline": True}
always_inline = njit(**INLINE)
