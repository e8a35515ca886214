"""A dry run: kernels are compiled for a GPU and launches are checked and noted; nothing runs.

`with driver.replaced_by(DryRunDriver()):` a thread's kernels go to it, whether there is a GPU or
not: so `tm.explain(.., device="cuda")` knows what a program launches. `NotingDriver` compiles
nothing either: so benchmarks.gpu_kernels knows what there is to compile. Addresses have no memory
behind them: what is downloaded is zeros.
"""

import re
from collections.abc import Callable, Hashable, Sequence
from ctypes import c_void_p
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .context import INVALID_VALUE, DriverError
from .driver import Address, pack_arguments
from .launch import bytes_once
from .module import entry_name

_SHARED = re.compile(r"(?m)^\s*\.shared(?: \.align \d+)? \.b8 \w+\[(\d+)\];")
_PARAMETERS = re.compile(r"\.entry \w+\((.*?)\)", re.DOTALL)


class DryRunKernel(NamedTuple):
    """A compiled kernel; entry: its name in `text`, its PTX. title: what people call it."""

    title: str
    entry: str
    text: str

    @property
    def shared_bytes(self) -> int:
        """What the threads of a block share."""
        return sum(map(int, _SHARED.findall(self.text)))

    @property
    def parameters(self) -> list[str]:
        """The type of each number that a launch hands over: u64 of an address, u32 of an int."""
        found = _PARAMETERS.search(self.text)
        return re.findall(r"\.param \.(\w+)", found.group(1)) if found else []


class DryRunLaunch(NamedTuple):
    """A launch. nbytes: of the elements of its arrays, each counted once."""

    kernel: DryRunKernel
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    nbytes: int

    @property
    def blocks(self) -> int:
        """How many blocks it has."""
        return prod(self.grid)

    @property
    def threads(self) -> int:
        """In all blocks."""
        return self.blocks * prod(self.block)

    def __call__(self, stream: c_void_p | None = None) -> None:
        """Nothing runs."""


class DryRunDriver:
    """The methods of driver.Driver. capability: of the GPU that it stands for, (9, 0) is sm_90.

    key: drivers of one key share what kernels they have loaded. texts: by entry, the PTX of those
    that this one has loaded.
    """

    number, stream = 0, c_void_p(0)

    def __init__(self, capability: tuple[int, int] = (9, 0), key: Hashable = None):
        self.capability = capability
        self.name = f"a dry run, sm_{capability[0]}{capability[1]}"
        self.key = ("dry run", capability) if key is None else key
        self.texts: dict[str, str] = {}
        self.last = 0  # the address behind the last block

    def allocate(self, size: int) -> int:
        """The pool asks for sizes that keep addresses on boundaries of 512 bytes."""
        self.last += size
        return self.last

    def load(self, kernel: Any, kinds: tuple) -> DryRunKernel:
        """A launch.GpuKernel for arguments of some kinds."""
        text = kernel.ptx(kinds, self.capability)
        entry = entry_name(text)
        self.texts[entry] = text
        return DryRunKernel(kernel.title, entry, text)

    def prepare_launch(
        self, kernel: DryRunKernel, grid: tuple, block: tuple, args: tuple
    ) -> DryRunLaunch:
        """A launch. Raises DriverError for one that a GPU refuses."""
        _check_limits(grid, block)
        given = ["u64" if isinstance(a, Address) else "u32" for a in pack_arguments(args)]
        if given != kernel.parameters:
            message = f"CUDA: {kernel.title} takes {kernel.parameters} and is given {given}"
            raise DriverError(message, INVALID_VALUE)
        arrays = [a for a in args if hasattr(a, "address")]
        return DryRunLaunch(kernel, grid, block, sum(map(bytes_once, arrays)))

    def capture_graph(
        self, launches: Sequence[Callable], needs: Sequence[Sequence[int]] | None = None
    ) -> Callable[[], None]:
        """A graph, which does nothing."""
        return self._nothing

    def keeping_its_context(self, work: Callable[[], Any]) -> Any:
        """What `work` returns."""
        return work()

    def download(self, array: np.ndarray, address: int) -> None:
        array[...] = 0

    def retire(self, release: Callable[[], object], lent: bool = False) -> None:
        release()

    def _nothing(self, *arguments: Any) -> None:
        pass

    free = upload = copy = copy_all = synchronize = let_go = _nothing


class NotingDriver(DryRunDriver):
    """A dry run that compiles nothing. noted: (launch.GpuKernel, kinds) of each it would load."""

    def __init__(self, capability: tuple[int, int] = (9, 0)):
        super().__init__(capability, key=object())  # nothing is loaded into it yet
        self.noted: list[tuple[Any, tuple]] = []

    def load(self, kernel: Any, kinds: tuple) -> Any:
        """Note it."""
        self.noted.append((kernel, kinds))

    def prepare_launch(self, kernel: Any, grid: tuple, block: tuple, args: tuple) -> Any:
        """A launch, which does nothing. Raises DriverError for one that a GPU refuses."""
        _check_limits(grid, block)
        return self._nothing


def _check_limits(grid: tuple, block: tuple) -> None:
    """Raises DriverError for a launch that is too large for any GPU."""
    if grid[0] >= 2**31 or max(grid[1:]) >= 2**16 or prod(block) > 1024:
        message = f"CUDA: a launch of {grid} blocks of {block} threads is beyond a GPU's limits"
        raise DriverError(message, INVALID_VALUE)


def launch_table(launches: Sequence[DryRunLaunch]) -> str:
    """A line for each kernel, in the order of their first launches, and one for all of them."""
    groups: dict[DryRunKernel, list[DryRunLaunch]] = {}
    for launch in launches:
        groups.setdefault(launch.kernel, []).append(launch)
    head = "launches    blocks     threads  shared bytes          bytes  kernel"
    rows = [_row(group, f"{k.shared_bytes:,}", k.title) for k, group in groups.items()]
    return "\n".join([head, *rows, _row(launches, "", f"{len(groups)} kernels")])


def _row(launches: Sequence[DryRunLaunch], shared: str, title: str) -> str:
    blocks, threads, nbytes = (
        sum(getattr(launch, what) for launch in launches)
        for what in ("blocks", "threads", "nbytes")
    )
    short = title if len(title) <= 60 else f"{title[:57]}..."
    return f"{len(launches):>8,}{blocks:>10,}{threads:>12,}{shared:>14}{nbytes:>15,}  {short}"
