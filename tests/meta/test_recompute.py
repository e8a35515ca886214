"""Steps that are run again in the backward pass: the same gradient, to the bit, in less memory."""

import tracemalloc

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.jit.compile import run_passes
from tinymeta.jit.plan import ExecutionPlan
from tinymeta.jit.split import Split, split
from tinymeta.jit.trace import Traced
from tinymeta.meta import recompute
from tinymeta.meta.recompute import REMATS, run_steps, segment_lengths
from tinymeta.testing.interpreted import interpreted_jit

NET = tm.nn.mlp(2, 4, 3, activation=tm.tanh)
STEPS, T = 5, 3
WORDS = pytest.mark.parametrize("remat", REMATS)


@pytest.fixture(autouse=True)
def deep(monkeypatch):
    """Few steps in three levels."""
    monkeypatch.setattr(recompute, "_MOST_PARTS", 2)


def objective(theta, data):
    residual = (data.x @ theta[..., None])[..., 0] - data.y
    return (residual * residual).sum(-1)


def learned(**options):
    return tm.meta.learned_optimizer(objective, steps=STEPS, hidden=3, first_order=False, **options)


METHODS = {
    "maml": lambda **o: tm.meta.maml(NET, lr=0.3, steps=STEPS, **o),
    "first order": lambda **o: tm.meta.maml(NET, lr=0.3, steps=STEPS, first_order=True, **o),
    "anil": lambda **o: tm.meta.anil(NET, lr=0.3, steps=STEPS, **o),
    "meta_sgd": lambda **o: tm.meta.meta_sgd(NET, lr=0.3, steps=STEPS, **o),
    "maml_plus": lambda **o: tm.meta.maml_plus(NET, lr=0.3, steps=STEPS, **o),
    "reptile": lambda **o: tm.meta.reptile(NET, lr=0.3, steps=STEPS, **o),
    "imaml": lambda **o: tm.meta.imaml(NET, lr=0.3, steps=STEPS, **o),
    "learned_optimizer": lambda **o: learned(truncate=None, **o),
    "learned_optimizer, cut": lambda **o: learned(truncate=2, **o),
}
EVERY = pytest.mark.parametrize("name", METHODS)


def arguments(name):
    """Parameters and tasks in float64."""
    rng = np.random.default_rng(0)
    params = METHODS[name]().init(rng)
    params = tm.tree.map(lambda p: p + rng.uniform(0.05, 0.2, np.shape(p)), params)
    if name.startswith("learned"):
        tasks = tm.data.Quadratics(4).sample(rng, tasks=T)
        return params, tm.tree.map(lambda x: x.astype(np.float64), tasks)
    labels = rng.integers(3, size=(2, T, 4))
    tasks = tm.Tasks(*[tm.Batch(rng.normal(size=(T, 4, 2)), y) for y in labels])
    if name == "maml_plus":
        tasks = tm.meta.Weighted(*tasks, tm.meta.step_weights(0.3, STEPS))
    return params, tasks


def assert_same_bits(ours, theirs):
    for path, a, b in zip(tm.tree.paths(ours), *map(tm.tree.leaves, (ours, theirs))):
        np.testing.assert_array_equal(a, b, err_msg=path)


@EVERY
@WORDS
def test_the_bits_are_those_without(name, remat):
    args = arguments(name)
    plain = METHODS[name]().meta_grad(*args)
    assert max(np.abs(leaf).max() for leaf in map(np.asarray, tm.tree.leaves(plain[1]))) > 1e-3
    assert_same_bits(METHODS[name](remat=remat).meta_grad(*args), plain)


@pytest.mark.parametrize(
    "name, remat", [*((name, "nested") for name in METHODS), ("maml", "steps"), ("maml", "sqrt")]
)
def test_compiled_it_agrees(name, remat):
    args = arguments(name)
    plain = METHODS[name]().meta_grad(*args)
    ours = interpreted_jit(METHODS[name](remat=remat).meta_grad)(*args)
    for a, b in zip(*map(tm.tree.leaves, (ours, plain))):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def simplified(name, **options):
    *_, (_, program) = run_passes(
        Traced(METHODS[name](**options).meta_grad, arguments(name), {}).program
    )
    return program


