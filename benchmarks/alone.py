"""One contender in a process of its own: its first call and its peak memory.

    python -m benchmarks.alone conv4 "tinymeta, jit"

Memory is what the process holds at its worst, less what it held with everything imported and the
data made. The first call is timed with an empty and with a full cache of kernels by whoever starts
this (`measured`); the cache is a folder of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def held(what: str) -> int:
    """Bytes of this process in memory: now ("VmRSS") or at its worst ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def main(name: str, contender: str, compiled: str) -> None:
    from .rivals import rivals
    from .work import WORKS, ours
    work = WORKS[name]()
    makers = ours(work) if contender.startswith("tinymeta") else \
        rivals(work, compiled == "compiled", True)
    before = held("VmRSS")
    start = time.perf_counter()
    makers[contender]()
    first = time.perf_counter() - start
    makers[contender]()
    print(json.dumps({"first": first, "peak": held("VmHWM") - before}))


def measured(name: str, contender: str, cold: bool) -> dict:
    """first: seconds with a full cache; cold: with an empty one, if asked for; peak: bytes."""
    with tempfile.TemporaryDirectory() as folder:
        def once():
            found = subprocess.run(
                [sys.executable, "-m", "benchmarks.alone", name, contender,
                 "compiled" if "compiled" in contender else ""], capture_output=True, text=True,
                env={**os.environ, **({"TINYMETA_CACHE": folder} if cold else {})})
            if found.returncode:
                raise SystemExit(f"error: {contender} alone failed:\n{found.stderr}")
            return json.loads(found.stdout.splitlines()[-1])

        runs = [once() for _ in range(1 + cold)]
    return {**runs[-1], **({"cold": runs[0]["first"]} if cold else {})}


if __name__ == "__main__":
    main(*sys.argv[1:])
