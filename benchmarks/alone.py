"""One contender in a process of its own: its first call and its peak memory.

    python -m benchmarks.alone conv4 "tinymeta, jit"

Memory is what the process holds at its worst, less what it held with everything imported and the
data made. `measure_alone` starts the process, twice where the first call is to be timed with no
kernel on disk as well: with a cache of its own, empty and then full. Results are not checked here;
`python -m benchmarks`, which calls this, has done so.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def _memory(field: str) -> float:
    """Bytes of memory of this process, now ("VmRSS") or at its worst ("VmHWM"); NaN on another
    system than Linux."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith(field))
    kibibytes = line.split()[1]
    return int(kibibytes) * 1024


def main(name: str, contender: str) -> None:
    """Call one contender of the work `name` twice, and print {"first": seconds, "peak": bytes}."""
    import tinymeta.jit.compile  # noqa: F401  the compiler, else imported by the first call

    from .rivals import rivals
    from .work import WORKS, ours

    work = WORKS[name]()
    contenders = ours(work) if contender.startswith("tinymeta") else rivals(work, loops=True)
    before = _memory("VmRSS")
    start = time.perf_counter()
    contenders[contender]()
    first = time.perf_counter() - start
    contenders[contender]()
    print(json.dumps({"first": first, "peak": _memory("VmHWM") - before}))


def measure_alone(name: str, contender: str, cold: bool) -> dict[str, float]:
    """ "first": seconds of the first call, and "peak": bytes, in a process of its own.

    With `cold`, an earlier process begins with no kernel on disk: "cold" is its first call.
    Raises SystemExit with what the process wrote where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        cache = {"TINYMETA_CACHE": folder} if cold else {}

        def run_once() -> dict[str, float]:
            process = subprocess.run(
                [sys.executable, "-m", "benchmarks.alone", name, contender],
                capture_output=True,
                text=True,
                env={**os.environ, **cache},
            )
            if process.returncode:
                raise SystemExit(f"error: {contender} alone failed:\n{process.stderr}")
            return json.loads(process.stdout.splitlines()[-1])

        if not cold:
            return run_once()
        first_with_empty_cache = run_once()["first"]
        return {**run_once(), "cold": first_with_empty_cache}


if __name__ == "__main__":
    main(*sys.argv[1:])
