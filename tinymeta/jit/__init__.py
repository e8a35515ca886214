"""
Here     `jit`: a function is traced once, made into a short program, and replayed.
Imports  core cpu cuda
Never    a derivative rule: gradients arrive here as ordinary equations.
Add one  a pass: a file with a function Program -> Program, and a line in compile.py
Tests    tests/jit/

    f(params, tasks)                                 a Conv-4 MAML step of 8 tasks
        | trace.py        f runs once on equations
    Program                                          1279 equations
        | lower.py        convolutions: products     1474
        | simplify.py     fewer equations            1092
        | split.py        tasks in chunks            8 chunks of a task; of each
        | legalize.py, materialize.py, fuse.py       299 steps, 222 of them loops
        | memory.py       a place for each value     4.1 MB for 12.2 MB of values
    ExecutionPlan
        | codegen.py      the source of each loop    62 sources
        | cache.py        machine code, on disk
    Replay, ChunkedReplay                            arrays -> arrays

Program        equations in order, with inputs and outputs (program.py).
Equation       one operation on the results of earlier ones; it stands for its result.
Step           what is run at once: a loop of fused equations, or one equation by itself (fuse.py).
arena          the block of memory in which all values of one call lie (memory.py, replay.py).
kernel args    the int64s that a kernel is called with: places in the arena, sizes, strides.

In reading order, with their lines:
    compile.py 221     jit itself: signatures, the passes in order
    program.py 278     Equation, Program, Builder;  then trace.py 196, scalar.py 129
    lower.py 117       and simplify.py 261, cuts.py 136: Program -> Program
    views.py 96        strided layouts;  then legalize.py 85
    loops.py 86        what a loop can compute;  then materialize.py 108, fuse.py 127
    loop_body.py 107   and codegen.py 266: a loop as source text;  then cache.py 130
    memory.py 141      and plan.py 54: the arena
    replay.py 198      a call;  then step_kernels.py 125, machine.py 288
    task_roles.py 243  what depends on one task alone;  then split.py 161, chunk_count.py 64
    chunks.py 174      runs them;  then tree_sum.py 109, work_buffers.py 163, job_tables.py 191
    threads.py 156     workers
    explain.py 179     shows all of it;  timing.py 24
    graph.py 209       the same plan on a GPU
"""

from .compile import jit
from .explain import explain, warmup

__all__ = ["explain", "jit", "warmup"]
