"""What the compiler did is shown: passes, steps, memory, kernels, times. Warmups, too."""

import gc
import weakref
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings

import tinymeta as tm
from tinymeta.core.scope import state
from tinymeta.jit.described import order_counts, traced_names
from tinymeta.jit.page_data import page_data
from tinymeta.jit.story import peak_by_order
from tinymeta.testing.compiled import in_chunks
from tinymeta.testing.interpreted import without_compiling
from tinymeta.testing.steps import CAPTURED, step_cases

X, W = np.ones((4, 3), np.float32), np.ones((3, 2), np.float32)


def second(x, w):
    return tm.grad(lambda x: tm.grad(lambda x: (tm.tanh(x @ w) ** 3).sum())(x).sum())(x)


def test_every_part_is_there():
    found = tm.explain(second, X, W, times=True)
    text = found.text()
    assert list(found.passes) == ["trace", "lower", "simplify"]
    for part in ("== after trace", "== steps", "== memory", "== kernel 0 of", "== times"):
        assert part in text
    assert "order 2  test_explain.py:24" in text and "tanh(" in text
    assert len(found.map().splitlines()) == 1 + len(found.replay.memory.offsets)
    shares = [float(line.split()[-2]) for line in found.table().splitlines()]
    assert abs(sum(shares) - 100) < 0.5
    assert sum(found.kernels.values()) == sum(bool(s.loop) for s in found.replay.steps)
    in_double = [line for source in found.kernels for line in source.splitlines() if "64" in line]
    assert all("y0_" in line for line in in_double)  # sums, and nothing else


def explained(model, tasks, loss=tm.losses.mse, **options):
    """A MAML step, explained; no kernel is compiled, as none is run."""
    method = tm.meta.maml(model, loss, lr=0.01, **options)
    with without_compiling():
        return tm.explain(method.meta_grad, model.init(np.random.default_rng(0)), tasks)


def images(tasks=3):
    """A model and tasks like those of Omniglot, small."""
    x = np.random.default_rng(0).random((2, tasks, 5, 28, 28, 1), dtype=np.float32)
    y = np.tile(np.arange(5), (tasks, 1))
    data = tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))
    return tm.nn.conv4(5, scale=True, filters=2), data, tm.losses.cross_entropy


def waves(tasks=25):
    return tm.data.Sinusoids().sample(np.random.default_rng(0), tasks=tasks, shot=10, query=10)


def test_the_story_fits_a_screen_and_the_text_cuts_nothing():
    found = explained(tm.nn.mlp(1, 40, 40, 1), waves(), steps=10)
    lines = str(found).splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 130
    text = found.text()
    for name, program in found.passes.items():
        assert f"== after {name}: {len(program.equations)} equations" in text
        assert all(f"v{k} = " in text for k in range(len(program.equations)))
    assert not found.chunks or f"chunks of {found.chunks} tasks" in text


@pytest.mark.parametrize("make", [images, lambda: (tm.nn.mlp(1, 40, 40, 1), waves())])
def test_exact_maml_has_equations_of_second_order_and_first_order_has_none(make):
    for first_order in (False, True):
        found = explained(*make(), first_order=first_order)
        for name, program in found.passes.items():
            counts = order_counts(program, nested=True)
            assert sum(map(Counter.total, counts.values())) == len(program.equations), name
            second = {scope: row[2] for scope, row in counts.items() if row[2]}
            assert set(second) == (set() if first_order else {"outer / backward of inner 1"})
            assert {"inner 1 / forward", "inner 1 / backward", "outer / forward"} <= set(counts)
        assert (" of order 2" in str(found) or "order 2" in str(found)) != first_order


def test_every_equation_says_which_rule_made_it_and_for_which():
    trace = explained(*images()).passes["trace"].equations
    by_number = {eqn.number: eqn for eqn in trace}
    for eqn in trace:
        computed = eqn.op not in ("input", "constant")
        assert bool(eqn.origin.rule) == (eqn.origin.order > 0) and eqn.descends[0] == eqn.number
        assert not computed or eqn.origin.location.startswith("test_explain.py:")
        if eqn.origin.cause in by_number:
            cause = by_number[eqn.origin.cause]
            assert cause.origin.order == eqn.origin.order - 1
            assert eqn.origin.rule in (cause.op, "leaf")
    assert sum(eqn.origin.cause in by_number for eqn in trace) > len(trace) // 2


