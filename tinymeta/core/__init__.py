"""
Here     what a value is, how an operation is run and recorded, and how a derivative is taken.
Imports  nothing
Never    a particular operation, a kernel, a layer; `device` finds kernels by name, lazily.
Add one  nothing: a new operation goes to ops/; an interpreter is a function (primitive.py).
Tests    tests/core/

In reading order: tensor.py, primitive.py, tape.py, grad.py, transpose.py, forward.py; the
other files are tools of these.
"""

__all__: list[str] = []  # names are imported from the files; the public ones are in tinymeta
