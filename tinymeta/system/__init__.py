"""
Here     what the operating system is asked for, and what it may refuse: files that are whole or not
         there, archives that strangers made, the folder of compiled kernels, cores and memory;
         which processes run the program together (world.py).
Imports  nothing
Never    an array's meaning, a kernel, a training: they say what is kept, this room how.
Add one  a question that systems answer differently: one function in resources.py, with a fallback.
Tests    tests/system/
"""

__all__: list[str] = []  # names are imported from the files