def test_scopes_are_told_in_order_and_what_a_checkpoint_computes_again_has_its_own():
    program = explained(*images(), steps=2).passes["trace"]
    assert [*order_counts(program, nested=True)] == [
        "inputs",
        "inner 1 / forward",
        "inner 1 / backward",
        "inner 2 / forward",
        "inner 2 / backward",
        "outer / forward",
        "outer / backward",
        "outer / backward of inner 2",
        "outer / backward of inner 1",
    ]

    def loss(w, again):
        def inner(w):
            with tm.scope("inner 1"):
                return tm.tanh(w @ W)

        return (tm.checkpoint(inner)(w) if again else inner(w)).sum()

    scopes = [
        {*order_counts(tm.explain(tm.grad(loss), X, again).passes["trace"], nested=True)}
        for again in (False, True)
    ]
    assert not any("computed again" in scope for scope in scopes[0])
    assert "inner 1 / forward, computed again" in scopes[1]


@pytest.mark.parametrize("steps", [1, 2])
def test_every_equation_that_is_run_descends_from_the_trace(steps):
    found = explained(*images(), steps=steps)
    names = set(traced_names(found.passes["trace"]).values())
    rows = found.equations()
    programs = [replay.program.equations for replay in found.parts.values()]
    assert [row.eqn for row in rows] == [eqn for program in programs for eqn in program]
    assert all(row.descends and {*row.descends} <= names for row in rows)
    for program in found.passes.values():
        own = {eqn.number for eqn in found.passes["trace"].equations}
        assert all({*eqn.descends} <= own and eqn.descends for eqn in program.equations)
    sources = found.sources()
    generated = {part: replay.sources() for part, replay in found.parts.items()}
    for row in rows:
        replay = found.parts[row.part]
        assert (row.begin, row.nbytes) == (
            (replay.memory.offsets[row.eqn], row.eqn.nbytes)
            if row.eqn in replay.memory.offsets
            else (-1, 0)
        )
        run_by = [source for step in row.steps for source in generated[row.part].get(step, [])]
        assert {sources[k] for k in row.kernels} == {*run_by}
    run = {(row.part, step) for row in rows for step in row.steps}
    assert run == {(p, k) for p, replay in found.parts.items() for k in range(len(replay.steps))}


def test_what_is_merged_stands_for_both_and_what_vanishes_for_what_is_left():
    program = tm.explain(lambda x: (tm.exp(x) + tm.exp(x), x * 1.0, -(-x)), X).passes["simplify"]
    ancestors = {eqn.op: len(eqn.descends) for eqn in program.equations}
    assert ancestors == {"input": 3, "exp": 2, "add": 1}  # x, x * 1, -(-x); a constant is gone


@settings(max_examples=15, deadline=None)
@given(step_cases(max_steps=4))
def test_any_step_is_explained_whole(case):
    """Counts add up, all descends from the trace, and all of it becomes a page."""
    with without_compiling(), in_chunks(case.chunks, case.threads):
        found = tm.explain(case.step(CAPTURED), *case.arguments())
    traced = {*traced_names(found.passes["trace"]).values()}
    rows = found.equations()
    assert all(row.descends and {*row.descends} <= traced for row in rows)
    assert len(rows) == sum(len(part.program.equations) for part in found.parts.values())
    for program in found.passes.values():
        counts = order_counts(program, nested=False).values()
        assert sum(map(Counter.total, counts)) == len(program.equations)
    by_number = {eqn.number: eqn for eqn in found.passes["trace"].equations}
    for eqn in by_number.values():
        cause = by_number.get(eqn.origin.cause)
        if cause is not None and eqn.origin.rule != "leaf":  # whose value may be of another order
            assert cause.origin.order == eqn.origin.order - 1
            assert eqn.origin.rule in (cause.op, "checkpoint")  # which packs its results
    assert str(found) and found.text()
    *_, plan = page_data({"this": found})["programs"][0]["stages"]
    assert len(plan["op"]) == len(plan["of"]) == len(plan["base"]) == len(rows)


def test_what_was_explained_does_not_keep_a_function_or_its_arrays_alive():
    class Weights:
        def __init__(self):
            self.w = tm.asarray(W)

        def __call__(self, x):
            return tm.grad(lambda x: tm.tanh(x @ self.w).sum())(x)

    f, x = Weights(), tm.asarray(X)
    gone = [weakref.ref(f), weakref.ref(f.w), weakref.ref(x)]
    found = tm.explain(f, x)
    del f, x
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3 and found.name == "Weights"


