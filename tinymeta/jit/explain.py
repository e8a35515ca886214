"""`explain`: what the compiler made of a function, step by step.

The compiler, and Numba with it, is imported when something is explained.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..core.checks import check_flag, check_function, check_one_of
from ..core.device import PRODUCTS
from ..core.scope import setting

if TYPE_CHECKING:
    from .explained import Explained


def explain(
    f: Callable,
    *args: Any,
    times: bool = False,
    values: bool = False,
    device: str | None = None,
    products: str = "float32",
    **kwargs: Any,
) -> "Explained":
    """How `jit(f)` would run for such arguments; print it.

    Printed, it tells on one screen how many equations there are by scope and order of derivative,
    what each pass did, the bytes and the kernels. `text()` is everything: the program after each
    pass with the user's lines of source, which derivative rule made an equation and for which, the
    steps, the memory map, the generated kernels, with `times` how long each kind of step takes, and
    with `values` the least, mean and greatest element of each traced value, and which share of them
    is zero, infinite and NaN.
    device="cuda": how it would run on a GPU of sm_90, which need not be here, and its launches
    there: blocks, threads, shared memory, bytes. `executed()`, and `text()` with it, then follows
    each thread through its PTX once, on the CPU, and tells of each kernel the instructions, FFMA,
    bytes and registers, and a predicted time. products="tf32": there it
    multiplies matrices in that (`tm.device`).

    Raises what `jit(f)` raises, ValueError for a function that depends on something outside that is
    being differentiated, and for another device, RuntimeError where kernels cannot be compiled for
    a GPU.
    """
    check_function("explain", f=f)
    check_flag("explain", times=times)
    check_flag("explain", values=values)
    check_one_of("explain", PRODUCTS, products=products)
    if device is not None:
        if times or values or device != "cuda":
            raise ValueError(
                f'explain: device={device!r}, times={times}, values={values}: pass device="cuda" '
                "alone, a dry run in which nothing is run, or None for the device in use"
            )
        with _dry_run(products):
            return explain(f, *args, **kwargs)
    if products != PRODUCTS[0]:
        raise ValueError(
            f'explain: products={products!r} are of a dry run: pass device="cuda" with it, or '
            "explain inside of tm.device(.., products=..)"
        )
    from .explained import explained  # Numba is slow to import

    return explained(f, args, kwargs, times, values)


@contextmanager
def _dry_run(products: str) -> Iterator[None]:
    """A `with` block compiles for a GPU that need not be here. Raises RuntimeError, ValueError."""
    from ..cuda import driver  # numba.cuda is slow to import
    from ..cuda.dry_run import DryRunDriver

    if (reason := driver.has_compiler()) is not True:
        raise RuntimeError(f"explain: {reason}")
    with setting(device="cuda", products=products), driver.replaced_by(DryRunDriver()):
        yield