@pytest.mark.parametrize("name", ["maml", "meta_sgd", "anil", "maml_plus"])
@WORDS
def test_it_is_split_over_the_tasks(name, remat):
    found = split(simplified(name, remat=remat))
    assert isinstance(found, Split) and found.tasks == T


def directional_loss():
    """The loss after adapting, from parameters at s along a direction: loss(s, remat or mode)."""
    params, tasks = arguments("maml")
    loss = lambda p, batch: tm.losses.cross_entropy(NET(p, batch.x), batch.y)
    flat, rebuild = tm.tree.flatten(params)
    ways = [np.random.default_rng(k).normal(size=p.shape) for k, p in enumerate(flat)]

    def along(s, **words):
        moved = rebuild([p + s * way for p, way in zip(flat, ways)])
        return tm.meta.maml_loss(loss, moved, tasks, lr=0.3, steps=3, **words).sum()

    return along


@WORDS
def test_derivatives_of_first_to_third_order(remat):
    along = directional_loss()
    ours, plain = (lambda s, word=word: along(s, remat=word) for word in (remat, None))
    at = np.float64(0.1)
    for _ in range(3):
        ours, plain = tm.grad(ours), tm.grad(plain)
        assert abs(plain(at).item()) > 1e-2
        assert ours(at).item() == pytest.approx(plain(at).item(), rel=1e-12)


def waves(steps, tasks, shot, width, **words):
    """MAML of a net 1-width-width-1 in float64: (meta_grad, parameters, tasks)."""
    net = tm.nn.mlp(1, width, width, 1, activation=tm.tanh)
    rng = np.random.default_rng(0)
    drawn = tm.data.Sinusoids().sample(rng, tasks=tasks, shot=shot, query=shot)
    as_float64 = lambda tree: tm.tree.map(lambda x: np.asarray(x, np.float64), tree)
    method = tm.meta.maml(net, tm.losses.mse, lr=0.01, steps=steps, **words)
    return method.meta_grad, as_float64(net.init(rng)), as_float64(drawn)


def arena(steps, tasks=2, shot=50, width=16, **words):
    """(bytes of the arena, products' operations) of a meta-gradient of so many steps."""
    meta_grad, *args = waves(steps, tasks, shot, width, **words)
    *_, (_, program) = run_passes(Traced(meta_grad, tuple(args), {}).program)
    products = [eqn for eqn in program.equations if eqn.op == "matmul"]
    work = sum(2 * eqn.size * eqn.inputs[0].shape[-1] for eqn in products)
    return ExecutionPlan(program).memory.size, work


def test_memory_and_work_are_as_the_table_says():
    (plain, once), (steps, twice), (sqrt, also_twice), (nested, more) = (
        arena(9, remat=remat) for remat in (None, *REMATS)
    )
    mixed, tangents = arena(9, mode="mixed")
    assert nested < steps < sqrt < plain / 2
    assert once < twice < also_twice < 1.5 * once  # a step's derivative is the larger part
    assert also_twice < more < 1.5 * also_twice
    assert mixed < steps and once < tangents <= twice


def test_a_thousand_steps_would_fit_into_25_megabytes(monkeypatch):
    """Of a net 1-64-64-1 and 4 x 200 points: a state more costs what it costs from 6 to 8."""
    monkeypatch.setattr(recompute, "_MOST_PARTS", 8)
    (few, _), (more, nested) = (arena(n, 4, 200, 64, remat="nested") for n in (9, 16))
    _, sqrt = arena(16, 4, 200, 64, remat="sqrt")
    assert segment_lengths(9, "nested") == (3, 1) and segment_lengths(16, "nested") == (4, 1)
    of_a_state = (more - few) / (2 * 4 - 2 * 3)
    assert of_a_state > 0
    monkeypatch.setattr(recompute, "_MOST_PARTS", 32)
    assert segment_lengths(1000, "nested") == (32, 1)
    assert more + of_a_state * (2 * 32 - 2 * 4) < 25e6
    assert nested < 1.5 * sqrt


