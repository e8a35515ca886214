"""
Here     what a value is, how an operation is run and recorded, and how a derivative is taken.
Imports  nothing
Never    a particular operation, a kernel, a layer; `device` finds kernels by name, lazily.
Add one  nothing: a new operation goes to ops/, a new interpreter implements `run` (primitive.py).
Tests    tests/core/
"""
