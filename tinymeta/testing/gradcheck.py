"""The gradient check: at every order, <u, J v> by the engine against a difference of <u, f>.

An example, for f(x) = x ** 3 at x = 2, with the direction v = 0.5 and the cotangent u = 3:

    order 1   by the engine  J(x)^T u v = 3 x^2 u v = 18    by differences  d/dt 3 (2 + 0.5 t)^3
    order 2   the same check of another function, F(x, u) = J(x)^T u, at the point (2, 3)

J is the Jacobian, v a direction, u a cotangent; both are random normal, and fresh for every
comparison. Never ones: the rows of a softmax sum to 1, so with u = 1 a backward pass that returns
zeros would look right. Never one entry at a time: a random direction meets every entry at once, and
a gradient that is wrong in any of them is right along it with probability 0, so that a check costs
some dozen evaluations of f for each comparison and not that many for each entry. One entry at a
time is what a failure does, to say which is wrong (failures.py).

In reading order: this file, point.py (F_k at a point, and the two sides of a comparison),
differences.py (the right side, and how wrong it may be), report.py (the verdict).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.checks import check_whole
from .consistency import check_consistency, check_second_point
from .differences import EPS, one_sided_slopes, slope
from .directions import is_constant
from .failures import diagnosis, failure
from .fixed import NOTE
from .kinks import Skip, count_skipped, kinks_between, parse_policy
from .point import Arrays, Point
from .refusals import rule_errors_as_failures, vacuous_error
from .report import Report, Row, with_shorter_step
from .subject import Subject, examine

MODES = ("rev", "fwd")


def check_grads(
    f: Callable,
    *args: Any,
    order: int = 2,
    n_dirs: int = 2,
    modes: Sequence[str] = ("rev",),
    kinks: str | Skip = "skip",
    seed: int | np.random.Generator = 0,
) -> Report:
    """Compare the derivatives of `f` at `args`, from the first to the `order`-th, with differences.

    With F_1 = f and F_(k+1) the map (x, u) -> J_k(x)^T u, J_k the Jacobian of F_k, order k asks

        <J_k(x)^T u, v>  =  d/dt <u, F_k(x + t v)>  at t = 0

    for `n_dirs` random pairs (the dot product test: Griewank & Walther 2008, ch. 3). Mode "fwd"
    takes J_k(x) v instead, by `jvp`; two modes are mixed in every way. What truncation and rounding
    can do to the right side is the tolerance. Finally the pullback is checked for consistency
    (consistency.py): for one output at a time, called later, at a second point, with strided
    arrays.

    `f` takes and returns trees of tensors; functions of other arrays come as a `Foreign`. Floating
    leaves are checked in float64. For a float32 leaf, what the engine makes of it in float32 is
    compared with that difference in float64, too. All other leaves stay as they are. A function
    that computes in float32 whatever it is given is compared in float32, to two digits, and at
    higher orders only where that decides anything: the report says so (fixed.py).
    kinks: "skip" comparisons that meet one, and fail if they are more than a fifth (a `Skip` counts
    over many checks); "raise"; or "one-sided": a first derivative passes if each term lies
    between the slopes on the two sides; at higher orders kinks are skipped.
    seed: an int, or a `numpy.random.Generator` to draw directions and cotangents from.

    A comparison takes at least 8 evaluations of F_k (differences.py), and there are `n_dirs` for
    each of the len(modes)^(k-1) derivatives of order k; each order costs some 4 times the last.

    Raises AssertionError with the table of comparisons, and the worst entry of the one that failed,
    or if a gradient has another shape or dtype than its input, the pullback gives two gradients for
    one cotangent, or `f` is random or writes into its arguments; as `Kink` or `Undecided` where a
    difference says nothing. ValueError if no floating leaf goes in or comes out, if nothing is
    asked for, or, as `Vacuous`, if `f` is constant near `args`.
    """
    return derivatives_report(f, args, order, n_dirs, modes, kinks, seed)


def derivatives_report(
    f: Callable,
    args: tuple,
    order: int,
    n_dirs: int,
    modes: Sequence[str],
    kinks: str | Skip = "skip",
    seed: int | np.random.Generator = 0,
    consistency: bool = True,
) -> Report:
    """What `check_grads` returns; without `consistency`, its pullback is not asked in other ways.

    For a check that asks the same function twice, or one made of it.
    """
    order, n_dirs = check_whole("check_grads", order=order, n_dirs=n_dirs)
    if not modes or not set(modes) <= set(MODES):
        raise ValueError(f"check_grads: modes {modes!r} must be some of {MODES}, as a tuple")
    rng = np.random.default_rng(seed)
    policy = parse_policy("check_grads", kinks)
    with np.errstate(all="ignore"):  # what is not finite fails, and says so itself
        subject = examine("check_grads", f, args, coarse=True)
        start = _start(subject)
        is_coarse = subject.eps > EPS  # f computes in float32 whatever it is given
        note = NOTE if is_coarse else ""
        rows: list[Row] = []
        moves = False  # does f change along any of the directions? If not, all would look right
        for k, d, function, us, vs in _to_compare(start, order, n_dirs, modes, rng):
            doubles = function.doubles
            if k == 1 and not moves:
                moves = not is_constant(doubles.function, doubles.xs, vs, doubles.eps)
            with rule_errors_as_failures("check_grads"):
                new = list(_compare(function, k, d, modes, us, vs, policy, rng))
            for row in new:
                rows.append(row)
                if _passes(row, policy) or is_coarse and k > 1 and row.says_nothing:
                    continue
                if k > 1 and not moves:  # f is constant but for rounding
                    raise vacuous_error("check_grads", subject.name)
                lines = diagnosis(doubles, row, us, vs, rng)
                raise failure(subject.name, Report(tuple(rows), note), lines)
        if moves and consistency:
            us, vs = start.doubles.random_pair(rng)
            check_consistency("check_grads", subject.name, start.doubles, us, vs, rng)
            check_second_point("check_grads", subject.name, start.doubles, us, vs)
    if not moves:
        raise vacuous_error("check_grads", subject.name)
    report = Report(tuple(rows), note)
    if isinstance(policy, Skip):
        decided = [row for row in rows if not is_coarse or row.order == 1]
        count_skipped("check_grads", subject.name, report._replace(rows=tuple(decided)), policy)
    return report


class _Function(NamedTuple):
    """One of the F_k at its point, twice: for differences, and as the caller computes it."""

    doubles: Point  # its inputs in float64
    originals: Point  # the same values in the caller's dtypes

    def random_pair(self, rng: np.random.Generator) -> tuple[Arrays, Arrays]:
        """A random cotangent u and direction v, of values that both points can hold."""
        us, vs = self.originals.random_pair(rng)
        if self.doubles.eps > EPS:  # float32 has no digits to spare for terms that cancel
            with rule_errors_as_failures("check_grads"):
                vs = self.doubles.aligned(us, vs)
        return us, vs

    def derivative(self, mode: str, order: int, us: Arrays, vs: Arrays) -> "_Function":
        """F_(k+1), by this mode, at (x, u) or (x, v)."""
        doubles = self.doubles.derivative(mode, order, us, vs)
        return _Function(doubles, self.originals.derivative(mode, order, us, vs))


def _start(subject: Subject) -> _Function:
    """F_1, the function itself at the arguments."""
    doubles = Point(
        subject.function,
        subject.inputs,
        subject.names,
        known=subject.outputs,
        eps=subject.eps,
        stacked=subject.stacked,
    )
    originals = doubles._replace(xs=subject.originals, known=subject.original_outputs, stacked=None)
    return _Function(doubles, originals)


def _to_compare(
    start: _Function, order: int, n_dirs: int, modes: Sequence[str], rng: np.random.Generator
) -> Iterator[tuple[int, int, _Function, Arrays, Arrays]]:
    """(k, number of the direction, F_k, us, vs) of each comparison, drawn when it is asked for.

    Invariant: `functions` are F_k, once for each way to take the k-1 derivatives before.
    """
    functions = [start]
    for k in range(1, order + 1):
        derivatives = []
        for function in functions:
            for d in range(1, n_dirs + 1):
                us, vs = function.random_pair(rng)
                yield k, d, function, us, vs
            if k < order:  # the last pair becomes a part of the next order's point
                derivatives += [function.derivative(mode, k, us, vs) for mode in modes]
        functions = derivatives


def _compare(
    function: _Function,
    order: int,
    direction: int,
    modes: Sequence[str],
    us: Arrays,
    vs: Arrays,
    policy: str | Skip,
    rng: np.random.Generator,
) -> Iterator[Row]:
    """One row for each mode, and one more where the user's dtypes are shorter than float64.

    All of them share one difference, in float64: in float32 it would lose half of its few digits.
    """
    doubles, originals = function
    gs = doubles.pullback(us)
    along = doubles.value_terms(us, vs, gs)  # t -> <u, f(x + t v)>, term by term, and its rounding
    numeric = slope(*along)
    compared = [doubles.displaced(t, vs) for t in (0.0, -numeric.step, numeric.step)]
    dtypes = [x.dtype for x in originals.xs]
    is_short = max(np.finfo(dtype).eps for dtype in dtypes) > EPS

    def row(point: Point, mode: str, dtype: str, terms: np.ndarray, noise: float) -> Row:
        analytic, size = float(terms.sum()), float(np.abs(terms).sum())
        mode = point.mode_after(mode)
        return Row(order, mode, direction, analytic, numeric, size, dtype, noise)

    for mode in modes:
        terms = doubles.derivative_terms(mode, us, vs, gs)
        if doubles.eps > EPS:
            noise = doubles.noise(mode, us, vs, terms, rng)
            double = row(doubles, mode, "float32", terms, noise)
        else:
            double = row(doubles, mode, "float64", terms, 0.0)
        yield _with_kinks(double, doubles, along, compared, policy)
        if is_short:
            terms = originals.derivative_terms(mode, us, vs)
            noise = originals.noise(mode, us, vs, terms, rng)
            short = row(originals, mode, str(np.result_type(*dtypes)), terms, noise)
            yield _with_kinks(short, doubles, along, [doubles.xs, originals.xs], policy)


def _passes(row: Row, policy: str | Skip) -> bool:
    """Whether it is right, or skipped where the policy allows it."""
    return row.verdict == "right" or (row.skipped and policy != "raise")


def _with_kinks(
    row: Row, point: Point, along: tuple[Callable, float], compared: list, policy: str | Skip
) -> Row:
    """The row, with what has a kink between the points compared.

    They are looked for only in rows that failed, or in all under "raise".
    """
    row = with_shorter_step(row, *along)
    if row.verdict == "not finite" or row.verdict == "right" and policy != "raise":
        return row
    names = kinks_between(point.function, compared, *along)
    if names and policy == "one-sided" and row.order == 1:
        return row._replace(subgradient=one_sided_slopes(*along).contain(row.analytic))
    return row._replace(kinks=names)
