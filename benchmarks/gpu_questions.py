"""What an emulator can only assume of a GPU and its driver, asked of the real one.

Each question is a part, as gpu_report.py takes them: its results are figures, "ok", or what was
found instead, after FAILED. Tests ask the emulated GPU the same.
"""

import argparse
import gc
import importlib.metadata
import re
import threading
import time
from collections.abc import Callable
from ctypes import byref, c_int
from typing import Any

import numpy as np

import tinymeta as tm

from .gpu_report import FAILED, Results

PACKAGES = ("numba-cuda", "cuda-bindings", "nvidia-cuda-nvcc", "torch", "jax", "cupy-cuda13x")
ATTRIBUTES = {  # of a device, by cuda.h's numbers
    "multiprocessors": 16,
    "bytes of L2": 38,
    "reads pageable memory": 88,
    "reads it by the host's page tables": 100,
}
F32 = np.float32


def verdict(is_right: Any, found: str) -> str:
    """ "ok", or what was found instead."""
    return "ok" if is_right else f"{FAILED}{found}"


def environment(options: argparse.Namespace, small: bool) -> Results:
    """What is installed, what the driver is, and what the GPU."""
    from tinymeta.cuda.driver import current, has_compiler

    for name in PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield name, "absent"
    yield "compiler", verdict(has_compiler() is True, str(has_compiler()))
    yield "devices", {name: str(usable) for name, usable in tm.devices().items()}
    driver, value = current(), c_int()
    yield "capability", driver.capability
    driver.call("cuDriverGetVersion", byref(value))
    yield "driver", value.value
    for name, attribute in ATTRIBUTES.items():
        code = driver.library.cuDeviceGetAttribute(
            byref(value), c_int(attribute), c_int(driver.number)
        )
        yield name, f"not known ({code})" if code else value.value


def launches(options: argparse.Namespace, small: bool) -> Results:
    """One kernel of each kind, and a graph: are the numbers right?"""
    x = np.random.default_rng(0).normal(size=(70, 90)).astype(F32)
    calls: dict[str, tuple[Callable, Any]] = {
        "exp": (tm.exp, np.exp(x)),
        "sum": (lambda x: tm.sum(x, 0), x.sum(0)),
        "product": (lambda x: tm.asarray(x) @ tm.asarray(x).T, x @ x.T),
        "graph": (tm.jit(lambda x: tm.tanh(x @ x.T).sum(0)), np.tanh(x @ x.T).sum(0)),
    }
    for name, (function, expected) in calls.items():
        start = time.perf_counter()
        with tm.device("cuda"):
            off = float(abs(function(x).numpy() - expected).max())
        yield f"{name}: first call", time.perf_counter() - start
        yield name, verdict(off < 1e-4 * abs(expected).max(), f"off by {off:.1e}")


def newer_ptx(options: argparse.Namespace, small: bool) -> Results:
    """When does the driver refuse PTX that is newer than it: as it loads a module, or later?"""
    from tinymeta.cuda.driver import DriverError, current, with_older_version
    from tinymeta.cuda.launch import GpuKernel
    from tinymeta.cuda.module import LoadedKernel, load_kernel

    driver = current()
    text = GpuKernel(_nothing).ptx((None,), driver.capability)
    newer = re.sub(r"(?m)^\.version .*$", ".version 9.9", text, count=1)
    texts = {"as it is": text, "9.9": newer, "older": with_older_version(text, driver.capability)}
    for name, version in texts.items():
        try:
            LoadedKernel(driver.context, driver.retired, version)
            yield name, "loads"
        except DriverError as error:
            yield name, f"refused: {error}"
    load_kernel(driver.context, driver.retired, newer, driver.capability)
    yield "9.9, loaded as an older one", "ok"


def _nothing(n: int) -> None:
    """A kernel."""


def busy(small: bool, count: int = 10) -> tuple:
    """Queue products that keep a GPU at work for some milliseconds each; what they need."""
    from tinymeta.cuda import allocate, move
    from tinymeta.cuda.matmul import matmul

    n = 16 if small else 4096
    a, b = (move(np.ones((1, n, n), F32), "cuda") for _ in range(2))
    out = allocate((1, n, n), F32)
    for _ in range(1 if small else count):
        matmul(out, a, b)
    return out, a, b


def uploads(options: argparse.Namespace, small: bool) -> Results:
    """May an array be changed as soon as its upload returns, behind a busy stream?"""
    from tinymeta.cuda import move

    for size in (100, 10_000, 100_000, *(() if small else (30_000_000,))):
        kept, x = busy(small), np.arange(size, dtype=F32)
        start = time.perf_counter()
        uploaded = move(x, "cuda")
        yield f"{4 * size} bytes: seconds", time.perf_counter() - start
        x[:] = -1
        is_right = np.array_equal(move(uploaded, "cpu"), np.arange(size, dtype=F32))
        yield f"{4 * size} bytes", verdict(is_right, "it was read after the call had returned")
        del kept


