"""What the compiler did is shown: passes, steps, memory, kernels, times. Warmups, too."""

import numpy as np
import pytest

import tinymeta as tm

X, W = np.ones((4, 3), np.float32), np.ones((3, 2), np.float32)


def second(x, w):
    return tm.grad(lambda x: tm.grad(lambda x: (tm.tanh(x @ w) ** 3).sum())(x).sum())(x)


def test_every_part_is_there():
    found = tm.explain(second, X, W, times=True)
    text = str(found)
    assert list(found.passes) == ["trace", "lower", "simplify"]
    for part in ("== after trace", "== steps", "== memory", "== kernel of", "== times"):
        assert part in text
    assert "order 2  test_explain.py:12" in text and "tanh(" in text
    assert len(found.map().splitlines()) == 1 + len(found.replay.memory.offsets)
    shares = [float(line.split()[-2]) for line in found.table().splitlines()]
    assert abs(sum(shares) - 100) < 0.5
    assert sum(found.kernels.values()) == sum(bool(s.loop) for s in found.replay.steps)
    in_double = [line for source in found.kernels for line in source.splitlines() if "64" in line]
    assert all("y0_" in line for line in in_double)  # sums, and nothing else


def test_a_long_program_is_cut_in_the_middle_and_a_split_is_named():
    model = tm.nn.mlp(1, 40, 40, 1)
    params = model.init(np.random.default_rng(0))
    tasks = tm.data.Sinusoids().sample(np.random.default_rng(0), tasks=25, shot=10, query=10)
    found = tm.explain(tm.meta.maml(model, tm.losses.mse, lr=0.01).meta_grad, params, tasks)
    assert "more ..." in str(found) and len(found.passes["simplify"].equations) > 100
    assert not found.chunks or f"chunks of {found.chunks} tasks" in str(found)


def test_what_is_not_split_says_why_and_where():
    x = np.ones((8, 400, 100), np.float32)
    found = tm.explain(lambda x: tm.exp(x - x.mean(0)), x)
    place = "sub -> float32(8, 400, 100) (test_explain.py:"
    assert f"runs on the CPU, whole, not in chunks of tasks: {place}" in str(found)
    assert "needs a sum over them first" in found.execution.serial and not found.chunks
    found = tm.explain(lambda x: tm.exp(x) - 1.0, x)
    assert "runs on the CPU, 8 tasks in" in found.summary() and not found.execution.serial
    half = tm.explain(lambda x, y: (tm.exp(x) * 2.0, tm.exp(y)), x, x.reshape(-1)[: x.size // 4])
    assert "% of the work depends on no task" in half.execution.serial and half.chunks


def test_explaining_what_is_compiled_and_what_cannot_be():
    assert tm.explain(tm.jit(second), X, W).passes["trace"].equations
    with pytest.raises(ValueError, match="depends on something outside that is being differentiat"):
        tm.grad(lambda w: tm.explain(lambda x: x * w, X) and w)(2.0)


def test_after_a_warmup_a_call_compiles_nothing():
    compiled = tm.jit(lambda x: tm.exp(x) * tm.cos(x) - 0.25)
    report = tm.warmup(compiled, X)
    assert "1 kernels" in report or "1 from the cache" in report
    assert "0 kernels compiled, 0 from the cache" in tm.warmup(compiled, X)
    assert len(compiled.programs) == 1
    compiled(X)
    assert len(compiled.programs) == 1
    with pytest.raises(ValueError, match="is not compiled: pass tm.jit"):
        tm.warmup(second, X, W)
