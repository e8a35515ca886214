"""What a run leaves in --out: by one run at a time, over no earlier one's, whole or not at all.

The files of a run begin with its name: maml_glyphs.npz, maml_glyphs_curve.png. A run begun again
without --resume moves what the earlier one left to maml_glyphs.before-1, or -2, ...
"""

import csv
import io
import os
import sys
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

from tinymeta.core import disk
from tinymeta.meta.backup import move_to_backup

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt


@contextmanager
def alone(out: Path, name: str):
    """No other run of this name writes to the folder meanwhile; raises RuntimeError if one does.

    The system lets go of the lock when the process ends, however it ends.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.lock"
    with open(path, "w") as file:
        # Locked in the moment when another run removed it: then it is no longer the folder's.
        if (
            not locked(file)
            or not path.exists()
            or not os.path.samestat(os.fstat(file.fileno()), path.stat())
        ):
            raise RuntimeError(
                f"another run of {name} writes to {out}: wait for its end, or give another --out"
            )
        try:
            yield
        finally:
            with suppress(OSError):  # gone with its folder; Windows keeps what is open
                path.unlink()


def locked(file) -> bool:
    """Lock a file for this process; False if another has it."""
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks: nobody can tell
        pass
    return True


def begin_anew(out: Path, name: str):
    """Set aside what an earlier run of this name left, and say where."""
    ours = [
        path
        for path in sorted(out.glob("*"))
        if path.name.startswith((f"{name}.", f"{name}_"))
        and path.suffix in (".npz", ".csv", ".png")
    ]
    if aside := move_to_backup(ours, name):
        print(f"what an earlier run left is now in {aside}; --out {aside} --resume goes on with it")


def keep(path: Path, write: Callable):
    """write(file) writes bytes; in the end they take the place of `path`.

    A full disk is said, and what was to be written is left out: a picture is not worth the run.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)  # removed meanwhile?
        with disk.replacing(path) as file:
            write(file)
    except OSError as error:
        print(f"{path} could not be written ({error}): the run goes on", file=sys.stderr)


def write_rows(rows, path: Path):
    """A table as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    keep(path, lambda file: file.write(text.getvalue().encode()))


def write_curve(curve, path: Path):
    rows = [["iteration", "seconds", *curve[0].metrics, "score", "interval", "ms", "MB"]]
    for row in curve:
        score = (row.score.mean, row.score.interval) if row.score else ("", "")
        metrics = (f"{v:.6g}" for v in row.metrics.values())
        rows.append(
            [
                row.iteration,
                f"{row.seconds:.1f}",
                *metrics,
                *score,
                f"{row.pace:.4g}",
                f"{row.memory:.0f}",
            ]
        )
    write_rows(rows, path)
