"""Views as arithmetic: where the elements of a rearranged array lie.

Strides count elements, one for each axis; 0 repeats. A view of a view is a function of strides, so
whoever knows how an array lies knows how any of its views lies, without touching an element.
"""


def dense(shape: tuple) -> tuple[int, ...]:
    """The strides of an array whose elements lie one after another; 0 along axes of size 1."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step if n > 1 else 0)
        step *= n
    return tuple(reversed(strides))


def broadcast(shape: tuple, strides: tuple, target: tuple) -> tuple[int, ...]:
    """The strides of `shape` seen as the larger `target`: 0 along what is repeated."""
    new = len(target) - len(shape)
    return (0,) * new + tuple(s if n == m else 0 for s, n, m in zip(strides, shape, target[new:]))


def flipped(shape: tuple, strides: tuple, axes: tuple) -> tuple[int, tuple[int, ...]]:
    """(offset, strides) of a view that runs backwards along some axes."""
    offset = sum((shape[i] - 1) * strides[i] for i in axes if shape[i])
    return offset, tuple(-s if i in axes else s for i, s in enumerate(strides))


def cut(shape: tuple, strides: tuple, cuts: tuple) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """(offset, shape, strides) of a view through one slice for each axis."""
    ranges = [range(*c.indices(n)) for c, n in zip(cuts, shape)]
    offset = sum(r.start * s for r, s in zip(ranges, strides) if len(r))
    return (
        offset,
        tuple(map(len, ranges)),
        tuple(r.step * s if len(r) > 1 else 0 for r, s in zip(ranges, strides)),
    )


def reshaped(shape: tuple, strides: tuple, target: tuple) -> tuple[int, ...] | None:
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
            if have < want:  # one more axis of the source, an even step on
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


def even(sizes, strides) -> bool:
    """Are these axes one axis with one stride?"""
    step = None
    for n, s in zip(reversed(sizes), reversed(strides)):
        if n == 1:
            continue
        if step is not None and s != step:
            return False
        step = s * n
    return True


def collapsed(space: tuple, strides: list[tuple]) -> tuple[tuple, list[tuple]]:
    """A space, and how each of some arrays moves through it, with as few axes as will do.

    Axes along which all move evenly are one axis; those of size 1 are none.
    """
    axes = []  # [size, strides of each], outermost first
    for i, n in enumerate(space):
        if n == 1:
            continue
        here = [s[i] for s in strides]
        if axes and all(outer == n * inner for outer, inner in zip(axes[-1][1], here)):
            axes[-1] = [axes[-1][0] * n, here]
        else:
            axes.append([n, here])
    axes = axes or [[1, [0] * len(strides)]]
    return tuple(n for n, _ in axes), list(zip(*(s for _, s in axes)))
