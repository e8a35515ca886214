"""Sinusoid regression, the smallest meta-learning problem: y = A sin(x - phi).

A task is one wave; its support and query are points on it, without noise. The ranges are those of
Finn et al. 2017, section 5.1. With them a net that does not adapt cannot beat a mean squared error
of 3.006, and predicting 0 gives 4.252; an error below 3.006 is proof that the net adapts.
"""

from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import numpy as np

from ..core.checks import check_generator, check_instance, check_whole, is_number, shown
from .episodes import Batch, Tasks


class Waves(NamedTuple):
    """T waves, given by their amplitudes and phases (T,), the phases in radians.

    waves(x) evaluates them at x (T, N, 1), or at x (N, 1) the same for all -> (T, N, 1), in x's
    dtype.
    """

    amplitude: np.ndarray  # (T,)
    phase: np.ndarray  # (T,)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        amplitude = self.amplitude[:, None, None]  # (T, 1, 1)
        phase = self.phase[:, None, None]
        return (amplitude * np.sin(x - phase)).astype(x.dtype)  # (T, N, 1)


@dataclass(frozen=True)
class Sinusoids:
    """The family of waves: the ranges (low, high) of amplitude, of phase in radians, and of x.

    All three are drawn uniformly from their range.
    Raises ValueError for a range that is not two finite numbers, the lower first.
    """

    amplitude: tuple[float, float] = (0.1, 5.0)
    phase: tuple[float, float] = (0.0, pi)
    x: tuple[float, float] = (-5.0, 5.0)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not _is_range(value):
                raise ValueError(
                    f"Sinusoids: {name}={shown(value)} must be a range (low, high) of two "
                    f"finite numbers"
                )

    def draw(self, rng: np.random.Generator, tasks: int) -> Waves:
        """Draw `tasks` waves; for plots, and for an oracle that knows amplitude and phase."""
        (tasks,) = check_whole("Sinusoids.draw", tasks=tasks)
        check_generator("Sinusoids.draw", rng)
        amplitude = rng.uniform(*self.amplitude, tasks)
        phase = rng.uniform(*self.phase, tasks)
        return Waves(amplitude, phase)

    def sample(
        self,
        rng: np.random.Generator,
        *,
        tasks: int = 25,
        shot: int = 10,
        query: int = 10,
        waves: Waves | None = None,
    ) -> Tasks:
        """Draw points on T waves: support (T, S, 1) and query (T, Q, 1), x and y float32.

        The waves are new ones, or those given; then T is their number and `tasks` is not used.
        Raises ValueError when a count is not a whole number of 1 or more, TypeError where rng is
        no Generator or waves no Waves.
        """
        shot, query = check_whole("Sinusoids.sample", shot=shot, query=query)
        if waves is None:
            check_whole("Sinusoids.sample", tasks=tasks)
        check_generator("Sinusoids.sample", rng)
        if waves is None:
            waves = self.draw(rng, tasks)
        check_instance("Sinusoids.sample", Waves, "or None", waves=waves)
        points = (len(waves.phase), shot + query, 1)  # (T, S+Q, 1)
        x = rng.uniform(*self.x, points).astype(np.float32)
        y = waves(x)
        support = Batch(x[:, :shot], y[:, :shot])
        return Tasks(support, Batch(x[:, shot:], y[:, shot:]))


def _is_range(value: object) -> bool:
    """Whether this is a pair of finite numbers, the lower first."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return False
    return all(map(is_number, value)) and value[0] <= value[1]
