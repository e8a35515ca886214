"""A GPU on paper: kernels are compiled for it, their arguments are checked, and nothing runs."""

import re

import numpy as np

from tinymeta.cuda import driver, index, loops, matmul, pool, reduce


class Paper:
    """It has a compute capability, a list of what was compiled, and addresses without memory."""

    name, stream = "paper", driver.c_void_p(0)

    def __init__(self, capability):
        self.capability, self.texts, self.last = capability, {}, 0

    def allocate(self, size):
        self.last += size
        return self.last

    def load(self, kernel, kinds):
        text = kernel.ptx(kinds, self.capability)
        self.texts[driver.entry(text)] = text
        return driver.entry(text)

    def bound(self, kernel, grid, block, args):
        assert max(grid[1:]) < 2**16 and np.prod(block) <= 1024
        wanted = re.search(r"\.entry \w+\((.*?)\)", self.texts[kernel], re.DOTALL).group(1)
        given = ["u64" if isinstance(a, driver.Address) else "u32" for a in driver.packed(args)]
        assert re.findall(r"\.param \.(\w+)", wanted) == given, "packed as the kernel reads them"
        return lambda: None

    def captured(self, launches):
        return lambda: None

    def nothing(self, *args):
        pass

    def download(self, array, address):
        array[...] = 0

    free = upload = copy = synchronize = nothing


def fresh_kernels():
    """Forget what was loaded into another GPU."""
    loops.kernel.cache_clear()
    for make in (matmul.tiled, matmul.product, matmul.chosen):
        make.cache_clear()
    for kernel in (index.gather, index.scatter, pool.largest_in_window, reduce.first_largest):
        kernel.loaded.clear()
