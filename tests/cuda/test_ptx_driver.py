"""The emulated libcuda refuses what a real one refuses, and does late what it may do late."""

import ctypes
import threading
from contextlib import contextmanager
from ctypes import byref, c_int, c_size_t, c_uint, c_uint64, c_void_p

import numpy as np
import pytest
from test_ptx_instructions import KERNEL, Written

import tinymeta as tm
from tinymeta.cuda import allocate, driver, move
from tinymeta.cuda.launch import record_launches
from tinymeta.cuda.movement import copy

pytestmark = pytest.mark.ptx_run
GLOBAL, THREAD_LOCAL = 0, 1
DOUBLE = KERNEL.format(kind="f32", result="f32", size=4, out_size=4, code="add.f32 %c0, %a0, %a0;")
F32 = np.float32


def code(name, *arguments):
    """What a call returns, with the first device's context."""
    library, context = driver.current().library, c_void_p()
    assert library.cuDevicePrimaryCtxRetain(byref(context), c_int(0)) == 0
    assert library.cuCtxSetCurrent(context) == 0
    return getattr(library, name)(*arguments)


def elsewhere(function):
    """What a function returns in another thread."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


@pytest.fixture
def stream():
    handle = c_void_p()
    assert code("cuStreamCreate", byref(handle), c_uint(1)) == 0
    yield handle
    assert code("cuStreamDestroy_v2", handle) == 0


@contextmanager
def capturing(stream, mode=THREAD_LOCAL, end=0):
    graph = c_void_p()
    assert code("cuStreamBeginCapture_v2", stream, c_int(mode)) == 0
    yield graph
    assert code("cuStreamEndCapture", stream, byref(graph)) == end


# ---- contexts ------------------------------------------------------------------------------------


def test_a_context_is_current_in_each_thread_by_itself():
    library, size = driver.current().library, c_size_t()
    query = lambda: library.cuMemGetInfo_v2(byref(size), byref(size))
    assert code("cuMemGetInfo_v2", byref(size), byref(size)) == 0
    assert elsewhere(query) == 201
    assert elsewhere(lambda: move(np.ones(3), "cuda").shape) == (3,), "ours makes it current"


def test_another_device_has_another_context(gpu):
    gpu.configure(devices=2)
    other, address, size = c_void_p(), c_uint64(), c_size_t(64)
    assert code("cuDevicePrimaryCtxRetain", byref(other), c_int(1)) == 0
    x = move(np.ones(3), "cuda")
    assert code("cuCtxPushCurrent_v2", other) == 0
    library = driver.current().library
    try:
        assert library.cuStreamSynchronize(driver.current().stream) == 400, "the other one's stream"
        assert library.cuMemAlloc_v2(byref(address), size) == 0
    finally:
        assert library.cuCtxPopCurrent_v2(None) == 0
    assert code("cuMemFree_v2", address) == 1, "the other one's memory"
    assert move(x, "cpu").sum() == 3
    assert code("cuDevicePrimaryCtxRetain", byref(other), c_int(2)) == 101


# ---- capture -------------------------------------------------------------------------------------


def test_a_captured_launch_runs_with_the_graph_and_not_before(stream):
    out, x = move(np.zeros(8, F32), "cuda"), move(np.ones(8, F32), "cuda")
    driver.current().synchronize()
    copied = driver.Address(out.address), driver.Address(x.address), c_size_t(32), stream
    with capturing(stream) as graph:
        assert code("cuMemcpyDtoDAsync_v2", *copied) == 0
    assert code("cuStreamSynchronize", stream) == 0
    assert move(out, "cpu").sum() == 0
    executable = c_void_p()
    instantiate = byref(executable), graph, c_uint64(0)
    assert code("cuGraphInstantiateWithFlags", *instantiate) == 0
    assert code("cuGraphDestroy", graph) == 0
    assert code("cuGraphInstantiateWithFlags", *instantiate) == 1, "it is destroyed"
    assert code("cuGraphLaunch", executable, stream) == 0
    assert code("cuStreamSynchronize", stream) == 0
    assert move(out, "cpu").sum() == 8
    assert code("cuGraphExecDestroy", executable) == 0
    assert code("cuGraphLaunch", executable, stream) == 400


def test_what_is_recorded_runs_when_it_is_replayed(gpu):
    host = np.arange(600, dtype=F32)
    x, out = move(host, "cuda"), move(np.zeros(600, F32), "cuda")
    with record_launches() as recording:
        copy(out, x)
    replay = driver.current().capture_graph(recording.launches)
    assert not move(out, "cpu").any()
    for _ in range(2):
        copy(out, move(np.zeros(600, F32), "cuda"))
        replay()
        assert np.array_equal(move(out, "cpu"), host)
    with tm.device("cuda"):
        compiled = tm.jit(lambda x: -x)
        for _ in range(2):
            assert np.array_equal(compiled(host).numpy(), -host)
    (program,) = compiled.programs.values()
    assert program.replay.graph


@pytest.mark.parametrize("name", ["cuStreamSynchronize", "cuMemAlloc_v2", "cuCtxSynchronize"])
def test_what_waits_or_allocates_breaks_a_capture(name, stream):
    address = c_uint64()
    arguments = {"cuStreamSynchronize": (stream,), "cuCtxSynchronize": ()}
    with capturing(stream, end=901):
        assert code(name, *arguments.get(name, (byref(address), c_size_t(8)))) == 900


@pytest.mark.parametrize("mode, refused", [(THREAD_LOCAL, 0), (GLOBAL, 900)])
def test_another_thread_may_allocate_if_the_capture_is_the_threads(mode, refused, stream):
    address = c_uint64()
    with capturing(stream, mode, end=901 if refused else 0):
        assert elsewhere(lambda: code("cuMemAlloc_v2", byref(address), c_size_t(8))) == refused
    if not refused:
        assert code("cuMemFree_v2", address) == 0


def test_a_context_with_a_capture_is_waited_for_by_nobody(stream):
    wait = lambda: code("cuCtxSynchronize")
    with capturing(stream):
        assert elsewhere(wait) == 900
    assert elsewhere(wait) == 0


def test_a_capture_ends_in_the_thread_that_began_it(stream):
    graph = c_void_p()
    with capturing(stream):
        assert elsewhere(lambda: code("cuStreamEndCapture", stream, byref(graph))) == 905


def test_work_of_another_thread_that_lands_in_a_graph_is_reported(stream, gpu):
    out, x = move(np.zeros(8, F32), "cuda"), move(np.ones(8, F32), "cuda")
    arguments = driver.Address(out.address), driver.Address(x.address), c_size_t(32), stream
    with capturing(stream):
        assert elsewhere(lambda: code("cuMemcpyDtoDAsync_v2", *arguments)) == 0
    (found,) = gpu.faults()
    assert "work of another thread is captured" in found


def test_pageable_memory_is_not_uploaded_in_a_capture(stream, gpu):
    x, host = allocate((4,), F32), np.ones(4, F32)
    source = c_void_p(host.ctypes.data)
    with capturing(stream, end=901):
        upload = driver.Address(x.address), source, c_size_t(16), stream
        assert code("cuMemcpyHtoDAsync_v2", *upload) == 900
    (found,) = gpu.faults()
    assert "pageable memory" in found


# ---- order ---------------------------------------------------------------------------------------


def test_a_pinned_upload_is_read_when_it_runs_a_pageable_one_at_once(gpu):
    page, x = c_void_p(), allocate((2,), F32)
    assert code("cuMemHostAlloc", byref(page), c_size_t(8), c_uint(0)) == 0
    pinned = np.frombuffer((ctypes.c_char * 8).from_address(page.value), F32)
    for host, late in ((np.ones(2, F32), False), (pinned, True), (np.ones(2, F32), True)):
        gpu.configure(late_uploads=int(late and host is not pinned))
        host[:] = 1
        source, stream = c_void_p(host.ctypes.data), driver.current().stream
        upload = driver.Address(x.address), source, c_size_t(8), stream
        assert code("cuMemcpyHtoDAsync_v2", *upload) == 0
        host[:] = 2
        assert move(x, "cpu").tolist() == [2 if late else 1] * 2
    assert code("cuMemFreeHost", page) == 0
    assert code("cuMemFreeHost", page) == 1


def test_a_stream_waits_for_an_event_and_for_no_more(stream):
    """What is queued behind the event has not run."""
    event, x, ones = c_void_p(), move(np.zeros(2, F32), "cuda"), move(np.ones(2, F32), "cuda")
    driver.current().synchronize()
    first, second = driver.Address(x.address), driver.Address(x.address + 4)
    source, size = driver.Address(ones.address), c_size_t(4)
    assert code("cuEventCreate", byref(event), c_uint(2)) == 0
    assert code("cuMemcpyDtoDAsync_v2", first, source, size, stream) == 0
    assert code("cuEventRecord", event, stream) == 0
    assert code("cuMemcpyDtoDAsync_v2", second, source, size, stream) == 0
    assert code("cuEventQuery", event) == 600 and code("cuStreamQuery", stream) == 600
    assert code("cuStreamWaitEvent", driver.current().stream, event, c_uint(0)) == 0
    assert move(x, "cpu").tolist() == [1, 0]
    assert code("cuEventQuery", event) == 0
    assert code("cuStreamSynchronize", stream) == 0
    assert move(x, "cpu").tolist() == [1, 1]
    assert code("cuEventDestroy_v2", event) == 0


# ---- modules and launches ------------------------------------------------------------------------


def doubled(text=DOUBLE):
    x, out = move(np.arange(8, dtype=F32), "cuda"), allocate((8,), F32)
    Written(text)(1, 8, out, x, x)
    return move(out, "cpu").tolist()


@pytest.mark.parametrize("late", [0, 1])
def test_ptx_that_is_newer_than_the_driver_is_refused(late, gpu):
    """At once, or when its kernel is asked for, as a driver that loads lazily does."""
    gpu.configure(ptx_version=75, late_refusal=late)
    module, function = c_void_p(), c_void_p()
    newer = DOUBLE.encode()
    assert code("cuModuleLoadData", byref(module), newer) == (0 if late else 222)
    if late:
        assert code("cuModuleGetFunction", byref(function), module, b"written") == 222


@pytest.mark.parametrize("late", [0, 1])
def test_kernels_run_with_an_older_driver(late, gpu):
    """They are given to it as an older version."""
    gpu.configure(ptx_version=78, late_refusal=late)
    assert doubled() == [0, 2, 4, 6, 8, 10, 12, 14]


def test_what_is_wrong_with_a_text_is_in_the_log():
    module, room = c_void_p(), 1000
    log = ctypes.create_string_buffer(room)
    options = (c_int * 2)(5, 6)
    values = (c_void_p * 2)(ctypes.addressof(log), room)
    wrong = DOUBLE.replace("add.f32 %c0, %a0, %a0", "vadd.f32 %c0, %a0, %a0").encode()
    arguments = byref(module), wrong, c_uint(2), options, values
    assert code("cuModuleLoadDataEx", *arguments) == 218
    assert "vadd_f32" in log.value.decode()


class Text:
    """A kernel that is PTX already."""

    def ptx(self, kinds, capability):
        return ".visible .entry wrong("


def test_the_drivers_words_about_ptx_are_told():
    told = r"\(218\); kernel wrong; the driver says: no .version"
    with pytest.raises(driver.DriverError, match=told):
        driver.current().load(Text(), ())


def test_an_unloaded_module_has_no_functions():
    module, function = c_void_p(), c_void_p()
    assert code("cuModuleLoadData", byref(module), DOUBLE.encode()) == 0
    assert code("cuModuleGetFunction", byref(function), module, b"another") == 500
    assert code("cuModuleGetFunction", byref(function), module, b"written") == 0
    assert code("cuModuleUnload", module) == 0
    assert code("cuModuleGetFunction", byref(function), module, b"written") == 400
    launch = function, *[c_uint(1)] * 6, c_uint(0), driver.current().stream, None, None
    assert code("cuLaunchKernel", *launch) == 400


@pytest.mark.parametrize("grid, block", [((1, 65536, 1), 1), ((2**31, 1, 1), 1), (1, 1025)])
def test_a_launch_beyond_the_limits_is_refused(grid, block):
    x = move(np.zeros(8, F32), "cuda")
    with pytest.raises(driver.DriverError, match=r"failed.* \(1\)"):
        Written(DOUBLE)(grid, block, x, x, x)


def test_after_an_illegal_access_every_call_fails(gpu):
    x, out = move(np.ones(2, F32), "cuda"), allocate((8,), F32)
    Written(DOUBLE)(1, 8, out, x, x)
    with pytest.raises(driver.DriverError, match="illegal memory access") as refused:
        move(out, "cpu")
    assert refused.value.code == 700
    # Of a size that no block in the pool has: one from there costs no call of the driver.
    calls = [
        lambda: copy(out, x),
        driver.current().synchronize,
        lambda: allocate((3_456_789,), F32),
    ]
    for call in (*calls, lambda: tm.asarray(np.ones(3)).to("cuda")):
        with pytest.raises(driver.DriverError, match=r"\(700\).*in this process any more"):
            call()
    with tm.device("cuda"), pytest.raises(driver.DriverError, match=r"\(700\)"):
        tm.jit(lambda x: -x)(np.ones(8, F32))
    assert gpu.faults() and doubled()[1] == 2, "until it is forgotten"


def test_what_the_driver_refuses_is_told_in_its_words():
    gpu, value, unknown = driver.current(), c_int(), c_int(1)
    assert (gpu.name, gpu.capability) == ("PTX on the CPU", (9, 0))
    with pytest.raises(
        RuntimeError, match=r"^CUDA: cuDeviceGetAttribute failed: invalid argument \(1\)$"
    ):
        gpu.call("cuDeviceGetAttribute", byref(value), unknown, c_int(0))
    with pytest.raises(MemoryError, match=r"no room for 8,589,934,592 bytes.* are free on PTX on"):
        allocate((1 << 30,), np.float64)


def test_memory_has_an_end_and_is_freed_once():
    free, total, address = c_size_t(), c_size_t(), c_uint64()
    assert code("cuMemGetInfo_v2", byref(free), byref(total)) == 0
    assert code("cuMemAlloc_v2", byref(address), c_size_t(total.value + 1)) == 2
    assert code("cuMemAlloc_v2", byref(address), c_size_t(64)) == 0
    assert code("cuMemFree_v2", address) == 0
    assert code("cuMemFree_v2", address) == 1


def test_a_copy_beyond_a_block_is_refused(gpu):
    x, y = move(np.ones(8, F32), "cuda"), allocate((8,), F32)
    copy(y, x)
    with pytest.raises(driver.DriverError, match="invalid argument"):
        driver.current().copy(y.address, x.address, 2**20)
    driver.current().copy(y.address, x.address, 36)  # the pool's block has room for more
    driver.current().synchronize()
    assert any("a copy of 36 bytes outside of all blocks" in f for f in gpu.faults())
