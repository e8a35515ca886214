"""What more ranks would gain, by a model of a network: latency, bandwidth, and measured compute.

    time of an update of P ranks, b tasks each = b t + sum(P) + optimizer / P
    sum(P) = 2 log2(P) a + 2 n (P - 1) / P / B + n (P - 1) / P g

t: of a task on one thread; a: latency of a message; B: bytes a second of a link; g: seconds to add
a byte; n: bytes of the flat gradient. It is the cost of ranks/sums.py, of a power of two of ranks:
halving, then doubling (Rabenseifner 2004); a test compares `messages` and `bytes_sent` with what
is really sent. M ranks of a machine share its link: they exchange first, in memory, and n / M of
each rank go out, so a machine sends what one rank would.

All of it is modelled, nothing measured, but for t, n and the optimizer's time. Not in it:
stragglers, other traffic, and machines that wait for a disk.

Where it stops, in this order: at the tasks there are, since a rank without one is idle; where a
task takes less time than the sum, which more tasks a rank, or inner steps, make up for; at what
every rank computes, the optimizer before it had its slice and the draws before tasks were numbered;
at the P - 1 messages of a number of ranks that is no power of two.
"""

from math import log2
from typing import NamedTuple


class Network(NamedTuple):
    """A link between machines: seconds of latency, bytes a second."""

    name: str
    latency: float
    bandwidth: float


# Typical of MPI over them; not measured here.
NETWORKS = (
    Network("10 Gb/s Ethernet", 25e-6, 1.1e9),
    Network("100 Gb/s Ethernet", 4e-6, 11e9),
    Network("InfiniBand HDR", 1.5e-6, 23e9),
)
MEMORY = Network("memory of a machine", 0.7e-6, 5e9)
ADDING = 1 / 4e9  # seconds to add a byte


class Job(NamedTuple):
    """What a rank computes: seconds of a task, of the whole optimizer; bytes of the gradient."""

    name: str
    task: float
    optimizer: float
    gradient: float


def messages(ranks: int) -> int:
    """How many a rank sends for one sum."""
    return 2 * round(log2(ranks))


def bytes_sent(gradient: float, ranks: int) -> float:
    """How many a rank sends for one sum."""
    return 2 * gradient * (ranks - 1) / ranks


def sum_seconds(gradient: float, ranks: int, network: Network, on_a_machine: int = 1) -> float:
    """The time of one sum; on_a_machine: ranks that share a link."""
    local, machines = min(ranks, on_a_machine), max(1, ranks // on_a_machine)
    inside = messages(local) * MEMORY.latency + bytes_sent(gradient, local) / MEMORY.bandwidth
    outside = messages(machines) * network.latency
    outside += bytes_sent(gradient, machines) / network.bandwidth
    return inside + outside + ADDING * bytes_sent(gradient, ranks) / 2


def update_seconds(
    job: Job, tasks: float, ranks: int, network: Network, on_a_machine: int = 1
) -> float:
    """The time of an update, of so many tasks on each rank."""
    shared = sum_seconds(job.gradient, ranks, network, on_a_machine) if ranks > 1 else 0.0
    return tasks * job.task + shared + job.optimizer / ranks


def efficiency(
    job: Job, tasks: float, ranks: int, network: Network, on_a_machine: int = 1
) -> float:
    """The share of the time that one rank would need for all tasks, of what all ranks spend."""
    alone = ranks * tasks * job.task + job.optimizer
    return alone / ranks / update_seconds(job, tasks, ranks, network, on_a_machine)


def table(job: Job) -> str:
    """Sums and efficiencies for 8, 64 and 1024 ranks, of 1 and 4 tasks a rank; all modelled."""
    lines = [
        f"modelled, {job.name}: {1e3 * job.task:.3g} ms a task, optimizer "
        f"{1e3 * job.optimizer:.3g} ms, gradient {job.gradient / 1e6:.3g} MB",
        f"{'':22}" + "".join(f"{f'P = {ranks}':>30}" for ranks in (8, 64, 1024)),
        f"{'':22}" + f"{'sum ms; of 1 / 4 tasks':>30}" * 3,
    ]
    for network in NETWORKS:
        for together in (1, 8):
            cells = []
            for ranks in (8, 64, 1024):
                seconds = sum_seconds(job.gradient, ranks, network, together)
                one, four = (
                    100 * efficiency(job, tasks, ranks, network, together) for tasks in (1, 4)
                )
                cells.append(f"{1e3 * seconds:.2f}; {one:.0f} / {four:.0f} %".rjust(30))
            name = network.name if together == 1 else f"  {together} ranks a link"
            lines.append(f"{name:22}" + "".join(cells))
    return "\n".join(lines)


def fitted(times: dict[float, float], ranks: int) -> Network:
    """The link that fits measured times of sums, by bytes of the gradient: smallest and largest."""
    small, large = min(times), max(times)
    grown = bytes_sent(large, ranks) - bytes_sent(small, ranks)
    added = ADDING * grown / 2
    bandwidth = grown / max(times[large] - times[small] - added, 1e-9)
    sent = bytes_sent(small, ranks)
    latency = (times[small] - sent / bandwidth - ADDING * sent / 2) / messages(ranks)
    return Network("fitted here", max(latency, 0.0), bandwidth)
