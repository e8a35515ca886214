"""Few-shot problems: what a method learns from, and how it is judged.

Here     samplers of tasks and pairs; sinusoids; Omniglot; procedural glyphs that need no download.
Imports  nothing
Never    Tensors, gradients, models: a sampler returns NumPy arrays, the task axis first.
Add one  a new file with a class whose sampler returns Tasks, or Characters for `episodes` to draw from
Tests    tests/data/
"""

from .episodes import Batch, Characters, Pairs, Tasks, episodes, join, pairs
from .sinusoid import Sinusoids, Waves


def __getattr__(name: str):
    # Omniglot comes on demand, so that `python -m tinymeta.data.omniglot` doesn't import it twice.
    if name in ("Omniglot", "Split"):
        from . import omniglot
        return getattr(omniglot, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
