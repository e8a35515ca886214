"""Few-shot problems: the data that a method learns from, and the data that it is tested on.

Here     samplers of tasks and pairs, and of numbered tasks; sinusoids; quadratics; Omniglot; glyphs
         that need no download; a folder of one's own pictures.
Imports  core system
Never    Tensors, gradients, models: a sampler returns NumPy arrays, the task axis first.
Add one  a file whose sampler returns Tasks, or a set of Characters for `episodes` to draw from
Tests    tests/data/
"""

from .affine import affine
from .characters import Characters, Split, join
from .episodes import Batch, Tasks, episodes
from .folder import folder, folder_split
from .glyphs import Glyphs
from .numbered import Numbered
from .pairs import Pairs, groups, pairs
from .pictures import Pictures
from .quadratics import Problems, Quadratics
from .sinusoid import Sinusoids, Waves

__all__ = [
    "Batch",
    "Characters",
    "Glyphs",
    "Numbered",
    "Omniglot",
    "Pairs",
    "Pictures",
    "Problems",
    "Quadratics",
    "Sinusoids",
    "Split",
    "Tasks",
    "Waves",
    "affine",
    "episodes",
    "folder",
    "folder_split",
    "groups",
    "join",
    "pairs",
]


def __getattr__(name: str) -> object:
    # Imported when first used: `python -m tinymeta.data.omniglot` would else run the file twice.
    if name == "Omniglot":
        from . import omniglot

        return omniglot.Omniglot
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
