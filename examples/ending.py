"""How an example ends: in one sentence after Ctrl-C or a signal, and not because nobody listens."""

import argparse
import contextlib
import os
import signal
import sys
import threading


@contextlib.contextmanager
def signals():
    """SIGTERM, and SIGHUP of a terminal that is closed, interrupt as Ctrl-C does, for a `with`.

    One that is ignored, as nohup arranges it, stays so.
    """

    def stop(number, frame):
        for each in ours:  # a second one would interrupt the saving
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    known = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    in_main = threading.current_thread() is threading.main_thread()  # none other may set them
    ours = [each for each in known if in_main and signal.getsignal(each) == signal.SIG_DFL]
    for each in ours:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


class Lasting:
    """A stream that may lose its reader, or its disk; from then on it is silent.

    lost(error): called when that happens.
    """

    def __init__(self, stream, lost=lambda error: None):
        self.stream, self.lost = stream, lost

    def write(self, text: str):
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())  # what is still to come is no error
            os.close(nowhere)
            self.lost(error)

    def __getattr__(self, name):
        return getattr(self.stream, name)


@contextlib.contextmanager
def listening(out):
    """A closed terminal or pipe, or a full disk behind one, does not end what runs in this `with`.

    out: the folder with the run's files, which is then named.
    """

    def lost(error):
        print(
            f"nothing more can be printed ({error}): the run goes on, its files are in {out}",
            file=sys.stderr,
        )

    with contextlib.ExitStack() as stack:
        if sys.stderr is not None:
            stack.enter_context(contextlib.redirect_stderr(Lasting(sys.stderr)))
        if sys.stdout is not None:
            stack.enter_context(contextlib.redirect_stdout(Lasting(sys.stdout, lost)))
        yield


def script(doc: str):
    """For a script that is read from top to bottom: --help shows its text and does not run it."""
    argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()


def one_sentence(kind, error, trace):
    """An excepthook: Ctrl-C is no mistake that a traceback helps to find."""
    if issubclass(kind, KeyboardInterrupt):
        print("stopped by Ctrl-C", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = one_sentence  # from here on: the imports after this one take a second
