"""Uploads: the host's arrays by way of pinned pages, which the GPU copies from by itself.

A copy that is queued may read its source later than the call returns, and where GPU and host share
their page tables it does: then the caller may have changed its array by that time. So an upload
copies the array into pinned memory, which belongs to nobody else, and queues the copy from there.
There are two pages. One is filled, upload behind upload; when it is full, an event is recorded
behind its last copy, and the other one is filled as soon as its own event is done. So the host
waits for the GPU only if it is two pages ahead of it.

Why not wait for each copy: it stands behind all kernels that are queued, so the host would have no
lead at all. Why not one pinned block for each upload: pinning takes far longer than most copies.
"""

import ctypes
import threading
from ctypes import byref, c_size_t, c_uint64, c_void_p

import numpy as np

from .context import Context
from .stream import Event

PAGE = 4 << 20  # bytes
ALIGNMENT = 64  # bytes: where an upload begins in a page


class PinnedPages:
    """Two pages of pinned memory, and the uploads through them into one stream."""

    def __init__(self, context: Context, stream: c_void_p):
        self.context, self.stream = context, stream
        self.pages: list[int] = []  # addresses
        self.events: list[Event] = []  # behind the last copy out of each
        self.page, self.filled = 0, 0  # the page that is being filled, and up to where
        self.lock = threading.Lock()

    def upload(self, address: int, array: np.ndarray) -> None:
        """A contiguous array of the host, in pieces of at most a page, to an address of the GPU."""
        source, size = array.ctypes.data, array.nbytes
        with self.lock:
            if not self.pages:
                self._allocate()
            for begin in range(0, size, PAGE):
                self._upload_piece(address + begin, source + begin, min(PAGE, size - begin))

    def _allocate(self) -> None:
        for _ in range(2):
            page = c_void_p()
            self.context.call("cuMemAllocHost_v2", byref(page), c_size_t(PAGE))
            assert page.value, "the driver gave a null page"
            self.pages.append(page.value)
            self.events.append(Event(self.context))

    def _upload_piece(self, address: int, source: int, size: int) -> None:
        if self.filled + size > PAGE:
            self._turn_page()
        place = self.pages[self.page] + self.filled
        ctypes.memmove(place, source, size)
        arguments = c_uint64(address), c_void_p(place), c_size_t(size), self.stream
        self.context.call("cuMemcpyHtoDAsync_v2", *arguments)
        self.filled += -(-size // ALIGNMENT) * ALIGNMENT

    def _turn_page(self) -> None:
        """Fill the other page, when the GPU has read what it held."""
        self.events[self.page].record(self.stream)
        self.page, self.filled = 1 - self.page, 0
        self.events[self.page].synchronize()