def test_an_origin_is_numbers_and_texts():
    trace = explained(tm.nn.mlp(1, 4, 1), waves(2)).passes["trace"]
    kept = {type(part) for eqn in trace.equations for part in (*eqn.origin, *eqn.descends)}
    assert kept == {int, str, tuple} and state.differentiated is None
    assert {type(name) for eqn in trace.equations for name in eqn.origin.path} == {str}


def test_the_peak_is_the_most_that_lives_at_once():
    memory = explained(tm.nn.mlp(1, 40, 40, 1), waves()).replay.memory
    step, by_order = peak_by_order(memory)
    live = Counter()
    for eqn, (first, last) in memory.lifetimes.items():
        live.update(dict.fromkeys(range(first, last + 1), -(-eqn.nbytes // 64) * 64))
    assert live[step] == max(live.values()) == by_order.total() <= memory.size


def test_what_is_not_split_says_why_and_where():
    x = np.ones((8, 400, 100), np.float32)
    found = tm.explain(lambda x: tm.exp(x - x.mean(0)), x)
    place = "sub -> float32(8, 400, 100) (test_explain.py:"
    assert f"whole, not in chunks of tasks, 2 of 3 steps in pieces: {place}" in str(found)
    assert "needs a sum over them first" in found.execution.serial and not found.chunks
    found = tm.explain(lambda x: tm.exp(x) - 1.0, x)
    assert "runs on the CPU, 8 tasks in" in found.summary() and not found.execution.serial
    half = tm.explain(lambda x, y: (tm.exp(x) * 2.0, tm.exp(y)), x, x.reshape(-1)[: x.size // 4])
    assert "% of the work depends on no task" in half.execution.serial and half.chunks


def test_explaining_what_is_compiled_and_what_cannot_be():
    assert tm.explain(tm.jit(second), X, W).passes["trace"].equations
    with pytest.raises(ValueError, match="depends on something outside that is being differentiat"):
        tm.grad(lambda w: tm.explain(lambda x: x * w, X) and w)(2.0)


def test_what_is_no_function_is_named():
    with pytest.raises(TypeError, match="explain: f must be a function"):
        tm.explain(3)


def test_two_programs_of_a_page_have_two_names(tmp_path):
    found = tm.explain(second, X, W)
    with pytest.raises(ValueError, match="two programs are named 'exact': pass label="):
        found.save(tmp_path / "step.html", exact=found)
    with pytest.raises(TypeError, match="save: other must be an? Explained, of tm.explain, got"):
        found.save(tmp_path / "step.html", other=3)
    assert not [*tmp_path.iterdir()]
    assert found.save(tmp_path / "step.html", label="mine", exact=found).exists()


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


def test_values_are_those_of_the_eager_function():
    x = np.array([[-1.0, 0.0, 0.5], [2.0, np.inf, np.nan]])

    def f(x, scale):
        return (tm.relu(x) * scale, x[:0])

    found = tm.explain(f, x, 3.0, values=True)
    assert (*found.values,) == found.passes["trace"].equations
    by_op = {eqn.op: statistics for eqn, statistics in found.values.items()}
    product = by_op["mul"]
    assert product[:3] == (0.0, 7.5 / 4, 6.0) and product[3:] == (2 / 6, 1 / 6, 1 / 6)
    assert str(product) == "min 0, mean 1.875, max 6, 33.3 % zero, 16.7 % infinite, 16.7 % NaN"
    assert str(by_op["slice"]) == "no elements"
    assert "== values\n" in found.text() and str(product) in found.text()
    assert tm.explain(f, x, 3.0).values is None


def test_values_of_a_meta_gradient_are_finite_and_tell_which_units_are_dead():
    model, tasks, loss = tm.nn.mlp(1, 8, 8, 1), waves(3), tm.losses.mse
    params = model.init(np.random.default_rng(0))
    params = tm.tree.map(lambda p: p - 10.0 * (p.ndim == 1), params)  # biases: nothing fires
    found = tm.explain(tm.meta.maml(model, loss, lr=0.01).meta_grad, params, tasks, values=True)
    rows = [(eqn, row) for eqn, row in found.values.items() if eqn.op == "relu"]
    assert rows and all(row.zeros == 1.0 for _, row in rows)
    assert not any(row.nans for row in found.values.values())
