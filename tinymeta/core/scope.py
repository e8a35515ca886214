"""What this thread is doing now: read by `bind`, and by error messages.

`recording`    whether operations on tracked tensors are recorded
               (not inside a backward pass that nobody differentiates)
`order`        how many derivatives deep the current operation is:
               0 forward, 1 gradient, 2 gradient of it
`path`         names for people, such as ("inner 3",)
`differentiated`  the tensor whose derivative rule is running; None outside of rules
`region`       0, or a number for what is computed again by a checkpoint (a compiler must not merge
               it with the first time)
`forward`      the innermost jvp whose function is running (forward.py)
`interpreter`  the function that runs a primitive; None: the eager one
`device`       where new arrays go
`products`     in what a GPU multiplies matrices of float32: "float32" or "tf32"
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from .checks import shown


class _State(threading.local):
    recording: bool = True
    order: int = 0
    path: tuple[str, ...] = ()
    differentiated: Any = None
    region: int = 0
    forward: Any = None
    interpreter: Callable | None = None
    device: str = "cpu"
    products: str = "float32"


state = _State()


@contextmanager
def setting(**values: Any) -> Iterator[None]:
    """Set fields of this thread's state for a `with` block and restore them, whatever happens."""
    before = {name: getattr(state, name) for name in values}
    for name, value in values.items():
        setattr(state, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(state, name, value)


def scope(name: str) -> AbstractContextManager[None]:
    """`with tm.scope(name):` names a part of a computation, for errors to say where they are.

    Raises TypeError for a name that is no text.
    """
    if not isinstance(name, str):
        raise TypeError(f"scope: name must be a text, got {shown(name)}")
    return setting(path=(*state.path, name))


def describe_scope() -> str:
    """The current inner step and pass, as people read it.

    Such as "inner 3 / forward", "inner 3 / backward", "backward of backward".
    """
    phase = " of ".join(["backward"] * state.order) or "forward"
    return " / ".join((*state.path, phase))
