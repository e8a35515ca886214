"""Where a function has kinks: on which smooth piece each operation stands.

An operation with kinks declares its `branch`; one without a derivative chooses, and its choice is
the branch. Two inputs with equal branches all along lie on one smooth piece of the function, so
a difference between them is a fair judge of a derivative.
"""

from collections.abc import Callable

import numpy as np

from ..core.primitive import evaluate
from ..core.scope import setting, state


def branches(f: Callable, *args) -> list[tuple[str, np.ndarray]]:
    """The branches met while `f(*args)` is computed, in order: (primitive's name, which piece)."""
    noted, inner = [], state.interpreter or evaluate

    def noting(primitive, values, static):
        value = inner(primitive, values, static)
        if primitive.branch is not None:
            noted.append((primitive.name, np.array(primitive.branch(*values, **static))))
        elif not callable(primitive.vjps) and not any(primitive.vjps):
            noted.append((primitive.name, np.array(value)))
        return value

    with setting(interpreter=noting):
        f(*args)
    return noted


def crossed(f: Callable, here: tuple, there: tuple) -> list[str]:
    """The primitives that stand on one piece at `f(*here)` and on another at `f(*there)`."""
    pairs = zip(branches(f, *here), branches(f, *there))
    return sorted({name for (name, a), (_, b) in pairs if not np.array_equal(a, b)})
