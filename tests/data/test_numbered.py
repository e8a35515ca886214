"""Numbered tasks do not depend on who draws them, nor on what was drawn before."""

import numpy as np
import pytest

import tinymeta as tm


def source(**options):
    waves = tm.data.Sinusoids()
    return tm.data.Numbered(
        lambda rng: waves.sample(rng, tasks=1, shot=3, query=2), **{"tasks": 6, **options}
    )


def arrays(tasks):
    return tm.tree.leaves(tasks)


def test_a_batch_is_made_of_its_tasks_whoever_draws_them():
    whole = source()(4)
    assert whole.support.x.shape == (6, 3, 1) and whole.query.y.shape == (6, 2, 1)
    for lo, hi in ((0, 6), (0, 1), (2, 5), (5, 6)):
        for part, all_tasks in zip(arrays(source().sample(4, lo, hi)), arrays(whole)):
            np.testing.assert_array_equal(part, all_tasks[lo:hi])


def test_tasks_updates_and_seeds_differ():
    drawn = [
        source(seed=seed).sample(k, n, n + 1) for seed in (0, 1) for k in (0, 1) for n in (0, 1)
    ]
    assert len({tasks.support.x.tobytes() for tasks in drawn}) == len(drawn)


def test_the_samplers_of_this_room_can_be_numbered():
    glyphs = tm.data.Glyphs(seed=0).characters(2)
    tasks = tm.data.Numbered(lambda rng: tm.data.episodes(glyphs, rng, way=3, tasks=1), tasks=2)(0)
    assert tasks.support.x.shape[:2] == (2, 3)
    problems = tm.data.Numbered(lambda rng: tm.data.Quadratics().sample(rng, tasks=1), tasks=3)(0)
    assert all(len(array) == 3 for array in arrays(problems))


@pytest.mark.parametrize("lo, hi", [(0, 7), (3, 3), (4, 2)])
def test_numbers_out_of_range(lo, hi):
    with pytest.raises(ValueError, match="Numbered.sample: tasks"):
        source().sample(0, lo, hi)


def test_arguments_that_are_none():
    with pytest.raises(ValueError, match="Numbered: tasks=0"):
        source(tasks=0)
    with pytest.raises(ValueError, match="Numbered: seed=-1"):
        source(seed=-1)