def garbage(options: argparse.Namespace, small: bool) -> Results:
    """A program's arena holds what was there before: does its first run read any of it?"""
    from tinymeta.cuda import move

    rng = np.random.default_rng(0)
    x, i = rng.normal(size=(50, 7)), rng.integers(0, 50, 20)
    pooled = x.reshape(25, 2, 7)[:, :, :6].reshape(25, 2, 3, 2).max((1, 3)).sum()
    expected = np.exp(x)[i].sum(0) + pooled

    def program(x, i):
        return tm.take(tm.exp(x), i, 0).sum(0) + tm.max_pool2d(x.reshape(1, 50, 7, 1), 2).sum()

    for name, lowest in (("random bytes", 0), ("NaN", 255)):
        sizes = [n for n in (512, 1024, 4096, 16384, 1 << 18) for _ in range(8)]
        left = [move(rng.integers(lowest, 256, n).astype(np.uint8), "cuda") for n in sizes]
        del left
        with tm.device("cuda"):
            found = tm.jit(program)(x, i).numpy()
        yield name, verdict(np.allclose(found, expected), f"{found} for {expected}")


def threads(options: argparse.Namespace, small: bool) -> Results:
    """Another thread works while this one captures graphs: does either get in the other's way?"""
    stop, done, wrong = threading.Event(), [0], []

    def work() -> None:
        try:
            with tm.device("cuda"):
                while not stop.is_set():
                    done[0] += 1
                    y = (tm.asarray(np.full(8, done[0], F32)) * 2.0).numpy()
                    if not (y == 2 * done[0]).all():
                        wrong.append(f"{y} for {2 * done[0]}")
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")

    other = threading.Thread(target=work)
    other.start()
    try:
        with tm.device("cuda"):
            for k in range(1 if small else 30):
                many = [float(j + k) for j in range(2 if small else 10)]
                tm.jit(lambda x, many=many: [tm.exp(x * c) @ x for c in many])(np.eye(5))
    finally:
        stop.set()
        other.join()
    yield "steps of the other thread", done[0]
    yield "its results", verdict(not wrong, "; ".join(wrong[:2]))


def leaks(options: argparse.Namespace, small: bool) -> Results:
    """How much of the device's memory does a program keep that is dropped?"""
    from tinymeta.cuda.driver import current

    count = 2 if small else 150
    with tm.device("cuda"):
        for name in ("of the first ones", "of those after them"):
            before = current().free_memory()[0]
            for _ in range(count):
                tm.jit(lambda x: tm.exp(x + 1.0) @ x)(np.eye(4))
            gc.collect()
            current().synchronize()
            yield f"bytes {name}", (before - current().free_memory()[0]) / count


def with_pytorch(options: argparse.Namespace, small: bool) -> Results:
    """Arrays that come from PyTorch and go there while work on them is queued."""
    from tinymeta.cuda import allocate, move, reduce

    from .gpu_rates import torch_on_gpu

    torch = torch_on_gpu()
    if torch is None:
        yield "PyTorch", "not here, or it finds no GPU"
        return
    size, a = 1 << 20, torch.randn(6000, 6000, device="cuda")
    wrong = 0
    for k in range(10):  # its products are queued before what is moved
        for _ in range(5):
            b = a @ a
        x = torch.full((size,), float(k), device="cuda") + 0 * b.flatten()[:size].nan_to_num(0)
        wrong += not (move(x, "cpu") == k).all()
    yield "a tensor whose kernels are queued", verdict(not wrong, f"{wrong} of 10 are wrong")
    wrong = 0
    for k in range(10):
        kept, y = busy(small, 4), move(np.full(size, k, F32), "cuda")
        wrong += not bool((torch.as_tensor(y, device="cuda") == k).all())
        wrong += not bool((torch.from_dlpack(y) == k).all())
        del kept
    yield "ours behind a busy stream", verdict(not wrong, f"{wrong} of 20 are wrong")
    x = torch.randn(1000, 1000, device="cuda")
    expected, shared, kept = float(x.double().sum()), move(x, "cuda"), busy(small)
    out = allocate((), F32)
    reduce.sum(out, shared, axes=(0, 1))
    del x, shared
    others = [torch.full((1000, 1000), 7.0, device="cuda") for _ in range(20)]
    off = abs(float(move(out, "cpu")) - expected)
    yield "a tensor that is dropped while it is read", verdict(off < 1, f"off by {off:.1e}")
    del kept, others
