"""
Here     compiled PTX, executed on the CPU: a library that takes libcuda's place, into which each
         kernel is translated; it tells of every access that a GPU would not forgive, or would.
         In Python, PTX becomes C: parse -> instruction, operands -> computing, function ->
         translate; compiler calls gcc, emulator is what others use, kinds is what is counted,
         watch tells it of the pool's blocks. In C: what a kernel needs (kernel.h: types, machine,
         memory, access, integers, floats, approximate), how one is run (grid.c, warp.c, machine.c),
         and libcuda itself (driver.h: context, allocation, stream, capture, module). On what it
         counts: counting, control (what decides where a thread goes: the rest need not be
         computed), and registers, model, schedule: how long would a real GPU take?
Imports  cuda system
Never    guesses what an instruction means: what is not known is refused, by its name
Add one  an instruction is a function of its name in integers.h, floats.h or approximate.h, and,
         if its operands have other types than it names, a row in computing.py; a call of libcuda
         is a function in the file of what it is about
Tests    tests/cuda/: test_ptx_*.py, and all that is marked ptx_run: pytest -m ptx_run
"""

__all__: list[str] = []  # names are imported from the files
