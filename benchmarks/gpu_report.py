"""The report of a GPU: parts that are run one by one, and a file that grows with each result.

A part is a function (options, small) -> iterator of (name, what was found), as results come; small:
a rehearsal. In: such an iterator. Out: a dict of what was found, its "seconds", and its "error", if
it ended with one: then the next part begins. It is written after each result, so that a run that is
cut short leaves what it had.

`in_a_process` runs a part where it can do no harm: a kernel that touches what is not its own leaves
a context in which nothing runs any more, and one that never ends cannot be interrupted. It costs
some seconds of imports, and a context. On Unix only.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .timing import write

Results = Iterator[tuple[str, Any]]  # of a part: name, what was found, as they come
Part = Callable[[argparse.Namespace, bool], Results]
HAS_GROUPS = hasattr(os, "setpgrp")  # of processes; Windows has none
FAILED = "FAILED: "  # how a result begins that is not what it must be


def run_part(name: str, results: Results, report: dict, path: Path) -> None:
    """A part's results, into report[name]; the report is written to `path` after each of them."""
    print(f"\n== {name}", flush=True)
    start, found = time.perf_counter(), report.setdefault(name, {})

    def save() -> None:
        found["seconds"] = time.perf_counter() - start
        write(path, json.dumps(report, indent=1) + "\n")

    try:
        for key, value in results:
            found[key] = value
            save()
    except Exception as error:
        traceback.print_exc()
        found["error"] = _named(error)
        save()


def in_a_process(part: Part, options: argparse.Namespace, small: bool, limit: float) -> Results:
    """A part's results, from a process of its own; "error" is one if it fails.

    limit: seconds; if they are over, it is ended with all that it has started.
    """
    end, spawn = time.monotonic() + limit, multiprocessing.get_context("spawn")
    receiving, sending = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_send_results, args=(sending, part, options, small))
    process.start()
    sending.close()
    try:
        while receiving.poll(max(end - time.monotonic(), 0)):
            if (result := receiving.recv()) is None:
                break
            yield result
        else:
            yield "error", f"not done in {limit:.0f} s"
    except EOFError:
        process.join(5)
        yield "error", f"its process ended with status {process.exitcode}"
    finally:
        if HAS_GROUPS:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid or 0, signal.SIGKILL)
        process.kill()
        process.join()


def _send_results(connection: Connection, part: Part, options: Any, small: bool) -> None:
    """The process of a part: its results, an "error" if it fails, and None at the end."""
    if HAS_GROUPS:
        os.setpgrp()  # what it starts can be ended with it
    try:
        for result in part(options, small):
            connection.send(result)
    except Exception as error:
        traceback.print_exc()
        connection.send(("error", _named(error)))
    connection.send(None)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


# ---- what is printed at the end ------------------------------------------------------------------


def failures(report: dict) -> list[str]:
    """A line for each error, and for each result that is not what it must be."""
    lines = []
    for name, part in report.items():
        if not isinstance(part, dict):
            continue
        wrong = {k: v for k, v in part.items() if isinstance(v, str) and v.startswith(FAILED)}
        lines += [f"{name}: {part['error']}"] if "error" in part else []
        lines += [f"{name}: {key}: {text}" for key, text in wrong.items()]
    return lines


def summary(report: dict) -> str:
    """A line for the device, each failure, and each verdict, meta-step and product."""
    lines = [f"device: {report['device']}", *failures(report)]
    for name in ("parity", "training"):
        if "passed" in report.get(name, {}):
            lines.append(_verdict(name, report[name]))
    for name, found in report.get("steps", {}).items():
        if isinstance(found, dict) and "contenders" in found:
            lines.append(_step_line(name, found))
    for name, found in report.get("products", {}).items():
        if isinstance(found, dict):
            mine, theirs = found["tinymeta"], found["cuBLAS"]
            share = f", {100 * mine / theirs:.0f} % of cuBLAS" if theirs else ""
            lines.append(f"{name}: {mine:.2f} TFLOP/s{share}")
    return "\n".join(lines)


def _verdict(name: str, part: dict) -> str:
    verdict = "passed" if part["passed"] else "FAILED"
    details = part.get("results", [part.get("last line", "")])
    return f"{name}: {verdict}, {part['seconds']:.0f} s; {'; '.join(details)}"


def _step_line(name: str, found: dict) -> str:
    times = {contender: r["median"] for contender, r in found["contenders"].items()}
    mine = times.pop("tinymeta, jit")
    share = 100 * found["device seconds"] / mine
    others = "; ".join(f"{contender} {t / mine:.1f}x" for contender, t in times.items())
    return f"{name}: {1e3 * mine:.2f} ms, device at work {share:.0f} %; {others}"
