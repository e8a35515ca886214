"""Values that may be wrong for a parameter, as texts: the same for nearly all of them.

What a text stands for is a matter of argument_texts.py, which has the right values.
"""

import functools

from .argument_texts import eval_text

# fmt: off
HUGE = ["10 ** 30", "-10 ** 30", "2 ** 63", "1e300"]
WRONG = [
    "None", "True", "-1", "-7", "0", "5", "2.7", "np.float64(2.5)", "1j", "'23'", "'gpu'",
    "'same'", "''", "b'x'", "nan", "inf", "-inf", "[]", "()", "{}", "[None]", "['a']", "[1, 'a']",
    "[[1.0, 2.0], [3.0]]", "[[1], 2]", "(0, 0)", "(1, -1)", "(0, 1, 2)", "((1, 1), (2,))",
    "[(1, 2, 3)]", "(2.0, 3.0)", "object()", "lambda: 0", "lambda *a: 1 / 0", "complex", "str",
    "object", "'complex64'", "'M8[D]'", "float", "{1, 2}", "range(3)", "slice(None)", "...",
    "np.array([1 + 2j])", "np.array(['a', 'b'])", "np.array([None, 1])", "np.zeros(0)",
    "np.ma.masked_array([1.0, 2.0, 3.0], [True, False, False])", "np.zeros(2, [('a', 'f4')])",
    "np.array(['2020-01-01'], 'M8[D]')", "np.ones((2, 3, 4))", "np.ones((2, 2))",
    "np.ones((3, 2), np.int8)", "np.array([np.nan, 1.0])", "np.array([1.5, -1.0])",
    "np.array([100, -100])", "np.uint8(200)", "np.array(2)", "np.longdouble(2)", "tm.tensor(3)",
    "tm.tensor([1.0, 2.0])", "tm.ones((2, 3)) > 0", "tm.relu", "iter([1, 2])",
]
# Numbers of things that are made or done: so many of them are an honest, endless request.
_ENDLESS = {
    "steps", "test_steps", "cg_steps", "tasks", "count", "batch", "size", "filters", "channels",
    "shot", "query", "way", "classes", "drawers", "alphabets", "per_alphabet", "inputs",
    "outputs", "kernel", "features", "sizes", "n", "m", "bounds", "updates", "num", "reps",
    "indices_or_sections", "repeats",
}
# Any function may be one of these, and what it does is its own affair.
_FUNCTIONS = {"f", "fwd", "bwd", "solve", "optimality", "step", "outer_loss", "loss",
              "sample", "draw", "measure", "scheme", "activation", "layers"}
# fmt: on


@functools.cache
def wrong_texts(parameter: str) -> list[str]:
    """Texts of values that may be wrong for it."""
    if parameter in _FUNCTIONS:
        return [text for text in WRONG if not callable(eval_text(text))]
    return WRONG if parameter in _ENDLESS else WRONG + HUGE
