"""Who waits for whom: capture beside other threads, other libraries' streams, uploads, destructors.

Their kernels only copy. They run on a GPU and on the emulated one, which does what is queued as
late as it may. Another library is played by raw calls on streams of its own.
"""

import gc
import itertools
import threading
import weakref
from collections import Counter
from ctypes import byref, c_size_t, c_uint, c_void_p

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.cuda import copies, dlpack, loops, move, staging
from tinymeta.cuda.array import allocate
from tinymeta.cuda.context import Context
from tinymeta.cuda.driver import NOT_SUPPORTED, Address, DriverError, current, using
from tinymeta.cuda.launch import record_launches
from tinymeta.cuda.memory import memory_pool
from tinymeta.cuda.movement import copy
from tinymeta.cuda.target import SIMULATED

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.ptx_run,
    pytest.mark.skipif(SIMULATED, reason="the simulator has no streams"),
]
F32 = np.float32
N = 1000


@pytest.fixture
def emulated(gpu):
    if gpu is None:
        pytest.skip("asks the emulated GPU")
    return gpu


class TheirStream:
    """Another library's stream, on which it copies arrays."""

    def __init__(self):
        self.handle = c_void_p()
        current().call("cuStreamCreate", byref(self.handle), c_uint(1))

    def copy(self, to, x):
        """Queue a copy of a dense array to a dense one of that size."""
        arguments = Address(to.address), Address(x.address), c_size_t(x.nbytes), self.handle
        current().call("cuMemcpyDtoDAsync_v2", *arguments)

    def synchronize(self):
        current().call("cuStreamSynchronize", self.handle)


class Theirs:
    """Another library's array, in version 2 of the interface, which has no stream, or with one."""

    def __init__(self, array, stream=None):
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (array.address, False),
            "version": 2 if stream is None else 3,
        } | ({} if stream is None else {"stream": stream})
        self.array = array


_begin = itertools.count(1)


def fresh():
    """An array of the host that no memory holds yet: blocks are used again with what is in them."""
    first = next(_begin) * N
    return np.arange(first, first + N, dtype=F32)


def numbers(host=None):
    return move(fresh() if host is None else host, "cuda")


def holds(x, host):
    return np.array_equal(move(x, "cpu"), host)


# ---- capture -------------------------------------------------------------------------------------


def test_another_threads_work_stays_out_of_a_capture():
    """It works between the first and the second launch of the graph."""
    host, theirs = fresh(), fresh()
    x, out = numbers(host), allocate((N,), F32)
    with record_launches() as recording:
        copy(out, x)
    inside, done, found = threading.Event(), threading.Event(), []

    def stop(*stream):
        inside.set()
        done.wait(20)
        recording.launches[0](*stream)

    def other():
        inside.wait(20)
        try:
            y = allocate((N,), F32)
            copy(y, numbers(theirs))
            found.append(holds(y, theirs))
        finally:
            done.set()

    thread = threading.Thread(target=other)
    thread.start()
    replay = current().capture_graph([stop])
    thread.join()
    assert found == [True]
    replay()
    assert holds(out, host)


def test_a_launch_that_fails_in_a_capture_is_what_is_told():
    def refused(*stream):
        raise DriverError("refused", 1)

    for _ in range(2):  # and the stream captures no more
        with pytest.raises(DriverError, match="^refused$"):
            current().capture_graph([refused])
    test_another_threads_work_stays_out_of_a_capture()


def test_only_a_driver_without_graphs_is_said_to_have_none(monkeypatch):
    def failing(code):
        def capture_graph(launches, needs=None):
            raise DriverError("no", code)

        return capture_graph

    with tm.device("cuda"):
        monkeypatch.setattr(current(), "capture_graph", failing(NOT_SUPPORTED))
        assert "plain launches" in str(tm.explain(lambda x: -x, np.ones(N, F32)))
        monkeypatch.setattr(current(), "capture_graph", failing(700))
        with pytest.raises(DriverError, match="^no$"):
            tm.jit(lambda x: -x)(np.ones(N, F32))


# ---- the context ---------------------------------------------------------------------------------


def test_another_library_may_change_the_context_and_finds_its_own_again():
    library, before, after = current().library, c_void_p(), c_void_p()
    library.cuCtxGetCurrent(byref(before))
    try:
        library.cuCtxSetCurrent(None)
        host = fresh()
        x, y = numbers(host), allocate((N,), F32)
        copy(y, x)
        assert holds(y, host)
        library.cuCtxGetCurrent(byref(after))
        assert after.value is None
    finally:
        library.cuCtxSetCurrent(before)


# ---- another library's arrays --------------------------------------------------------------------


@pytest.mark.parametrize("how", ["no stream", "a stream", "the default stream"])
def test_work_follows_what_another_library_has_queued(how):
    x, out, stream = allocate((N,), F32), allocate((N,), F32), TheirStream()
    if how == "the default stream":
        stream.handle = c_void_p(1)
    host = fresh()
    source = numbers(host)
    current().synchronize()
    stream.copy(x, source)
    named = {"no stream": None}.get(how, stream.handle.value)
    copy(out, move(Theirs(x, named), "cuda"))
    assert holds(out, host)


