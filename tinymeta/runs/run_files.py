"""The files of a run in --out: of one run at a time, over no earlier one's, whole or not at all.

They begin with its name: maml_glyphs.npz, maml_glyphs_curve.png. A run begun again without --resume
moves what the earlier one left to maml_glyphs.before-1, or -2, ...
"""

import csv
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..meta.backup import move_to_backup
from ..system import disk
from ..system.world import current

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt


@contextmanager
def exclusive(out: Path, name: str) -> Iterator[None]:
    """In this `with`, no other run of this name writes to the folder: RuntimeError if one does.

    The system releases the lock when the process ends, however it ends.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.lock"
    with open(path, "w") as file:
        # Another run that ended may have removed the file just before it was locked: then the lock
        # is on a file that is no longer the folder's, and excludes nobody.
        if not _try_lock(file) or not _is_file_at(file, path):
            raise RuntimeError(
                f"another run of {name} writes to {out}: wait for its end, or give another --out"
            )
        try:
            yield
        finally:
            with suppress(OSError):  # gone with its folder; Windows keeps what is open
                path.unlink()


def _try_lock(file: Any) -> bool:
    """Lock a file for this process; False if another has it."""
    try:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks: nobody can tell
        pass
    return True


def _is_file_at(file: Any, path: Path) -> bool:
    """Whether the open file is the one that the path leads to."""
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())


def back_up_earlier_run(out: Path, name: str) -> None:
    """Move what an earlier run of this name left into a backup folder, and print where."""
    earlier = []
    for path in sorted(out.glob("*")):
        of_this_name = path.name.startswith((f"{name}.", f"{name}_"))
        if of_this_name and path.suffix in (".npz", ".csv", ".png"):
            earlier.append(path)
    backup = move_to_backup(earlier, name)
    if backup:
        print(
            f"what an earlier run left is now in {backup}; --out {backup} --resume goes on with it"
        )


def write_file(path: Path, write: Callable) -> None:
    """write(file) writes bytes; in the end they take the place of `path`.

    A full disk is reported, and the file left out: a picture is not worth the run. Of several
    ranks the first alone writes; the others come here, too, as to draw may need all of them.
    """
    if not current().first:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)  # removed meanwhile?
        with disk.replacing(path) as file:
            write(file)
    except OSError as error:
        print(f"{path} could not be written ({error}): the run goes on", file=sys.stderr)


def write_table(rows: Iterable, path: Path) -> None:
    """Rows as CSV."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    write_file(path, lambda file: file.write(text.getvalue().encode()))


def write_curve(curve: list, path: Path, measure: str = "score") -> None:
    """The rows of a learning curve, as `tm.meta.train` returns them, as CSV.

    measure: what the score is called, as in the terminal and in the picture of the curve.
    """
    table = [["iteration", "seconds", *curve[0].metrics, measure, "interval", "ms", "MB"]]
    for row in curve:
        metrics = [f"{value:.6g}" for value in row.metrics.values()]
        score = ["", ""]
        if row.score:
            score = [row.score.mean, row.score.interval]
        pace, memory = f"{row.pace:.4g}", f"{row.memory:.0f}"
        table.append([row.iteration, f"{row.seconds:.1f}", *metrics, *score, pace, memory])
    write_table(table, path)
