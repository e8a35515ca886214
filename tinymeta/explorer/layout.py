"""Where the equations of a program lie: lanes one above another, each a text of bands.

In: for each node its inputs and its lane, in an order in which inputs come first. Out: a column and
a row within the lane for each, and the rows of each lane.

    lane 0   a b d f ->        a band: a node is to the right of its inputs in that lane
               c e             two nodes side by side: neither needs the other
             g h j k ->        the next band, where a line of text would break, too
    lane 1   ..

Invariant: no two nodes of a lane have one place, and within a band edges go to the right. Cost:
O(n + edges), as a column that is full is skipped once. A layout of the whole graph in layers is as
wide as the longest path, a thousand equations, and shows a line; bands show the lane on a screen.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

COLUMNS = 32  # of a band
ROWS = 5  # of a band, at most


class Layout(NamedTuple):
    """columns, rows: of each node within its lane; heights: the rows of each lane."""

    columns: list[int]
    rows: list[int]
    heights: list[int]


def lay_out(inputs: Sequence[Sequence[int]], lanes: Sequence[int], lane_count: int) -> Layout:
    """A place for each node. inputs: by node, smaller numbers of others; lanes: by node."""
    places: list[tuple[int, int]] = []  # (column of one endless band, row there)
    filled: dict[tuple[int, int], int] = defaultdict(int)  # by (lane, column)
    free: dict[tuple[int, int], int] = {}  # by (lane, column): the next that may have space
    front = [0] * lane_count  # the column of the node before in the lane
    for node, lane in enumerate(lanes):
        inside = [x for x in inputs[node] if lanes[x] == lane]
        after = [places[x][0] + 1 for x in inside]  # the column after that of each
        column = _with_space(free, lane, max(after, default=front[lane]))
        row = filled[lane, column]
        filled[lane, column] += 1
        if row == ROWS - 1:
            free[lane, column] = column + 1
        places.append((column, row))
        front[lane] = column
    return _in_bands(places, lanes, lane_count)


def _with_space(free: dict[tuple[int, int], int], lane: int, column: int) -> int:
    """The first column from this one on that is not full; shortens the way for the next."""
    passed = []
    while (lane, column) in free:
        passed.append(column)
        column = free[lane, column]
    for full in passed:
        free[lane, full] = column
    return column


def _in_bands(places: list[tuple[int, int]], lanes: Sequence[int], lane_count: int) -> Layout:
    """The endless band of each lane, broken into bands of COLUMNS."""
    heights: dict[tuple[int, int], int] = defaultdict(int)  # by (lane, band)
    for (column, row), lane in zip(places, lanes):
        place = lane, column // COLUMNS
        heights[place] = max(heights[place], row + 1)
    tops: dict[tuple[int, int], int] = {}
    totals = [0] * lane_count
    for band in sorted(heights):
        lane, _ = band
        tops[band] = totals[lane]
        totals[lane] += heights[band]
    columns = []
    rows = []
    for (column, row), lane in zip(places, lanes):
        number, column_in_band = divmod(column, COLUMNS)
        columns.append(column_in_band)
        rows.append(tops[lane, number] + row)
    return Layout(columns, rows, totals)
