"""Streams and events: the order in which a GPU does things, and how one waits for another.

A stream is a queue. The host puts work into it and goes on; the GPU takes it out in order. Between
two streams there is no order, unless an event makes one: it is recorded in one stream, and done
when all that was queued there before is done; another stream, or the host, waits for it.

    ours      | kernel | kernel | wait for e | kernel that reads x | ..
    theirs    | kernel that writes x | record e | ..

So our work follows another library's without the host's standing still in between.
"""

import threading
from collections import deque
from collections.abc import Callable
from ctypes import byref, c_uint, c_void_p

from .context import NOT_READY, Context

_NON_BLOCKING = 1  # a stream that does not wait for the default one
_NO_TIMING = 2  # an event that only orders
LEGACY_DEFAULT = 1  # the stream that CUDA programs use unless they name one


class Event:
    """A point in a stream, and everything before it."""

    def __init__(self, context: Context):
        self.context, self.handle = context, c_void_p()
        context.call("cuEventCreate", byref(self.handle), c_uint(_NO_TIMING))

    def record(self, stream: c_void_p) -> None:
        """Be done when all that is queued there now is done."""
        self.context.call("cuEventRecord", self.handle, stream)

    def is_done(self) -> bool:
        """Whether the GPU is past it. Raises DriverError if what came before has failed."""
        code = self.context.run(self.context.function("cuEventQuery"), self.handle)
        self.context.check(0 if code == NOT_READY else code, "cuEventQuery")
        return code == 0

    def synchronize(self) -> None:
        """Wait until it is done; one that was never recorded is."""
        self.context.call("cuEventSynchronize", self.handle)

    def destroy(self) -> None:
        """Let it go: the GPU forgets it when it is past it."""
        self.context.call("cuEventDestroy_v2", self.handle)


def create_stream(context: Context) -> c_void_p:
    """A queue of its own; it is not destroyed before the process ends."""
    stream = c_void_p()
    context.call("cuStreamCreate", byref(stream), c_uint(_NON_BLOCKING))
    return stream


def order(context: Context, first: c_void_p, then: c_void_p) -> None:
    """What is queued on `then` from now on comes after what is queued on `first` now."""
    event = Event(context)
    event.record(first)
    context.call("cuStreamWaitEvent", then, event.handle, c_uint(0))
    event.destroy()


class Retired:
    """What nobody refers to while kernels may still use it: let go when the GPU is past them.

    A destructor runs wherever the garbage collector likes: in the midst of a capture, in another
    thread, when the interpreter ends. So `add` calls no libcuda and takes no lock. `let_go`, which
    is called where memory is allocated and where one waits, records an event behind what was added,
    and frees it when that event is done.
    """

    def __init__(self, context: Context, stream: c_void_p, wait_for_all: Callable[[], None]):
        self.context, self.stream, self.wait_for_all = context, stream, wait_for_all
        self.added: deque[tuple[Callable[[], object], bool]] = deque()
        self.behind_events: deque[tuple[Event, list[Callable[[], object]]]] = deque()
        self.lock = threading.Lock()

    def add(self, release: Callable[[], object], lent: bool = False) -> None:
        """release: called when it is safe. lent: another library's kernels may use it, too.

        On which streams these are nobody says, and the streams may be gone: the whole GPU is waited
        for.
        """
        self.added.append((release, lent))

    def let_go(self) -> None:
        """Free what is safe to free; one thread at a time, and not from within what is freed."""
        if not (self.added or self.behind_events) or not self.lock.acquire(blocking=False):
            return
        try:
            self._put_behind_event()
            while self.behind_events and self.behind_events[0][0].is_done():
                event, releases = self.behind_events.popleft()
                event.destroy()
                for release in releases:
                    release()
        finally:
            self.lock.release()

    def _put_behind_event(self) -> None:
        """An event behind what was added since the last one."""
        added = [self.added.popleft() for _ in range(len(self.added))]
        if any(lent for _, lent in added):
            self.wait_for_all()
        if added:
            event = Event(self.context)
            event.record(self.stream)
            self.behind_events.append((event, [release for release, _ in added]))
