"""Lake's one-shot runs: reading, scoring, and the baseline's published figure."""

import zipfile

import damage
import numpy as np
import pytest

from tinymeta.data import oneshot
from tinymeta.data.oneshot import OneShotRun, all_runs, evaluate, modified_hausdorff


@pytest.fixture
def tiny_runs(tmp_path, png, make_zip, monkeypatch):
    """all_runs.zip of random pictures, whose tests show the classes in reverse: files, write."""
    rng = np.random.default_rng(0)
    files = {}
    for r in range(1, 21):
        for i in range(1, 21):
            for path in (f"training/class{i:02}", f"test/item{i:02}"):
                picture = (rng.random((105, 105)) < 0.1).astype(np.uint8)
                files[f"run{r:02}/{path}.png"] = png(picture)
        files[f"run{r:02}/class_labels.txt"] = "\n".join(
            f"run{r:02}/test/item{i:02}.png run{r:02}/training/class{21 - i:02}.png"
            for i in range(1, 21)
        ).encode()

    def write():
        make_zip(tmp_path / "all_runs.zip", files)

    write()
    monkeypatch.setattr(
        oneshot,
        "DIGEST",
        oneshot.digest([oneshot._read_run(files, f"run{r:02}", tmp_path) for r in range(1, 21)]),
    )
    return files, write


def test_runs_are_read_at_both_sizes_and_scored(tmp_path, tiny_runs):
    large, small = all_runs(tmp_path, size=105), all_runs(tmp_path)
    assert len(large) == len(small) == 20
    assert large[3].train.shape == (20, 105, 105) and small[3].test.shape == (20, 28, 28)
    assert large[7].answers.tolist() == list(range(19, -1, -1))
    assert np.array_equal(large[2].test[:, 1::15, 1::15][:, :7], small[2].test[:, ::4, ::4])
    perfect = evaluate(lambda test, train: -np.eye(20)[::-1], large)
    assert perfect.mean == 0 and perfect.se == 0 and perfect.errors.shape == (20,)
    assert evaluate(lambda test, train: -np.eye(20), large).mean == 1


def test_the_score_is_a_mean_over_runs_with_its_standard_error():
    run = OneShotRun(np.zeros((20, 4, 4)), np.zeros((20, 4, 4)), np.arange(20))
    wrong = iter([0, 5, 10, 5])

    def distance(test, train):
        d = 1 - np.eye(20)
        d[: next(wrong)] *= -1
        return d

    score = evaluate(distance, [run] * 4)
    assert score.errors.tolist() == [0, 0.25, 0.5, 0.25]
    assert score.mean == 0.25 and np.isclose(score.se, np.sqrt(0.125 / 3) / 2)


@pytest.mark.parametrize("d", [np.zeros((20, 19)), np.zeros(20), np.full((20, 20), np.nan)])
def test_what_is_no_distance_is_refused(d):
    run = OneShotRun(np.zeros((20, 4, 4)), np.zeros((20, 4, 4)), np.arange(20))
    with pytest.raises(ValueError, match="distance must return 20x20 numbers"):
        evaluate(lambda test, train: d, [run])


def test_the_runs_may_lie_in_an_unpacked_folder(tmp_path, tiny_runs):
    packed = all_runs(tmp_path)
    zipfile.ZipFile(tmp_path / "all_runs.zip").extractall(tmp_path / "all_runs" / "all_runs")
    (tmp_path / "all_runs.zip").unlink()
    unpacked = all_runs(tmp_path)
    assert all(np.array_equal(a, b) for one, two in zip(packed, unpacked) for a, b in zip(one, two))


@pytest.mark.parametrize(
    "path, change, words",
    [
        ("test/item09.png", None, "lacks run07/test/item09.png"),
        ("class_labels.txt", None, "lacks run07/class_labels.txt"),
        ("class_labels.txt", lambda old, png: b"\xff one\nitem01", "does not pair"),
        ("class_labels.txt", lambda old, png: old.replace(b"class02", b"class03"), "does not pair"),
        ("test/item09.png", lambda old, png: b"GIF", "item09.png is not a sound"),
        ("test/item09.png", lambda old, png: png(np.eye(105, dtype=np.uint8)), "other pictures"),
    ],
)
def test_foreign_or_tampered_runs_are_refused(tmp_path, tiny_runs, png, path, change, words):
    files, write = tiny_runs
    old = files.pop(f"run07/{path}")
    if change:
        files[f"run07/{path}"] = change(old, png)
    write()
    with pytest.raises(ValueError, match=words) as raised:
        all_runs(tmp_path)
    assert str(tmp_path / "all_runs.zip") in str(raised.value) and "\n" not in str(raised.value)


def test_damaged_runs_are_read_right_or_refused_in_a_sentence(tmp_path, tiny_runs):
    whole, path = all_runs(tmp_path), tmp_path / "all_runs.zip"
    for kind, data in damage.archives(path.read_bytes(), seed=0, count=6):
        path.write_bytes(data)
        found = damage.outcome(lambda: all_runs(tmp_path), path)
        assert isinstance(found, str) or oneshot.digest(found) == oneshot.digest(whole), kind


def test_missing_runs_and_odd_sizes_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="all_runs.zip is missing"):
        all_runs(tmp_path)
    with pytest.raises(ValueError, match="size=32 must be 28 or 105"):
        all_runs(tmp_path, size=32)


def test_modified_hausdorff_by_hand():
    rng = np.random.default_rng(0)
    test, train = (rng.random((3, 15, 15)) < 0.1, rng.random((4, 15, 15)) < 0.2)
    d = modified_hausdorff(test, train)
    for i, one in enumerate(test):
        for j, two in enumerate(train):
            a, b = (np.argwhere(x) - np.argwhere(x).mean(0) for x in (one, two))
            apart = np.array([[np.hypot(*(p - q)) for q in b] for p in a])
            assert abs(d[i, j] - max(apart.min(0).mean(), apart.min(1).mean())) < 1e-3
    assert np.abs(np.diag(modified_hausdorff(test, test))).max() < 0.01


@pytest.mark.data
def test_published_figures_are_met(omniglot_root):
    """Modified Hausdorff 38.75 % (upstream rounds to 38.8), L2 on raw pixels 81 % at both sizes."""

    def l2(test, train):
        a, b = (x.reshape(20, -1).astype(float) for x in (test, train))  # of 0 and 1: exact
        return (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)

    if not (omniglot_root / "all_runs.zip").exists():
        pytest.skip("all_runs.zip is absent")
    large = all_runs(omniglot_root, size=105)
    hausdorff = evaluate(modified_hausdorff, large)
    assert np.allclose(
        100 * hausdorff.errors,
        [45, 35, 40, 25, 30, 15, 60, 35, 40, 55, 15, 70, 65, 35, 15, 25, 30, 40, 70, 30],
    )
    assert np.isclose(hausdorff.mean, 0.3875)
    assert np.isclose(evaluate(l2, large).mean, 0.81)
    assert np.isclose(evaluate(l2, all_runs(omniglot_root)).mean, 0.81)
