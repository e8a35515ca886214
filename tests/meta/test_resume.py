"""Checkpoints: killed and resumed is not interrupted, to the bit; and what is refused."""

import contextlib
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.meta import Checkpoint, Method, Score
from tinymeta.meta import train as compiled_train
from tinymeta.meta.backup import move_to_backup

SCRIPT = """
import sys, time
import numpy as np
import tinymeta as tm
path, resume, pause = sys.argv[1], sys.argv[2] == "resume", float(sys.argv[3])
draw, check = np.random.default_rng(1), np.random.default_rng(2)
waves, net = tm.data.Sinusoids(), tm.nn.mlp(1, 8, 1)
method = tm.meta.maml(net, tm.losses.mse, lr=0.01)
def sample(k):
    if pause and k == 55:
        sys.stdin.read()                        # it waits to be killed, however busy the machine is
    time.sleep(pause)
    return waves.sample(draw, tasks=5)
def score(params):
    return tm.meta.evaluate(method, params, lambda n: waves.sample(check, tasks=n), tasks=4,
                            measure=tm.meta.evaluation.squared_error)
checkpoint = tm.meta.Checkpoint(path, {"net": "8"}, {"draw": draw, "check": check}, every=0.05)
run = tm.meta.train(method, sample, iterations=60, rng=np.random.default_rng(0), rows=7,
                    evaluate=score, better="smaller", checkpoint=checkpoint, resume=resume,
                    numbered=True)
tm.save(path + ".end.npz", [run.params, run.best.params], about={
    "curve": [[row.iteration, row.metrics, list(row.score)] for row in run.curve],
    "best": run.best.iteration})
"""


def process(path, how, pause=0.0):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path), how, str(pause)],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def kill(run, after: float):
    """kill -9 after so many seconds, at whatever the process is doing then."""
    time.sleep(after)
    run.kill()
    run.communicate()


def ended(run):
    error = run.communicate()[1]
    assert run.returncode == 0, error


def check_same_end(ours, theirs, what):
    ours, theirs = (str(path) + ".end.npz" for path in (ours, theirs))
    for key in ("curve", "best"):
        assert tm.about(ours)[key] == tm.about(theirs)[key], what
    for a, b in zip(*(tm.tree.leaves(tm.load(path)) for path in (ours, theirs)), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=what)


def test_killed_at_random_and_resumed_is_the_uninterrupted_run(tmp_path):
    whole, broken = tmp_path / "whole.npz", tmp_path / "broken.npz"
    begun = process(whole, "begin")
    killed = process(broken, "begin", 0.05)
    while not broken.exists():  # the first checkpoint
        assert killed.poll() is None, killed.stderr.read()
        time.sleep(0.01)
    kill(killed, np.random.default_rng().uniform(0.1, 1.5))
    reached = tm.about(broken)["iteration"]
    assert 0 < reached <= 55
    again = process(broken, "resume")
    ended(begun)
    ended(again)
    check_same_end(broken, whole, f"killed after {reached} updates")


@pytest.mark.slow
def test_killed_again_and_again_it_still_ends_alike(tmp_path):
    """Also before the first checkpoint, while Python starts, and while a file is written."""
    whole, broken, moments = tmp_path / "whole.npz", tmp_path / "broken.npz", []
    begun, rng = process(whole, "begin"), np.random.default_rng()
    for _ in range(12):
        run = process(broken, "resume" if broken.exists() else "begin", 0.1)
        moments.append(rng.uniform(0.0, 4.0))
        kill(run, moments[-1])
    ended(begun)
    ended(process(broken, "resume" if broken.exists() else "begin"))
    check_same_end(broken, whole, f"killed after {moments} seconds")


# In one process, with a method one can follow: theta <- theta - 0.5 theta, batches 1.0, 2.0 ...


def downhill(spoilt=()):
    def meta_grad(theta, batch):
        bad = float(batch) in spoilt
        loss = tm.square(theta).sum() * (np.nan if bad else 1.0)
        return {"loss": loss, "batch": float(batch)}, theta

    return Method(lambda rng: np.array([1.0, 2.0]), meta_grad, None)


class Counting:
    """A generator of 1.0, 2.0, ... whose state can be kept, as NumPy's can."""

    def __init__(self):
        self.state, self.bit_generator = 0, self

    def __call__(self):
        self.state += 1
        return float(self.state)


def train(path, config=None, iterations=10, resume=False, method=None, sample=None, **options):
    draw = Counting()
    checkpoint = Checkpoint(path, config or {"rate": 0.5}, {"draw": draw}, every=0.0)
    run = compiled_train(
        method or downhill(),
        (sample or (lambda draw: draw))(draw),
        iterations=iterations,
        optimizer=tm.optim.sgd(0.5),
        compiled=False,
        checkpoint=checkpoint,
        resume=resume,
        rows=4,
        **options,
    )
    return run, checkpoint


