"""Checkpoints that were tampered with, digest and all: resumed as they say, or refused in one
sentence; a refusal changes neither the file nor a generator.
"""

import json
import math

import damage
import numpy as np
import pytest

import tinymeta as tm
from tinymeta.meta import Checkpoint, Method, Score, train
from tinymeta.meta.checkpoint import Metadata
from tinymeta.meta.decode import decode

OPTIMIZER = tm.optim.adam(0.1)
PARAMS = {"b": np.ones(1, np.float32), "w": np.array([[1.0, 2.0]], np.float32)}


def checkpoint_at(path):
    rng = np.random.default_rng(0)
    return Checkpoint(path, {"rate": 0.1, "net": ["small"]}, {"draw": rng}, every=1e9), rng


def trained(path, resume=False, until=math.inf):
    """Ten updates with two rows, stopped by Ctrl-C after `until` of them."""
    checkpoint, rng = checkpoint_at(path)

    def sample(k):
        if k == until:
            raise KeyboardInterrupt
        return np.float32(rng.random())

    def meta_grad(theta, batch):
        return {"loss": tm.square(theta["w"]).sum() + batch}, theta

    return train(
        Method(lambda rng: PARAMS, meta_grad, None),
        sample,
        numbered=True,
        iterations=10,
        params=PARAMS,
        optimizer=OPTIMIZER,
        checkpoint=checkpoint,
        resume=resume,
        rows=2,
        evaluate=lambda params: Score(float(params["w"].numpy().sum()), 0.1, 5),
        compiled=False,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The checkpoint of a run that was stopped after the first row of its curve."""
    path = tmp_path_factory.mktemp("whole") / "run.npz"
    trained(path, until=7)
    return path


def resumed(path):
    """The run to its end, or the sentence that it ends with, as for a NaN among the parameters."""
    try:
        return damage.outcome(lambda: trained(path, resume=True), path)
    except FloatingPointError as error:
        return str(error)


def refused(whole, folder, what, changes) -> bool:
    """Whether `whole`, with these changes, is refused; else a second write must be the same."""
    path, other = folder / "run.npz", folder / "again.npz"
    path.write_bytes(whole.read_bytes())
    damage.tampered(path, **changes)
    data, (checkpoint, rng), (_, untouched) = (
        path.read_bytes(),
        checkpoint_at(path),
        checkpoint_at(path),
    )
    state = OPTIMIZER.init(tm.tree.map(tm.tensor, PARAMS))
    found = damage.outcome(lambda: checkpoint.read(PARAMS, state), path)
    assert path.read_bytes() == data, what
    if isinstance(found, str):
        assert rng.random() == untouched.random(), what
        assert resumed(path) == found and path.read_bytes() == data, what
        return True
    checkpoint.path = other  # written again, it has the same metadata
    checkpoint.write(found)
    first, second = tm.about(path), tm.about(other)
    kept = [key for key in Metadata._fields if key != "place"]  # a new file says where it was made
    assert {key: repr(first[key]) for key in kept} == {key: repr(second[key]) for key in kept}, what
    resumed(path)
    return False


@pytest.mark.parametrize("count, seed", [(40, 0), pytest.param(300, 1, marks=pytest.mark.slow)])
def test_a_tampered_checkpoint_is_read_as_it_is_or_refused(count, seed, whole, tmp_path):
    tampered = damage.checkpoints(whole, seed, count)
    assert sum(refused(whole, tmp_path, *each) for each in tampered) > count / 2


def test_the_keys_of_the_file_are_those_of_earlier_versions(whole):
    """A new version reads the checkpoints of an old one: these names must not change."""
    keys = {"kind", "config", "iteration", "seconds", "curve", "sums", "busy", "count", "draws"}
    assert set(tm.about(whole)) == keys | {"place", "best", "format"}
    assert {*Metadata._fields} == keys - {"kind"} | {"place", "best"}


def test_a_checkpoint_that_was_not_changed_is_resumed(whole, tmp_path):
    path = tmp_path / "run.npz"
    path.write_bytes(whole.read_bytes())
    damage.tampered(path)
    ended = resumed(path)
    np.testing.assert_array_equal(ended.params["w"], trained(tmp_path / "other.npz").params["w"])


@pytest.mark.parametrize(
    "key, value",
    [
        ("seconds", math.nan),
        ("seconds", math.inf),
        ("busy", -1.0),
        ("iteration", True),
        ("iteration", 10**30),
        ("iteration", 8),
        ("count", 3),
        ("iteration", 7.0),
        ("curve", {}),
        ("sums", {}),
        ("sums", {"loss": "1"}),
        ("best", [5]),
        ("best", [5, [1.0, 0.1]]),
        ("draws", {}),
        ("draws", {"draw": {}}),
        ("kind", "another"),
        ("config", []),
    ],
)
def test_what_no_run_writes_is_refused(key, value, whole, tmp_path):
    path = tmp_path / "run.npz"
    path.write_bytes(whole.read_bytes())
    damage.tampered(path, about=np.array(json.dumps(tm.about(path) | {key: value})))
    with pytest.raises(ValueError, match="run.npz is not a checkpoint of a training") as error:
        trained(path, resume=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "value, kind",
    [(1, int), (1.5, float), (2, float), ({"a": 1.0}, dict[str, float]), (None, Score | None)],
)
def test_what_fits_comes_back_as_it_is(value, kind):
    assert decode(value, kind, "it") == value and type(decode(value, kind, "it")) is type(value)


@pytest.mark.parametrize(
    "value, kind, path",
    [
        (True, int, "it"),
        (1.0, int, "it"),
        ("1", float, "it"),
        (None, float, "it"),
        ([], dict, "it"),
        ([[1, 2, 3], [1, "2", 3]], tuple[Score, ...], "it[1].interval"),
        ([1, 2], Score, "it"),
        ({"a": [1]}, dict[str, float], "it['a']"),
        (7, Score | None, "it"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(value, kind, path):
    with pytest.raises(ValueError) as error:
        decode(value, kind, "it")
    assert str(error.value).startswith(f"{path} is ")
