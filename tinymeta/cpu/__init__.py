"""
Here     kernels on NumPy arrays: `kernel(out, *arrays, **static)` fills `out`; views are returned.
Imports  core system
Never    a Tensor, a derivative, memory it returns (a workspace is fine);
         a kernel zeroes what it adds into.
Add one  a function of the primitive's name in the file of its family;
         state the loop nest in its docstring. Loops in Python are `@native` (native.py).
Tests    tests/cpu/ and, through the registry, tests/testing/
"""

__all__: list[str] = []  # a kernel is found by its family and name: core/device.py, find_kernel
