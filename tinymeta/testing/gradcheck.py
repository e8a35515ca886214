"""Is a gradient right? At every order, <u, J v> by the engine against a difference of <u, f>.

v is a direction, u a cotangent, both random normal and fresh for every comparison. (Never ones: the
rows of a softmax sum to 1, so a backward pass that returns zeros would look right.)
"""

from collections.abc import Callable, Iterator

import numpy as np

from .consistency import consistent, right_elsewhere
from .differences import ROUNDINGS, sides, slope
from .kinks import Kink, Skip, kinks_between, policy_of
from .point import Point
from .report import Report, Row, Undecided, closer
from .subject import blaming, examined, still, vacuous

MODES = ("rev", "fwd")
SAMPLES = 3  # of a point moved by roundings: how far does a float32 result go?
ENTRIES = 100  # how many entries a failure looks at, to name the worst


def check_grads(
    f: Callable,
    *args,
    order: int = 2,
    n_dirs: int = 2,
    modes=("rev",),
    kinks: str | Skip = "skip",
    seed=0,
) -> Report:
    """Compare the derivatives of `f` at `args`, from the first to the `order`-th, with differences.

    With F_1 = f and F_(k+1) the map (x, u) -> J_k(x)^T u, J_k the Jacobian of F_k, order k asks

        <J_k(x)^T u, v>  =  d/dt <u, F_k(x + t v)>  at t = 0

    for `n_dirs` random pairs (the dot product test: Griewank & Walther 2008, ch. 3). Mode "fwd"
    takes J_k(x) v instead, as the pullback of the pullback; two modes are mixed in every way. What
    truncation and rounding can do to the right side is the tolerance. At last the pullback is asked
    in other ways (consistency.py): for one output alone, late, elsewhere, with strides.

    `f` takes and returns trees of tensors; functions of other arrays come as a `Foreign`. Floating
    leaves are checked in float64. For a float32 leaf, what the engine makes of it in float32 is
    compared with that difference in float64, too. All other leaves stay as they are.
    kinks: "skip" comparisons that meet one, and fail if they are more than a fifth (a `Skip` counts
    over many checks); "raise"; or "one-sided", where a first derivative between the slopes on the
    two sides is right, term by term, and higher orders are skipped.
    seed: an int, or a `numpy.random.Generator` to draw directions and cotangents from.

    Raises AssertionError with the table of comparisons, and the worst entry of the one that failed,
    or if a gradient has another shape or dtype than its input, the pullback answers in two ways, or
    `f` is random or writes into its arguments; as `Kink` or `Undecided` where a difference
    cannot judge. ValueError if no floating leaf goes in or comes out, if nothing is asked for, or,
    as `Vacuous`, if `f` is constant near `args`.
    """
    if order < 1 or n_dirs < 1 or not modes or not set(modes) <= set(MODES):
        raise ValueError(
            f"check_grads: order {order} and n_dirs {n_dirs} must be at least 1, "
            f"modes {modes!r} some of {MODES}"
        )
    rng, policy = np.random.default_rng(seed), policy_of("check_grads", kinks)
    rows, moves = [], False
    with np.errstate(all="ignore"):  # what is not finite fails, and says so itself
        subject = examined("check_grads", f, args)
        start = wide = Point(subject.function, subject.inputs, subject.names)
        level = [(wide, wide._replace(xs=subject.own))]
        for k in range(1, order + 1):
            nodes, level = level, []
            for wide, own in nodes:
                for d in range(1, n_dirs + 1):
                    us, vs = own.drawn(rng)
                    moves = moves or k == 1 and not still(wide.function, wide.xs, vs)
                    with blaming("check_grads"):
                        found = list(compared(wide, own, k, d, modes, us, vs, policy, rng))
                    for row in found:
                        rows.append(row)
                        if row.verdict == "right" or row.skipped and policy != "raise":
                            continue
                        if k > 1 and not moves:  # the derivative of rounding is no derivative
                            raise vacuous("check_grads", subject.called)
                        raise failure(subject.called, rows, told(wide, row, us, vs, rng))
                for mode in modes:  # the last pair becomes part of the next point
                    level.append([p.derivative(mode, k, us, vs) for p in (wide, own)])
        if moves:
            us, vs = start.drawn(rng)
            consistent("check_grads", subject.called, start, us, vs, rng)
            right_elsewhere("check_grads", subject.called, start, us, vs)
    if not moves:
        raise vacuous("check_grads", subject.called)
    return counted(subject.called, Report(tuple(rows)), policy)


