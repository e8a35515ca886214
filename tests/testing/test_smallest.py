"""Inputs for which a check fails are made small, in the time that there is."""

import re

import numpy as np
import pytest

from tinymeta.testing.smallest import Found, smallest_given


def test_arrays_that_are_given_are_halved_as_long_as_the_check_fails_in_the_same_way():
    def check(x, y):
        if len(x) < 10:
            raise ValueError("shapes that do not fit make no smaller input")
        if x.shape[1] == 2:
            raise AssertionError("wrong in another way")
        if (x > 1).any():
            raise AssertionError(f"wrong by {x.max()}")

    x = np.random.default_rng(0).uniform(size=(20, 20))
    x[14, 4] = 1.7
    with pytest.raises(AssertionError) as error:
        check(x, np.ones(4))
    found = smallest_given(check, Found((x, np.ones(4)), error.value, ""), 60)
    (small, other), said = found.samples, str(found.error)
    assert small.shape == (10, 3) and other.tolist() == [0] and said == "wrong by 2.0"
    assert small.max() == 2 and re.match(r"smallest input found \(\d+ of \d+ simpler", found.how)


def test_when_the_time_is_up_nothing_more_is_tried():
    def check(x):
        raise AssertionError("wrong")

    start = Found((np.ones(8),), AssertionError("wrong"), "")
    found = smallest_given(check, start, -1.0)
    assert found.samples is start.samples and "(0 of 0 simpler" in found.how
    assert smallest_given(check, start, 60.0).samples[0].tolist() == [0]
