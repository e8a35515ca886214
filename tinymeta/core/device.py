"""Where arrays live and where kernels are found.

The one place that looks upwards, by name and lazily: a primitive of family "conv" named
"conv_input" has its kernel in `tinymeta.<device>.conv.conv_input`.
"""

import functools
import importlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from .checks import check_one_of, shown
from .scope import setting

DEVICES = ("cpu", "cuda")
PRODUCTS = ("float32", "tf32")  # in what a GPU multiplies matrices of float32


def device(name: str, products: str = "float32") -> AbstractContextManager[None]:
    """`with tm.device("cuda"):` new tensors are made on that device, for this thread.

    name: "cpu", "cuda" (the first GPU) or "cuda:1" (the second), and so on. products: in what the
    block multiplies matrices of float32 on a GPU, in products and convolutions. "float32" rounds a
    product as NumPy does; "tf32" rounds what is multiplied to 10 bits behind the point first, by
    one part in 2^11 at most, and adds up in float32, which tensor cores do several times as fast.
    Other dtypes are multiplied as always.

    Raises ValueError for an unknown name or products, and for "tf32" on the CPU; RuntimeError if
    the device is not usable here, or is older than tensor cores for TF32.
    """
    name = checked_device_name(name)
    _check_products(name, products)
    if name == "cpu":  # without a look for GPUs, whose room is slow to import
        return setting(device=name, products=products)
    available = devices()
    if name in available:
        usable = available[name]
    elif available["cuda"] is True:
        usable = f"there are {', '.join(available)}"
    else:
        usable = available["cuda"]  # why no GPU is, this one neither
    if usable is not True:
        raise RuntimeError(f"device {name!r} is not usable: {usable}")
    if products == "tf32":
        with working_on(name):
            _gpus().check_tensor_cores()
    return setting(device=name, products=products)


def _check_products(name: str, products: str) -> None:
    """Raise ValueError for products that are unknown, or not of that device."""
    check_one_of("device", PRODUCTS, products=products)
    if kind_of(name) == "cpu" and products != PRODUCTS[0]:
        raise ValueError(
            f"device: the CPU has no products in {products!r}: leave it out, or choose 'cuda'"
        )


def checked_device_name(name: str) -> str:
    """The name of a device as it is compared: "cuda:0" is "cuda". ValueError if it names none."""
    names = "|".join((*DEVICES, r"cuda:\d+"))
    if not isinstance(name, str) or not re.fullmatch(names, name):
        known = ", ".join(DEVICES)
        raise ValueError(
            f"unknown device {shown(name)}: choose one of {known}, or cuda:1 and so on"
        )
    kind, _, number = name.partition(":")
    return f"{kind}:{int(number)}" if int(number or 0) else kind


def devices() -> dict[str, bool | str]:
    """Each known device: True if it can be used, else one sentence that says why not.

    "cuda" is the first GPU, "cuda:1" the second.
    """
    cuda = _gpus()
    found = {"cpu": True, "cuda": cuda.usable()}
    further = range(1, cuda.count()) if found["cuda"] is True else ()
    return found | {cuda.device_name(number): True for number in further}


def kind_of(name: str) -> str:
    """The room of a device's kernels: that of "cuda:1" is "cuda"."""
    return name.partition(":")[0]


def working_on(name: str) -> AbstractContextManager[None]:
    """Kernels that are launched in a `with` block run on the device `name`."""
    cuda = _gpus()
    return cuda.using(cuda.device_number(name))


def _gpus() -> Any:
    """The room of the GPU's kernels: numba.cuda is slow to import."""
    return importlib.import_module("tinymeta.cuda")


def device_of(value: Any) -> str:
    """The device that an array (or what stands in for one) is on: "cpu", "cuda", "cuda:1", .."""
    return "cpu" if isinstance(value, np.ndarray) else getattr(value, "device", "cpu")


def on_one_device(name: str, values: Sequence) -> tuple[str, Sequence]:
    """(device, values on it) of the inputs of the operation `name`.

    A single number follows the arrays. Raises ValueError if arrays lie on two devices.
    """
    for v in values:
        if type(v) is not np.ndarray:
            break
    else:  # nearly always, and asked for every operation
        return "cpu", values
    found = [device_of(v) for v in values]
    if len({*found}) == 1:
        return found[0], values
    of_arrays = {where for where, v in zip(found, values) if v.shape}
    if not of_arrays:  # only numbers, some on a GPU: its result stays there
        of_arrays = {max(found)}
    if len(of_arrays) > 1:
        placed = [f"{v.shape} on {where}" for v, where in zip(values, found)]
        listed = " and ".join(placed)
        raise ValueError(f"{name}: its inputs lie on two devices, {listed}: move one with .to(...)")
    (target,) = of_arrays
    return target, [move(v, target) for v in values]


def move(value: Any, name: str) -> Any:
    """`value` on that device: the array itself if it is there already."""
    if name == "cpu" and device_of(value) == name:
        return value
    return _gpus().move(value, name)


def share(value: Any) -> Any:
    """Another library's array in a GPU's memory, where it is and not copied."""
    return _gpus().share(value)


def allocate(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """Fresh memory with any content, as an array of that device."""
    if name == "cpu":
        return np.empty(shape, dtype)
    with working_on(name):
        return _gpus().allocate(shape, dtype)


def find_kernel(primitive: Any, name: str) -> Callable:
    """A primitive's kernel on the device `name`: given by hand, compiled from its text, or found.

    It is kept in `primitive.kernels`. Raises NotImplementedError if there is none.
    """
    if name in primitive.kernels:
        return primitive.kernels[name]
    if kind_of(name) != name:
        primitive.kernels[name] = _on_gpu(name, find_kernel(primitive, kind_of(name)))
        return primitive.kernels[name]
    path = f"tinymeta.{name}.{primitive.family}"
    module = importlib.import_module(path) if importlib.util.find_spec(path) else None
    if primitive.text is None:
        kernel = getattr(module, primitive.name, None)
    else:
        kernel = module.compile_text(primitive.text)  # type: ignore[union-attr]
    if kernel is None:
        ours = f"add one to tinymeta/{name}/{primitive.family}.py or " if module else ""
        raise NotImplementedError(
            f"{primitive.name} has no {name} kernel: {ours}pass kernels={{{name!r}: ...}}"
        )
    primitive.kernels[name] = kernel
    return kernel


def _on_gpu(name: str, kernel: Callable) -> Callable:
    """The kernel of the first GPU, launched on another."""

    @functools.wraps(kernel)
    def on_gpu(*arrays: Any, **static: Any) -> Any:
        with working_on(name):
            return kernel(*arrays, **static)

    return on_gpu
