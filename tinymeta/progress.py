"""A quiet progress bar, on stderr.

It is tqdm's where that is installed and stderr is a terminal, else a line every half a minute.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_INTERVAL = 30.0  # seconds between two lines, where there is no bar


class ProgressBar:
    """Counts iterations up to `total`: `step` after each one, `note` for a line that stays.

    done: iterations of an earlier run, which do not count for the estimate of the time left; shown:
    False where another process shows it.
    """

    def __init__(self, total: int, name: str, done: int = 0, shown: bool = True) -> None:
        self.total, self.name, self.done, self.shown = total, name, done, shown
        self.done_before = done
        self.start = self.last_line = time.perf_counter()
        self._tqdm: Any = None
        if shown and sys.stderr.isatty():
            with suppress(ImportError):
                from tqdm import tqdm  # slow to import, and not needed where there is no terminal

                self._tqdm = tqdm(total=total, desc=name, initial=done, leave=False)

    def step(self, **values: float) -> None:
        """One iteration more; the values are shown beside the bar, with four digits."""
        self.done += 1
        if self._tqdm is not None:
            postfix = {name: f"{value:.4g}" for name, value in values.items()}
            self._tqdm.set_postfix(postfix, refresh=False)
            self._tqdm.update()
        elif time.perf_counter() - self.last_line > _INTERVAL:
            self.note(**values)

    def note(self, **values: object) -> None:
        """Write a line with these values, and with the seconds spent and estimated to be left."""
        self.last_line = time.perf_counter()
        spent = self.last_line - self.start
        left = spent / max(self.done - self.done_before, 1) * (self.total - self.done)
        text = "  ".join(f"{name} {_four_digits(value)}" for name, value in values.items())
        line = f"{self.name} {self.done}/{self.total}  {text}  [{spent:.0f} s, {left:.0f} s left]"
        if self._tqdm is not None:
            self._tqdm.write(line, file=sys.stderr)
        elif self.shown:
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the bar from the screen."""
        if self._tqdm is not None:
            self._tqdm.close()


def _four_digits(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


@contextmanager
def progress(total: int, name: str, done: int = 0, shown: bool = True) -> Iterator[ProgressBar]:
    """A ProgressBar that is closed at the end of the `with` block, whatever ends it."""
    bar = ProgressBar(total, name, done, shown)
    try:
        yield bar
    finally:
        bar.close()
