"""Index arrays and masks in x[...]: values, gradients, what is refused; and scatter_add."""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.testing import check_grads
from tinymeta.testing.interpreted import interpreted_jit

x = np.random.default_rng(0).normal(size=(3, 4, 5))
i, j = np.array([2, 0, 2]), np.array([[1], [-1]])
mask = x > 0.3

INDICES = {
    "one": np.s_[i],
    "a list": np.s_[[0, -1]],
    "two": np.s_[i, i],
    "broadcast": np.s_[i, j],
    "all": np.s_[i, j, 1],
    "the last": np.s_[..., i],
    "the middle": np.s_[:, i],
    "two at the end": np.s_[:, i, j],
    "apart": np.s_[i, :, j],
    "apart by dots": np.s_[i, ..., 0],
    "apart by None": np.s_[i, None, i],
    "an integer beside": np.s_[1, i],
    "an integer apart": np.s_[1, :, i],
    "None first": np.s_[None, i],
    "None behind": np.s_[:, i, None],
    "slices and a flip": np.s_[::-1, 1:3, i],
    "0-d": np.s_[np.array(1)],
    "nothing": np.s_[[]],
    "unsigned": np.s_[i.astype(np.uint8)],
    "a tensor": np.s_[i[:, None], i[None]],
}
MASKS = {
    "whole": np.s_[mask],
    "of two axes": np.s_[mask[..., 0]],
    "of the last": np.s_[..., mask[0, 0]],
    "of the middle two": np.s_[:, mask[0]],
    "of nothing": np.s_[mask & False],
    "a list": np.s_[[True, False, True]],
    "beside a slice": np.s_[1:, mask[0, :, 0]],
}


@pytest.mark.parametrize("name", [*INDICES, *(f"mask {name}" for name in MASKS)])
def test_the_value_is_numpys_and_the_gradient_the_way_back(name):
    index = INDICES[name] if name in INDICES else MASKS[name.removeprefix("mask ")]
    expected = x[index]
    for f in (lambda x: tm.asarray(x)[index], interpreted_jit(lambda x: x[index])):
        np.testing.assert_array_equal(f(x).numpy(), expected)
    if expected.size:
        check_grads(lambda x: tm.square(x[index]), x, order=2, n_dirs=1)


@pytest.mark.parametrize("name", INDICES)
def test_index_arrays_may_be_arguments_of_a_program(name):
    index = INDICES[name]
    index = index if isinstance(index, tuple) else (index,)
    places = [k for k, part in enumerate(index) if isinstance(part, np.ndarray)]

    def f(x, *arrays):
        parts = list(index)
        for k, array in zip(places, arrays):
            parts[k] = array
        return tm.asarray(x)[tuple(parts)]

    arrays = [tm.asarray(index[k]) for k in places]
    for run in (f, interpreted_jit(f)):
        np.testing.assert_array_equal(run(x, *arrays).numpy(), x[index])


def test_what_stands_at_one_place_twice_gets_both_gradients():
    g = tm.grad(lambda x: (x[i] * np.array([1.0, 2.0, 4.0])).sum())(np.zeros(3))
    assert g.numpy().tolist() == [2, 0, 5]


def test_a_mask_that_is_not_known_is_refused_in_one_sentence():
    with pytest.raises(TypeError, match=r"how many elements a mask chooses is not known [^\n]*$"):
        tm.jit(lambda x: x[x > 0])(x)
    known = tm.jit(lambda x: x[mask].sum())(x)
    np.testing.assert_allclose(known.item(), x[mask].sum())


WRONG = {
    "out of range": (IndexError, np.s_[[0, 3]], "indices from 0 to 3 are out of range for size 3"),
    "two shapes": (IndexError, np.s_[[0, 1], [0, 1, 2]], "do not broadcast"),
    "a mask of another shape": (IndexError, np.s_[mask[:2]], "the mask .* does not fit the axes"),
    "too many": (IndexError, np.s_[i, i, i, i], "too many parts"),
    "floats": (TypeError, np.s_[np.ones(2)], "not with an index of float64"),
    "a bool": (TypeError, np.s_[True], "not bool"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_said(name):
    kind, index, words = WRONG[name]
    for run in (lambda x: tm.asarray(x)[index], tm.jit(lambda x: x[index])):
        with pytest.raises(kind, match=f"index[^\n]*{words}[^\n]*$"):
            run(x)


def test_scatter_add_undoes_take_and_adds_what_lies_together():
    for shape, axis in (((3,), 1), ((2, 3), 0), ((2, 3), -1)):
        indices = np.resize([4, 0, 4, 1], shape)
        v = np.random.default_rng(1).normal(size=tm.take(np.zeros((6, 6)), indices, axis).shape)
        expected = np.zeros((6, 6) if v.ndim == 1 + len(shape) else ())
        np.add.at(expected, (slice(None),) * (axis % 2) + (indices,), v)
        for f in (tm.scatter_add, interpreted_jit(lambda v, i, n, a: tm.scatter_add(v, i, n, a))):
            found = f(v, indices, 6, axis)
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
        check_grads(lambda v, i=indices, a=axis: tm.square(tm.scatter_add(v, i, 6, a)), v, order=2)
    with pytest.raises(ValueError, match="^scatter_add: the axes of values"):
        tm.scatter_add(np.ones((2, 3)), [0, 1, 2], 4)
    with pytest.raises(IndexError, match="^scatter_add: indices from 0 to 4 are out of range"):
        tm.scatter_add(np.ones(2), [0, 4], 4)
