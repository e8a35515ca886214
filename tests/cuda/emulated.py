"""Whether this run of the tests has an emulated GPU."""

import re

import tinymeta as tm
from tinymeta.cuda import target
from tinymeta.ptx import compiler, emulator


def is_emulated(expression: str) -> bool:
    """Are the tests that run PTX asked for, by pytest's -m?"""
    return bool(re.search(r"(?<!not )\bptx_run\b", expression))


def why_not_emulated() -> str:
    """Start the emulator; "" or one sentence: why it cannot be."""
    if target.SIMULATED:
        return "the simulator compiles nothing: unset NUMBA_ENABLE_CUDASIM"
    try:
        emulator.start()
    except compiler.Missing as error:
        return str(error)
    usable = tm.devices()["cuda"]
    return "" if usable is True else str(usable)
