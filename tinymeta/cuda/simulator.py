"""The driver's stand-in on the CPU, where kernels run in Numba's simulator.

An address is a place in a list of buffers, a launch a simulated one: a thread of Python for each of
the GPU's. Nothing about speed is learned here; that a kernel is right, is.
"""

import warnings
from ctypes import c_void_p

import numpy as np

from . import target


class Simulated:
    """What `driver.Driver` does, on the CPU."""

    name, capability, stream = "Numba's simulator", (9, 0), c_void_p(0)

    def __init__(self):
        self.buffers, self.last = {}, 0

    def allocate(self, size: int) -> int:
        address = self.last = self.last + (1 << 40)
        self.buffers[address] = np.zeros(size, np.uint8)
        return address

    def free(self, address: int):
        del self.buffers[address]

    def at(self, address: int) -> tuple[np.ndarray, int]:
        """The buffer that has an address, and where in it."""
        begin = address >> 40 << 40
        return self.buffers[begin], address - begin

    def upload(self, address: int, array: np.ndarray):
        buffer, place = self.at(address)
        buffer[place : place + array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)

    def download(self, array: np.ndarray, address: int):
        buffer, place = self.at(address)
        flat = buffer[place : place + array.nbytes]
        array.reshape(-1)[...] = np.frombuffer(flat.tobytes(), array.dtype)

    def copy(self, to: int, address: int, size: int):
        (target_buffer, to), (buffer, place) = self.at(to), self.at(address)
        target_buffer[to : to + size] = buffer[place : place + size]

    def synchronize(self, stream: int | None = None):
        pass

    def free_memory(self) -> tuple[int, int]:
        return 1 << 34, 1 << 34

    def load(self, kernel, kinds: tuple):
        return target.cuda.jit(kernel.function)

    def bound(self, kernel, grid: tuple, block: tuple, args: tuple):
        arguments = [
            Pointer(*self.at(a.address), a.dtype) if hasattr(a, "address") else a for a in args
        ]

        def run():
            with warnings.catch_warnings():  # a GPU says nothing of log(-1), NumPy does
                warnings.simplefilter("ignore", RuntimeWarning)
                kernel[grid, block](*arguments)

        return run

    def captured(self, launches: list):
        def replay():
            for launch in launches:
                launch()

        return replay


class Pointer:
    """A typed pointer of the simulator; unlike a GPU's it knows where its memory ends."""

    def __init__(self, buffer, place: int, dtype):
        self.values = buffer.view("uint8" if dtype == bool else dtype)
        self.first = place // self.values.itemsize

    def index(self, i: int) -> int:
        i = self.first + int(i)
        if not 0 <= i < len(self.values):
            raise IndexError(f"element {i - self.first} lies outside of the memory")
        return i

    def __getitem__(self, i):
        return self.values[self.index(i)]

    def __setitem__(self, i, value):
        self.values[self.index(i)] = value
