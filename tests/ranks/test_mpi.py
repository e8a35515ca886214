"""Ranks over a real MPI, of this machine: run with -m mpi, where mpi4py and an MPI library are.

The work is small, and so is the number of ranks: MPI waits busily, so on two cores three ranks take
many times as long as two.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.mpi
ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = Path(__file__).with_name("program.py")
SECONDS = 300


@pytest.fixture(scope="module")
def mpiexec():
    pytest.importorskip("mpi4py", reason="needs mpi4py: pip install 'tinymeta[mpi]'")
    beside = shutil.which("mpiexec", path=Path(sys.executable).parent)
    found = beside or shutil.which("mpiexec")
    if found is None:
        pytest.skip("needs mpiexec: pip install 'tinymeta[mpi]'")
    return found


@pytest.fixture
def start(mpiexec, tmp_path):
    """start(ranks, *flags, program=..): a running job, whose output is read by `ended`."""
    jobs = []

    def start(ranks, *flags, program=PROGRAM, out=tmp_path):
        given = [str(out)] if program == PROGRAM else ["--out", str(out)]
        job = [mpiexec, "-n", str(ranks), sys.executable, str(program), *given, *flags]
        if not ranks:
            job = [sys.executable, str(program), str(out), "--alone", *flags]
        # Yields the core at once where another rank waits for it.
        settings = {**os.environ, "PYTHONPATH": str(ROOT), "MPIR_CVAR_POLLS_BEFORE_YIELD": "1"}
        jobs.append(
            subprocess.Popen(
                job, env=settings, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        )
        return jobs[-1]

    yield start
    for job in jobs:
        job.kill()
        job.wait()


def ended(job) -> tuple[int, str]:
    """Its exit status and all it said, once it has come to its end."""
    output, _ = job.communicate(timeout=SECONDS)
    return job.returncode, output


def bits(job) -> str:
    status, output = ended(job)
    assert status == 0, output
    (line,) = re.findall("bits: .*", output)
    return line


@pytest.mark.parametrize("flags", [(), ("--conv4", "--tasks", "6", "--iterations", "3")])
def test_the_bits_are_those_of_one_process(start, flags, tmp_path):
    alone = bits(start(0, *flags, out=tmp_path / "0"))
    for ranks, threads in ((2, "1"), (3, "1"), (2, "2")):
        out = tmp_path / f"{ranks}-{threads}"
        assert bits(start(ranks, *flags, "--threads", threads, out=out)) == alone


EXAMPLES = ROOT / "examples"
SMALL = "--iterations 4 --test-tasks 20 --tasks 64".split()


def parameters(out) -> dict:
    with np.load(out / "maml_sinusoid.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("flags", [(), ("--numbered-tasks",)])
def test_an_example_leaves_the_same_files_and_figures(start, flags, tmp_path):
    program, found = EXAMPLES / "maml_sinusoid.py", {}
    for ranks in (1, 2):
        out = tmp_path / str(ranks)
        job = start(ranks, *SMALL, *flags, "--ranks", "mpi", out=out, program=program)
        status, output = ended(job)
        assert status == 0, output
        results = re.findall(r"result: .*? seed", output)
        assert len(results) == 4, output  # said once
        found[ranks] = results, parameters(out), sorted(path.name for path in out.iterdir())
    (a_results, a, a_files), (b_results, b, b_files) = found.values()
    assert a_results == b_results and a_files == b_files
    for name in a.keys() | b.keys():
        np.testing.assert_array_equal(a[name], b[name])


def test_a_flag_that_is_wrong_is_one_sentence_of_all_ranks(start):
    program = EXAMPLES / "maml_sinusoid.py"
    status, output = ended(start(2, "--resume", "--ranks", "mpi", program=program))
    assert status != 0
    assert output.count("error: there is no checkpoint") == 1 and "Traceback" not in output


@pytest.mark.parametrize("way, says", [("raise", "ValueError: a mistake"), ("exit", "had enough")])
def test_an_error_on_one_rank_stops_the_job_and_is_named(start, way, says):
    status, output = ended(start(2, "--fail", way))
    assert status != 0
    assert re.search(rf"rank 1 of 2 \(on .*\) failed: .*{says}", output), output
    assert output.count("failed: ") == 1


@pytest.mark.parametrize(
    "way, says",
    [
        ("data", "differ in their first batch"),
        ("parameters", "differ in their initial parameters"),
        ("folder", "does not see what rank 0"),
    ],
)
def test_ranks_that_differ_are_refused_in_one_sentence(start, way, says):
    status, output = ended(start(2, "--fail", way))
    assert status != 0
    assert len(re.findall(f"Error: .*{says}", output)) == 1, output


@pytest.mark.parametrize("differs", ["flags", "code"])
def test_ranks_that_are_started_apart_are_refused_in_one_sentence(mpiexec, differs, tmp_path):
    count, program = "3", PROGRAM
    if differs == "flags":
        count = "4"
    else:  # its path is a flag, too, but the code is compared first
        program = tmp_path / PROGRAM.name
        program.write_text(f"{PROGRAM.read_text()}# a later version\n")
    one, other = (
        ["-n", "1", sys.executable, str(file), str(tmp_path), "--iterations", number]
        for file, number in ((PROGRAM, "3"), (program, count))
    )
    job = subprocess.run(
        [mpiexec, *one, ":", *other],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=SECONDS,
    )
    assert job.returncode != 0
    assert len(re.findall(f"Error: .* and rank 0 .* differ in their {differs}", job.stderr)) == 1


def test_fewer_tasks_than_ranks_are_refused(start):
    status, output = ended(start(3, "--conv4", "--tasks", "2"))
    assert status != 0
    assert output.count("ValueError: train: 3 ranks for 2 tasks") == 1, output


def test_a_nan_on_one_rank_stops_all_with_one_message(start, tmp_path):
    status, output = ended(start(2, "--fail", "nan"))
    assert status != 0
    assert output.count("FloatingPointError: train: the loss became nan at iteration 5") == 1, (
        output
    )
    assert (tmp_path / "training.npz").exists()  # the last good state


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_to_one_rank_stops_all_at_one_update_and_saves(start, name, tmp_path):
    if signal.getsignal(getattr(signal, name)) == signal.SIG_IGN:
        pytest.skip(f"{name} is ignored here, as under nohup, and so by what is started")
    alone = bits(start(0, out=tmp_path / "0"))
    assert bits(start(2, "--fail", name)).endswith("after 5")
    assert bits(start(3, "--resume")) == alone


def test_a_rank_killed_ends_the_job_whose_relaunch_ends_in_the_same_bits(start, tmp_path):
    alone = bits(start(0, out=tmp_path / "0"))
    status, _ = ended(start(2, "--fail", "SIGKILL", "--every", "0"))
    assert status != 0
    assert bits(start(3, "--resume")) == alone


def test_one_rank_is_told_that_it_shares_nothing(start):
    status, output = ended(start(1))
    assert status == 0 and output.count("this job has one rank") == 1
