"""
Here     methods that learn to learn: one method, one file, equation and paper on top;
         the one training loop; long inner loops in little memory (recompute.py, hypergradient.py).
Imports  core system ops nn data cpu jit
Never    kernels, a derivative rule; `train` alone shows progress, `split` alone has threads.
Add one  a function that returns a `Method` in a file of its own, and a row here
         -> for --method, a row in METHODS of runs/methods.py
         -> rows in the METHODS of tests/meta/test_refused.py and test_tasks_apart.py
Tests    tests/meta/
"""

from ..data import Batch, Pairs, Tasks
from .adapt import adapt, rates_except_norm
from .anil import anil
from .checkpoint import Checkpoint
from .evaluation import Score, accuracy, evaluate
from .hypergradient import Hypergradient, hypergradient
from .imaml import imaml
from .learned_optimizer import learned_optimizer
from .maml import maml, maml_loss
from .maml_plus import Weighted, maml_plus, step_weights
from .meta_sgd import meta_sgd
from .method import Method
from .prototypical import prototypical
from .reptile import reptile
from .siamese import siamese
from .train import train

__all__ = [
    "Batch",
    "Checkpoint",
    "Hypergradient",
    "Method",
    "Pairs",
    "Score",
    "Tasks",
    "Weighted",
    "accuracy",
    "adapt",
    "anil",
    "evaluate",
    "hypergradient",
    "imaml",
    "learned_optimizer",
    "maml",
    "maml_loss",
    "maml_plus",
    "meta_sgd",
    "prototypical",
    "rates_except_norm",
    "reptile",
    "siamese",
    "step_weights",
    "train",
]
