"""Single operations on float32 arrays, called by themselves: eagerly and compiled, and by PyTorch.

    python -m benchmarks operations

Results are compared first; then all take turns, and the quickest turn of each counts: what a turn
takes beyond that is what else the machine did meanwhile.
"""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

import tinymeta as tm

from .timing import seconds

SIZES = (100_000, 1_000_000, 10_000_000)  # elements
_WIDTH = 100  # of a row: of the axis of a softmax and a layer norm; the channels of a batch norm


def _ours() -> dict[str, Callable]:
    """Functions of x (N, 100)."""
    layer_norm, batch_norm = tm.nn.LayerNorm(_WIDTH, eps=1e-5), tm.nn.BatchNorm(_WIDTH, spatial=0)
    rng = np.random.default_rng(0)
    layer_params, batch_params = layer_norm.init(rng), batch_norm.init(rng)
    return {
        "tanh": tm.tanh,
        "exp": tm.exp,
        "softmax": tm.softmax,
        "layer norm": lambda x: layer_norm(layer_params, x),
        "batch norm": lambda x: batch_norm(batch_params, x),
    }


def _in_torch() -> dict[str, Callable]:
    """The same functions by PyTorch; none where it is not installed."""
    if not find_spec("torch"):
        return {}
    import torch
    from torch.nn import functional as F

    one, zero = torch.ones(_WIDTH), torch.zeros(_WIDTH)
    return {
        "tanh": torch.tanh,
        "exp": torch.exp,
        "softmax": lambda x: torch.softmax(x, -1),
        "layer norm": lambda x: F.layer_norm(x, (_WIDTH,), one, zero),
        "batch norm": lambda x: F.batch_norm(x, None, None, one, zero, training=True, eps=1e-3),
    }


def _contenders(name: str, x: np.ndarray) -> dict[str, Callable]:
    """Functions without arguments that return the operation's result for x."""
    ours, theirs, argument = _ours()[name], _in_torch(), tm.asarray(x)
    compiled = tm.jit(ours)
    found = {"eager": lambda: ours(argument), "jit": lambda: compiled(argument)}
    if theirs:
        import torch

        tensor = torch.from_numpy(x)
        found["torch"] = lambda: theirs[name](tensor)
    return found


def operations(rounds: int) -> str:
    """Milliseconds of each operation by each contender, and how many times as long as PyTorch's."""
    lines = []
    for size in SIZES:
        x = np.random.default_rng(0).normal(size=(size // _WIDTH, _WIDTH)).astype(np.float32)
        for name in _ours():
            contenders = _contenders(name, x)
            expected = np.asarray(contenders["eager"]())
            times: dict[str, list[float]] = {}
            for contender, run in contenders.items():
                np.testing.assert_allclose(np.asarray(run()), expected, 1e-3, 1e-5)
                times[contender] = []
            for _ in range(rounds):
                for contender, run in contenders.items():
                    times[contender].append(seconds(run))
            best = {contender: min(turns) for contender, turns in times.items()}
            lines.append(f"{name:12}{size:12,}  {_row(best)}")
    return "\n".join(lines)


def _row(best: dict[str, float]) -> str:
    """'eager 1.20 ms (2.0), ..': the quickest turns, and over PyTorch's."""
    cells = []
    for contender, time in best.items():
        ratio = f" ({time / best['torch']:.1f})" if "torch" in best else ""
        cells.append(f"{contender} {1e3 * time:.2f} ms{ratio}")
    return ", ".join(cells)
