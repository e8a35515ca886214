"""The sum of several ranks is, bit for bit, the tree's of one process."""

import numpy as np
import pytest
from thread_ranks import on_ranks

from tinymeta.jit.tree_sum import tree_sum
from tinymeta.ranks import sums

SIZES = (1, 2, 3, 4, 5, 8)


def rows_of(places: int, n: int = 37, absent: tuple = ()) -> tuple[np.ndarray, list[bool]]:
    """Rows whose sum depends on the order of its additions, and which of them are there."""
    rng = np.random.default_rng(places)
    rows = rng.normal(size=(places, n)).astype(np.float32) * 10.0 ** rng.integers(
        -6, 6, (places, 1)
    )
    return rows.astype(np.float32), [place not in absent for place in range(places)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("places", (1, 2, 4, 16))
def test_the_bits_are_those_of_one_process(size, places):
    rows, present = rows_of(places)
    expected = tree_sum(list(rows))

    def work(world):
        lo, hi = world.share(places)
        return world.total(rows[lo:hi], present)

    for found in on_ranks(size, work):
        np.testing.assert_array_equal(found, expected)


def test_the_order_matters_to_the_rows_of_these_tests():
    rows, _ = rows_of(16)
    assert not np.array_equal(tree_sum(list(rows)), rows.sum(0))
    assert not np.array_equal(
        tree_sum(list(rows)), tree_sum(list(rows[::-1].reshape(rows.shape))[1:] + [rows[0]])
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("absent", [(0,), (3,), (0, 1, 2, 3), (4, 6), (1, 2, 3, 4, 5, 6, 7)])
def test_what_is_absent_adds_nothing(size, absent):
    rows, present = rows_of(8, absent=absent)
    expected = tree_sum([row if here else None for row, here in zip(rows, present)])
    rows[~np.array(present)] = np.nan  # whatever lies there is never read

    def work(world):
        lo, hi = world.share(8)
        return world.total(rows[lo:hi], present)

    for found in on_ranks(size, work):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n", (0, 1, 2, 3))
@pytest.mark.parametrize("size", (3, 4))
def test_fewer_numbers_than_ranks(size, n):
    rows, present = rows_of(4, n)

    def work(world):
        lo, hi = world.share(4)
        return world.total(rows[lo:hi], present)

    for found in on_ranks(size, work):
        np.testing.assert_array_equal(found, tree_sum(list(rows)))


@pytest.mark.parametrize("size", SIZES)
def test_slices_are_changed_once_and_put_together(size):
    """Each number belongs to one rank, which knows its place."""
    rows, present = rows_of(8)

    def work(world):
        lo, hi = world.share(8)

        def change(out):
            mine = sums.slice_of(world.rank, size, len(out))
            out[mine] = np.arange(len(out))[mine] - out[mine]

        return sums.total(world.messages, rows[lo:hi], present, change)

    for found in on_ranks(size, work):
        np.testing.assert_array_equal(found, np.arange(37, dtype=np.float32) - tree_sum(list(rows)))


@pytest.mark.parametrize("size", SIZES)
def test_join(size):
    bounds = [0, 5, 5, 6, 10, 11, 12, 15, 20][: size + 1]
    whole = np.arange(bounds[-1])

    def work(world):
        array = np.full_like(whole, -1)
        mine = slice(bounds[world.rank], bounds[world.rank + 1])
        array[mine] = whole[mine]
        world.join(array, bounds)
        return array

    for found in on_ranks(size, work):
        np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("size, messages", [(2, 2), (4, 4), (8, 6)])
def test_a_power_of_two_of_ranks_sends_the_least_there_is(size, messages):
    """2 log2(P) messages of 2 n (P - 1) / P numbers in all, as Rabenseifner's reduction."""
    n = 64
    rows, present = rows_of(8, n)

    def work(world):
        lo, hi = world.share(8)
        world.total(rows[lo:hi], present)
        return world.messages.count, world.messages.bytes

    for count, sent in on_ranks(size, work):
        assert count == messages
        assert sent == 2 * 4 * n * (size - 1) // size
