"""Temporary arrays of the kernels, whose memory is reused from call to call.

To ask the system for megabytes anew costs more than to fill them: each new page is zeroed, and
faults when it is first written.
"""

import threading
from math import prod
from typing import Any

import numpy as np

_buffers = threading.local()  # one byte array for each name, of the largest size asked for so far


def workspace(name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array with any content, valid until this thread asks for the same name again."""
    size = prod(shape) * np.dtype(dtype).itemsize
    buffer = getattr(_buffers, name, None)
    if buffer is None or buffer.nbytes < size:
        buffer = np.empty(size, np.uint8)
        setattr(_buffers, name, buffer)
    return buffer[:size].view(dtype).reshape(shape)
