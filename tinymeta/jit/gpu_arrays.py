"""The arrays of one call of a program on a GPU: taken to their places in the arena, and from there.

Small ones, as most parameters and states are, are copied by one launch for many of them
(cuda/copies.py); a large one by a call of the driver, one of the host is uploaded, and one whose
elements do not lie in order is copied by a kernel of its own.

Cost of a call with 22 arrays each way: 0.1 ms of Python, most of it for the new arrays. A call of
the driver for each array would take as long again, and the GPU 1.5 us for each.
"""

from typing import Any, NamedTuple

import numpy as np

from ..core.strides import dense
from ..cuda.array import Array
from ..cuda.copies import WORD, Copies, are_words
from ..cuda.driver import current
from ..cuda.memory import Block
from ..cuda.movement import contiguous, copy


class _Place(NamedTuple):
    """Where an input or output lies in the arena, looked up once. in_order: an array like it."""

    array: Array
    address: int
    nbytes: int
    in_order: Array

    @property
    def is_in_order(self) -> bool:
        return self.array.strides == self.in_order.strides

    @property
    def is_for_copies(self) -> bool:
        """Can a launch for many arrays copy it?"""
        return self.is_in_order and are_words(self.address, self.nbytes)


def _place_of(array: Array) -> _Place:
    in_order = array.view(array.shape, dense(array.shape))
    return _Place(array, array.address, array.nbytes, in_order)


class TakenInputs:
    """Copies a call's arrays to the places of the inputs; arrays: those places."""

    def __init__(self, arrays: list[Array]):
        self.places = [_place_of(array) for array in arrays]
        together = [k for k, place in enumerate(self.places) if place.is_for_copies]
        # Of each place what is asked at each call; its number among those together, or -1.
        self.rows = [
            (p.array, p.array.strides, together.index(k) if k in together else -1, p)
            for k, p in enumerate(self.places)
        ]
        self.addresses = [self.places[k].address for k in together]
        sizes = [self.places[k].nbytes for k in together]
        self.copies = Copies([*zip(self.addresses, sizes)], into=True)

    def __call__(self, arrays: list) -> None:
        """Queue the copies."""
        driver = current()
        addresses, singly = self.addresses.copy(), []
        for (x, strides, number, place), array in zip(self.rows, arrays):
            if not isinstance(array, Array):
                upload(x, array)
            elif array.block.driver is not driver or not (
                array.strides == strides or array.is_dense
            ):
                copy(x, array)
            elif number >= 0 and not (address := array.address) % WORD:
                addresses[number] = address
            elif place.nbytes:
                singly.append((place.address, array.address, place.nbytes))
        driver.copy_all(singly)
        if addresses != self.addresses:  # what has come otherwise is copied to itself
            self.copies(addresses)


class NewOutputs:
    """Copies the outputs from their places to new arrays; arrays: those places."""

    def __init__(self, arrays: list[Array]):
        self.places = [_place_of(array) for array in arrays]
        self.sizes = [place.nbytes for place in self.places]
        self.together = [k for k, place in enumerate(self.places) if place.is_for_copies]
        self.singly = [k for k in range(len(self.places)) if k not in self.together]
        here = [(self.places[k].address, self.sizes[k]) for k in self.together]
        self.copies = Copies(here, into=False)

    def __call__(self) -> list[Array]:
        """Queue the copies."""
        blocks, kept, singly = Block.several(self.sizes), [], []
        for k in self.singly:
            place, address = self.places[k], self.places[k].address
            if not place.is_in_order:
                kept.append(contiguous(place.array))  # until its copy is queued
                address = kept[-1].address
            if place.nbytes:
                singly.append((blocks[k].address, address, place.nbytes))
        current().copy_all(singly)
        self.copies([blocks[k].address for k in self.together])
        return [place.in_order.within(block) for place, block in zip(self.places, blocks)]


def upload(place: Array, value: Any) -> None:
    """Copy a value of the host to its place in the arena."""
    if place.size:
        current().upload(place.address, np.ascontiguousarray(value))
