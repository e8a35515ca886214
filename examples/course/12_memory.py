# %% [markdown]
# # 12. Planning memory
#
# A compiled program knows beforehand which step stores what and who reads it last. So it needs no
# allocator while it runs: all values get their places in one block, the **arena**, and those that
# never live at the same time may have the same place. In a MAML step, whose backward passes keep so
# much alive, this is the difference between a third of the memory and all of it.
#
# Step k computes its result from what it reads. A value lives from the step that stores it to the
# last one that reads it; an output lives to the end.

# %%
from typing import NamedTuple

import numpy as np
from grade import grade


class Step(NamedTuple):
    result: str
    reads: tuple
    size: int  # bytes of the result


STEPS = [
    Step("a", (), 64),
    Step("b", ("a",), 128),
    Step("c", ("b",), 64),
    Step("y", ("c", "a"), 64),
    Step("z", ("c",), 64),
]
print("without reuse:", sum(step.size for step in STEPS), "bytes")


# %% [markdown]
# ## Puzzle 1


# %%
def lifetimes(steps, outputs):
    """{name: (first, last)}: the numbers of the steps, from 0, in which the value has to be there.

    Outputs live to the last step of the program; what nobody reads, during its own step alone.
    """
    raise NotImplementedError(
        "a value begins where it is made and ends where it is read last; who reads an output?"
    )


def check_lifetimes(lifetimes):
    """Look at: a value lives *through* the step that reads it last; outputs, to the end."""
    _compare_lives(lifetimes, ("y",), {"a": (0, 3), "b": (1, 2), "c": (2, 4), "y": (3, 4)})
    _compare_lives(lifetimes, ("a", "z"), {"a": (0, 4), "y": (3, 3), "z": (4, 4)})


def _compare_lives(lifetimes, outputs, right):
    found = lifetimes(STEPS, outputs)
    steps = [step[:2] for step in STEPS]
    for name, life in right.items():
        assert name in found, f"{name} is missing: every step's result has a lifetime"
        assert tuple(found[name]) == life, (
            f"{name} lives from step {life[0]} to {life[1]}, you say {tuple(found[name])}, "
            f"where the outputs are {outputs} of the steps {steps}"
        )


# %% [markdown]
# ## Puzzle 2
# The best packing is an NP-hard problem; first fit comes near. In the order of their first steps,
# give each value the lowest offset at which it overlaps no value that lives at a common step.


# %%
def plan(lives, sizes):
    """{name: offset}, the byte of the arena where each value begins.

    lives: {name: (first, last)}, both included; sizes: {name: bytes}.
    """
    raise NotImplementedError(
        "one after another, each at the lowest place where nothing lies that lives at its time"
    )


def check_plan(plan):
    """Look at: in time, last is included; in space, one may begin exactly where another ends."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        firsts = np.sort(rng.integers(0, 12, 16))
        lives = {f"v{k}": (int(t), int(t + rng.integers(0, 5))) for k, t in enumerate(firsts)}
        sizes = {name: 64 * int(rng.integers(1, 5)) for name in lives}
        offsets = plan(dict(lives), dict(sizes))
        _refuse_overlaps(lives, sizes, offsets)
        needed = max(offsets[name] + sizes[name] for name in lives)
        together = max(_live_bytes(lives, sizes, k) for k in range(18))
        assert needed <= 1.5 * together, (
            f"the arena has {needed} bytes, but no more than {together} live at any one step, of "
            f"{sum(sizes.values())} in all: use places again once their value is dead"
        )


def _refuse_overlaps(lives, sizes, offsets):
    for a in lives:
        assert a in offsets, f"{a} has no offset"
        assert offsets[a] >= 0, f"{a} begins at {offsets[a]}, before the arena"
        for b in lives:
            step = max(lives[a][0], lives[b][0])
            both_live = step <= min(lives[a][1], lives[b][1])
            begin = max(offsets[a], offsets[b])
            if a < b and both_live and begin < min(offsets[a] + sizes[a], offsets[b] + sizes[b]):
                raise AssertionError(
                    f"at step {step} both live and overlap at byte {begin}: "
                    + " and ".join(
                        f"{x} (steps {lives[x]}, bytes {offsets[x]} to {offsets[x] + sizes[x]})"
                        for x in (a, b)
                    )
                )


def _live_bytes(lives, sizes, step):
    return sum(sizes[x] for x, (first, last) in lives.items() if first <= step <= last)


# %%
if __name__ == "__main__":
    grade(globals())
