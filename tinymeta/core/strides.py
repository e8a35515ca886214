"""The strides of views: where the elements of a rearranged array are in memory.

Strides count elements, not bytes, one for each axis; 0 repeats. A view's strides are a function of
those of the array, so views of views are computed here without touching an element.
"""

from collections.abc import Sequence


def dense(shape: tuple) -> tuple[int, ...]:
    """The strides of an array whose elements lie one after another; 0 along axes of size 1."""
    strides: list[int] = []
    step = 1
    for n in reversed(shape):
        strides.append(step if n > 1 else 0)
        step *= n
    return tuple(reversed(strides))


def broadcast(shape: tuple, strides: tuple, target: tuple) -> tuple[int, ...]:
    """The strides of `shape` seen as the larger `target`: 0 along what is repeated."""
    new = len(target) - len(shape)
    return (0,) * new + tuple(s if n == m else 0 for s, n, m in zip(strides, shape, target[new:]))


def flipped(shape: tuple, strides: tuple, axes: tuple) -> tuple[int, tuple[int, ...]]:
    """(offset, strides) of a view that runs backwards along `axes`; offset: its first element."""
    offset = sum((shape[i] - 1) * strides[i] for i in axes if shape[i])
    return offset, tuple(-s if i in axes else s for i, s in enumerate(strides))


def sliced(
    shape: tuple, strides: tuple, slices: tuple
) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """(offset, shape, strides) of a view through one slice for each axis."""
    ranges = [range(*c.indices(n)) for c, n in zip(slices, shape)]
    offset = sum(r.start * s for r, s in zip(ranges, strides) if len(r))
    return (
        offset,
        tuple(map(len, ranges)),
        tuple(r.step * s if len(r) > 1 else 0 for r, s in zip(ranges, strides)),
    )


def reshaped(shape: tuple, strides: tuple, target: tuple) -> tuple[int, ...] | None:
    """The strides of a reshape, or None where an axis would have no single stride: it needs a copy.

    From the right, a group of axes of the source is matched with a group of axes of the target of
    equal size: each step adds an axis to the smaller one. Invariant: the source's group is one axis
    with one stride, or there is no answer. Each axis is looked at once.
    """
    if 0 in shape:
        return (0,) * len(target)
    source = [(n, s) for n, s in zip(shape, strides) if n != 1]  # (size, stride), axes to match
    targets = [axis for axis, n in enumerate(target) if n != 1]
    found = [0] * len(target)
    while targets:
        group = [targets.pop()]  # axes of the target, the last one first
        target_size = target[group[0]]
        source_size, stride = source.pop()
        while source_size != target_size:
            if source_size < target_size:
                size, outer_stride = source.pop()
                if outer_stride != stride * source_size:
                    return None
                source_size *= size
            else:
                group.append(targets.pop())
                target_size *= target[group[-1]]
        for axis in group:
            found[axis] = stride
            stride *= target[axis]
    return tuple(found)


def evenly_strided(sizes: Sequence[int], strides: Sequence[int]) -> bool:
    """Can these axes be seen as one axis with one stride?"""
    step = None
    for n, s in zip(reversed(sizes), reversed(strides)):
        if n == 1:
            continue
        if step is not None and s != step:
            return False
        step = s * n
    return True


def collapsed(space: tuple, strides: list[tuple]) -> tuple[tuple, list[tuple]]:
    """A loop's sizes, and the strides of each array in it, with as few axes as possible.

    space: the sizes; strides: one tuple for each array. Neighbouring axes that each of the arrays
    strides through as through one become one axis; those of size 1 are dropped.
    """
    axes: list[list] = []  # [size, strides of each array], outermost first
    for i, n in enumerate(space):
        if n == 1:
            continue
        inner = [s[i] for s in strides]
        if axes and all(outer == n * stride for outer, stride in zip(axes[-1][1], inner)):
            axes[-1] = [axes[-1][0] * n, inner]
        else:
            axes.append([n, inner])
    axes = axes or [[1, [0] * len(strides)]]
    sizes = tuple(n for n, _ in axes)
    return sizes, list(zip(*(s for _, s in axes)))
