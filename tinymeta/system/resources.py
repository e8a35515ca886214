"""What the operating system says about this process, with a default where it does not say.

Linux has all of it; macOS and Windows lack some.
"""

import os
import sys


def cores() -> int:
    """How many cores this process may use: all of them where the system knows no restriction."""
    return len(core_numbers())


def core_numbers() -> frozenset[int]:
    """Which cores this process may use: all of them where the system knows no restriction."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def load() -> float:
    """How many processes wanted to run in the last minute, on average; NaN on Windows."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def peak_memory() -> float:
    """The most memory that this process had, in MB; NaN where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
