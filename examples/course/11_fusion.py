# %% [markdown]
# # 11. Two loops become one
#
# `t = a * b` and `y = tanh(t) + c` are two loops over memory: the first writes t, the second reads
# it again. A processor computes far faster than memory delivers, so the way to be fast is not to
# write t at all: `y = tanh(a * b) + c` is one loop. That is **fusion**, and it is what most of a
# compiler such as `tm.jit` is about.
#
# A loop here is a name and a text: for every element, compute the text and store it under the name.

# %%
import re
from typing import NamedTuple

import numpy as np
from grade import grade


class Loop(NamedTuple):
    result: str
    text: str


class Reduction(NamedTuple):
    """The same, but that it adds up all elements of its text: the result is one number."""

    result: str
    text: str


def run(loops, arrays):
    """All arrays by name, after the loops have run in their order."""
    arrays = dict(arrays)
    for loop in loops:
        value = eval(loop.text, {"tanh": np.tanh, "exp": np.exp}, arrays)
        arrays[loop.result] = np.sum(value) if isinstance(loop, Reduction) else value
    return arrays


ARRAYS = {name: np.random.default_rng(k).normal(size=4) for k, name in enumerate(["a", "b", "at"])}
print(run([Loop("t", "a * b"), Loop("y", "tanh(t) + at")], ARRAYS)["y"])


# %% [markdown]
# ## Puzzle 1
# Put the text of the first loop where the second reads its result. Two traps: what does
# `t * c` become if t is `a + b`? And does `tanh(t)` hold one t or two?


# %%
def fused(first, second):
    """One Loop that does what both did; `second` reads first.result, by name, once or more."""
    raise NotImplementedError(
        "put the first text where the second has its name: whole words only, and as one operand"
    )


def check_fused(fused):
    """Look at: parentheses around what is put in, and whole names only: t is no part of tanh."""
    cases = [
        ("a * b", "t + 1"),
        ("a + b", "t * at"),
        ("a - b", "at - t"),
        ("a + at", "tanh(t) * t"),
        ("exp(a)", "b ** 2 / t"),
    ]
    for text, reader in cases:
        first, second = Loop("t", text), Loop("y", reader)
        one = Loop(*fused(first, second))
        shown = f"t = {text} and y = {reader} became {one.result} = {one.text}"
        assert one.result == "y", f"{shown}: the result is called y"
        assert not re.search(r"\bt\b", one.text), f"{shown}, which still reads t"
        try:
            found = run([one], ARRAYS)["y"]
        except Exception as error:
            raise AssertionError(f"{shown}, which cannot be run: {error}") from error
        right = run([first, second], ARRAYS)["y"]
        assert np.allclose(found, right, rtol=1e-12), (
            f"{shown}: its first element is {found[0]:.6g} and must be {right[0]:.6g}"
        )


# %% [markdown]
# ## Puzzle 2
# When **may** t vanish? Nobody else may read it later. And it must not be what a reduction returns:
# all elements of y need the whole sum, so it would be added up anew for every one of them.
# (A reduction as the second loop is welcome: it adds up while it computes.)


# %%
def may_fuse(first, second, later):
    """Whether `first` can be computed inside of `second`; `later`: the loops after both."""
    raise NotImplementedError(
        "what is between the two must be needed by nobody else, and be there in time"
    )


def check_may_fuse(may_fuse):
    """Look at: who reads t, as a whole word, and which of the two is a reduction."""
    t, y = Loop("t", "a * b"), Loop("y", "tanh(t) + at")
    cases = [
        (t, y, [], True, "t is read by y alone"),
        (t, y, [Loop("z", "y + at")], True, "z reads at, which is no t"),
        (t, y, [Loop("z", "y + t")], False, "z reads t, too"),
        (t, Loop("y", "tanh(at)"), [], False, "y does not read t at all"),
        (Reduction("t", "a * b"), y, [], False, "t is a sum: it would be added up for every y"),
        (t, Reduction("y", "t * t"), [], True, "a sum may compute what it adds up"),
    ]
    for first, second, later, right, why in cases:
        found = bool(may_fuse(first, second, later))
        shown = "; ".join(
            f"{x.result} = {'sum of ' if isinstance(x, Reduction) else ''}{x.text}"
            for x in (first, second, *later)
        )
        assert found == right, f"{shown}\nmay the first two become one? {right}: {why}"


# %%
if __name__ == "__main__":
    grade(globals())
