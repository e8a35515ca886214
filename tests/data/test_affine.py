"""Distortions: none is none, whole pixels are a shift, quarter turns are rot90."""

import numpy as np
import pytest

from tinymeta.data import affine
from tinymeta.data.affine import bilinear, warp

NONE = dict(angle=0, shear=0, scale=0, shift=0)


def images(*shape):
    return np.random.default_rng(0).random((*shape, 7, 7), np.float32)


def test_nothing_asked_is_nothing_done():
    x = images(3, 2)
    y = affine(x, np.random.default_rng(0), **NONE)
    assert y.dtype == np.float32 and (y == x).all()


def test_between_pixels_is_linear():
    x = images(1)
    at = np.array([[[2.25, 3.5], [0.0, 0.0], [6.0, 6.0], [-5.0, 3.0], [3.0, 99.0]]], np.float32)
    corner = x[0, 2:4, 3:5]
    expected = np.array([0.75, 0.25]) @ corner @ np.array([0.5, 0.5])
    np.testing.assert_allclose(
        bilinear(x, at)[0, :3], [expected, x[0, 0, 0], x[0, 6, 6]], rtol=1e-5
    )
    np.testing.assert_allclose(bilinear(x, at)[0, 3:], 0.0, atol=2e-3)  # beyond is paper


def test_a_turn_keeps_the_centre_and_the_amount_of_ink():
    x = np.zeros((200, 28, 28), np.float32)
    x[:, 12:16, 8:20] = 1.0  # a bar in the middle
    y = affine(x, np.random.default_rng(0), **{**NONE, "angle": 30.0})
    np.testing.assert_allclose(y.sum((1, 2)), 48.0, rtol=0.02)
    rows, columns = np.mgrid[:28, :28] - 13.5
    for axis in (rows, columns):
        np.testing.assert_allclose((y * axis).sum((1, 2)), 0.0, atol=0.2)
    slope = (y * rows * columns).sum((1, 2)) / (y * columns**2).sum((1, 2))
    assert np.abs(slope).max() > 0.4 and (slope == 0).mean() > 0.3  # half are not turned


def test_a_shift_moves_the_centre_by_no_more_than_asked():
    x = np.zeros((300, 28, 28), np.float32)
    x[:, 10:18, 10:18] = 1.0
    y = affine(x, np.random.default_rng(0), **{**NONE, "shift": 0.1})
    middle = (y * np.arange(28)).sum((1, 2)) / y.sum((1, 2)) - 13.5
    assert 2.0 < np.abs(middle).max() < 2.81


@pytest.mark.parametrize("name, size", [("shear", 0.3), ("scale", 0.2)])
def test_shear_and_scale_change_the_picture(name, size):
    x = images(20)
    y = affine(x, np.random.default_rng(0), **{**NONE, name: size})
    assert 0 < (y != x).any((1, 2)).sum() < 20


def test_the_same_seed_gives_the_same_pictures():
    first, again, other = (affine(images(5), np.random.default_rng(s)) for s in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


def test_a_quarter_turn_is_rot90():
    x = images(3)
    turned = warp(x, np.broadcast_to(np.array([[0.0, -1.0], [1.0, 0.0]]), (3, 2, 2)))
    np.testing.assert_allclose(turned, np.rot90(x, -1, (1, 2)), atol=1e-5)


def test_the_channels_of_an_image_share_its_map():
    images = np.random.default_rng(0).random((5, 9, 8, 1)).astype(np.float32)
    grey = affine(images[..., 0], np.random.default_rng(1))
    colour = affine(np.repeat(images, 3, -1), np.random.default_rng(1), channels=True)
    np.testing.assert_array_equal(colour, np.repeat(grey[..., None], 3, -1))
    with pytest.raises(ValueError, match=r"must be numbers \(.., H, W, C\)"):
        affine(images[0, ..., 0], np.random.default_rng(0), channels=True)
