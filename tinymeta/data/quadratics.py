"""Random least-squares problems, the simplest thing an optimizer can be asked to do.

    f(theta) = |W theta - y|^2

As in Andrychowicz et al. 2016, section 3.1, where each is 10-dimensional and begins near 0.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..core.checks import flag, generator, whole
from .episodes import Batch


class Problems(NamedTuple):
    """T optimization problems: where each begins, a tree of (T, ..), and its data."""

    start: object
    data: Batch


@dataclass(frozen=True)
class Quadratics:
    """The family: W (D, D) and y (D,) have entries N(0, 1), or U[0, 1) if `uniform`."""

    size: int = 10
    uniform: bool = False

    def __post_init__(self):
        whole("Quadratics", size=self.size)
        flag("Quadratics", uniform=self.uniform)

    def sample(self, rng: np.random.Generator, *, tasks: int = 128) -> Problems:
        """Draw T problems: start (T, D) ~ N(0, 0.01^2), data.x = W (T, D, D), data.y = y (T, D).

        Raises ValueError when `tasks` is not a whole number of 1 or more.
        """
        (tasks,) = whole("Quadratics.sample", tasks=tasks)
        generator("Quadratics.sample", rng)
        draw = rng.random if self.uniform else rng.standard_normal
        w, y = draw((tasks, self.size, self.size)), draw((tasks, self.size))
        start = 0.01 * rng.standard_normal((tasks, self.size))
        return Problems(start.astype(np.float32), Batch(w.astype(np.float32), y.astype(np.float32)))