def compared(wide: Point, own: Point, order, d, modes, us, vs, policy, rng) -> Iterator[Row]:
    """One row for each mode, and one more where the user's dtypes are shorter than float64."""
    along = wide.along(us, vs, wide.pulled(us))
    numeric = slope(*along)
    between = [wide.moved(t, vs) for t in (0.0, -numeric.step, numeric.step)]
    eps = max(np.finfo(x.dtype).eps for x in own.xs)

    def row(point, mode, **more):
        parts = point.terms(mode, us, vs)
        return Row(
            order,
            point.after(mode),
            d,
            float(parts.sum()),
            numeric,
            float(np.abs(parts).sum()),
            **more,
        )

    for mode in modes:
        yield at_kinks(row(wide, mode), wide, along, between, policy)
        if eps > np.finfo(np.float64).eps:
            short = row(own, mode, dtype=str(np.result_type(*(x.dtype for x in own.xs))))
            moved = [own.shaken(rng).terms(mode, us, vs).sum() for _ in range(SAMPLES)]
            noise = ROUNDINGS * (eps * short.size + max(abs(short.analytic - m) for m in moved))
            yield at_kinks(
                short._replace(noise=float(noise)), wide, along, [wide.xs, own.xs], policy
            )


def at_kinks(row: Row, point: Point, along, points, policy) -> Row:
    """The row, with what has a kink between the points; looked for only where that matters."""
    row = closer(row, *along)
    if row.verdict == "not finite" or row.verdict == "right" and policy != "raise":
        return row
    names = kinks_between(point.function, points, *along)
    if names and policy == "one-sided" and row.order == 1:
        return row._replace(subgradient=sides(*along).span(row.analytic))
    return row._replace(kinks=names)


def counted(name: str, report: Report, policy) -> Report:
    """The report, if not too much of it was skipped."""
    if isinstance(policy, Skip):
        policy.count(report)
        if policy.too_many:
            raise Kink(
                f"check_grads: {name}: {policy}; kinks between the points compared: "
                f"{', '.join(report.kinks)}; choose other inputs, or another policy for "
                f"kinks\n{report}"
            )
    return report


# ---- what a failure says ------------------------------------------------------------------------


def failure(name: str, rows: list[Row], lines: list[str]) -> AssertionError:
    """The exception for the last row."""
    row = rows[-1]
    why = ": an edge of the domain is near, or rounding hides it: choose other inputs"
    kind, what = {
        "wrong": (AssertionError, "is wrong"),
        "not finite": (AssertionError, "is not finite"),
        "at a kink": (Kink, "is asked for at a kink"),
        "undecided": (Undecided, "cannot be decided by differences" + why),
    }[row.verdict]
    return kind(
        "\n".join(
            [
                f"check_grads: the derivative of {name} of order {row.order} {what}",
                str(Report(tuple(rows))),
                *lines,
            ]
        )
    )


def told(point: Point, row: Row, us, vs, rng) -> list[str]:
    """The entry of the gradient that is furthest off, and what has a kink near."""
    gs = point.pulled(us)
    entries = [(i, index) for i, x in enumerate(point.xs) for index in np.ndindex(x.shape)]
    if len(entries) > ENTRIES:
        entries = [entries[k] for k in rng.choice(len(entries), ENTRIES, replace=False)]
    found = []
    for i, index in entries:
        unit = [np.zeros(x.shape) for x in point.xs]
        unit[i][index] = 1.0
        numeric = slope(*point.along(us, unit, gs))
        error = abs(gs[i][index] - numeric.value)
        found.append((error if np.isfinite(error) else np.inf, i, index, numeric))
    error, i, index, numeric = max(found, key=lambda entry: entry[0])
    lines = [
        f"worst entry: {point.names[i]} at {index}: analytic {gs[i][index]:.12g}, "
        f"numeric {numeric.value:.12g}, error {error:.1e}, "
        f"tolerance {numeric.tolerance:.1e}, step {numeric.step:.1e}"
    ]
    if row.kinks:
        lines.append(
            f"kinks between the points compared: {', '.join(row.kinks)}; choose other "
            "inputs, or another policy for kinks"
        )
    return lines
