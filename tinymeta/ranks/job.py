"""An MPI job: how its ranks begin, how signals reach all of them, and how an error ends all.

MPI leaves two things open. A rank that fails leaves the others waiting for its messages, for ever;
and a signal reaches one rank, at any moment, in the middle of a message. So a signal is a note that
all ranks read at once before the next update (`World.check_stop`); and a rank that fails looks for
a while whether all others fail, too, as a wrong argument makes them: if so, rank 0 says why, else
this one does and stops the job.
"""

import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np

from ..core.checks import check_whole
from ..system.resources import core_numbers
from ..system.world import using
from .messages import MPIMessages
from .same import code
from .world import Ranks

_PATIENCE = 2.0  # seconds in which a rank that failed waits for the others to fail, too
_PASSING_ON = 0.5  # seconds in which a launcher passes on what was printed, before it ends all
_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@contextmanager
def mpi(threads: int | None = None) -> Iterator[Ranks]:
    """In this `with`, the ranks of an MPI job share the tasks: of `tm.meta.train`, of
    `tm.meta.evaluate`, and of every compiled function whose program is split over tasks.

    Every rank runs the same program. The results of what is split are, bit for bit, those of one
    process, for any number of ranks and threads; what is not, every rank computes, and a training
    says so. Start it with `mpiexec -n 8 python -m mpi4py program.py`.

    threads: of each rank; by default the cores of the machine, divided among the ranks on it.
    Gives the world: `rank`, `size`, and `first`, whether this rank is the one to print and write.
    What one rank does alone may call nothing that is shared, as the others would not answer. An
    error on one rank stops all; Ctrl-C, SIGTERM and SIGHUP to any of them interrupt all trainings
    at the same update. Other threads than this one are alone.
    Raises ValueError if threads is no whole number from 1 on, RuntimeError if there is no MPI and
    if ranks run different code, flags or libraries.
    """
    if threads is not None:
        (threads,) = check_whole("mpi", threads=threads)
    MPI = _load()
    messages = MPIMessages(MPI, MPI.COMM_WORLD)
    failing = MPI.COMM_WORLD.Dup()  # for errors alone: no message of a sum is in the way
    try:
        here = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED)  # the ranks of this machine
        ranks = Ranks(messages, threads or _threads(here), socket.gethostname(), here.rank)
        ranks.check_same(
            code=code(), flags=sys.argv, libraries=(sys.version, np.__version__, numba.__version__)
        )
        if ranks.size == 1:
            print(
                "mpi: this job has one rank, which shares nothing: start more with "
                "mpiexec -n 2 python -m mpi4py ...",
                file=sys.stderr,
            )
        with using(ranks), _signals_noted(ranks):
            yield ranks
    except BaseException as error:
        _end(MPI, failing, error)
        raise


def _load() -> Any:
    """mpi4py's MPI, initialised; RuntimeError where it, or an MPI library, is missing."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise RuntimeError(
            f"mpi: there is no MPI here ({error}): pip install 'tinymeta[mpi]', or mpi4py alone "
            "where a site has an MPI library of its own"
        ) from None
    return MPI


def _threads(here: Any) -> int:
    """This rank's part of the cores that it may use: of those that other ranks here may use, too.

    Ranks that a launcher has bound to cores of their own have all of these.
    """
    mine = core_numbers()
    sharing = sum(bool(mine & other) for other in here.allgather(mine))
    return max(1, len(mine) // sharing)


@contextmanager
def _signals_noted(ranks: Ranks) -> Iterator[None]:
    """In this `with`, a signal is noted in `ranks.stop`, and interrupts nothing."""

    def note(number: int, frame: Any) -> None:
        ranks.stop = number

    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup
                before[number] = signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(MPI: Any, failing: Any, error: BaseException) -> None:
    """Return if every rank has failed, to rank 0; else stop the job, and say which rank and why.

    The other ranks then end without a word.
    """
    request = failing.Ibarrier()
    end = time.monotonic() + _PATIENCE
    while not request.Test():
        if time.monotonic() > end:
            where = f"rank {failing.rank} of {failing.size} (on {socket.gethostname()})"
            reason = f"{type(error).__name__}: {error}"
            lines = traceback.format_exception(error)
            print(
                f"{''.join(lines)}{where} failed: {reason}; the job is stopped",
                file=sys.stderr,
                flush=True,
            )
            time.sleep(_PASSING_ON)
            MPI.COMM_WORLD.Abort(1)
        time.sleep(0.01)
    if failing.rank:
        status = error.code if isinstance(error, SystemExit) else 1
        sys.exit(status if isinstance(status, int) else 1)
