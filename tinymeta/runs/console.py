"""How a run behaves at a console: Ctrl-C and signals, and output that cannot be written."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def signals_as_ctrl_c() -> Iterator[None]:
    """In this `with`, SIGTERM, and SIGHUP of a terminal that is closed, interrupt as Ctrl-C does.

    A signal that is ignored, as nohup arranges it, stays ignored.
    """

    def interrupt(number, frame):
        for each in handled:  # a second one would interrupt the saving
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handled = []
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        handled = [each for each in known if signal.getsignal(each) == signal.SIG_DFL]
    for each in handled:
        signal.signal(each, interrupt)
    try:
        yield
    finally:
        for each in handled:
            signal.signal(each, signal.SIG_DFL)


class FailsafeStream:
    """A stream that goes silent, instead of raising, once its reader or its disk is gone.

    on_failure(error): called when that happens.
    """

    def __init__(self, stream: Any, on_failure: Callable = lambda error: None) -> None:
        self.stream, self.on_failure = stream, on_failure

    def write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError as error:
            # The rest goes to the null device: Python itself flushes the stream when it ends.
            null_device = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null_device, self.stream.fileno())
            os.close(null_device)
            self.on_failure(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _failsafe(stream: Any, on_failure: Callable = lambda error: None) -> Any:
    return FailsafeStream(stream, on_failure)


@contextlib.contextmanager
def output_may_fail(out: Path) -> Iterator[None]:
    """A closed terminal or pipe, or a full disk behind one, does not end what runs in this `with`.

    out: the folder with the run's files, which is then named.
    """

    def report(error):
        print(
            f"nothing more can be printed ({error}): the run goes on, its files are in {out}",
            file=sys.stderr,
        )

    with contextlib.ExitStack() as stack:
        if sys.stderr is not None:
            stack.enter_context(contextlib.redirect_stderr(_failsafe(sys.stderr)))
        if sys.stdout is not None:
            stack.enter_context(contextlib.redirect_stdout(_failsafe(sys.stdout, report)))
        yield