def interrupted_at(batch):
    def sample(draw):
        def drawn():
            value = draw()
            if value == batch:
                raise KeyboardInterrupt
            return value

        return drawn

    return sample


def test_ctrl_c_then_resume(tmp_path):
    whole, _ = train(tmp_path / "whole.npz")
    stopped, _ = train(tmp_path / "run.npz", sample=interrupted_at(7))
    assert not stopped.finished and stopped.curve[-1].iteration == 6
    resumed, _ = train(tmp_path / "run.npz", resume=True)
    assert resumed.finished
    np.testing.assert_array_equal(resumed.params, whole.params)
    assert [row[:1] + row[2:4] for row in resumed.curve] == [
        row[:1] + row[2:4] for row in whole.curve
    ]


def test_the_best_parameters_are_kept(tmp_path):
    scores = iter([3.0, 1.0, 2.0, 2.5])

    def evaluate(params):
        return Score(next(scores), 0.1, 5)

    run, _ = train(tmp_path / "run.npz", evaluate=evaluate, better="smaller")
    assert run.best.iteration == 5 and run.best.score.mean == 1.0
    np.testing.assert_allclose(run.best.params, np.array([1.0, 2.0]) * 0.5**5)
    again, _ = train(tmp_path / "run.npz", resume=True, evaluate=evaluate, better="smaller")
    assert again.best.iteration == 5
    np.testing.assert_array_equal(again.best.params, run.best.params)


def test_a_nan_names_the_operation_and_keeps_the_last_good_state(tmp_path):
    with pytest.raises(
        FloatingPointError,
        match=r"loss became nan at iteration 6 \(the last good "
        r"state, after 5 updates, is in .*run.npz\): mul",
    ):
        train(tmp_path / "run.npz", method=downhill(spoilt=[6.0]))
    assert tm.about(tmp_path / "run.npz")["iteration"] == 5
    healed, _ = train(tmp_path / "run.npz", resume=True)
    whole, _ = train(tmp_path / "whole.npz")
    np.testing.assert_array_equal(healed.params, whole.params)


def test_an_update_that_spoils_the_parameters_is_gone_back_from(tmp_path):
    """The loss is still a number in the update that makes the parameters none."""

    def meta_grad(theta, batch):
        with np.errstate(invalid="ignore"):
            grads = tm.log(theta * 0.0 - 1.0) if float(batch) == 6.0 else theta
        return {"loss": tm.square(theta).sum()}, grads

    method = Method(lambda rng: np.array([1.0, 2.0]), meta_grad, None)
    with pytest.raises(
        FloatingPointError, match="no longer a number at iteration 6 .*after 5 updates.*: log"
    ):
        train(tmp_path / "run.npz", method=method)
    assert tm.about(tmp_path / "run.npz")["iteration"] == 5


def test_another_configuration_is_refused_by_name(tmp_path):
    train(tmp_path / "run.npz", config={"rate": 0.5, "net": "small"})
    kept = (tmp_path / "run.npz").read_bytes()
    with pytest.raises(ValueError, match="net was 'small' and is 'large', rate was 0.5 and is 'ab"):
        train(tmp_path / "run.npz", config={"net": "large"}, resume=True)
    assert (tmp_path / "run.npz").read_bytes() == kept


def test_nothing_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no checkpoint .*none.npz: begin without"):
        train(tmp_path / "none.npz", resume=True)


