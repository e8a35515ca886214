"""Faults in what large arrays have to themselves: pieces of steps, stretches, places outside.

Each function takes the right function and returns the wrong one (planting.py). Random steps have
small arrays; `compiled.all_large` treats them as large ones, without which none of these is met.
"""

from ..jit import call_arrays, memory, pieces, replay, stretches
from ..jit.codegen import LoopKernel
from ..jit.loops import REDUCTIONS
from .planting import fault

# ---- pieces --------------------------------------------------------------------------------------


@fault("pieces", "the last piece of a step is left out", pieces, "_ranges")
def _(right):
    def ranges(first, end, count):
        found = right(first, end, count)
        return found[: max(1, len(found) - 1)]

    return ranges


@fault("pieces", "pieces overlap by a row", pieces, "_ranges")
def _(right):
    def ranges(first, end, count):
        return [(begin, min(stop + 1, end)) for begin, stop in right(first, end, count)]

    return ranges


@fault("pieces", "a loop is cut along an axis that it sums", pieces, "REDUCTIONS")
def _(right):
    return ()  # no result of a loop counts as a reduction: all pieces write into one


@fault("pieces", "maxima of pieces are added up", pieces, "_cut_loop")
def _(right):
    def cut_loop(kernel, workspace):
        whole = [y for y in kernel.results if y.op in REDUCTIONS and not kernel.row_stride(y)]
        if kernel.sizes[0] < 2 or not any(y.op == "max" for y in whole):
            return right(kernel, workspace)
        rows = -(-kernel.sizes[0] // 2)
        return pieces._with_partial(2, kernel.workspace_bytes(rows), tuple(whole))

    return cut_loop


@fault("pieces", "weights of images are one piece's", replay, "cut")
def _(right):
    def cut(call, workspace):
        found = right(call, workspace)
        return found if isinstance(call, LoopKernel) else found._replace(partial=())

    return cut


@fault("pieces", "the sums of the last piece are not added", pieces, "_sum_of_pieces")
def _(right):
    def sum_of_pieces(*args):
        kernel, (total, x, row, count, size) = right(*args)
        return kernel, [total, x, row, count - 1, size]

    return sum_of_pieces


@fault("pieces", "all pieces have one workspace", replay, "phases")
def _(right):
    return lambda call, compiled, how, *rest: right(
        call, compiled, how._replace(workspace=0), *rest
    )


@fault("pieces", "spans that slide are computed at once", replay, "phases")
def _(right):
    def phases(call, compiled, how, *rest):
        found = right(call, compiled, how, *rest)
        spans = found[:-1] if how.partial else found
        return [[kernel for span in spans[::-1] for kernel in span], *found[len(spans) :]]

    return phases


# ---- stretches -----------------------------------------------------------------------------------


@fault("stretches", "pieces wait for nothing", stretches.Stretch, "add")
def _(right):
    def add(self, count):
        right(self, count)
        self.pieces = [(first, end, 0) for first, end, _ in self.pieces]

    return add


@fault("stretches", "the last piece is not taken", replay, "StretchJob")
def _(right):
    def stretch_job(*args):
        job = right(*args)
        job.count -= 1
        job.job[2] -= 1
        return job

    return stretch_job


@fault("stretches", "a second call takes no piece", stretches.Counters, "release_groups")
def _(right):
    def release_groups(self):
        if not self.counters.any():
            right(self)

    return release_groups


# ---- outside -------------------------------------------------------------------------------------


@fault("outside", "the last argument that moves is not moved", replay, "moving_arguments")
def _(right):
    def moving_arguments(*args):
        found = right(*args)
        return found._replace(
            indices=found.indices[:-1], which=found.which[:-1], within=found.within[:-1]
        )

    return moving_arguments


@fault("outside", "an array with gaps is read as a dense one", replay, "as_dense")
def _(right):
    return lambda array: array


# ---- packing -------------------------------------------------------------------------------------


@fault("packing", "values that live at once share bytes", memory, "_live_at_once")
def _(right):
    return lambda a, b: False


# ---- call arrays ---------------------------------------------------------------------------------


@fault("call arrays", "chunks read an array with gaps as a dense one", call_arrays, "as_dense")
def _(right):
    return lambda array: array


@fault("call arrays", "large results are those of the first call", call_arrays.CallArrays, "load")
def _(right):
    def load(self, values):
        given = getattr(self, "given", {})
        right(self, values)
        for k, _, is_kept in self.results:
            if not is_kept:
                self._place(k, given.setdefault(k, self.arrays[k]))
        self.given = given

    return load
