"""How ranks send arrays to each other: three calls, by MPI or by anything else that can do them.

Invariant: all ranks make the same calls in the same order. MPI's own sums are not used for numbers
of a training: their order depends on the number of ranks and on the library.

The tests have a second kind, of threads that hand arrays to each other, so that all but this file
is tested without MPI.
"""

from typing import Any, Protocol

import numpy as np


class Messages(Protocol):
    """What this room asks of a network; rank, size: which of how many."""

    rank: int
    size: int

    def exchange(self, sent: np.ndarray, to: int, received: np.ndarray, source: int) -> None:
        """Send an array to one rank, and fill another with what a rank sends; both dense."""

    def gather(self, value: Any) -> list:
        """The values of all ranks, by rank, on each."""

    def largest(self, number: int) -> int:
        """The largest of all ranks' integers, on each."""


class MPIMessages:
    """Messages over an MPI communicator, a copy of the one that is given."""

    def __init__(self, MPI: Any, communicator: Any) -> None:
        self.MPI, self.communicator = MPI, communicator.Dup()  # so no message meets another's
        self.rank, self.size = communicator.rank, communicator.size
        self.number = np.zeros(1, np.int64)

    def exchange(self, sent: np.ndarray, to: int, received: np.ndarray, source: int) -> None:
        """Send to one rank while another sends."""
        byte = self.MPI.BYTE
        self.communicator.Sendrecv([sent, byte], to, 0, [received, byte], source, 0)

    def gather(self, value: Any) -> list:
        """Pickled: for what is small."""
        return self.communicator.allgather(value)

    def largest(self, number: int) -> int:
        """An Allreduce of 8 bytes."""
        self.number[0] = number
        self.communicator.Allreduce(self.MPI.IN_PLACE, self.number, self.MPI.MAX)
        return int(self.number[0])
