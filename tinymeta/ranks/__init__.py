"""
Here     training past one machine: the ranks of an MPI job share the tasks, to the same bits.
Imports  core system jit
Never    a method, an operation, a kernel: they ask system/world.py, and this room answers.
Add one  another way of sending arrays: a class like `Messages` in messages.py
Tests    tests/ranks/

    chunks of tasks      rank 0: 0 1 2 3     rank 1: 4 5 6 7     jit/chunks.py
        | sums.py        (0+1)+(2+3)    +    (4+5)+(6+7)         the tree of one process
    gradient             all ranks have the same bits of it

MPI waits busily. In a job, give each rank a core (`srun --cpu-bind=cores`, `mpiexec -bind-to
core`): this room pins none itself, as only the launcher knows what else runs on the machine. The
tests have more ranks than some machines have cores, where two pinned to one core would wait out
each other's time slices; they ask MPICH to yield after each poll instead
(`MPIR_CVAR_POLLS_BEFORE_YIELD=1`).

In reading order: messages.py (what is sent, and how), sums.py (the tree), world.py (what the rest
of tinymeta asks for), same.py (what has to be alike on all ranks), job.py (how a job begins and
ends).
"""

from .job import mpi

__all__ = ["mpi"]
