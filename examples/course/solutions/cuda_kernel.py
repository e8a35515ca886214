import numpy as np
from simulator import cuda


def add_kernel(out, x, y):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = x[i] + y[i]


def sum_kernel(out, x):
    shared = cuda.shared.array(8, np.float64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    shared[t] = x[i] if i < x.size else 0.0
    cuda.syncthreads()
    distance = 4
    while distance > 0:
        if t < distance:
            shared[t] += shared[t + distance]
        cuda.syncthreads()
        distance //= 2
    if t == 0:
        out[cuda.blockIdx.x] = shared[0]
