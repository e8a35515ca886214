"""No step of the examples' updates and predictions is in Python, at the sizes of RESULTS.md."""

import inspect
import runpy
import sys
from collections import Counter
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinymeta as tm
from tinymeta import nn
from tinymeta.cpu.factor import SMALL
from tinymeta.data import Glyphs
from tinymeta.jit import pieces, replay, tree_sum
from tinymeta.jit.chunks import ChunkedReplay
from tinymeta.jit.compile import CompiledProgram, compile_for
from tinymeta.jit.fixed_kernels import LazyKernel
from tinymeta.runs.images import blank_characters

EXAMPLES = Path(__file__).parents[2] / "examples"
# As in RESULTS.md, but for the data: blank images as many and as large as the glyphs.
COMMANDS = [
    "maml_sinusoid",
    "maml_sinusoid --train-shot 5 --steps 2",
    *(
        f"maml_sinusoid --train-shot 5 --method {method}"
        for method in ("first-order", "anil", "meta-sgd", "reptile", "imaml", "maml++")
    ),
    "maml_images",
    "maml_images --filters 64 --tasks 16 --alpha 0.4 --beta 1e-3 --decay",
    "maml_images --net dense --tasks 32 --alpha 0.4 --beta 1e-3",
    "maml_images --way 20 --filters 32 --tasks 8 --alpha 0.02 --beta 1e-3 --decay",
    *(
        f"maml_images --method {method}"
        for method in ("first-order", "anil", "meta-sgd", "reptile", "imaml", "maml++")
    ),
    "prototypical_images --filters 64 --way 60 --pool max --decay",
    "prototypical_images --filters 64 --decay",
    "siamese_images",
    "siamese_images --filters 64 --pool max --features 128 --margin 14 --classes 40 --drawers 3 "
    "--alphabets 4 --different 0.97 --affine --rotations --decay --beta 3e-3",
    "siamese_images --filters 64 --margin 1 --classes 0",
    "ridge_images",
    # Of its 100 steps so many that the gradient is cut twice: the others have the same kernels.
    "learned_optimizer --steps 41",
    "learned_optimizer --steps 41 --exact",
]


class _FirstUpdate(BaseException):
    """Ends an example where it would run its first update; holds (update, its arguments)."""


@pytest.fixture(autouse=True)
def nothing_is_compiled(no_pictures, monkeypatch):
    """Which kernel a step has is known before its machine code is there; nothing is drawn."""
    for module in (pieces, replay, tree_sum):
        monkeypatch.setattr(module, "load_or_compile", lambda source: SimpleNamespace(address=0))
    monkeypatch.setattr(LazyKernel, "address", 0)
    monkeypatch.setattr(replay, "second_process", nullcontext)


@pytest.fixture
def first_update(monkeypatch, tmp_path):
    """first_update(command): (update, arguments) of `tm.meta.train` when the example is run so."""

    def jit_that_stops(f):
        def stop(*args):
            raise _FirstUpdate(f, args)

        return stop

    monkeypatch.setattr(import_module("tinymeta.meta.train"), "jit", jit_that_stops)
    monkeypatch.setattr(Glyphs, "characters", _blank)
    freeze = nn.Sequential.freeze  # which values the moments have changes no step: of 8 images
    monkeypatch.setattr(nn.Sequential, "freeze", lambda net, params, x: freeze(net, params, x[:8]))
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def of_command(command):
        name, *flags = command.split()
        monkeypatch.setattr(sys, "argv", [name, *flags, "--out", str(tmp_path)])
        with pytest.raises(_FirstUpdate) as stopped:
            runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return stopped.value.args

    return of_command


def _blank(glyphs, alphabets=30, *, first=0):
    """Characters as many and as large as those that are drawn, in no time."""
    return blank_characters(alphabets)


def replays(program: CompiledProgram):
    """Its parts before, within and after the tasks, or the whole."""
    found = program.replay
    if isinstance(found, ChunkedReplay):
        parts = [found.before, *found.chunks.values(), found.after]
        return [part for part in parts if part]
    return [found]


def steps_in_python(program: CompiledProgram) -> Counter:
    """The operations of the steps that run in Python. BLAS, which needs it too, is not meant."""
    return Counter(
        step.results[0].op
        for part in replays(program)
        for step, kind in zip(part.steps, part.kinds)
        if kind == "Python"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_no_step_of_a_training_runs_in_python(command, first_update):
    update, arguments = first_update(command)
    programs = [compile_for(update, arguments, {})]
    params, _, batch = arguments
    method = inspect.getclosurevars(update).nonlocals["method"]
    if hasattr(batch, "support"):
        programs.append(compile_for(method.predict, (params, batch.support, batch.query.x), {}))
    elif command.startswith("learned_optimizer"):
        programs.append(compile_for(method.predict, (params, batch), {}))
    for program in programs:
        assert sum(len(part.steps) for part in replays(program)) > 5
        assert not steps_in_python(program)


def test_no_step_of_a_siamese_prediction_runs_in_python():
    net = tm.nn.conv4(None, filters=4)
    method = tm.meta.siamese(net, way=5)
    x = np.ones((2, 5, 28, 28, 1), np.float32)
    support = tm.Batch(x, np.tile(np.arange(5), (2, 1)))
    args = net.init(np.random.default_rng(0)), support, x
    program = compile_for(method.predict, args, {})
    assert sum(len(part.steps) for part in replays(program)) > 5
    assert not steps_in_python(program)


@pytest.mark.parametrize("rows, in_python", [(SMALL, 0), (SMALL + 1, 1)])
def test_small_matrices_are_factored_without_python(rows, in_python):
    """Of large ones the Cholesky factor is LAPACK's."""
    program = compile_for(lambda a: tm.linalg.cholesky(a), (np.eye(rows),), {})
    assert steps_in_python(program)["cholesky"] == in_python
    program = compile_for(lambda a: tm.linalg.solve(a, a), (np.ones((8, 20, 20)),), {})
    assert not steps_in_python(program)


def test_a_step_in_python_is_counted():
    x = np.ones((3, 4), np.float16)
    assert steps_in_python(compile_for(lambda x: tm.argmax(x * 2, 1), (x,), {}))["argmax"] == 1


def test_no_step_of_what_people_bring_runs_in_python():
    """Every function of ops/more.py that takes an array, with its gradient if it has one."""

    def all_of(x):
        values, _ = tm.topk(x, 2)
        elementwise = tm.erf(x) + tm.mod(x, 0.7) + tm.arctan2(x, 2.0) + tm.gelu(x) + tm.round(x, 1)
        along = tm.sort(x) * tm.cumsum(x, 0) * tm.cumprod(x, 1) + tm.cummax(x, 1)
        parts = tm.roll(tm.tile(x, 2), 3, 1)[:, :4] + tm.tril(x) + tm.repeat(x, 2, 0)[:4]
        contracted = tm.einsum("ij,kj,k->i", x, x, x[0]) + tm.diag(x) * tm.prod(x, 0)
        scores = tm.std(x, 0, correction=1) + tm.median(x, 1) + tm.linspace(0, 1, 4)
        counted = tm.all(x > 0, 1) | tm.any(tm.isinf(x), 0) | (tm.argmin(x, 0) > 1)
        total = tm.sum(elementwise * along * parts) + tm.sum(contracted * scores) + tm.sum(values)
        return total + tm.sum(tm.where(counted, x, 0.0))

    x = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    program = compile_for(tm.grad(all_of), (x,), {})
    assert sum(len(part.steps) for part in replays(program)) > 20
    assert not steps_in_python(program)
