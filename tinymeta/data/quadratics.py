"""Random least-squares problems, the simplest thing an optimizer can be asked to do.

    f(theta) = |W theta - y|^2

As in Andrychowicz et al. 2016, section 3.1, where each is 10-dimensional and begins near 0.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..core.checks import check_flag, check_generator, check_whole, plain_integers
from .episodes import Batch


class Problems(NamedTuple):
    """T optimization problems: the parameters to start from, a tree of (T, ..), and their data."""

    start: object
    data: Batch


@dataclass(frozen=True)
class Quadratics:
    """The family of problems of D = `size` dimensions.

    The entries of W (D, D) and y (D,) are drawn from N(0, 1), or from U[0, 1) if `uniform`.
    """

    size: int = 10
    uniform: bool = False

    def __post_init__(self) -> None:
        check_whole("Quadratics", size=self.size)
        check_flag("Quadratics", uniform=self.uniform)
        plain_integers(self)

    def sample(self, rng: np.random.Generator, *, tasks: int = 128) -> Problems:
        """Draw T problems, all float32: data.x = W (T, D, D), data.y = y (T, D), and start (T, D),
        drawn from N(0, 0.01^2).

        Raises ValueError when `tasks` is not a whole number of 1 or more.
        """
        (tasks,) = check_whole("Quadratics.sample", tasks=tasks)
        check_generator("Quadratics.sample", rng)
        draw = rng.random if self.uniform else rng.standard_normal
        w = draw((tasks, self.size, self.size))
        y = draw((tasks, self.size))
        start = 0.01 * rng.standard_normal((tasks, self.size))
        data = Batch(w.astype(np.float32), y.astype(np.float32))
        return Problems(start.astype(np.float32), data)
