"""
Here     `jit`: a function is traced once, made into a short program, and replayed.
Imports  core system explorer cpu cuda ptx
Never    a derivative rule: gradients arrive here as ordinary equations.
Add one  a pass: a file with a function Program -> Program, and a line in compile.py
Tests    tests/jit/

    f(params, state, tasks)                          an update of examples/maml_images.py
        | trace.py        f runs once, on stand-ins
    Program                                          1473 equations
        | lower.py        what has a kernel          1668
        | simplify.py     fewer equations            1196
        | split.py        tasks in chunks            8 chunks of a task; of each
        | window_rows.py                             no large matrix of windows
        | legalize.py, materialize.py, fuse.py       287 steps, 209 of them loops
        | memory.py       a place for each value     8.4 MB for 25.6 MB of values
    ExecutionPlan
        | codegen.py, array_kernels.py               67 sources, 64 of them loops
        | cache.py        machine code, on disk
    Replay, ChunkedReplay                            arrays -> arrays
                                                     whole: pieces.py cuts its large steps

Program        equations in order, with inputs and outputs (program.py).
Equation       one operation on the results of earlier ones; it stands for its result.
Step           what is run at once: a loop of fused equations, or one equation by itself (fuse.py).
origin         where an equation comes from: order, place, scope, the rule that made it (origin.py).
arena          the block of memory in which all values of one call lie (memory.py, replay.py).
kernel args    the int64s that a kernel is called with: places in the arena, sizes, strides.

In reading order, with their lines:
    signatures.py 209  jit itself;  then compile.py 108: the passes in order
    program.py 233     Equation, Program, Builder;  then internal.py 24, trace.py 209
                       and scalar.py 130
    origin.py 107      order, scope and rule of an equation, and what it descends from
    lower.py 187       and simplify.py 94: Program -> Program;  its rules: rewrites.py 202,
                       joins.py 99, cuts.py 122, transposed_products.py 53
    window_rows.py 167  products in blocks;  then views.py 106, legalize.py 88
    loops.py 93        what a loop can compute;  then materialize.py 125, fuse.py 130
    loop_body.py 109   and codegen.py 226, store_text.py 46, operand_pointer.py 67: a loop as text
    array_kernels.py 169  windows, indices, argmax as source text;  then cache.py 140
    memory.py 243      sliding.py 78, plan.py 69: a place for each value
    replay.py 250      a call;  arena.py 94, outside.py 66: its memory
    pieces.py 197      a large step for several threads;  then stretches.py 94
    step_kernels.py 250  what runs a step;  then fixed_kernels.py 152, machine.py 170
    task_roles.py 247  what depends on one task alone;  then split.py 171, chunk_count.py 64
    chunks.py 236      runs them;  then tree_sum.py 137, work_buffers.py 172, call_arrays.py 81
    job_tables.py 240  the chunks as numbers
    threads.py 159     workers
    explained.py 237   shows all of it;  then described.py 160, story.py 127, listing.py 88
    page_data.py 188   the same as data, for the page of explorer/;  timing.py 21,
                       values.py 74, warmup.py 37;  executed.py 100, what a GPU's kernels do
    graph.py 188       the same plan on a GPU;  then gpu_arrays.py 110, gpu_loops.py 60,
                       gpu_groups.py 172
    step_order.py 79   which steps wait for which;  then gpu_chunks.py 121, on several ranks
"""

from .explain import explain
from .signatures import jit
from .warmup import warmup

__all__ = ["explain", "jit", "warmup"]
