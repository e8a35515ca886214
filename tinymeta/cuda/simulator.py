"""The driver's stand-in on the CPU, where kernels run in Numba's simulator.

An address is a place in a list of buffers, a launch a simulated one: a thread of Python for each of
the GPU's. It shows that a kernel's results are right; of its speed it shows nothing.
"""

import warnings
from collections.abc import Callable, Sequence
from ctypes import c_void_p
from typing import Any

import numpy as np

from . import target
from .context import NO_SUCH_DEVICE, DriverError
from .graph import Launch

_ADDRESS_BITS = 40  # of an address: the place in a buffer; those above are the buffer's number


class SimulatedDriver:
    """The methods of driver.Driver, on the CPU; a module or stream is nothing here.

    Work is done when the call that queues it returns, so there is nothing to wait for.
    """

    name, capability, stream = "Numba's simulator", (9, 0), c_void_p(0)
    count = 2  # GPUs

    def __init__(self, number: int) -> None:
        if number >= self.count:
            raise DriverError(f"the simulator has no GPU of number {number}", NO_SUCH_DEVICE)
        self.number = self.key = number
        self.buffers: dict[int, np.ndarray] = {}  # by the address where it begins
        self.last = 0  # the latest address; none is used twice

    def allocate(self, size: int) -> int:
        self.last += 1 << _ADDRESS_BITS
        self.buffers[self.last] = np.zeros(size, np.uint8)
        return self.last

    def free(self, address: int) -> None:
        del self.buffers[address]

    def locate(self, address: int) -> tuple[np.ndarray, int]:
        """The buffer that has an address, and the byte of it that is there."""
        begin = address >> _ADDRESS_BITS << _ADDRESS_BITS
        return self.buffers[begin], address - begin

    def upload(self, address: int, array: np.ndarray) -> None:
        buffer, place = self.locate(address)
        buffer[place : place + array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)

    def download(self, array: np.ndarray, address: int) -> None:
        buffer, place = self.locate(address)
        content = buffer[place : place + array.nbytes].tobytes()
        array.reshape(-1)[...] = np.frombuffer(content, array.dtype)

    def copy(self, to: int, address: int, size: int) -> None:
        target_buffer, target_place = self.locate(to)
        buffer, place = self.locate(address)
        target_buffer[target_place : target_place + size] = buffer[place : place + size]

    def copy_all(self, copies: Sequence[tuple[int, int, int]]) -> None:
        for to, address, size in copies:
            self.copy(to, address, size)

    def keeping_its_context(self, work: Callable[[], Any]) -> Any:
        return work()

    def synchronize(self) -> None:
        pass

    synchronize_all = let_go = synchronize

    def follow(self, stream: int) -> None:
        pass

    precede = follow

    def retire(self, release: Callable[[], object], lent: bool = False) -> None:
        release()

    def free_memory(self) -> tuple[int, int]:
        return 1 << 34, 1 << 34

    def load(self, kernel: Any, kinds: tuple) -> Any:
        """A launch.GpuKernel as a kernel of the simulator, which takes arguments of all kinds."""
        return target.cuda.jit(kernel.function)

    def prepare_launch(self, function: Any, grid: tuple, block: tuple, args: tuple) -> Launch:
        arguments = [self._argument(value) for value in args]

        def run(stream: c_void_p | None = None) -> None:
            with warnings.catch_warnings():  # a GPU says nothing of log(-1), NumPy does
                warnings.simplefilter("ignore", RuntimeWarning)
                function[grid, block](*arguments)

        return run

    def _argument(self, value: Any) -> Any:
        """An array as a pointer; ints and tuples as they are."""
        if not hasattr(value, "address"):
            return value
        return SimulatedPointer(*self.locate(value.address), value.dtype)

    def capture_graph(
        self, launches: Sequence[Launch], needs: Sequence[Sequence[int]] | None = None
    ) -> Callable[[], None]:
        def replay() -> None:
            for launch in launches:
                launch()

        return replay


class SimulatedPointer:
    """A typed pointer: `p[i]` is the element i after it; a bool is a byte.

    Unlike a GPU's it knows where its memory ends, and raises IndexError beyond.
    """

    def __init__(self, buffer: np.ndarray, place: int, dtype: Any):
        self.values = buffer.view("uint8" if dtype == bool else dtype)
        self.first = place // self.values.itemsize

    def _index(self, i: int) -> int:
        index = self.first + int(i)
        if not 0 <= index < len(self.values):
            raise IndexError(f"element {int(i)} lies outside of the memory")
        return index

    def __getitem__(self, i: int) -> np.generic:
        return self.values[self._index(i)]

    def __setitem__(self, i: int, value: Any) -> None:
        self.values[self._index(i)] = value
