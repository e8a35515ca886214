"""Where arrays live and where kernels are found.

The one place that looks upwards, by name and lazily: a primitive of family "conv" named
"conv_input" has its kernel in `tinymeta.<device>.conv.conv_input`.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from .checks import shown
from .scope import setting

DEVICES = ("cpu", "cuda")


def device(name: str) -> AbstractContextManager[None]:
    """`with tm.device("cuda"):` new tensors are made on that device, for this thread.

    Raises ValueError for an unknown name, RuntimeError if the device is not usable here.
    """
    check_device_name(name)
    available = devices()
    if available[name] is not True:
        raise RuntimeError(f"device {name!r} is not usable: {available[name]}")
    return setting(device=name)


def check_device_name(name: str) -> None:
    """Raise ValueError for what names no device."""
    if not isinstance(name, str) or name not in DEVICES:
        raise ValueError(f"unknown device {shown(name)}: choose one of {', '.join(DEVICES)}")


def devices() -> dict[str, bool | str]:
    """Each known device: True if it can be used, else one sentence that says why not."""
    return {"cpu": True, "cuda": importlib.import_module("tinymeta.cuda").usable()}


def device_of(value: Any) -> str:
    """The device that an array (or what stands in for one) is on: "cpu" or "cuda"."""
    return "cuda" if hasattr(value, "__cuda_array_interface__") else "cpu"


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
    if not of_arrays:  # only numbers, some on the GPU: its result stays there
        of_arrays = {"cuda"}
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
    return importlib.import_module("tinymeta.cuda").move(value, name)


def allocate(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """Fresh memory with any content, as an array of that device."""
    if name == "cpu":
        return np.empty(shape, dtype)
    return importlib.import_module("tinymeta.cuda").allocate(shape, dtype)


def find_kernel(primitive: Any, name: str) -> Callable:
    """A primitive's kernel on the device `name`: given by hand, compiled from its text, or found.

    It is kept in `primitive.kernels`. Raises NotImplementedError if there is none.
    """
    if name in primitive.kernels:
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
