"""
Here     methods that learn to learn: one method, one file, equation and paper on top;
         the one training loop.
Imports  core ops nn data cpu jit
Never    kernels, a derivative rule; `train` alone shows progress, `split` alone has threads.
Add one  a function that returns a `Method` in a file of its own, and a row here.
Tests    tests/meta/
"""

from ..data import Batch, Pairs, Tasks
from .adapt import adapt, rates_except_norm
from .maml import maml, maml_loss
from .method import Method, Score, accuracy, evaluate
from .siamese import siamese
from .train import train
