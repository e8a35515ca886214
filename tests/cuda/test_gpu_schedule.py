"""The model of a graph: what waits for what, counted by hand."""

import pytest

from tinymeta.ptx.schedule import Load, longest_chain, scheduled

ALL, HALF, NARROW = Load(2.0, 1.0, 0.1), Load(2.0, 0.5, 0.1), Load(2.0, 0.1, 0.9)
LAUNCH = 0.5


@pytest.mark.parametrize(
    "loads, needs, seconds",
    [
        ([], [], 0),
        ([ALL], [()], 2.5),
        ([ALL, ALL], [(), (0,)], 5.0),  # a chain: two launches, two times two seconds
        ([ALL, ALL], [(), ()], 4.5),  # the second one's launch passes while the first runs
        ([HALF, HALF], [(), ()], 2.5),  # side by side
        ([HALF, HALF, HALF], [(), (), ()], 4.5),  # no room for a third
        ([NARROW, NARROW], [(), ()], 4.5),  # nor for twice the bytes
        ([HALF, HALF, ALL], [(), (), (0, 1)], 5.0),
        ([HALF, HALF, HALF], [(), (0,), (0,)], 5.0),
    ],
)
def test_when_all_are_done(loads, needs, seconds):
    assert scheduled(loads, needs, LAUNCH) == pytest.approx(seconds)


def test_the_longest_chain():
    assert longest_chain([]) == 0
    assert longest_chain([(), (), (0,), (1, 2), ()]) == 3
