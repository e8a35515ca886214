"""Which arguments a function is differentiated by: `argnum` as callers write it, checked."""

from collections.abc import Callable
from typing import Any

from .checks import is_whole, shown


def chosen_argnums(argnum: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    """`argnum` as a tuple, checked against the number of positional arguments given.

    Raises TypeError for what is no number, ValueError if one is out of range or named twice.
    """
    argnums = argnum if isinstance(argnum, tuple) else (argnum,)
    if not argnums or not all(map(is_whole, argnums)):
        raise TypeError(
            f"argnum {shown(argnum)} must be the number of an argument, or a tuple of them"
        )
    for n in argnums:
        if not -count <= n < count:
            raise ValueError(
                f"argnum {n} is out of range for the {count} positional arguments given"
            )
    if len({n % count for n in argnums}) < len(argnums):
        raise ValueError(f"argnum {argnum} names one of the {count} arguments twice")
    return argnums


def of_chosen_arguments(
    f: Callable, argnums: tuple[int, ...], args: tuple, kwargs: dict[str, Any]
) -> Callable:
    """`f` as a function of the arguments `argnums` alone; the others are as in `args`, `kwargs`."""

    def f_of_chosen(*chosen: Any) -> Any:
        full = list(args)
        for n, x in zip(argnums, chosen):
            full[n] = x
        return f(*full, **kwargs)

    return f_of_chosen
