"""One contender in a process of its own: its first call and its peak memory.

    python -m benchmarks.alone conv4 "tinymeta, jit"

Memory is what the process holds at its worst, less what it held with everything imported and the
data made. `measured` starts the process, twice where the first call is to be timed with no kernel on
disk as well: with a cache of its own, empty and then full.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def held(what: str) -> float:
    """Bytes in memory, now ("VmRSS") or at the worst ("VmHWM"); NaN on another system than Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    lines = status.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def main(name: str, contender: str) -> None:
    from .rivals import rivals
    from .work import WORKS, ours

    work = WORKS[name]()
    makers = ours(work) if contender.startswith("tinymeta") else rivals(work, loops=True)
    before = held("VmRSS")
    start = time.perf_counter()
    makers[contender]()
    first = time.perf_counter() - start
    makers[contender]()
    print(json.dumps({"first": first, "peak": held("VmHWM") - before}))


def measured(name: str, contender: str, cold: bool) -> dict:
    """peak: bytes; first: seconds; with `cold` in two processes, of which the other's are cold."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"TINYMETA_CACHE": folder} if cold else {}

        def once():
            found = subprocess.run(
                [sys.executable, "-m", "benchmarks.alone", name, contender],
                capture_output=True,
                text=True,
                env={**os.environ, **own},
            )
            if found.returncode:
                raise SystemExit(f"error: {contender} alone failed:\n{found.stderr}")
            return json.loads(found.stdout.splitlines()[-1])

        earlier = {"cold": once()["first"]} if cold else {}
        return once() | earlier


if __name__ == "__main__":
    main(*sys.argv[1:])