@pytest.mark.slow
def test_a_thousand_steps_fit_into_25_megabytes(monkeypatch):
    monkeypatch.setattr(recompute, "_MOST_PARTS", 32)
    meta_grad, *args = waves(1000, 4, 200, 64, remat="nested")
    tracemalloc.start()
    try:
        meta_grad(*args)
        assert tracemalloc.get_traced_memory()[1] < 25e6
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_a_hundred_steps_of_conv4_fit_into_200_megabytes(monkeypatch):
    """All of 8 tasks in one chunk, of 32 filters: more than a thread is given."""
    monkeypatch.setattr(recompute, "_MOST_PARTS", 32)
    net, labels = tm.nn.conv4(5, filters=32), np.tile(np.arange(5), (8, 1))
    batch = tm.Batch(np.ones((8, 5, 28, 28, 1), np.float32), labels)
    args = net.init(np.random.default_rng(0)), tm.Tasks(batch, batch)
    method = tm.meta.maml(net, lr=0.4, steps=100, remat="nested")
    *_, (_, program) = run_passes(Traced(method.meta_grad, args, {}).program)
    found = split(program)
    assert isinstance(found, Split) and found.tasks == 8
    assert ExecutionPlan(found.chunk(8)).memory.size < 200e6


def test_segments():
    assert segment_lengths(1000, "steps") == (1,) and segment_lengths(1000, "sqrt") == (32,)
    assert segment_lengths(5, "nested") == (4, 2, 1)  # of two parts each
    assert segment_lengths(1000, None) == () == segment_lengths(0, "nested")


@pytest.mark.parametrize("remat", [None, *REMATS])
@pytest.mark.parametrize("steps", [0, 1, 2, 7, 8, 9])
def test_each_step_is_taken_once_and_in_order(remat, steps):
    taken = []

    def step(k, x):
        taken.append(k)
        return 2.0 * x + k

    x = run_steps(step, tm.tensor(1.0), steps, remat)
    assert taken == list(range(steps))
    assert x.item() == 2.0**steps + sum(k * 2.0 ** (steps - 1 - k) for k in range(steps))


# ---- mixed mode ----------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("remat", [None, "nested"])
def test_mixed_mode_is_exact(name, remat):
    args = arguments(name)
    plain = METHODS[name]().meta_grad(*args)
    mixed = METHODS[name](mode="mixed", remat=remat).meta_grad(*args)
    for a, b in zip(*map(tm.tree.leaves, (mixed, plain))):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("name", ["maml", "meta_sgd", "learned_optimizer"])
def test_mixed_mode_compiled_agrees_and_is_split(name):
    args = arguments(name)
    plain = METHODS[name]().meta_grad(*args)
    mixed = interpreted_jit(METHODS[name](mode="mixed").meta_grad)(*args)
    for a, b in zip(*map(tm.tree.leaves, (mixed, plain))):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)
    if name != "learned_optimizer":  # whose tasks are told apart by no parameter
        found = split(simplified(name, mode="mixed"))
        assert isinstance(found, Split) and found.tasks == T


def test_mixed_mode_to_third_order_and_inside_a_jvp():
    along = directional_loss()
    ours, plain = (lambda s, mode=mode: along(s, mode=mode) for mode in ("mixed", "reverse"))
    one, at = np.float64(1.0), np.float64(0.1)
    for _ in range(3):
        pushed = tm.jvp(ours, (at,), (one,))[1]
        ours, plain = tm.grad(ours), tm.grad(plain)
        assert abs(plain(at).item()) > 1e-2
        assert ours(at).item() == pytest.approx(plain(at).item(), rel=1e-11)
        assert pushed.item() == pytest.approx(plain(at).item(), rel=1e-11)


@EVERY
@pytest.mark.parametrize("word", ["step", "", 3, True])
def test_a_word_that_does_not_exist(name, word):
    said = f"remat {word!r} is not 'steps' or 'sqrt' or 'nested'"
    with pytest.raises(ValueError, match=said):
        METHODS[name](remat=word)
    with pytest.raises(ValueError, match=f"mode {word!r} is not 'reverse' or 'mixed'"):
        METHODS[name](mode=word)


@pytest.mark.parametrize("method", ["maml", "meta_sgd", "anil"])
def test_no_steps_to_run_again(method):
    with pytest.raises(ValueError, match=f"{method}: remat='sqrt' has no step to run again"):
        getattr(tm.meta, method)(NET, lr=0.1, steps=0, remat="sqrt")
