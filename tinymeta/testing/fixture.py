"""What the fixture `gradcheck` of the pytest plugin does when it is called; see pytest_tinymeta.py.

In: a function of any framework, and sample inputs or hypothesis strategies of them. Out: the
`Report` of `check_grads`, or an AssertionError in sections: what is wrong, the smallest input that
was found, and the command that runs it again.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core import tree
from ..core.checks import check_one_of, check_real, check_whole
from .foreign import Foreign, as_numpy, is_floating
from .frameworks import as_function_of_arrays, maker_of_arrays
from .gradcheck import check_grads
from .kinks import Kink, Skip
from .refusals import name_of
from .report import Report, Undecided
from .smallest import Found, smallest_drawn, smallest_given


class Options(NamedTuple):
    """The options of `gradcheck`, each as keyword of a call or of the marker."""

    order: int | None = None  # None: 2, or 1 where a backward is given that has none itself
    modes: tuple[str, ...] = ("rev",)
    kinks: str | Skip = "skip"
    n_dirs: int = 2
    dtype: str = "given"
    backward: Callable | None = None
    vjp: Callable | None = None
    examples: int = 50
    seconds: float = 1.0
    seed: int = 0


class Gradcheck:
    """The fixture `gradcheck`: a function and sample inputs in, a `Report` out.

        gradcheck(f, *samples, **options)

    `samples` say by their type what `f` is of: torch tensors, JAX arrays or pytrees, NumPy arrays,
    tensors of this engine. A sample may be a hypothesis strategy of such; then `examples` cases are
    drawn, and one that fails is made small. `f` may be a torch `Module` or `autograd.Function`, a
    callable pytree, an object with `loss_and_grad`; of a NumPy function `backward(g, *args)` is the
    pullback (see `Foreign`), or `vjp` any framework's.

    order, modes ("rev", "fwd"), kinks, n_dirs, seed: as of `check_grads`. dtype: "given" checks
    float32 samples in float32, too; "float64" in float64 alone. seconds: for making an input that
    fails smaller. Raises AssertionError as told above, ValueError for an option that is none.
    """

    def __init__(self, item_and_options: Callable):
        self._item_and_options = item_and_options  # () -> (pytest's test, its markers' options)

    def __call__(self, f: Any, *samples: Any, **options: Any) -> Report:
        __tracebackhide__ = True
        item, marked = self._item_and_options()
        chosen = _checked(marked | options)
        item.user_properties.append(("gradcheck_seed", chosen.seed))  # JUnit's reports have it

        def check(*samples: Any) -> Report:
            return _check(f, samples, chosen)

        if any(map(_is_strategy, samples)):
            found = smallest_drawn(check, samples, chosen.examples, chosen.seconds, chosen.seed)
            if not isinstance(found, Found):
                return found
        else:
            try:
                return check(*samples)
            except AssertionError as error:
                found = Found(samples, error, "the input given")
            if _is_wrong(found.error) and not _in_hypothesis():
                found = smallest_given(check, found, chosen.seconds)
        raise _failure(f, found, item.nodeid, chosen.seed) from None


def _checked(options: dict) -> Options:
    """The options, each known. Raises ValueError."""
    unknown = sorted({*options} - {*Options._fields})
    if unknown:
        known = ", ".join(Options._fields)
        raise ValueError(f"gradcheck: no option is named {', '.join(unknown)}: choose of {known}")
    chosen = Options(**options)
    check_one_of("gradcheck", ("given", "float64"), dtype=chosen.dtype)
    check_whole("gradcheck", examples=chosen.examples)
    check_whole("gradcheck", 0, seed=chosen.seed)
    check_real("gradcheck", 0.0, seconds=chosen.seconds)
    return chosen


def _check(f: Any, samples: tuple, options: Options) -> Report:
    if options.backward is not None or options.vjp is not None:
        maker = maker_of_arrays(samples)
        f = Foreign(f, backward=options.backward, vjp=options.vjp, asarray=maker)
    f, arrays = as_function_of_arrays("gradcheck", f, samples)
    order = options.order
    if order is None:
        ends = isinstance(f, Foreign) and not f.vjp and not isinstance(f.backward, Foreign)
        order = 1 if ends else 2
    if options.dtype == "float64":
        arrays = tree.map(_in_float64, arrays)
    return check_grads(
        f,
        *arrays,
        order=order,
        n_dirs=options.n_dirs,
        modes=options.modes,
        kinks=options.kinks,
        seed=options.seed,
    )


def _in_float64(x: Any) -> Any:
    is_array = hasattr(x, "dtype") and is_floating(x)
    return as_numpy(x).astype(np.float64) if is_array else x


def _is_strategy(x: Any) -> bool:
    hypothesis = sys.modules.get("hypothesis")
    return hypothesis is not None and isinstance(x, hypothesis.strategies.SearchStrategy)


def _in_hypothesis() -> bool:
    """Whether the test is one of hypothesis, which makes the input small itself."""
    hypothesis = sys.modules.get("hypothesis")
    return hypothesis is not None and hypothesis.currently_in_test_context()


def _is_wrong(error: AssertionError) -> bool:
    return not isinstance(error, (Kink, Undecided))


def _failure(f: Any, found: Found, nodeid: str, seed: int) -> AssertionError:
    """An error of the kind found, told in sections."""
    said = str(found.error)
    sections = [
        f"gradcheck: {name_of(f)}",
        said,
        f"-- {found.how}",
        *(f"argument [{k}] = {_shown(x)}" for k, x in enumerate(found.samples)),
        "-- run it again",
        f'python -m pytest "{nodeid}" --gradcheck-seed={seed}',
    ]
    return type(found.error)("\n".join(sections))


def _shown(x: Any) -> str:
    """An argument as text, an array with all its digits; cut where it is long."""
    text = f"{x.dtype} {x.tolist()}" if hasattr(x, "tolist") else repr(x)
    return text if len(text) < 2000 else f"{text[:2000]} .. ({len(text)} characters)"
