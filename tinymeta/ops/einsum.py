"""einsum: sums of products that a text names by the letters of their axes.

The operands are taken one after another, from the left. Of two, a label that both have is kept if
the result or a later operand has it, and is then an axis along which nothing is summed; else it is
summed over. So two operands are one batched matrix product, or one product by elements. Which order
is best, of many operands, is the caller's to know: the text is followed.
"""

import re
from typing import Any, NamedTuple

from ..core.checks import shown
from ..core.tensor import Tensor
from .broadcast import broadcast_to, sum_p
from .checks import size_of
from .diagonals import diagonal
from .elementwise import mul
from .matmul import matmul
from .movement import reshape, transpose
from .promote import promote

_TERM = r"[A-Za-z]*(\.\.\.)?[A-Za-z]*"
_SUBSCRIPTS = re.compile(rf"{_TERM}(,{_TERM})*(->{_TERM})?")


class _Labelled(NamedTuple):
    """A tensor, and a label for each of its axes: a letter, or ".0" for the last of `...`."""

    tensor: Tensor
    labels: tuple[str, ...]


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """The sum of products that `subscripts` names, as np.einsum: "ij,jk->ik" is a @ b.

    operands: one for each term of it, with a letter for each axis, `...` for those that are not
    named. Without `->` the result has the letters that stand once, in alphabetical order.
    Raises ValueError for subscripts that do not fit the operands, TypeError for what is no text.
    """
    if not isinstance(subscripts, str):
        raise TypeError(
            f"einsum: the subscripts must be a text such as 'ij,jk->ik', got {shown(subscripts)}"
        )
    text = subscripts.replace(" ", "")
    given, arrow, after = text.partition("->")
    terms = given.split(",")
    if not _SUBSCRIPTS.fullmatch(text) or len(terms) != len(operands):
        raise ValueError(
            f"einsum: {shown(subscripts)} does not name {len(operands)} operands: "
            "write a term for each, as in 'ij,jk->ik'"
        )
    tensors = promote("einsum", operands)
    factors = [_labelled(term, x) for term, x in zip(terms, tensors)]
    factors = _in_common_sizes(factors)
    result = _result_labels(after if arrow else None, given, factors)
    product = factors[0]
    for k, factor in enumerate(factors[1:], start=2):
        later = {label for x in factors[k:] for label in x.labels}
        product = _product(product, factor, later | {*result})
    total = _summed(product, {*result})
    return _in_order(total, result)


# ---- labels -------------------------------------------------------------------------------------


def _labelled(term: str, x: Tensor) -> _Labelled:
    """An operand with its labels; of axes that have one label, the diagonal."""
    head, dots, tail = term.partition("...")
    unnamed = x.ndim - len(head) - len(tail)
    if unnamed < 0 or (unnamed and not dots):
        raise ValueError(f"einsum: the term {term!r} does not fit an operand of shape {x.shape}")
    labels = [*head, *_dots(unnamed), *tail]
    for label in {*labels}:
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ValueError(f"einsum: {label!r} has two sizes in {term!r} of shape {x.shape}")
            x = diagonal(x, 0, i, j)  # a new axis at the end, in place of the two
            del labels[j], labels[i]
            labels.append(label)
    return _Labelled(x, tuple(labels))


def _dots(count: int) -> list[str]:
    """The labels of so many axes that `...` stands for."""
    return [f".{k}" for k in reversed(range(count))]


def _in_common_sizes(factors: list[_Labelled]) -> list[_Labelled]:
    """The axes of `...` broadcast. Raises ValueError for a letter of two sizes."""
    sizes: dict[str, int] = {}
    for x in factors:
        for label, n in zip(x.labels, x.tensor.shape):
            known = sizes.setdefault(label, n)
            is_unnamed = label[0] == "."
            broadcasts = is_unnamed and 1 in (n, known)
            if n != known and not broadcasts:
                what = "an axis of ..." if is_unnamed else repr(label)
                raise ValueError(f"einsum: {what} has the sizes {known} and {n}")
            sizes[label] = n if known == 1 else known
    found = []
    for x in factors:
        shape = tuple([sizes[label] for label in x.labels])
        found.append(x._replace(tensor=broadcast_to(x.tensor, shape)))
    return found


def _result_labels(after: str | None, given: str, factors: list[_Labelled]) -> list[str]:
    """The labels of the result, from what stands behind `->`, or from the operands."""
    known = {label for x in factors for label in x.labels}
    dots = _dots(sum(label[0] == "." for label in known))
    if after is None:
        single = [label for label in known if given.count(label) == 1]
        return [*dots, *sorted(single)]
    head, with_dots, tail = after.partition("...")
    labels = [*head, *tail]
    has_repeats = len({*labels}) < len(labels)
    lacks_dots = dots and not with_dots
    if has_repeats or lacks_dots or not {*labels} <= known:
        raise ValueError(
            f"einsum: the result {after!r} must have letters of the operands, each once, and ... "
            "if they have it"
        )
    return [*head, *dots, *tail]


# ---- products -----------------------------------------------------------------------------------


def _summed(x: _Labelled, kept: set[str]) -> _Labelled:
    """The sum over the labels that are not kept."""
    axes = [i for i, label in enumerate(x.labels) if label not in kept]
    if not axes:
        return x
    labels = [label for label in x.labels if label in kept]
    total = sum_p(x.tensor, axes=tuple(axes))
    return _Labelled(total, tuple(labels))


def _in_order(x: _Labelled, labels: list[str]) -> Tensor:
    """The tensor with its axes in the order of `labels`."""
    axes = [x.labels.index(label) for label in labels]
    if axes == sorted(axes):
        return x.tensor
    return transpose(x.tensor, tuple(axes))


def _product(a: _Labelled, b: _Labelled, kept: set[str]) -> _Labelled:
    """The product of two, summed over what is not kept."""
    a = _summed(a, kept | {*b.labels})
    b = _summed(b, kept | {*a.labels})
    both = [label for label in a.labels if label in b.labels]
    along = [label for label in both if label in kept]
    over = [label for label in both if label not in kept]
    left = [label for label in a.labels if label not in both]
    right = [label for label in b.labels if label not in both]
    size = dict(zip(a.labels, a.tensor.shape))
    size.update(zip(b.labels, b.tensor.shape))
    leading = [size[n] for n in along]
    rows = [size[n] for n in left]
    columns = [size[n] for n in right]
    count = size_of(size[n] for n in over)
    x = _in_order(a, along + left + over)
    y = _in_order(b, along + over + right)
    x = reshape(x, (*leading, size_of(rows), count))
    y = reshape(y, (*leading, count, size_of(columns)))
    product = matmul(x, y) if over else mul(x, y)  # (.., n, 1) * (.., 1, m) is all products
    result = reshape(product, (*leading, *rows, *columns))
    return _Labelled(result, (*along, *left, *right))
