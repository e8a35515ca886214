"""
Here     `jit`: a function is traced once, made into a short program, and replayed.
Imports  core cpu cuda
Never    a derivative rule: gradients arrive here as ordinary equations.
Add one  a pass: a file with a function Program -> Program, and a line in compile.py
Tests    tests/jit/
"""

from .compile import jit
from .explain import explain, warmup

__all__ = ["explain", "jit", "warmup"]
