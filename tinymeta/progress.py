"""A quiet progress bar, on stderr.

It is tqdm's where that is installed and someone watches, else a line every half a minute.
"""

import sys
import time
from contextlib import contextmanager

try:
    import tqdm
except ImportError:
    tqdm = None

QUIET = 30.0  # seconds without a line


class Bar:
    """`step` after each iteration, `note` for what should stay on the screen."""

    def __init__(self, total: int, name: str, done: int = 0):
        self.total, self.name, self.done, self.first = total, name, done, done
        self.start = self.shown = time.perf_counter()
        watched = tqdm is not None and sys.stderr.isatty()
        self.bar = tqdm.tqdm(total=total, desc=name, initial=done, leave=False) if watched else None

    def step(self, **values):
        self.done += 1
        if self.bar is not None:
            self.bar.set_postfix({k: f"{v:.4g}" for k, v in values.items()}, refresh=False)
            self.bar.update()
        elif time.perf_counter() - self.shown > QUIET:
            self.note(**values)

    def note(self, **values):
        self.shown = time.perf_counter()
        spent = self.shown - self.start
        left = spent / max(self.done - self.first, 1) * (self.total - self.done)
        text = "  ".join(
            f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items()
        )
        place = f"{self.name} {self.done}/{self.total}"
        line = f"{place}  {text}  [{spent:.0f} s, {left:.0f} s left]"
        if self.bar is not None:
            self.bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)


@contextmanager
def progress(total: int, name: str, done: int = 0):
    bar = Bar(total, name, done)
    try:
        yield bar
    finally:
        if bar.bar is not None:
            bar.bar.close()
