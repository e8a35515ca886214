"""DLPack: an array's memory handed to another library, or taken from one, without a copy.

A capsule holds a C structure (data, device, dtype, shape, strides) and a function to call when its
taker is done (dmlc/dlpack, version 0.8). In the simulator the device is the CPU.
"""

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    c_char_p,
    c_int32,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint64,
    c_void_p,
)

import numpy as np

from . import target
from .driver import current

CPU, CUDA = 1, 2
CODES = {"i": 0, "u": 1, "f": 2, "b": 6}
KINDS = {code: kind for kind, code in CODES.items()}


class Tensor(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("device", c_int32 * 2),
        ("ndim", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("offset", c_uint64),
    ]


class Managed(ctypes.Structure):
    pass


Deleter = CFUNCTYPE(None, POINTER(Managed))
Managed._fields_ = [("tensor", Tensor), ("context", c_void_p), ("deleter", Deleter)]

api = ctypes.pythonapi
api.PyCapsule_New.restype = ctypes.py_object
api.PyCapsule_New.argtypes = c_void_p, c_char_p, c_void_p
api.PyCapsule_GetPointer.restype = c_void_p
api.PyCapsule_GetPointer.argtypes = ctypes.py_object, c_char_p
api.PyCapsule_SetName.argtypes = ctypes.py_object, c_char_p
api.PyCapsule_IsValid.argtypes = c_void_p, c_char_p
given = {}  # address of what was handed out -> what it needs to live


def device() -> tuple[int, int]:
    return (CPU if target.SIMULATED else CUDA), 0


@Deleter
def deleter(managed):
    given.pop(ctypes.addressof(managed.contents), None)


@CFUNCTYPE(None, c_void_p)
def destructor(capsule):
    """A capsule that nobody took."""
    if api.PyCapsule_IsValid(capsule, b"dltensor"):
        raw = ctypes.pythonapi.PyCapsule_GetPointer
        address = ctypes.cast(raw, CFUNCTYPE(c_void_p, c_void_p, c_char_p))(capsule, b"dltensor")
        given.pop(address, None)


def capsule(array):
    """An array of ours as a capsule; it stays allocated until its taker lets go."""
    shape, strides = ((c_int64 * array.ndim)(*n) for n in (array.shape, array.strides))
    address = array.address if array.size else 0
    if target.SIMULATED and array.size:
        buffer, place = current().at(array.address)
        address = buffer.ctypes.data + place
    managed = Managed(
        Tensor(
            address,
            device(),
            array.ndim,
            CODES[array.dtype.kind],
            8 * array.dtype.itemsize,
            1,
            shape,
            strides,
            0,
        ),
        None,
        deleter,
    )
    given[ctypes.addressof(managed)] = managed, shape, strides, array
    return api.PyCapsule_New(ctypes.addressof(managed), b"dltensor", destructor)


class Taken:
    """What another library's capsule holds: address, shape, strides in elements, dtype."""

    def __init__(self, value):
        capsule = value.__dlpack__(stream=None if target.SIMULATED else current().stream.value)
        place = api.PyCapsule_GetPointer(capsule, b"dltensor")
        self.managed = ctypes.cast(place, POINTER(Managed))
        tensor = self.managed.contents.tensor
        if tensor.lanes != 1 or tensor.code not in KINDS:
            raise TypeError(
                f"cannot make a tensor of {type(value).__name__} on cuda: "
                "tensors hold bools, integers and floats"
            )
        api.PyCapsule_SetName(capsule, b"used_dltensor")  # ours now
        self.shape = tuple(tensor.shape[: tensor.ndim])
        self.strides = tuple(tensor.strides[: tensor.ndim]) if tensor.strides else None
        self.dtype = np.dtype(f"{KINDS[tensor.code]}{tensor.bits // 8}")
        self.address = (tensor.data or 0) + tensor.offset

    def __del__(self):
        if hasattr(self, "address") and self.managed.contents.deleter:
            self.managed.contents.deleter(self.managed)
