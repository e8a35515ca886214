"""Working memory that kernels reuse.

Asking the system for megabytes anew costs more than filling them.
"""

import threading
from math import prod

import numpy as np

kept = threading.local()


def scratch(name: str, shape: tuple, dtype) -> np.ndarray:
    """An array with any content, good until this thread asks for the same name again."""
    size = prod(shape) * np.dtype(dtype).itemsize
    buffer = getattr(kept, name, None)
    if buffer is None or buffer.nbytes < size:
        buffer = np.empty(size, np.uint8)
        setattr(kept, name, buffer)
    return buffer[:size].view(dtype).reshape(shape)
