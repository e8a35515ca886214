"""Functions that compute in float32 whatever they are given, as a model with weights of its own.

No difference in float64 says anything of them: to a difference they are steps. So they are compared
over the longer steps of float32, with its roundings, along directions in which no terms cancel, and
to two digits: a mistake of a hundredth is found, a smaller one may be lost, and the report says so
(differences.py has what follows of `eps`).
"""

from collections.abc import Callable, Sequence

import numpy as np

from ..core.tensor import Tensor, asarray
from ..ops.movement import astype

EPS_32 = float(np.finfo(np.float32).eps)
_HALF = 0xFFFF  # the bits of a float32 that bfloat16 has not
_MOVED = 0.1  # far enough that a float32 has no round number of bits by chance

NOTE = (
    "computed in float32 whatever the dtype of the inputs: compared with differences of float32, "
    "to two digits, and at higher orders only where these decide"
)


def takes_only_float32(function: Callable, xs: Sequence, originals: Sequence) -> bool:
    """Whether the function fails at `xs` and not at the same values in float32, the originals."""
    if {x.dtype for x in originals} != {np.dtype(np.float32)} or xs[0].dtype == np.float32:
        return False
    return _fails(function, xs) and not _fails(function, originals)


def _fails(function: Callable, xs: Sequence) -> bool:
    try:
        function(*map(asarray, xs))
    except Exception:
        return True
    return False


def cast_around(function: Callable, xs: Sequence) -> Callable:
    """`function`, its outputs as float64; its inputs come as float32, if it takes such of `xs`."""
    takes_float32 = not _fails(function, [x.astype(np.float32) for x in xs])

    def cast(*xs: Tensor) -> tuple[Tensor, ...]:
        given = [astype(x, np.float32) for x in xs] if takes_float32 else xs
        return tuple(astype(y, np.float64) for y in function(*given))

    return cast


def computes_in_float32(function: Callable, xs: Sequence[np.ndarray]) -> bool:
    """Whether all outputs of a function of float64 inputs are float64, or have float32's digits.

    bfloat16, which NumPy has not, comes as float32 and has fewer. Costs one evaluation.
    """
    rng = np.random.default_rng(0)
    moved = [x * (1 + _MOVED * rng.uniform(-1, 1, x.shape)) for x in xs]
    return all(_has_its_digits(y.numpy()) for y in function(*map(asarray, moved)))


def _has_its_digits(y: np.ndarray) -> bool:
    if y.dtype != np.float32 or not y.any():
        return y.dtype in (np.float32, np.float64)
    return bool((np.ascontiguousarray(y).view(np.uint32) & _HALF).any())
