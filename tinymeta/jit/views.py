"""Views as strides: a value that only rearranges another is walked over, not copied.

Strides count elements, one for each axis; 0 repeats. A view is a function of strides: given how its
source lies in memory, how does it lie itself?
"""

from typing import NamedTuple

from .program import Line

VIEWS = {"reshape", "transpose", "broadcast_to", "slice", "flip"}


class Walk(NamedTuple):
    """Where a value's elements lie in the memory of a stored one."""
    base: Line
    offset: int
    strides: tuple[int, ...]


def dense(shape: tuple) -> tuple[int, ...]:
    """The strides of a value whose elements lie one after another; 0 along axes of size 1."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step if n > 1 else 0)
        step *= n
    return tuple(reversed(strides))


def source(line: Line) -> tuple[Line, tuple[Line, ...]]:
    """What a chain of views begins with, and the views, the first of them first."""
    chain = []
    while line.op in VIEWS:
        chain.append(line)
        line = line.inputs[0]
    return line, tuple(reversed(chain))


def walk(base: Line, chain: tuple[Line, ...], shape: tuple) -> Walk | None:
    """How the last of the views of `base` lies, in a space of this shape; None if it cannot.

    A 0-d value rides along: it is repeated everywhere.
    """
    if base.size == 1:
        return Walk(base, 0, (0,) * len(shape))
    at = (0, dense(base.shape))
    for view in chain:
        at = through(view, *at)
        if at is None:
            return None
    return Walk(base, at[0], at[1] if len(at[1]) == len(shape) else (0,) * len(shape))


def through(view: Line, offset: int, strides: tuple) -> tuple | None:
    """Offset and strides of a view, from those of its source."""
    shape, static = view.inputs[0].shape, view.static
    if view.op == "transpose":
        return offset, tuple(strides[i] for i in static["axes"])
    if view.op == "broadcast_to":
        new = view.ndim - len(shape)
        return offset, (0,) * new + tuple(s if n == m else 0 for s, n, m in
                                          zip(strides, shape, view.shape[new:]))
    if view.op == "flip":
        turned = static["axes"]
        offset += sum((shape[i] - 1) * strides[i] for i in turned)
        return offset, tuple(-s if i in turned else s for i, s in enumerate(strides))
    if view.op == "slice":
        cuts = [c.indices(n) for c, n in zip(static["cuts"], shape)]
        offset += sum(start * s for (start, _, _), s in zip(cuts, strides))
        return offset, tuple(step * s if n > 1 else 0
                             for (_, _, step), s, n in zip(cuts, strides, view.shape))
    strides = reshaped(shape, strides, view.shape)
    return None if strides is None else (offset, strides)


def reshaped(shape: tuple, strides: tuple, target: tuple) -> tuple | None:
    """The strides of a reshape, or None where its axes would not be even steps.

    From the right, axes of the source are taken together with axes of the target of equal size.
    """
    if 0 in shape:
        return (0,) * len(target)
    old = [(n, s) for n, s in zip(shape, strides) if n != 1]
    found, i = [0] * len(target), len(old)
    sizes = [j for j, n in enumerate(target) if n != 1]
    while sizes:
        group, want = [sizes.pop()], 1
        want, i = target[group[0]], i - 1
        have, step = old[i]
        while have != want:
            if have < want:                             # one more axis of the source, an even step on
                i -= 1
                if old[i][1] != step * have:
                    return None
                have *= old[i][0]
            else:
                group.append(sizes.pop())
                want *= target[group[-1]]
        for j in group:
            found[j] = step
            step *= target[j]
    return tuple(found)


def unit(view: Line) -> bool:
    """A reshape that adds or drops axes of size 1 and nothing else."""
    drop = [tuple(n for n in shape if n != 1) for shape in (view.shape, view.inputs[0].shape)]
    return view.op == "reshape" and drop[0] == drop[1]
