"""Sums along a binary tree: the same brackets however the leaves are grouped."""

import numpy as np
import pytest

from tinymeta.jit.tree_sum import LEAF, SumOfRows, plan_subtree, tree_sum

rng = np.random.default_rng(0)


def brackets(leaves):
    """The sum of the leaves that are there as nested pairs, by its definition."""
    if len(leaves) == 1:
        return leaves[0]
    half = len(leaves) // 2
    a, b = brackets(leaves[:half]), brackets(leaves[half:])
    return (b if a is None else a) if a is None or b is None else (a, b)


def run(plan, leaves):
    """What a plan makes of the leaves."""
    slots = {}
    for leaf, merges in zip(leaves, plan.merges, strict=True):
        slots[LEAF] = leaf
        for slot, source, added in merges:
            slots[slot] = (slots[slot], slots[source]) if added else slots[source]
    return None if plan.root is None else slots[plan.root]


@pytest.mark.parametrize("count", [1, 2, 4, 8, 32])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_a_plan_adds_along_the_tree_and_keeps_few_sums(count, share):
    for _ in range(20):
        present = (rng.random(count) < share).tolist()
        leaves = [k if here else None for k, here in enumerate(present)]
        plan = plan_subtree(present)
        assert run(plan, leaves) == brackets(leaves)
        assert plan.slots <= np.log2(count)


def test_groups_change_no_bit():
    values = rng.normal(size=(32, 100)).astype(np.float32)
    parts = [v if rng.random() < 0.8 else None for v in values]
    expected = tree_sum(parts)
    for size in (2, 4, 8, 16, 32):
        groups = [parts[k : k + size] for k in range(0, 32, size)]
        sums = [tree_sum(group) if any(p is not None for p in group) else None for group in groups]
        assert tree_sum(sums).tobytes() == expected.tobytes()
    assert expected.tobytes() != sum(p for p in parts if p is not None).tobytes()


def test_a_sum_of_one_is_a_new_array():
    row = np.ones(3)
    assert tree_sum([row]) is not row and tree_sum([None, row, None, None]) is not row


@pytest.mark.parametrize("count", [1, 2, 4, 16])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_the_rows_of_a_table_are_added_along_the_tree(count, dtype):
    rows = np.zeros((count, 33), dtype)
    sum_of_rows = SumOfRows(rows)
    for _ in range(2):
        rows[...] = 1000 * rng.normal(size=rows.shape)
        expected = tree_sum(list(rows.copy()))
        total = sum_of_rows()
        assert total.dtype == dtype and total.tobytes() == expected.tobytes()
        assert not np.shares_memory(total, rows)
