# %% [markdown]
# # 13. A kernel for a GPU
#
# A GPU runs one function in thousands of threads, in **blocks**. A thread asks where it is, and
# does one small piece:
#
#     cuda.threadIdx.x   its number in its block        cuda.blockDim.x   threads in a block
#     cuda.blockIdx.x    the number of its block        cuda.grid(1)      its number among all
#
# Threads of a block can share fast memory, `cuda.shared.array(size, np.float64)`, and wait for one
# another at a barrier, `cuda.syncthreads()`. Different blocks cannot.
#
# simulator.py has these names, on the CPU, and says where a real GPU would silently go wrong. With
# `from numba import cuda` and `@cuda.jit` they are kernels of Numba's, for a GPU.

# %%
import numpy as np
from grade import grade
from simulator import cuda, launch, observe


def double_kernel(out, x):
    i = cuda.grid(1)
    if i < x.size:  # 2 blocks of 4 threads are 8, for 6 elements
        out[i] = 2.0 * x[i]


print(launch(double_kernel, 2, 4, np.zeros(6), np.arange(6.0)))


# %% [markdown]
# ## Puzzle 1
# The size of an array is seldom a multiple of that of a block. Some threads have nothing to do.


# %%
def add_kernel(out, x, y):
    """out[i] = x[i] + y[i] for every i; arrays of one size, of at most as many as threads."""
    raise NotImplementedError(
        "each thread has one element, and there are more threads than elements"
    )


def check_add_kernel(add_kernel):
    """Look at: which elements there are, and which threads."""
    for size in (8, 6):
        x, y = np.arange(1.0, size + 1), np.full(size, 0.5)
        x.setflags(write=False)
        y.setflags(write=False)
        _compare(launch(add_kernel, 2, 4, np.full(size, np.nan), x, y), x + y)


# %% [markdown]
# ## Puzzle 2
# The sum of each block's 8 elements, in three rounds instead of seven: in every round the lower
# half of the threads add what lies half as far above them.
#
#     shared  0 1 2 3 4 5 6 7   ->   0+4 1+5 2+6 3+7   ->   0+4+2+6 1+5+3+7   ->   all of it
#
# Between the rounds everyone has to wait: a thread may only read what another has finished.


# %%
def sum_kernel(out, x):
    """out[b] = the sum of the elements of x that the 8 threads of block b have; 0 beyond x.size."""
    raise NotImplementedError(
        "half of the threads add what the other half has, then half of these; who has to wait?"
    )


def check_sum_kernel(sum_kernel):
    """Look at: a barrier after every round, and reached by all threads: outside of the `if`."""
    for size in (8, 16, 13):
        x = np.arange(1.0, size + 1)
        x.setflags(write=False)  # or the rounds could be made in x, without shared memory
        blocks = -(-size // 8)
        right = np.array([x[8 * b : 8 * b + 8].sum() for b in range(blocks)])
        _compare(launch(sum_kernel, blocks, 8, np.full(blocks, np.nan), x), right)
    block = observe(sum_kernel, 8, np.full(1, np.nan), np.ones(8))
    readers = block.readers_of_others()
    assert block.interval >= 3 and readers >= 4, (
        f"the sums are right, but of 8 threads {readers} read from shared memory what "
        f"another wrote, with {block.interval} barriers: one of them does the work of all; in the "
        "first of the 3 rounds 4 threads add, and a barrier follows each"
    )


def _compare(found, right):
    for i, (a, b) in enumerate(zip(found, right)):
        assert a == b, f"of {len(right)} results out[{i}] is {a:g} and must be {b:g}"


# %%
if __name__ == "__main__":
    grade(globals())
