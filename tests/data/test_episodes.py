"""Tasks and pairs: shapes, disjointness, shares, fairness, and what they refuse."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymeta.data import Characters, episodes, groups, join, pairs

# The pictures below hold the numbers of their class and drawer, which are above 1.
pytestmark = pytest.mark.filterwarnings("ignore:.*the images hold numbers up to")


def labelled(classes=12, drawers=6, alphabets=3, side=4):
    """Characters whose first row holds their class, their drawer, and a mark of the corner."""
    images = np.zeros((classes, drawers, side, side), np.uint8)
    images[..., 0, 0] = np.arange(classes)[:, None]
    images[..., 0, 1] = np.arange(drawers)
    images[..., 0, 2] = 99
    alphabet = np.sort(np.arange(classes) % alphabets)
    names = tuple(f"A{a}/character{i:02}" for i, a in enumerate(alphabet))
    return Characters(images, alphabet, names)


def rng(seed=0):
    return np.random.default_rng(seed)


@settings(deadline=None, max_examples=40)
@given(
    way=st.integers(1, 12),
    shot=st.integers(1, 3),
    query=st.integers(1, 3),
    tasks=st.integers(1, 5),
    seed=st.integers(0, 2**32),
)
def test_an_episode_never_shows_one_picture_twice(way, shot, query, tasks, seed):
    support, queries = episodes(
        labelled(), rng(seed), way=way, shot=shot, query=query, tasks=tasks, rotations=False
    )
    for batch, n in ((support, shot), (queries, query)):
        assert batch.x.shape == (tasks, way * n, 4, 4, 1) and batch.x.dtype == np.float32
        assert batch.y.shape == (tasks, way * n) and batch.y.dtype == np.int64
        assert (batch.y == np.repeat(np.arange(way), n)).all()
    x = np.concatenate([support.x, queries.x], axis=1)
    y = np.concatenate([support.y, queries.y], axis=1)
    for t in range(tasks):
        classes, drawers = x[t, :, 0, 0, 0], x[t, :, 0, 1, 0]
        assert len(set(zip(classes, drawers))) == way * (shot + query)
        assert len(set(zip(classes, y[t]))) == way == len(set(classes))


def test_a_class_is_turned_as_one_and_every_quarter_turn_occurs():
    support, query = episodes(labelled(), rng(), way=3, shot=2, query=1, tasks=200)
    x = np.concatenate(
        [support.x.reshape(200, 3, 2, 4, 4), query.x.reshape(200, 3, 1, 4, 4)], axis=2
    )
    originals = {labelled().images[c, d].tobytes() for c in range(12) for d in range(6)}
    counts = [0, 0, 0, 0]
    for images in x.reshape(600, 3, 4, 4):  # a class: all its pictures
        back = [
            k
            for k in range(4)
            if all(np.rot90(i, -k).astype(np.uint8).tobytes() in originals for i in images)
        ]
        assert len(back) == 1
        counts[back[0]] += 1
    assert min(counts) > 110 and sum(counts) == 600


def test_every_class_drawer_and_order_is_equally_likely():
    support, query = episodes(labelled(4, 3), rng(), way=2, tasks=6000, rotations=False)
    classes = support.x[:, :, 0, 0, 0].astype(int)
    for first in range(4):
        for second in set(range(4)) - {first}:
            share = (classes == [first, second]).all(1).mean()
            assert abs(share - 1 / 12) < 0.015
    drawers = np.stack([support.x[:, 0, 0, 1, 0], query.x[:, 0, 0, 1, 0]], 1)
    assert all(
        abs((drawers == [a, b]).all(1).mean() - 1 / 6) < 0.02
        for a in range(3)
        for b in range(3)
        if a != b
    )


def test_the_same_seed_draws_the_same_tasks():
    one, two, other = (episodes(labelled(), rng(seed), shot=2) for seed in (1, 1, 2))
    assert np.array_equal(one.query.x, two.query.x)
    assert not np.array_equal(one.query.x, other.query.x)


@pytest.mark.parametrize(
    "wrong, words",
    [
        (dict(way=13), "way=13 needs 13 classes, and this set has 12"),
        (dict(shot=4, query=3), r"shot=4 \+ query=3 needs 7 drawers .*, and this set has 6"),
        (dict(way=0), "way=0"),
        (dict(shot=-1), "shot=-1"),
        (dict(query=0), "query=0"),
        (dict(tasks=2.5), r"tasks=2.5 must be a whole number"),
        (dict(way=True), "way=True"),
    ],
)
def test_episodes_refuse_what_the_set_cannot_give(wrong, words):
    with pytest.raises(ValueError, match=words):
        episodes(labelled(), rng(), **wrong)


def test_only_square_pictures_can_be_turned():
    oblong = Characters(np.zeros((5, 2, 3, 4), np.uint8), np.zeros(5, int), ("A/character01",) * 5)
    with pytest.raises(ValueError, match="square images, got 3x4; use rotations=False"):
        episodes(oblong, rng())
    assert episodes(oblong, rng(), rotations=False).support.x.shape == (32, 5, 3, 4, 1)


@settings(deadline=None, max_examples=40)
@given(
    count=st.integers(1, 60),
    within=st.floats(0, 1),
    same=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_pairs_keep_their_shares_and_their_word(count, within, same, seed):
    characters = labelled()
    a, b, different = pairs(characters, rng(seed), count=count, within=within, same=same)
    assert a.shape == b.shape == (count, 4, 4, 1) and a.dtype == b.dtype == np.float32
    first, second = a[:, 0, 0, 0].astype(int), b[:, 0, 0, 0].astype(int)
    assert different.dtype == bool and (different == (first != second)).all()
    assert (a[:, 0, 1] != b[:, 0, 1]).all()  # never one drawer
    alphabet = characters.alphabet
    inside = (different & (alphabet[first] == alphabet[second])).sum()
    assert (~different).sum() == round(count * same)
    assert inside == round((count - round(count * same)) * within)


def test_every_partner_occurs_and_order_is_mixed():
    uneven = labelled(7).select([0, 1, 2, 3, 5])  # alphabets of 3, 1 and 1
    a, b, different = pairs(uneven, rng(), count=4000)
    met = {(int(i), int(j)) for i, j in zip(a[:, 0, 0, 0], b[:, 0, 0, 0])}
    assert len(met) == 25  # 5 of one, 20 of two
    assert 0.4 < different[:1000].mean() < 0.6


def test_the_pictures_of_a_turned_pair_turn_alike():
    a, b, _ = pairs(labelled(), rng(), count=300, rotations=True)
    marks = [(x == 99).reshape(300, 16).argmax(1) for x in (a, b)]
    assert (marks[0] == marks[1]).all() and len(set(marks[0])) == 4


@pytest.mark.parametrize(
    "characters, wrong, words",
    [
        (labelled(), dict(count=0), "count=0"),
        (labelled(), dict(within=1.5), "within=1.5 must be a share"),
        (labelled(), dict(same=-0.1), "same=-0.1 must be a share"),
        (labelled(), dict(same=float("nan")), "same=nan must be a share"),
        (labelled(alphabets=1), dict(within=0.9), "has one, A0; use within=1"),
        (
            labelled(3, alphabets=3),
            dict(within=0.5),
            "each of these 3 alphabets has one; use within=0",
        ),
        (labelled(drawers=1), dict(), "a pair needs 2 drawers"),
    ],
)
def test_pairs_refuse_what_the_set_cannot_give(characters, wrong, words):
    with pytest.raises(ValueError, match=words):
        pairs(characters, rng(), **wrong)


def test_one_alphabet_will_do_for_pairs_within_it():
    assert pairs(labelled(alphabets=1), rng(), within=1).different.sum() == 64
    assert pairs(labelled(3, alphabets=3), rng(), within=0).different.sum() == 64


def test_select_renumbers_and_join_keeps_alphabets_together():
    characters = labelled()
    part = characters.select([11, 0, 10])
    assert part.names == ("A2/character11", "A0/character00", "A2/character10")
    assert part.alphabet.tolist() == [1, 0, 1] and part.alphabets == ("A0", "A2")
    assert part.images[:, 0, 0, 0].tolist() == [11, 0, 10] and part.drawers == 6
    assert len(characters.select(characters.alphabet == 1)) == 4
    whole = join(part, characters.select([1, 5]))
    assert whole.alphabets == ("A0", "A1", "A2") and whole.alphabet.tolist() == [2, 0, 2, 0, 1]
    with pytest.raises(ValueError, match="join: all sets must have one"):
        join(characters, labelled(drawers=5))


def test_characters_are_checked():
    with pytest.raises(ValueError, match=r"images \(3, 2, 4\) must be \(C, drawers, H, W\)"):
        Characters(np.zeros((3, 2, 4)), np.zeros(3, int), ("a",) * 3)
    with pytest.raises(ValueError, match="got 2 and 3"):
        Characters(np.zeros((3, 2, 4, 4)), np.zeros(2, int), ("a",) * 3)


@pytest.mark.parametrize("alphabets, rotations", [(1, False), (3, False), (2, True)])
def test_a_group_is_of_so_many_alphabets_classes_and_drawers(alphabets, rotations):
    for seed in range(20):
        x, y = groups(
            labelled(), rng(seed), classes=4, drawers=5, alphabets=alphabets, rotations=rotations
        )
        assert x.shape == (20, 4, 4, 1) and x.dtype == np.float32
        assert (y == np.repeat(np.arange(4), 5)).all()
        if rotations:
            continue
        classes, drawers = x[:, 0, 0, 0].reshape(4, 5), x[:, 0, 1, 0].reshape(4, 5)
        assert (classes == classes[:, :1]).all() and len(set(classes[:, 0])) == 4
        assert all(len(set(row)) == 5 for row in drawers)
        assert len(set(classes[:, 0] // 4)) == alphabets  # four classes an alphabet


def test_an_alphabet_is_turned_as_a_whole():
    seen = set()
    for seed in range(40):
        x, _ = groups(labelled(), rng(seed), classes=3, drawers=2, rotations=True)
        marks = {tuple(np.argwhere(image == 99)[0]) for image in x[..., 0]}
        assert len(marks) == 1
        seen |= marks
    assert len(seen) == 4


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(drawers=7), "drawers=7 needs 7 drawers of a character, and this set has 6"),
        (dict(classes=5), "alphabets of 5 characters, and this set has 0"),
        (dict(classes=4, alphabets=4), "as many alphabets of 1 characters, and this set has 3"),
        (dict(classes=1, alphabets=2), "classes=1 cannot be of alphabets=2"),
    ],
)
def test_a_group_that_cannot_be_drawn(options, message):
    with pytest.raises(ValueError, match=message):
        groups(labelled(), rng(), **{"classes": 3, "drawers": 2, **options})


@pytest.mark.parametrize(
    "name, draw",
    [
        ("episodes", lambda c: episodes(c, rng(), way=2, tasks=2)),
        ("pairs", lambda c: pairs(c, rng(), count=8)),
        ("groups", lambda c: groups(c, rng(), classes=4, drawers=2)),
    ],
)
def test_pictures_of_0_to_255_are_noticed_once(name, draw):
    ink = np.random.default_rng(0).integers(0, 2, (12, 6, 4, 4), np.uint8)
    photos, normal = 255 * ink, 2.0 * ink.astype(np.float32) - 1.0
    for images, warned in ((ink, 0), (normal, 0), (photos, 1), (photos.astype(np.float64), 1)):
        characters = Characters(images, np.repeat(np.arange(3), 4), labelled().names)
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("default")
            for _ in range(3):
                draw(characters)
        assert len(seen) == warned
        assert all(
            f"{name}: the images hold numbers up to 255" in str(each.message)
            and each.filename == __file__
            for each in seen
        )


@pytest.mark.parametrize(
    "draw, given", [(episodes, {}), (pairs, {}), (groups, {"classes": 2, "drawers": 2})]
)
@pytest.mark.parametrize(
    "bad, message",
    [
        ({"characters": 3}, "characters must be a Characters or Pictures, a set of classes, got 3"),
        ({"rng": np.random}, "rng must be a Generator, such as np.random.default_rng"),
        ({"rotations": "yes"}, "rotations='yes' must be True or False"),
    ],
)
def test_what_nothing_can_be_drawn_from(draw, given, bad, message):
    images = np.zeros((6, 4, 4, 4), np.uint8)
    characters = Characters(images, np.repeat([0, 1], 3), tuple(f"{k // 3}/{k}" for k in range(6)))
    with pytest.raises(TypeError, match=f"^{draw.__name__}: {message}"):
        draw(**{"characters": characters, "rng": np.random.default_rng(0), **given, **bad})


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: Characters([1], np.zeros(1, int), ("a",)),
            "Characters: images must be a ndarray, of NumPy, got",
        ),
        (
            lambda: Characters(np.zeros((1, 2, 2, 2)), np.zeros(1, int), "a"),
            "Characters: names must be a tuple",
        ),
        (
            lambda: pairs(3, None, within=[1]),
            r"pairs: within=\[1\] must be a share between 0 and 1",
        ),
        (lambda: join(3), "join: set 1 must be a Characters, a set of classes, got 3"),
    ],
)
def test_what_is_no_set_of_characters(make, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        make()
