def lifetimes(steps, outputs):
    lives = {}
    for k, step in enumerate(steps):
        lives[step.result] = (k, k)
        for name in step.reads:
            lives[name] = (lives[name][0], k)
    for name in outputs:
        lives[name] = (lives[name][0], len(steps) - 1)
    return lives


def plan(lives, sizes):
    offsets = {}
    for name in sorted(lives, key=lambda name: lives[name][0]):
        first, last = lives[name]
        placed = [
            (begin, begin + sizes[other])
            for other, begin in offsets.items()
            if first <= lives[other][1] and lives[other][0] <= last
        ]
        ends = [0, *(end for _, end in placed)]
        offsets[name] = min(
            start
            for start in ends
            if all(start >= end or start + sizes[name] <= begin for begin, end in placed)
        )
    return offsets
