"""DLPack: an array's memory handed to another library, or taken from one, without a copy.

A capsule holds a C structure (data, device, dtype, shape, strides) and a function to call when its
consumer is done (dmlc/dlpack, version 0.8, whose names the structures have). In the simulator the
device is the CPU.
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
from typing import Any

import numpy as np

from . import target
from .driver import current

CPU, CUDA = 1, 2  # types of a device
_CODES = {"i": 0, "u": 1, "f": 2, "b": 6}  # NumPy's kind of dtype -> DLPack's
KINDS = {code: kind for kind, code in _CODES.items()}
_NAME, _USED_NAME = b"dltensor", b"used_dltensor"  # of a capsule: before and after it is consumed


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("device", c_int32 * 2),  # type, number
        ("ndim", c_int32),
        ("code", c_uint8),  # with bits and lanes: the dtype
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),  # in elements; null: contiguous
        ("offset", c_uint64),  # bytes
    ]


class DLManagedTensor(ctypes.Structure):
    pass


Deleter = CFUNCTYPE(None, POINTER(DLManagedTensor))
DLManagedTensor._fields_ = [("tensor", DLTensor), ("context", c_void_p), ("deleter", Deleter)]

_python = ctypes.pythonapi
_python.PyCapsule_New.restype = ctypes.py_object
_python.PyCapsule_New.argtypes = c_void_p, c_char_p, c_void_p
_python.PyCapsule_GetPointer.restype = c_void_p
_python.PyCapsule_GetPointer.argtypes = ctypes.py_object, c_char_p
_python.PyCapsule_SetName.argtypes = ctypes.py_object, c_char_p
_python.PyCapsule_IsValid.argtypes = c_void_p, c_char_p
# A capsule that is being destroyed is given by its address: a reference would revive it.
_pointer_of_dying = ctypes.cast(
    _python.PyCapsule_GetPointer, CFUNCTYPE(c_void_p, c_void_p, c_char_p)
)


def dlpack_device(number: int) -> tuple[int, int]:
    """(type, number) of the GPU of this number."""
    return (CPU, 0) if target.SIMULATED else (CUDA, number)


# ---- to another library --------------------------------------------------------------------------

# Address of an exported DLManagedTensor -> all that must live as long as it is used.
exported: dict[int, tuple] = {}


def export(array: Any) -> Any:
    """An array.Array as a capsule; it stays allocated until its consumer calls the deleter."""
    shape = (c_int64 * array.ndim)(*array.shape)
    strides = (c_int64 * array.ndim)(*array.strides)
    tensor = DLTensor(
        data=_host_address(array) if array.size else 0,
        device=dlpack_device(array.block.driver.number),
        ndim=array.ndim,
        code=_CODES[array.dtype.kind],
        bits=8 * array.dtype.itemsize,
        lanes=1,
        shape=shape,
        strides=strides,
        offset=0,
    )
    managed = DLManagedTensor(tensor, None, _release)
    address = ctypes.addressof(managed)
    exported[address] = managed, shape, strides, array
    return _python.PyCapsule_New(address, _NAME, _destroy_capsule)


def _host_address(array: Any) -> int:
    """Where the first element is: in the simulator, in the memory of the CPU."""
    if not target.SIMULATED:
        return array.address
    buffer, place = array.block.driver.locate(array.address)
    return buffer.ctypes.data + place


@Deleter
def _release(managed):
    """Called by the consumer when it is done."""
    exported.pop(ctypes.addressof(managed.contents), None)


@CFUNCTYPE(None, c_void_p)
def _destroy_capsule(capsule):
    """Called by Python; a capsule that still has its first name was never consumed."""
    if _python.PyCapsule_IsValid(capsule, _NAME):
        exported.pop(_pointer_of_dying(capsule, _NAME), None)


# Capsules and other libraries have their addresses: they outlive this module's end.
for _callback in (_release, _destroy_capsule):
    _python.Py_IncRef(ctypes.py_object(_callback))


# ---- from another library ------------------------------------------------------------------------


class ImportedTensor:
    """Another library's array, consumed: its address, shape, strides in elements and dtype.

    strides: None if it is contiguous. Its memory is let go with this object. Raises TypeError for a
    dtype that NumPy has not.
    """

    def __init__(self, value: Any):
        capsule = value.__dlpack__(stream=None if target.SIMULATED else current().stream.value)
        place = _python.PyCapsule_GetPointer(capsule, _NAME)
        self.managed = ctypes.cast(place, POINTER(DLManagedTensor))
        tensor = self.managed.contents.tensor
        if tensor.lanes != 1 or tensor.code not in KINDS:
            raise TypeError(
                f"cannot make a tensor of {type(value).__name__} on cuda: "
                "tensors hold bools, integers and floats"
            )
        _python.PyCapsule_SetName(capsule, _USED_NAME)  # to call the deleter is up to us now
        self.shape = tuple(tensor.shape[: tensor.ndim])
        self.strides = tuple(tensor.strides[: tensor.ndim]) if tensor.strides else None
        self.dtype = np.dtype(f"{KINDS[tensor.code]}{tensor.bits // 8}")
        self.address = (tensor.data or 0) + tensor.offset

    def __del__(self):
        consumed = hasattr(self, "address")
        if consumed and self.managed.contents.deleter:
            self.managed.contents.deleter(self.managed)
