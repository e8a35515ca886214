"""A CUDA graph: launches that one call replays, each as soon as those are done that it needs.

A graph is made by capture: a stream is told to note down what is queued on it instead of running
it. All of it, whoever queued it: so the stream of a capture is one that nobody else works on, or
another thread's launches would become part of the graph and never run by themselves.

A launch is noted down to come after the stream's latest ones, by itself after the one before it.
Where it is known what each of them needs, the stream is told that these are its latest:

    noted down one after another          a - b - c - d
    c told to come after a, d after       a - b - d          b and c may run at once: small ones
    both b and c                            - c -            share the GPU, and waits overlap
"""

import functools
from collections.abc import Callable, Sequence
from ctypes import POINTER, byref, c_int, c_size_t, c_uint, c_ulonglong, c_void_p

from .context import Context
from .stream import Retired

_SET = 1  # the latest launches of a stream that captures, instead of adding to them
THREAD_LOCAL = 1  # capture: other threads may allocate and wait meanwhile
Launch = Callable[..., None]  # queues a kernel on the stream it is given, or on that of all work


class Graph:
    """Launches that were captured. Its executable is freed when nobody refers to it any more.

    needs: of each launch, the numbers of those that it comes after, all of them earlier; None: of
    the one before it. capture_stream: that nobody else works on. stream: where it is replayed.
    Raises DriverError, code NOT_SUPPORTED, if the driver has no graphs or cannot be told of needs,
    and a launch's own error.
    """

    def __init__(
        self,
        context: Context,
        capture_stream: c_void_p,
        stream: c_void_p,
        retired: Retired,
        launches: Sequence[Launch],
        needs: Sequence[Sequence[int]] | None = None,
    ):
        self.context, self.stream, self.retired = context, stream, retired
        self.launches = launches  # which keep the kernels loaded
        graph, executable = _captured(context, capture_stream, launches, needs), c_void_p()
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


def _captured(
    context: Context,
    stream: c_void_p,
    launches: Sequence[Launch],
    needs: Sequence[Sequence[int]] | None,
) -> c_void_p:
    """What the launches queue on this stream, as a graph."""
    graph = c_void_p()
    nodes: list[int | None] = []
    context.call("cuStreamBeginCapture_v2", stream, c_int(THREAD_LOCAL))
    try:
        for k, launch in enumerate(launches):  # the stream notes them down, and runs none
            if needs is None:
                launch(stream)
                continue
            _come_after(context, stream, [nodes[j] for j in needs[k]])
            launch(stream)
            nodes.append(_latest(context, stream))
    except BaseException:  # the capture has to end; what is told is why
        context.run(context.function("cuStreamEndCapture"), stream, byref(graph))
        if graph.value:
            context.call("cuGraphDestroy", graph)
        raise
    context.call("cuStreamEndCapture", stream, byref(graph))
    return graph


def _come_after(context: Context, stream: c_void_p, nodes: list[int | None]) -> None:
    """What is captured next comes after these nodes, and after nothing else."""
    handles = (c_void_p * max(len(nodes), 1))(*nodes)
    count = c_size_t(len(nodes))
    context.call("cuStreamUpdateCaptureDependencies", stream, handles, count, c_uint(_SET))


def _latest(context: Context, stream: c_void_p) -> int | None:
    """The node that was captured last."""
    status, number, graph = c_int(), c_ulonglong(), c_void_p()
    nodes, count = POINTER(c_void_p)(), c_size_t()
    context.call(
        "cuStreamGetCaptureInfo_v2",
        stream,
        byref(status),
        byref(number),
        byref(graph),
        byref(nodes),
        byref(count),
    )
    return nodes[0] if count.value else None
