"""The registers of a thread of a kernel: NVIDIA's assembler tells them, where it is installed.

A multiprocessor has 65,536: a kernel that takes many has fewer blocks there at a time. PTX itself
names as many registers as it likes; where `ptxas` is missing they are estimated (pressure.py).
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ..cuda.driver import with_older_version
from ..system.resources import cores
from .pressure import registers_live

_USED = re.compile(r"Used (\d+) registers")
_SPILT = re.compile(r"(\d+) bytes spill stores")


class Registers(NamedTuple):
    """spilt_bytes: of those that did not fit and lie in memory. Printed, "~40" is an estimate."""

    number: int
    spilt_bytes: int = 0
    is_estimate: bool = False

    def __str__(self) -> str:
        spilt = f"+{self.spilt_bytes}B" if self.spilt_bytes else ""
        return f"{'~' if self.is_estimate else ''}{self.number}{spilt}"


def assembler() -> str | None:
    """The path of ptxas, or None."""
    return shutil.which("ptxas") or shutil.which("/usr/local/cuda/bin/ptxas")


def how_registers_are_known() -> str:
    """In words."""
    if assembler():
        return "those of ptxas"
    return "estimated (~) by what must be kept at one place of the PTX, as there is no ptxas here"


def registers(texts: Iterable[str], capability: tuple[int, int] = (9, 0)) -> dict[str, Registers]:
    """Of each PTX, the registers of a thread; those that ptxas refuses are estimated."""
    path, texts = assembler(), list(dict.fromkeys(texts))
    estimated = {text: Registers(registers_live(text), is_estimate=True) for text in texts}
    if path is None:
        return estimated
    with ThreadPoolExecutor(cores()) as pool:
        said = pool.map(lambda text: _assembled(path, text, capability), texts)
    return {text: _reported(words) or estimated[text] for text, words in zip(texts, said)}


def _reported(words: str) -> Registers | None:
    """The registers that the assembler reports in its words; None if it reports none."""
    used, spilt = _USED.search(words), _SPILT.search(words)
    return Registers(int(used[1]), int(spilt[1]) if spilt else 0) if used else None


def _assembled(path: str, text: str, capability: tuple[int, int]) -> str:
    """What the assembler says of some PTX; it may be older than the compiler."""
    command = [path, "-v", f"-arch=sm_{capability[0]}{capability[1]}", "-", "-o", os.devnull]
    older = with_older_version(text, capability)
    return subprocess.run(command, input=older, capture_output=True, text=True).stderr
