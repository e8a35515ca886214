"""What has to be alike on all ranks, as a hash: the code that runs, the flags, values of any kind.

Ranks that draw other tasks, or run other lines, would not fail: they would train something that is
nobody's. So what they begin with is compared, once, and the parameters whenever a row of the curve
is made.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..core import tree
from ..core.tensor import Tensor

_PACKAGE = Path(__file__).resolve().parent.parent


def digest(value: Any) -> str:
    """A hash of arrays, trees of them, and whatever else has a repr."""
    found = hashlib.sha256()
    for path, leaf in zip(tree.paths(value), tree.leaves(value)):
        found.update(repr(path).encode())
        if isinstance(leaf, (np.ndarray, np.generic, Tensor)):
            array = np.ascontiguousarray(np.asarray(leaf))
            found.update(f"{array.dtype} {array.shape}".encode())
            found.update(array.tobytes())
        else:
            found.update(repr(leaf).encode())
    return found.hexdigest()


def code() -> str:
    """A hash of all files of tinymeta, and of the program that was started."""
    contents = {
        file.relative_to(_PACKAGE).as_posix(): file.read_bytes() for file in _PACKAGE.rglob("*.py")
    }
    program = getattr(sys.modules.get("__main__"), "__file__", None)
    if program and Path(program).is_file():
        contents["the program"] = Path(program).read_bytes()
    return digest(contents)
