"""What the operating system says about this process, and what is assumed where it does not say.

Linux has all of it; macOS and Windows lack some. Who wants to know asks here.
"""

import os
import sys


def cores() -> int:
    """How many threads this process may run at once: of all cores where none can be barred."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load() -> float:
    """How many processes wanted to run in the last minute, on average; NaN on Windows."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def peak_memory() -> float:
    """The most memory that this process had, in MB; NaN where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
