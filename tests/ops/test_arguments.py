"""Wrong arguments, by kinds: each is refused where it enters, in one sentence of the function called."""

import re

import numpy as np
import pytest

import tinymeta as tm

x = tm.ones((2, 3))
NO_TENSOR = "a string"

SPEAKING = {
    "softmax": lambda: tm.softmax(NO_TENSOR), "logsumexp": lambda: tm.logsumexp(np.ones(2, complex)),
    "norm": lambda: tm.norm(NO_TENSOR), "stack": lambda: tm.stack([x, NO_TENSOR]),
    "expand_dims": lambda: tm.expand_dims(x, 7), "clip": lambda: tm.clip(x, np.ones(2)),
    "pad": lambda: tm.pad(x, 1, np.ones(2)), "avg_pool2d": lambda: tm.avg_pool2d(NO_TENSOR),
    "add": lambda: tm.add(x, NO_TENSOR), "sub": lambda: object() - x, "&": lambda: (x > 0) & 1.0,
    "max": lambda: x.max(5), "matmul": lambda: NO_TENSOR @ x, "power": lambda: x ** NO_TENSOR,
    "where": lambda: tm.where(x > 0, x, NO_TENSOR), "zeros_like": lambda: tm.zeros_like(None),
}


@pytest.mark.parametrize("way", [lambda f: f, tm.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("name", SPEAKING)
def test_an_error_speaks_of_the_function_that_was_called(name, way):
    with pytest.raises((TypeError, ValueError), match=f"^{re.escape(name)}[: ]"):
        way(SPEAKING[name])()


def test_an_error_in_a_function_of_the_users_stays_its_own():
    def f(x):
        raise ValueError("mine: as it is")
    for call in (lambda: tm.jvp(f, (x,), (x,)), lambda: tm.checkpoint(f)(x), lambda: tm.hvp(f, x, x)):
        with pytest.raises(ValueError, match="^mine: as it is$"):
            call()
