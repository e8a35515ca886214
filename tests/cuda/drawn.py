"""A case of a primitive's own strategy, the same each time."""

from hypothesis import find, settings

from tinymeta.core.primitive import registry
from tinymeta.testing.cases import Case, strategy_for


def case_of(name: str, dtype: str) -> Case:
    """One that hypothesis finds simplest and whose arrays all have several entries.

    Floats are in `dtype`.
    """
    case = find(
        strategy_for(registry[name]),
        lambda c: all(x.size > 1 for x in c.inputs),
        settings=settings(database=None, derandomize=True),
    )
    inputs = tuple(x.astype(dtype) if x.dtype.kind == "f" else x for x in case.inputs)
    return case._replace(inputs=inputs)
