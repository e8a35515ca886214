"""A CUDA graph: a list of launches that one call replays.

A graph is made by capture: a stream is told to note down what is queued on it instead of running
it. All of it, whoever queued it: so the stream of a capture is one that nobody else works on, or
another thread's launches would become part of the graph and never run by themselves.
"""

import functools
from collections.abc import Callable, Sequence
from ctypes import byref, c_int, c_ulonglong, c_void_p

from .context import Context
from .stream import Retired

THREAD_LOCAL = 1  # capture: other threads may allocate and wait meanwhile
Launch = Callable[..., None]  # queues a kernel on the stream it is given, or on that of all work


class Graph:
    """Launches that were captured. Its executable is freed when nobody refers to it any more.

    capture_stream: that nobody else works on. stream: where it is replayed. Raises DriverError,
    code NOT_SUPPORTED, if the driver has no graphs, and a launch's own error.
    """

    def __init__(
        self,
        context: Context,
        capture_stream: c_void_p,
        stream: c_void_p,
        retired: Retired,
        launches: Sequence[Launch],
    ):
        self.context, self.stream, self.retired = context, stream, retired
        self.launches = launches  # which keep the kernels loaded
        graph, executable = _captured(context, capture_stream, launches), c_void_p()
        try:
            no_flags = c_ulonglong(0)
            context.call("cuGraphInstantiateWithFlags", byref(executable), graph, no_flags)
        finally:
            context.call("cuGraphDestroy", graph)
        self.executable = executable
        self.destroy = functools.partial(context.call, "cuGraphExecDestroy", executable)

    def __call__(self) -> None:
        """Queue all of it."""
        self.context.call("cuGraphLaunch", self.executable, self.stream)

    def __del__(self) -> None:
        if hasattr(self, "destroy"):  # not if it could not be made
            self.retired.add(self.destroy)


def _captured(context: Context, stream: c_void_p, launches: Sequence[Launch]) -> c_void_p:
    """What the launches queue on this stream, as a graph."""
    graph = c_void_p()
    context.call("cuStreamBeginCapture_v2", stream, c_int(THREAD_LOCAL))
    try:
        for launch in launches:  # the stream notes them down, and runs none
            launch(stream)
    except BaseException:  # the capture has to end; what is told is why
        context.run(context.function("cuStreamEndCapture"), stream, byref(graph))
        if graph.value:
            context.call("cuGraphDestroy", graph)
        raise
    context.call("cuStreamEndCapture", stream, byref(graph))
    return graph
