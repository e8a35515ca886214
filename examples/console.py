"""How an example begins at a console: Ctrl-C and --help.

Imported first, and of the standard library alone: from then on an interruption is one sentence
instead of a traceback, also while the other imports take their second.
"""

import argparse
import sys
from typing import Any


def script(doc: str) -> None:
    """For a script that is read from top to bottom: --help shows `doc` and does not run it."""
    argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()


def _report_in_one_sentence(kind: type, error: BaseException, trace: Any) -> None:
    """An excepthook: Ctrl-C is no mistake that a traceback helps to find."""
    if issubclass(kind, KeyboardInterrupt):
        print("stopped by Ctrl-C", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _report_in_one_sentence
