"""A GPU that is not there: kernels are compiled for it, arguments are checked, nothing runs."""

import re

import numpy as np

from tinymeta.cuda import driver, index, loops, pool, product, reduce


class FakeDriver:
    """The methods of driver.Driver: addresses without memory, launches that do nothing.

    capability: of the GPU that it stands for. texts: the PTX of each kernel, by its name in it.
    """

    name, number, stream = "fake driver", 0, driver.c_void_p(0)

    def __init__(self, capability):
        self.capability, self.texts, self.last = capability, {}, 0

    def allocate(self, size):
        self.last += size
        return self.last

    def load(self, kernel, kinds):
        text = kernel.ptx(kinds, self.capability)
        name = driver.entry_name(text)
        self.texts[name] = text
        return name

    def prepare_launch(self, name, grid, block, args):
        assert grid[0] < 2**31 and max(grid[1:]) < 2**16 and np.prod(block) <= 1024, grid
        parameters = re.search(r"\.entry \w+\((.*?)\)", self.texts[name], re.DOTALL).group(1)
        wanted = re.findall(r"\.param \.(\w+)", parameters)
        packed = driver.pack_arguments(args)
        given = ["u64" if isinstance(a, driver.Address) else "u32" for a in packed]
        assert wanted == given, "packed as the kernel reads them"
        return lambda stream=None: None

    def capture_graph(self, launches):
        return lambda: None

    def nothing(self, *args):
        pass

    def download(self, array, address):
        array[...] = 0

    free = upload = copy = synchronize = let_go = nothing

    def retire(self, release, lent=False):
        release()


def fresh_kernels():
    """Forget what was loaded into another GPU."""
    loops.loop_kernel.cache_clear()
    product.product_kernel.cache_clear()
    for kernel in (index.gather, index.scatter, pool.largest_in_window, reduce.first_largest):
        kernel.loaded.clear()
