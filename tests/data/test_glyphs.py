"""Glyphs: the same from the same seed, legible, and about as hard as Omniglot."""

import numpy as np
import pytest

from tinymeta.data import Glyphs, episodes
from tinymeta.data.glyphs import rasterize
from tinymeta.data.strokes import stroke_steps


def nearest_neighbour(characters, tasks=1500):
    """Accuracy of 1-NN on raw pixels, 5-way 1-shot, nothing turned."""
    support, query = episodes(characters, np.random.default_rng(0), tasks=tasks, rotations=False)
    a, b = (batch.x.reshape(tasks, 5, -1) for batch in (query, support))
    square = (b**2).sum(2)[:, None] - 2 * a @ b.swapaxes(1, 2)  # less |a|^2, the same for all
    return (square.argmin(2) == query.y).mean()


@pytest.fixture(scope="module")
def thirty():
    return Glyphs(0).characters(30)


@pytest.fixture(scope="module")
def accuracy_on_thirty(thirty):
    return nearest_neighbour(thirty)


def test_shapes_and_names(thirty):
    assert thirty.images.shape == (600, 20, 28, 28) and thirty.images.dtype == np.uint8
    assert set(np.unique(thirty.images)) == {0, 1}
    assert len(set(thirty.names)) == 600 and len(thirty.alphabets) == 30
    assert thirty.names[0] == "Glyphs-0-0000/character01"
    assert (np.bincount(thirty.alphabet) == 20).all()


def test_an_alphabet_is_the_same_whatever_else_is_drawn(thirty):
    some = Glyphs(0).characters(2, first=3, per_alphabet=5)
    keep = [60, 61, 62, 63, 64, 80, 81, 82, 83, 84]
    assert some.names == thirty.select(keep).names
    assert np.array_equal(some.images, thirty.images[keep])


def test_other_seeds_and_numbers_give_other_alphabets(thirty):
    other = Glyphs(1).characters(2)
    assert not set(other.names) & set(thirty.names)
    assert (other.images[:20] != thirty.images[:20]).any((1, 2, 3)).all()
    assert len(np.unique(thirty.images.reshape(600 * 20, -1), axis=0)) > 0.999 * 600 * 20


def test_they_look_like_omniglot_in_numbers(thirty, accuracy_on_thirty):
    """Omniglot's background set: ink 7.8 % (5th to 95th percentile 3.3 to 12.8), 1-NN 38 %."""
    share = thirty.images.mean((2, 3))
    assert 0.068 < share.mean() < 0.088
    assert 0.03 < np.percentile(share, 5) < np.percentile(share, 95) < 0.14
    assert share.min() > 0.008
    assert 0.33 < accuracy_on_thirty < 0.44


@pytest.mark.data
def test_a_nearest_neighbour_finds_omniglot_as_hard(accuracy_on_thirty, real):
    assert abs(accuracy_on_thirty - nearest_neighbour(real.background)) < 0.04


def test_any_size_and_number_of_drawers():
    large = Glyphs(3, size=56, drawers=4).characters(1, per_alphabet=6)
    small = Glyphs(3, size=28, drawers=4).characters(1, per_alphabet=6)
    assert large.images.shape == (6, 4, 56, 56)
    halved = large.images.reshape(6, 4, 28, 2, 28, 2).mean((3, 5))
    assert np.corrcoef(halved.ravel(), small.images.ravel())[0, 1] > 0.8


def test_a_raster_is_every_pixel_within_a_radius():
    rng = np.random.default_rng(0)
    z = rng.uniform(-2, 14, (3, 5, 2)) @ [1, 1j]
    radius = np.array([0.4, 1.3, 2.6])
    rows, columns = np.mgrid[:12, :12] + 0.5  # the centres of pixels
    far = np.abs(columns + 1j * rows - z[..., None, None]).min(1)
    assert np.array_equal(rasterize(z, radius, 12), far < radius[:, None, None])


def test_steps_close_a_triangle_and_head_by_their_chord():
    lengths, turns = stroke_steps([(1, 0, 120), (1, 0, 120), (1, 0, 0)])
    assert abs(np.sum(lengths * np.exp(1j * np.cumsum(turns)))) < 0.1
    lengths, turns = stroke_steps([(1.0, 180, 0)])
    chord = np.sum(lengths * np.exp(1j * np.cumsum(turns)))
    assert abs(np.angle(chord)) < 1e-9 and abs(abs(chord) - 2 / np.pi) < 0.01


@pytest.mark.parametrize("wrong", [dict(seed=-1), dict(size=4), dict(drawers=0), dict(seed=0.5)])
def test_glyphs_are_checked(wrong):
    with pytest.raises(ValueError, match=f"Glyphs: {next(iter(wrong))}="):
        Glyphs(**wrong)


@pytest.mark.parametrize("wrong", [dict(alphabets=0), dict(per_alphabet=0), dict(first=-1)])
def test_counts_are_checked(wrong):
    with pytest.raises(ValueError, match=f"characters: {next(iter(wrong))}="):
        Glyphs().characters(**wrong)
