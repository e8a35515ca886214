"""Few-shot problems: what a method learns from, and how it is judged.

Here     samplers of tasks and pairs; sinusoids; quadratics; Omniglot; glyphs that need no download.
Imports  core
Never    Tensors, gradients, models: a sampler returns NumPy arrays, the task axis first.
Add one  a file whose sampler returns Tasks, or a set of Characters for `episodes` to draw from
Tests    tests/data/
"""

from .affine import affine
from .characters import Characters, join
from .episodes import Batch, Pairs, Tasks, episodes, groups, pairs
from .glyphs import Glyphs
from .quadratics import Problems, Quadratics
from .sinusoid import Sinusoids, Waves

__all__ = [
    "Batch",
    "Characters",
    "Glyphs",
    "Omniglot",
    "Pairs",
    "Problems",
    "Quadratics",
    "Sinusoids",
    "Split",
    "Tasks",
    "Waves",
    "affine",
    "episodes",
    "groups",
    "join",
    "pairs",
]


def __getattr__(name: str):
    # Omniglot comes when asked for, so that `python -m tinymeta.data.omniglot` runs it only once.
    if name in ("Omniglot", "Split"):
        from . import omniglot

        return getattr(omniglot, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
