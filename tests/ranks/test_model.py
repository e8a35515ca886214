"""The model of more ranks counts what is really sent, and behaves as a network does."""

import sys
from pathlib import Path

import numpy as np
import pytest
from thread_ranks import on_ranks

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))
from benchmarks import ranks_model

JOB = ranks_model.Job("a job", task=3e-3, optimizer=1e-3, gradient=4e5)


@pytest.mark.parametrize("size", [2, 4, 8])
def test_it_counts_what_is_sent(size):
    n = 1024

    def work(world):
        first, end = world.share(16)
        world.total(np.ones((end - first, n), np.float32), [True] * 16)
        return world.messages.count, world.messages.bytes

    expected = ranks_model.messages(size), ranks_model.bytes_sent(4 * n, size)
    assert on_ranks(size, work) == [expected] * size


def test_efficiency_falls_with_ranks_and_rises_with_tasks_and_faster_networks():
    slow, _, fast = ranks_model.NETWORKS
    for ranks in (8, 64):
        assert ranks_model.efficiency(JOB, 1, ranks, slow) > ranks_model.efficiency(
            JOB, 1, 8 * ranks, slow
        )
        assert ranks_model.efficiency(JOB, 4, ranks, slow) > ranks_model.efficiency(
            JOB, 1, ranks, slow
        )
        assert ranks_model.efficiency(JOB, 1, ranks, fast) > ranks_model.efficiency(
            JOB, 1, ranks, slow
        )
    assert ranks_model.efficiency(JOB, 1, 1, slow) == pytest.approx(1)


def test_ranks_of_one_machine_share_its_link():
    """Between machines goes what one rank of each would send."""
    network, memory = ranks_model.NETWORKS[0], ranks_model.MEMORY
    together = ranks_model.sum_seconds(4e7, 64, network, on_a_machine=8)
    alone = ranks_model.sum_seconds(4e7, 8, network)
    assert alone < together < alone + ranks_model.sum_seconds(4e7, 8, memory)


def test_a_link_is_found_from_the_times_of_its_sums():
    link = ranks_model.Network("known", 5e-6, 2e9)
    sizes = (7e3, 4e7)
    times = {size: ranks_model.sum_seconds(size, 4, link) for size in sizes}
    found = ranks_model.fitted(times, 4)
    assert found.latency == pytest.approx(5e-6, rel=0.05)
    assert found.bandwidth == pytest.approx(2e9, rel=0.01)


def test_the_table_has_a_row_for_each_network():
    assert all(network.name in ranks_model.table(JOB) for network in ranks_model.NETWORKS)
