"""Sinusoids: points lie on waves of the family, whose two closed-form errors are met."""

import numpy as np
import pytest

from tinymeta.data import Sinusoids


def rng(seed=0):
    return np.random.default_rng(seed)


def test_a_task_is_one_wave_in_support_and_query():
    family = Sinusoids()
    waves = family.draw(rng(), 7)
    support, query = family.sample(rng(1), shot=5, query=9, waves=waves)
    for batch, n in ((support, 5), (query, 9)):
        assert batch.x.shape == batch.y.shape == (7, n, 1)
        assert batch.x.dtype == batch.y.dtype == np.float32
        for t in range(7):
            expected = waves.amplitude[t] * np.sin(batch.x[t].astype(float) - waves.phase[t])
            assert np.abs(batch.y[t] - expected).max() < 1e-6
    assert np.intersect1d(support.x, query.x).size == 0


def test_ranges_are_filled_and_kept():
    family = Sinusoids(amplitude=(1, 2), phase=(0.5, 1), x=(-1, 3))
    waves = family.draw(rng(), 4000)
    x = family.sample(rng(), tasks=400).support.x
    for drawn, (low, high) in ((waves.amplitude, (1, 2)), (waves.phase, (0.5, 1)), (x, (-1, 3))):
        assert low <= drawn.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < drawn.max() <= high


def test_errors_of_zero_and_of_the_best_blind_guess():
    _, query = Sinusoids().sample(rng(), tasks=40_000, shot=1, query=20)
    x, y = query.x.astype(float), query.y.astype(float)
    blind = -(2 * 2.55 / np.pi) * np.cos(x)
    assert abs(np.mean(y**2) - 4.2517) < 0.06
    assert abs(np.mean((y - blind) ** 2) - 3.0057) < 0.06


def test_waves_can_be_plotted_on_one_grid():
    waves = Sinusoids().draw(rng(), 3)
    grid = np.linspace(-5, 5, 50)[:, None]
    assert waves(grid).shape == (3, 50, 1) and waves(grid).dtype == np.float64
    third = waves.amplitude[2] * np.sin(grid[:, 0] - waves.phase[2])
    assert np.allclose(waves(grid)[2, :, 0], third)


def test_the_same_seed_draws_the_same_tasks():
    one, two, other = (Sinusoids().sample(rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.query.y, two.query.y)
    assert not np.array_equal(one.query.y, other.query.y)


@pytest.mark.parametrize("wrong", [dict(tasks=0), dict(shot=0), dict(query=-1), dict(shot=1.0)])
def test_counts_are_checked(wrong):
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=f"{name}=.* must be a whole number >= 1"):
        Sinusoids().sample(rng(), **wrong)


@pytest.mark.parametrize(
    "wrong", [dict(amplitude=(5, 0.1)), dict(phase=(0, float("inf"))), dict(x=(1, 2, 3))]
)
def test_ranges_are_checked(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}=.* must be a range"):
        Sinusoids(**wrong)
