"""
Here     the twins of cpu/ on a GPU: the same files and names, `kernel(out, *arrays, **static)`;
         below them target (Numba as a compiler); driver, the GPU as one object, made of context,
         stream, module, graph, staging, and dry_run, as if; memory, array, transfer,
         launch, copies (of many small arrays at once); loops, the template of all elementwise
         kernels and reductions (loop_source and phase_source write them); and product, that of all
         matrix products and convolutions (tiling cuts them, product_source and sharing write the
         kernel, division takes an index apart, fours loads four numbers at once; tensor_cores and
         warp_source multiply in TF32, where that is asked for); arguments, scalar and truncated,
         what numbers and names are there; examples/gpu_ladder.py leads there.
Imports  core system
Never    needs a GPU to be imported, knows a Tensor, launches by way of Numba, touches numba.cuda
         outside target.py
Add one  a function of the primitive's name in the file of its family; what runs on the GPU is a
         plain function of pointers and ints, wrapped in `GpuKernel`
Tests    tests/cuda/: in Numba's simulator, compiled for sm_80 and sm_90, and as PTX on the CPU
"""

from .array import Array, allocate, device_name, device_number
from .driver import count, usable, using
from .tensor_cores import check_tensor_cores
from .transfer import move, share

__all__ = [
    "Array",
    "allocate",
    "check_tensor_cores",
    "count",
    "device_name",
    "device_number",
    "move",
    "share",
    "usable",
    "using",
]