def test_dlpack_is_preferred_and_told_our_stream():
    host, streams = fresh(), []
    x = numbers(host)

    class WithBoth:
        @property
        def __cuda_array_interface__(self):
            raise RuntimeError("it names no stream")

        def __dlpack_device__(self):
            return x.__dlpack_device__()

        def __dlpack__(self, stream):
            streams.append(stream)
            return dlpack.export(x)

    shared = move(WithBoth(), "cuda")
    assert streams == [current().stream.value] and shared.address == x.address
    assert holds(shared, host)
    copy(numbers(), shared)
    del shared
    gc.collect()
    current().synchronize()
    assert not dlpack.exported, "its producer has it again"


@pytest.mark.parametrize("how", ["dlpack", "dlpack, default stream", "interface"])
def test_another_librarys_work_follows_ours(how):
    x, seen, stream = allocate((N,), F32), allocate((N,), F32), TheirStream()
    host = fresh()
    source = numbers(host)
    current().synchronize()
    copy(x, source)
    if how == "interface":
        x.__cuda_array_interface__
    elif how == "dlpack":
        x.__dlpack__(stream=stream.handle.value)
    else:
        stream.handle = c_void_p(1)
        x.__dlpack__()
    stream.copy(seen, x)
    stream.synchronize()
    assert holds(seen, host)
    with pytest.raises(ValueError, match="stream 0 is ambiguous"):
        x.__dlpack__(stream=0)


@pytest.mark.parametrize("how", ["dlpack", "interface"])
def test_a_block_that_was_lent_is_not_reused_while_it_is_read(how):
    host = fresh()
    x, seen, stream = numbers(host), allocate((N,), F32), TheirStream()
    if how == "interface":
        x.__cuda_array_interface__
    else:
        x.__dlpack__(stream=stream.handle.value)
    stream.copy(seen, x)
    address = x.address
    del x
    gc.collect()
    current().synchronize()  # we are done with it: are they?
    others = [numbers() for _ in range(3)]
    current().synchronize()
    stream.synchronize()
    assert holds(seen, host)
    del others
    gc.collect()
    blocks = [allocate((N,), F32) for _ in range(9)]
    assert address in {x.address for x in blocks}, "it comes back to the pool"


def test_another_librarys_memory_is_kept_until_kernels_have_read_it(emulated):
    host = fresh()
    x, out = numbers(host), allocate((N,), F32)
    theirs = Theirs(x)
    alive = weakref.ref(theirs)
    copy(out, move(theirs, "cuda"))
    del theirs
    gc.collect()
    allocate((N,), F32)
    assert alive(), "the copy is still queued"
    assert holds(out, host)
    assert not alive()


# ---- uploads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, N, staging.PAGE // 4 + 5, staging.PAGE])
def test_an_array_may_be_changed_as_soon_as_its_upload_returns(count, gpu):
    if gpu is not None:
        gpu.configure(late_uploads=1)
    uploads = []
    for k in range(5):
        x = np.arange(k, k + count, dtype=F32)
        uploads.append(move(x, "cuda"))
        x[:] = -1
    for k, y in enumerate(uploads):
        np.testing.assert_array_equal(move(y, "cpu"), np.arange(k, k + count, dtype=F32))


# ---- what is not needed any more -----------------------------------------------------------------


def test_graphs_and_modules_are_freed(emulated, monkeypatch):
    calls, call = Counter(), Context.call
    keep = lambda self, name, *arguments: (call(self, name, *arguments), calls.update([name]))[0]
    monkeypatch.setattr(Context, "call", keep)
    loops.loop_kernel.cache_clear()
    copies.copy_kernel.cache_clear()
    gc.collect()
    current().synchronize()
    calls.clear()
    with tm.device("cuda"):
        compiled = tm.jit(lambda x: -x)
        compiled(np.ones(N, F32))
    loops.loop_kernel.cache_clear()
    copies.copy_kernel.cache_clear()
    # The loop, and what copies arguments and results.
    assert calls["cuGraphInstantiateWithFlags"] == 1 and calls["cuModuleLoadDataEx"] == 2
    assert not calls["cuGraphExecDestroy"] and not calls["cuModuleUnload"]
    del compiled
    gc.collect()
    current().synchronize()
    assert calls["cuGraphExecDestroy"] == 1 and calls["cuModuleUnload"] == 2


def test_threads_may_take_give_back_and_release_memory():
    errors, stop = [], threading.Event()

    def work():
        try:
            while not stop.is_set():
                host = fresh()
                x, out = numbers(host), allocate((N,), F32)
                copy(out, x)
                assert holds(out, host)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        memory_pool().release()
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors


# ---- two GPUs ------------------------------------------------------------------------------------


def test_a_second_gpu(gpu):
    if gpu is not None:
        gpu.configure(devices=2)
        assert tm.devices() == {"cpu": True, "cuda": True, "cuda:1": True}
    if "cuda:1" not in tm.devices():
        pytest.skip("there is one GPU")
    x = np.arange(N, dtype=F32)
    with tm.device("cuda:1"):
        t = tm.tensor(x)
        results = [-t, tm.jit(lambda x: -x)(x)]
        assert [y.device for y in (t, *results)] == ["cuda:1"] * 3
    first = t.to("cuda:0")
    assert first.device == "cuda" and np.array_equal(first.numpy(), x)
    with using(1):
        assert memory_pool().used >= 3 * x.nbytes
    with pytest.raises(ValueError, match="two devices"):
        first + t
