"""The registers of a kernel, as NVIDIA's assembler tells them, where it is installed.

A multiprocessor has 65,536: a kernel that takes many has fewer blocks there at a time. Without
`ptxas` nothing is said: PTX names as many registers as it likes, and they are not those of a GPU.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tinymeta.cuda.driver import with_older_version
from tinymeta.system.resources import cores

_USED = re.compile(r"Used (\d+) registers")
_SPILT = re.compile(r"(\d+) bytes spill stores")


def assembler() -> str | None:
    """The path of ptxas, or None."""
    return shutil.which("ptxas") or shutil.which("/usr/local/cuda/bin/ptxas")


def registers(texts: Iterable[str], capability: tuple[int, int] = (9, 0)) -> dict[str, int]:
    """Of each PTX, the registers of a thread; those that ptxas refuses are left out.

    Raises RuntimeError for a kernel that spills: it would keep registers in memory.
    """
    path, texts = assembler(), list(dict.fromkeys(texts))
    if path is None:
        return {}
    with ThreadPoolExecutor(cores()) as pool:
        said = pool.map(lambda text: _assembled(path, text, capability), texts)
    found = {}
    for text, words in zip(texts, said):
        if (spilt := _SPILT.search(words)) and int(spilt[1]):
            raise RuntimeError(f"ptxas: a kernel spills {spilt[1]} bytes of registers")
        if used := _USED.search(words):
            found[text] = int(used[1])
    return found


def _assembled(path: str, text: str, capability: tuple[int, int]) -> str:
    """What the assembler says of some PTX; it may be older than the compiler."""
    command = [path, "-v", f"-arch=sm_{capability[0]}{capability[1]}", "-", "-o", os.devnull]
    older = with_older_version(text, capability)
    return subprocess.run(command, input=older, capture_output=True, text=True).stderr
