"""Jobs of several ranks as their user sees them: until they train, and when a rank is killed.

Each job is `mpiexec -n P python examples/maml_sinusoid.py --ranks mpi`, of 2 or 3 ranks. A rank of
it is found among the children of mpiexec and killed with -9 after a random time; the job must end,
and the same command, with --resume where there is a checkpoint, under another number of ranks, must
end in the bits of a run that nothing disturbed, by one process.
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

import numpy as np

import tinymeta as tm

ROOT = Path(__file__).resolve().parent.parent
FLAGS = "--iterations 60 --tasks 64 --every 0.02 --test-tasks 5".split()
PATIENCE = 120.0  # seconds in which a job must end after a kill


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


def _killed_and_relaunched(draw: random.Random, folder: Path, expected: list[bytes]) -> str:
    """What went wrong with one job that is killed and relaunched; "" if nothing did."""
    out = folder / f"{draw.random():.15f}"
    first, second = draw.sample((1, 2, 3), 2)
    job = _start(max(first, 2), out)
    time.sleep(draw.uniform(0.2, 8.0))
    ranks = _ranks_of(job)
    if ranks:
        try:
            os.kill(draw.choice(ranks), signal.SIGKILL)
        except ProcessLookupError:
            pass
    try:
        status = job.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        job.kill()
        return "the job did not end when a rank was killed"
    reached = (out / "maml_sinusoid.checkpoint.npz").exists()
    ended = (out / "maml_sinusoid.npz").exists()
    print(f"  {max(first, 2)} ranks, status {status}, checkpoint {reached}, then {second}", end="")
    again = _start(second if second > 1 else 0, out, *(["--resume"] if reached else []))
    if again.wait(10 * PATIENCE):
        return f"the relaunched job failed: {out.with_suffix('.txt').read_text()[-500:]}"
    print(f", {'ended already' if ended else 'resumed'}", flush=True)
    return "" if _bits(out) == expected else "other bits"


def kills(count: int, seed: int) -> int:
    """Kill so many jobs; prints a row, and returns how many did not end well."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if _start(0, folder / "undisturbed").wait(10 * PATIENCE):
            raise SystemExit((folder / "undisturbed.txt").read_text())
        expected = _bits(folder / "undisturbed")
        failures = []
        for _ in range(count):
            failure = _killed_and_relaunched(draw, folder, expected)
            if failure:
                failures.append(failure)
                print(f"\n  {failure}")
    print(f"kill -9 of a rank: {count} jobs, {count - len(failures)} ended in the same bits")
    return len(failures)


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
