"""NumPy's small integers as sizes, counts and axes: what 200 is, np.uint8(200) is, and never wraps.

Every public function is called with a Python integer for each parameter that takes one, and again
with NumPy's narrow ones.
"""

import dataclasses
import inspect

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import calls
from tinymeta.testing.argument_texts import LABELLED, eval_text

NARROW = [np.uint8, np.int8]
INTEGERS = (2, 3, 20, 120)  # the square of 20 does not fit into eight bits, nor twice 120


def arguments():
    """(function, name of a parameter) of all that take an integer, by what is right for them."""
    for function in calls.public_callables():
        for p in calls.parameters_of(function):
            if p.kind is not p.VAR_KEYWORD:
                texts = calls.right_texts(function, p.name)
                if any(type(eval_text(text)) is int for text in texts):
                    yield function, p.name


def given(function: str, name: str, value) -> tuple[list, dict]:
    """The first right value for what must be given, and this one for the parameter `name`."""
    args, kwargs = [], {}
    for p in calls.parameters_of(function):
        wanted = p.default is p.empty and p.kind is not p.VAR_KEYWORD
        found = value if p.name == name else None
        if found is None and wanted:
            found = eval_text(calls.right_texts(function, p.name)[0])
        if found is None:
            continue
        if p.kind in (p.KEYWORD_ONLY,) or p.default is not p.empty:
            kwargs[p.name] = found
        else:
            args.append(found)
    return args, kwargs


def content(result):
    """What can be compared: arrays by their bytes; of what computes, what it computes."""
    if dataclasses.is_dataclass(result):
        fields = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
        made = [result.init(np.random.default_rng(0))] if hasattr(result, "init") else []
        return [type(result).__name__, content(list(fields.values())), content(made)]
    if isinstance(result, tm.meta.Method):
        params = result.init(np.random.default_rng(0))
        labelled = eval_text(LABELLED)
        takes_tasks = result.meta_grad.__module__ != "tinymeta.meta.siamese"
        data = tm.Tasks(labelled, labelled) if takes_tasks else labelled
        return content(result.meta_grad(params, data))
    if inspect.isfunction(result):
        return content(result(1.0))
    if isinstance(result, (tm.Tensor, np.ndarray)):
        array = np.asarray(result)
        return [array.shape, str(array.dtype), array.tobytes()]
    if isinstance(result, dict):
        return {key: content(value) for key, value in result.items()}
    if isinstance(result, (list, tuple)):
        return [content(value) for value in result]
    if isinstance(result, (np.integer, int)):
        return [type(result).__name__, int(result)]
    return type(result).__name__


def outcome(function: str, name: str, value):
    """The content of what the call returns, or its error's type."""
    args, kwargs = given(function, name, value)
    try:
        return content(eval_text(function)(*args, **kwargs))
    except (ValueError, TypeError, IndexError) as error:
        return type(error).__name__


@pytest.mark.parametrize("function, name", list(arguments()))
def test_a_narrow_integer_is_the_integer(function, name):
    for integer in INTEGERS:
        expected = outcome(function, name, integer)
        for narrow in NARROW:
            assert outcome(function, name, narrow(integer)) == expected, (integer, narrow)
