"""Jobs of several ranks as their user sees them: until they train, and when a rank is killed.

Each job is `mpiexec -n P python examples/maml_sinusoid.py --ranks mpi`, of 2 or 3 ranks. One that
nobody disturbs is timed; then, of as many others as are asked for, a rank is killed with -9: the
k-th of n at a random moment of the k-th n-th of that time, so kills are spread from the start of
the processes to the end of the last test. A job that had ended before its moment is no kill, but a
new measure of the time, and another is run. The job must end, and the same command, with --resume
where there is a checkpoint, under another number of ranks, must end in the bits of a run that
nothing disturbed, by one process.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import tinymeta as tm

from . import timing

ROOT = Path(__file__).resolve().parent.parent
ITERATIONS = 400
FLAGS = f"--iterations {ITERATIONS} --tasks 64 --every 0.02 --test-tasks 5".split()
PATIENCE = 120.0  # seconds in which a job must end after a kill


class _Kill(NamedTuple):
    """What became of a job whose rank was killed."""

    update: int | None  # that the checkpoint had reached; None: there was none yet
    failure: str  # "" if the relaunched job ended in the same bits


def _command(ranks: int, program: list[str]) -> list[str]:
    """A Python program under mpiexec; by one process for 0 ranks."""
    if not ranks:
        return [sys.executable, *program]
    beside = shutil.which("mpiexec", path=Path(sys.executable).parent)
    mpiexec = beside or shutil.which("mpiexec")
    if mpiexec is None:
        raise SystemExit("error: there is no mpiexec: pip install 'tinymeta[mpi]'")
    return [mpiexec, "-n", str(ranks), sys.executable, "-m", "mpi4py", *program]


def _start(ranks: int, out: Path, *flags: str) -> subprocess.Popen:
    """The example, whose output goes to a file beside `out`."""
    program = [str(ROOT / "examples" / "maml_sinusoid.py"), *FLAGS, "--out", str(out), *flags]
    if ranks:
        program += ["--ranks", "mpi"]
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "MPIR_CVAR_POLLS_BEFORE_YIELD": "1"}
    with open(out.with_suffix(".txt"), "a") as log:
        return subprocess.Popen(_command(ranks, program), env=settings, stdout=log, stderr=log)


def _ranks_of(job: subprocess.Popen) -> list[int]:
    """The processes of the example below mpiexec, as Linux lists them."""
    parents, found = {job.pid}, []
    for stat in sorted(Path("/proc").glob("[0-9]*/stat"), key=lambda path: int(path.parent.name)):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            words = (stat.parent / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        if int(fields[1]) in parents:
            parents.add(int(stat.parent.name))
            if "maml_sinusoid.py" in words and "--ranks" in words and "mpiexec" not in words:
                if "hydra" not in words:
                    found.append(int(stat.parent.name))
    return found


def _bits(out: Path) -> list[bytes]:
    """The parameters that a run ended with."""
    params = tm.load(out / "maml_sinusoid.npz")
    return [np.asarray(leaf).tobytes() for leaf in tm.tree.leaves(params)]


def _reached(out: Path) -> int | None:
    """The update that the checkpoint has, which must be whole; None if there is none."""
    path = out / "maml_sinusoid.checkpoint.npz"
    if not path.exists():
        return None
    tm.load(path)  # every array: a damaged one raises
    return tm.about(path)["iteration"]


def _undisturbed(ranks: int, out: Path) -> float:
    """The seconds of a job that nobody kills; prints them, and when it had its first checkpoint."""
    job, start, first = _start(ranks, out), time.perf_counter(), 0.0
    while job.poll() is None:
        if not first and (out / "maml_sinusoid.checkpoint.npz").exists():
            first = time.perf_counter() - start
        time.sleep(0.01)
    end = time.perf_counter() - start
    if job.returncode:
        raise SystemExit(out.with_suffix(".txt").read_text())
    name = f"{ranks} ranks" if ranks else "one process"
    print(f"undisturbed, {name}: first checkpoint after {first:.1f} s, end after {end:.1f} s")
    return end


def _kill_one(job: subprocess.Popen, draw: random.Random, moment: float) -> bool:
    """Kill a rank so many seconds after now, or as soon as there is one; whether one was there."""
    time.sleep(moment)
    while job.poll() is None:
        if ranks := _ranks_of(job):
            try:
                os.kill(draw.choice(ranks), signal.SIGKILL)
            except ProcessLookupError:
                continue
            return True
        time.sleep(0.01)
    return False


def _killed_and_relaunched(
    draw: random.Random, moment: float, ranks: int, out: Path, expected: list[bytes]
) -> _Kill | None:
    """One job, killed after so many seconds, and relaunched; None if it had ended before."""
    job = _start(ranks, out)
    killed = _kill_one(job, draw, moment)
    try:
        status = job.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        job.kill()
        return _Kill(None, "the job did not end when a rank was killed")
    if not killed or status == 0:
        return None
    update = _reached(out)
    then = draw.choice([number for number in (1, 2, 3) if number != ranks])
    at = "no checkpoint" if update is None else f"update {update:3} of {ITERATIONS}"
    print(f"  {ranks} ranks, killed after {moment:5.1f} s, {at}, then {then}", end="", flush=True)
    again = _start(then if then > 1 else 0, out, *([] if update is None else ["--resume"]))
    if again.wait(10 * PATIENCE):
        said = out.with_suffix(".txt").read_text()[-500:]
        return _Kill(update, f"the relaunched job failed: {said}")
    return _Kill(update, "" if _bits(out) == expected else "other bits")


def kills(count: int, seed: int) -> int:
    """Kill so many jobs; prints a row of each, and returns how many did not end well."""
    draw, found = random.Random(seed), []
    print(timing.machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _undisturbed(0, folder / "undisturbed")
        expected = _bits(folder / "undisturbed")
        seconds = {ranks: _undisturbed(ranks, folder / f"undisturbed{ranks}") for ranks in (2, 3)}
        late = 0  # jobs that had ended
        while len(found) < count:
            ranks = draw.choice((2, 3))
            moment = seconds[ranks] * (len(found) + draw.random()) / count
            out = folder / f"{len(found)}-{late}"
            start = time.perf_counter()
            kill = _killed_and_relaunched(draw, moment, ranks, out, expected)
            if kill is None:
                late += 1
                seconds[ranks] = min(seconds[ranks], time.perf_counter() - start)
                continue
            print(f", {kill.failure or 'the same bits'}", flush=True)
            found.append(kill)
    within = sum(kill.update is not None and kill.update < ITERATIONS for kill in found)
    early = sum(kill.update is None for kill in found)
    failed = sum(bool(kill.failure) for kill in found)
    print(
        f"kill -9 of a rank: {count} jobs: {early} begun again, {within} resumed within the "
        f"training, {count - early - within} after its last update; {late} others had ended "
        f"before they were to be killed; {count - failed} of {count} ended in the same bits"
    )
    return failed


def start_up(rounds: int) -> None:
    """The seconds of a program that imports tinymeta and begins a job, and of one without a job."""
    begun = "import tinymeta as tm\nwith tm.ranks.mpi(): pass"
    contenders = {
        "one process": _command(0, ["-c", "import tinymeta"]),
        "2 ranks": _command(2, ["-c", begun]),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, command in contenders.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
            times[name].append(time.perf_counter() - start)
    for name, seconds in times.items():
        print(f"measured: {name:12} median {np.median(seconds):.2f} s, best {min(seconds):.2f} s")
