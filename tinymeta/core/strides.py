"""The strides of views: where the elements of a rearranged array are in memory.

Strides count elements, not bytes, one for each axis; 0 repeats. A view's strides are a function of
those of the array, so views of views are computed here without touching an element.
"""

from collections.abc import Sequence

Sizes = tuple[int, ...]


def dense(shape: tuple) -> Sizes:
    """The strides of an array whose elements lie one after another; 0 along axes of size 1."""
    strides: list[int] = []
    step = 1
    for n in reversed(shape):
        strides.append(step if n > 1 else 0)
        step *= n
    return tuple(reversed(strides))


def broadcast(shape: tuple, strides: tuple, target: tuple) -> Sizes:
    """The strides of `shape` seen as the larger `target`: 0 along what is repeated."""
    new = len(target) - len(shape)
    found = [0] * new
    for n, m, stride in zip(shape, target[new:], strides):
        found.append(stride if n == m else 0)
    return tuple(found)


def flipped(shape: tuple, strides: tuple, axes: tuple) -> tuple[int, Sizes]:
    """(offset, strides) of a view that runs backwards along `axes`; offset: its first element."""
    offset = 0
    found = list(strides)
    for i in axes:
        if shape[i]:
            offset += (shape[i] - 1) * strides[i]
        found[i] = -strides[i]
    return offset, tuple(found)


def sliced(shape: tuple, strides: tuple, slices: tuple) -> tuple[int, Sizes, Sizes]:
    """(offset, shape, strides) of a view through one slice for each axis."""
    offset = 0
    sizes = []
    found = []
    for n, stride, part in zip(shape, strides, slices):
        chosen = range(*part.indices(n))
        count = len(chosen)
        if count:
            offset += chosen.start * stride
        sizes.append(count)
        found.append(chosen.step * stride if count > 1 else 0)
    return offset, tuple(sizes), tuple(found)


def reshaped(shape: tuple, strides: tuple, target: tuple) -> Sizes | None:
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
        through_both = [n * stride for stride in inner]  # of the axis outside, if they are as one
        if axes and axes[-1][1] == through_both:
            n *= axes.pop()[0]
        axes.append([n, inner])
    if not axes:
        axes = [[1, [0] * len(strides)]]
    sizes, strides_of_axes = zip(*axes)
    return sizes, list(zip(*strides_of_axes))
