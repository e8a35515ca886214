"""Sinusoid regression, the smallest meta-learning problem: y = A sin(x - phi).

A task is one wave; its support and query are points on it, without noise. The ranges are those of
Finn et al. 2017, section 5.1. A net that does not adapt cannot beat a mean squared error of 3.006,
and predicting 0 gives 4.252 (both for the default ranges), so anything lower is learning to learn.
"""

from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import numpy as np

from ..core.checks import generator, instance, is_number, shown, whole
from .episodes import Batch, Tasks


class Waves(NamedTuple):
    """T waves by amplitude and phase (T,), in radians.

    waves(x) evaluates them at x (T, N, 1), or at (N, 1) for all, in x's dtype.
    """

    amplitude: np.ndarray  # (T,)
    phase: np.ndarray  # (T,)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        amplitude, phase = self.amplitude[:, None, None], self.phase[:, None, None]  # (T, 1, 1)
        return (amplitude * np.sin(x - phase)).astype(x.dtype)  # (T, N, 1)


@dataclass(frozen=True)
class Sinusoids:
    """The family of waves: of amplitude, phase in radians, and x, each a range (low, high).

    They are drawn uniformly from it.
    Raises ValueError for a range that is not two finite numbers, the lower first.
    """

    amplitude: tuple[float, float] = (0.1, 5.0)
    phase: tuple[float, float] = (0.0, pi)
    x: tuple[float, float] = (-5.0, 5.0)

    def __post_init__(self):
        for name, span in vars(self).items():
            pair = isinstance(span, (tuple, list)) and len(span) == 2 and all(map(is_number, span))
            if not pair or span[0] > span[1]:
                raise ValueError(
                    f"Sinusoids: {name}={shown(span)} must be a range (low, high) of two "
                    f"finite numbers"
                )

    def draw(self, rng: np.random.Generator, tasks: int) -> Waves:
        """Draw `tasks` waves; for plots, and for an oracle that is told amplitude and phase."""
        (tasks,) = whole("Sinusoids.draw", tasks=tasks)
        generator("Sinusoids.draw", rng)
        return Waves(rng.uniform(*self.amplitude, tasks), rng.uniform(*self.phase, tasks))

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

        The waves are fresh ones, or those given (then `tasks` is their number).
        Raises ValueError when a count is not a whole number of 1 or more.
        """
        shot, query = whole("Sinusoids.sample", shot=shot, query=query)
        if waves is None:
            whole("Sinusoids.sample", tasks=tasks)
        generator("Sinusoids.sample", rng)
        waves = self.draw(rng, tasks) if waves is None else waves
        instance("Sinusoids.sample", Waves, "or None", waves=waves)
        x = rng.uniform(*self.x, (len(waves.phase), shot + query, 1)).astype(np.float32)
        y = waves(x)  # (T, S+Q, 1)
        return Tasks(Batch(x[:, :shot], y[:, :shot]), Batch(x[:, shot:], y[:, shot:]))