@pytest.mark.parametrize(
    "damage, message",
    [
        (
            lambda path: path.write_bytes(path.read_bytes()[:-200]),
            "is not a file that tm.save wrote",
        ),
        (lambda path: tm.save(path, [np.zeros(2)]), "is not a checkpoint of a training"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_and_left(damage, message, tmp_path):
    train(tmp_path / "run.npz")
    damage(tmp_path / "run.npz")
    left = (tmp_path / "run.npz").read_bytes()
    with pytest.raises(ValueError, match=message):
        train(tmp_path / "run.npz", resume=True)
    assert (tmp_path / "run.npz").read_bytes() == left


def test_other_shapes_are_refused(tmp_path):
    train(tmp_path / "run.npz")
    other = downhill()._replace(init=lambda rng: np.zeros(5))
    with pytest.raises(ValueError, match=r"\['params'\] float64 \(2,\) where .* \(5,\)"):
        train(tmp_path / "run.npz", resume=True, method=other)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    train(tmp_path / "run.npz", iterations=5)
    kept = (tmp_path / "run.npz").read_bytes()

    def full(file, **arrays):
        file.write(b"the first bytes")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        train(tmp_path / "run.npz", iterations=10)
    assert (tmp_path / "run.npz").read_bytes() == kept
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_earlier_checkpoints_are_set_aside_and_none_is_overwritten(tmp_path):
    kept = []
    for iterations in (4, 6, 8):
        _, checkpoint = train(tmp_path / "run.npz", iterations=iterations)
        kept.append(checkpoint.set_aside())
        assert not (tmp_path / "run.npz").exists()
    assert [tm.about(path)["iteration"] for path in kept] == [4, 6, 8]
    assert checkpoint.set_aside() is None


def test_files_are_set_aside_together(tmp_path):
    files = [tmp_path / name for name in ("run.npz", "run.csv", "run_curve.png")]
    (tmp_path / "run.before-1").mkdir()
    for path in files[:2]:
        path.write_text(path.name)
    folder = move_to_backup(files, "run")
    assert folder == tmp_path / "run.before-2"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "run.npz": "run.npz",
        "run.csv": "run.csv",
    }


@pytest.mark.parametrize("how", [KeyboardInterrupt, ValueError])
def test_a_run_that_ends_before_its_first_update_leaves_what_was_there(how, tmp_path):
    train(tmp_path / "run.npz")
    kept, moved = (tmp_path / "run.npz").read_bytes(), []

    def broken(draw):
        def sample():
            raise how("while the first tasks are drawn")

        return sample

    with pytest.raises(ValueError) if how is ValueError else contextlib.nullcontext():
        train(tmp_path / "run.npz", sample=broken, begun=lambda: moved.append("moved"))
    with pytest.raises(FloatingPointError):
        train(
            tmp_path / "run.npz", method=downhill(spoilt=[1.0]), begun=lambda: moved.append("moved")
        )
    assert (tmp_path / "run.npz").read_bytes() == kept and not moved


def test_begun_is_called_once_and_before_anything_is_written(tmp_path):
    there = []
    train(
        tmp_path / "run.npz",
        begun=lambda: there.append(list(tmp_path.iterdir())),
        save=lambda *_: (tmp_path / "curve").write_text("a curve"),
    )
    assert there == [[]]


def test_more_iterations_go_on_and_fewer_are_refused(tmp_path):
    whole, _ = train(tmp_path / "whole.npz", iterations=10)
    train(tmp_path / "run.npz", iterations=6)
    more, _ = train(tmp_path / "run.npz", iterations=10, resume=True)
    assert more.finished
    np.testing.assert_array_equal(more.params, whole.params)
    with pytest.raises(ValueError, match="run.npz has 10 updates behind it, and iterations=7: "):
        train(tmp_path / "run.npz", iterations=7, resume=True)


def test_going_on_in_another_environment_is_reported(tmp_path, monkeypatch, capsys):
    train(tmp_path / "run.npz", iterations=4)
    train(tmp_path / "run.npz", iterations=6, resume=True)
    assert "bits" not in capsys.readouterr().err
    monkeypatch.setattr(
        sys.modules["tinymeta.meta.train"], "environment", lambda: "cpu with 96 cores"
    )
    train(tmp_path / "run.npz", iterations=8, resume=True)
    (line,) = [row for row in capsys.readouterr().err.splitlines() if "bits" in row]
    assert "on cpu with 96 cores, begun on cpu with" in line


def test_a_folder_that_was_removed_meanwhile_is_made_again(tmp_path):
    def removing(draw):
        def sample():
            if draw.state == 5:
                shutil.rmtree(tmp_path / "out")
            return draw()

        return sample

    (tmp_path / "out").mkdir()
    run, _ = train(tmp_path / "out" / "run.npz", sample=removing)
    assert run.finished and tm.about(tmp_path / "out" / "run.npz")["iteration"] == 10


@pytest.mark.parametrize("kind", ["MT19937", "Philox", "SFC64", "PCG64", "PCG64DXSM"])
def test_every_generator_of_numpy_can_be_kept(kind, tmp_path):
    rng = np.random.Generator(getattr(np.random, kind)(3))
    rng.random(5)
    params = {"w": tm.zeros(2)}

    def sample(k):
        if k == 2:
            raise KeyboardInterrupt
        return np.float32(rng.random())

    def meta_grad(theta, batch):
        return {"loss": tm.square(theta["w"]).sum() + batch}, theta

    def run(resume):
        compiled_train(
            Method(lambda rng: params, meta_grad, None),
            sample,
            numbered=True,
            iterations=4,
            params=params,
            optimizer=tm.optim.sgd(0.1),
            checkpoint=Checkpoint(tmp_path / "run.npz", {}, {"draw": rng}, every=1e9),
            resume=resume,
            compiled=False,
        )

    run(resume=False)
    expected = rng.random(3)
    rng.bit_generator.state = type(rng.bit_generator)(9).state
    Checkpoint(tmp_path / "run.npz", {}, {"draw": rng}).read(params, tm.optim.sgd(0.1).init(params))
    np.testing.assert_array_equal(rng.random(3), expected)
