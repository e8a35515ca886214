"""Runs of an example that find the disk full, at each of their writes.

A disk is filled by replacing, in the fork that runs the example, the functions by which it writes:
the write whose turn it is fails as the system's own call would.
"""

import builtins
import errno
import io
import multiprocessing
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from .interrupted import ExampleRun, resume_flags, saved_bits, uninterrupted_bits


class _FullDisk:
    """The disk is full at write number `at` of a run, and, if `lasting`, at all later ones.

    Writes are the calls that may fail so: to make, fill, rename or sync a file, or to make a
    folder.
    """

    def __init__(self, at: float, lasting: bool = False) -> None:
        self.at, self.lasting = at, lasting
        self.writes = multiprocessing.Value("i", 0)  # shared: the fork counts, this process reads

    def count_write(self) -> None:
        """Count one write, or raise the OSError of a full disk."""
        self.writes.value += 1
        number = self.writes.value
        if number == self.at or self.lasting and number > self.at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def prepare(self) -> None:
        """Replace, in a fork, the functions by which it writes."""
        count_write, plain_open, plain_mkdir = self.count_write, builtins.open, os.mkdir

        class CountedFile(io.FileIO):
            def write(self, data):
                count_write()
                return super().write(data)

        def counted_open(file, mode="r", *args, **kwargs):
            if not {*mode} & {*"wxa+"}:
                return plain_open(file, mode, *args, **kwargs)
            count_write()
            buffered = io.BufferedWriter(CountedFile(file, mode.replace("b", "")))
            return buffered if "b" in mode else io.TextIOWrapper(buffered)

        def counted_mkdir(path, *args, **kwargs):
            if not os.path.exists(path):
                count_write()
            plain_mkdir(path, *args, **kwargs)

        def counted(call):
            def count_and_call(*args):
                count_write()
                return call(*args)

            return count_and_call

        builtins.open, os.mkdir = counted_open, counted_mkdir
        os.replace, os.fsync = counted(os.replace), counted(os.fsync)


def full_disks(count: int, rng: random.Random, folder: Path) -> Iterator[str]:
    """A full disk at every write of a run, or at `count` of them: once, and from then on.

    The run begins in the folder of an earlier one with another seed. It must end in a sentence,
    leave all files of the earlier run, and be resumed to the bits of an uninterrupted one.
    """
    name, flags = "maml_sinusoid", ("--iterations", "3", "--every", "0")
    earlier, out = folder / "earlier", folder / "out"
    expected = uninterrupted_bits(name, folder / "whole", *flags)
    uninterrupted_bits(name, earlier, *flags, "--seed", "1")
    earlier_files = {path.read_bytes() for path in earlier.iterdir()}

    def fault(disk: _FullDisk) -> str:
        shutil.copytree(earlier, out)
        run = ExampleRun(name, out, *flags, prepare=disk.prepare)
        error = run.fault(0, 1)
        status, last = run.end()
        if error:
            return error
        if status and not last.startswith("error: "):
            return f"it ended in no sentence: {last}"
        if not earlier_files <= {path.read_bytes() for path in out.rglob("*") if path.is_file()}:
            return "a file of the earlier run is gone"
        error = ExampleRun(name, out, *flags, *resume_flags(out)).fault(0)
        if error:
            return error
        return "" if saved_bits(out) == expected else "resumed, it ends with other bits"

    never = _FullDisk(at=float("inf"))  # counts how many writes there are
    shutil.copytree(earlier, out)
    error = ExampleRun(name, out, *flags, prepare=never.prepare).fault(0)
    assert not error, error
    every = range(1, never.writes.value + 1)
    places = [(at, lasting) for at in every for lasting in (False, True)]
    for at, lasting in sorted(rng.sample(places, min(count, len(places)))):
        shutil.rmtree(out)
        error = fault(_FullDisk(at, lasting))
        yield error and f"write {at}{' and all later ones' * lasting}: {error}"
