"""What can be known of a job without MPI: what it refuses, and what it compares."""

import runpy
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from thread_ranks import bits, on_ranks

import tinymeta as tm
from tinymeta.ranks import job, same
from tinymeta.system.world import World, current

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


def test_without_mpi_the_error_names_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(
        RuntimeError, match=r"mpi: there is no MPI here .*pip install 'tinymeta\[mpi\]'"
    ):
        with tm.ranks.mpi():
            pytest.fail("there is no MPI")


def test_without_mpi_the_flag_of_the_examples_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    monkeypatch.setattr(sys, "argv", ["x", "--ranks", "mpi", "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match=r"error: mpi: there is no MPI here .*tinymeta\[mpi\]"):
        runpy.run_path(str(EXAMPLES / "maml_sinusoid.py"), run_name="__main__")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_a_number_of_threads_that_is_none(threads):
    with (
        pytest.raises(ValueError, match="mpi: threads=.* must be a whole number >= 1"),
        tm.ranks.mpi(threads=threads),
    ):
        pass


class Here:
    """The ranks of a machine, each with the cores that it may use."""

    def __init__(self, *cores):
        self.cores = [frozenset(each) for each in cores]

    def allgather(self, own):
        assert own == self.cores[0]
        return self.cores


@pytest.mark.parametrize(
    "cores, threads",
    [
        ([range(8)] * 4, 2),  # not bound: they share all cores
        ([range(3), range(3, 6)], 3),  # bound to cores of their own
        ([range(2)] * 3, 1),  # more ranks than cores
        ([range(4), range(4), range(4, 8), range(4, 8)], 2),  # bound to sockets
    ],
)
def test_the_cores_of_a_machine_are_divided_among_its_ranks(cores, threads, monkeypatch):
    monkeypatch.setattr(job, "core_numbers", lambda: frozenset(cores[0]))
    assert job._threads(Here(*cores)) == threads


def test_import_tinymeta_does_not_import_mpi():
    code = "import sys, tinymeta; sys.exit('mpi4py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=EXAMPLES.parent).returncode == 0


def test_a_process_alone_agrees_with_itself(tmp_path):
    world = current()
    assert type(world) is World and world.first and world.size == 1
    assert world.share(7) == (0, 7)
    assert (world.largest(3), world.sum_of(2.5)) == (3, 2.5)
    assert world.sharded(None, None, None, None, None) is None
    world.check_stop()
    world.check_same(flags=1)
    world.check_folder(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_the_threads_of_a_rank_are_alone():
    """A compiled function that another thread calls sends nothing: nobody would answer it."""

    def work(world):
        assert current() is world
        found = []
        thread = threading.Thread(target=lambda: found.append(current()))
        thread.start()
        thread.join()
        return type(found[0]) is World

    assert on_ranks(2, work) == [True, True]


def test_a_digest_tells_values_shapes_dtypes_and_names_apart():
    x = np.arange(6.0)
    values = [x, x.reshape(2, 3), x.astype(np.float32), x + 1, {"a": x}, {"b": x}, "x", 1, None]
    digests = [same.digest(value) for value in values]
    assert len({*digests}) == len(digests)
    assert same.digest(tm.tensor(x)) == same.digest(x.copy())


def test_a_hash_of_the_code_tells_files_names_and_programs_apart(tmp_path, monkeypatch):
    package, program = tmp_path / "package", tmp_path / "program.py"
    (package / "room").mkdir(parents=True)
    monkeypatch.setattr(same, "_PACKAGE", package)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(program), raising=False)
    file, other = package / "a.py", package / "room" / "b.py"

    def found(a="x = 1\n", b="y = 1\n", run="z = 1\n"):
        for path, text in ((file, a), (other, b), (program, run)):
            path.write_text(text)
        return same.code()

    first = found()
    others = [found(a="x = 2\n"), found(b="y = 2\n"), found(run="z = 2\n")]
    others.append(found(a="x = 1\ny = 1\n", b=""))  # the same bytes in a row
    assert found() == first
    other.rename(package / "room" / "c.py")
    others.append(same.code())
    assert len({first, *others}) == 6


def test_ranks_of_different_code_are_refused(tmp_path, monkeypatch):
    def work(world):
        with pytest.raises(RuntimeError, match="rank 1 and rank 0 differ in their code: start all"):
            world.check_same(code=codes[world.rank], flags=world.rank)
        return True

    codes = [same.code()]
    (tmp_path / "a.py").write_text("")
    monkeypatch.setattr(same, "_PACKAGE", tmp_path)
    codes.append(same.code())
    assert all(on_ranks(2, work))


def test_a_stop_of_one_rank_interrupts_all_by_its_name():
    def work(world):
        world.check_stop()
        if world.rank == 1:
            world.stop = 15
        with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
            world.check_stop()
        return True

    assert all(on_ranks(3, work))


def test_a_folder_that_one_rank_does_not_see(tmp_path, monkeypatch):
    monkeypatch.setattr("tinymeta.ranks.world._FOLDER_SECONDS", 0.2)

    def work(world):
        world.check_folder(tmp_path / "shared")
        with pytest.raises(RuntimeError, match="rank 1 does not see what rank 0 writes"):
            world.check_folder(tmp_path / str(world.rank))
        return True

    assert all(on_ranks(2, work))
    assert not list((tmp_path / "shared").iterdir())


def test_evaluations_are_shared_to_the_same_interval():
    """600 tasks, as the examples test; each rank computes its part of each batch."""
    method = tm.meta.maml(tm.nn.mlp(1, 40, 40, 1), tm.losses.mse, lr=0.01)

    def score(world=None):
        waves, rng = tm.data.Sinusoids(), np.random.default_rng(5)
        params = method.init(np.random.default_rng(0))
        before = world.messages.bytes if world else 0
        found = tm.meta.evaluate(
            method,
            params,
            lambda n: waves.sample(rng, tasks=n, shot=20, query=20),
            tasks=600,
            batch=100,
            measure=lambda p, y: ((p - y) ** 2).mean((1, 2)),
        )
        return found, (world.messages.bytes if world else 0) - before

    expected, _ = score()
    for size in (2, 3):
        for found, sent in on_ranks(size, score):
            assert found == expected
            assert sent > 0


def test_what_the_ranks_leave_is_told_apart_by_bits():
    assert bits({"a": np.zeros(2)}) != bits({"a": np.ones(2)})
