"""The benchmarks: they count right, they compare equals, and they refuse to time anything else."""

import json

import numpy as np
import pytest

import tinymeta as tm

pytest.importorskip("benchmarks", reason="only python -m pytest, at the root, finds benchmarks/")

from benchmarks import __main__ as command
from benchmarks import alone, floor, growth, operations, product_rates, profile, work

pytestmark = pytest.mark.peers


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


@pytest.fixture
def small(monkeypatch):
    """The works with few tasks, filters, classes and steps.

    In float64 from the start, in which results are compared: to compile a net's kernels for
    float32, too, in which works are timed, takes longer than all else here. Sinusoids are timed in
    float32.
    """
    smaller = {
        "conv4": lambda: work.conv4(tasks=2, filters=8),
        "dense": lambda: work.dense(tasks=2),
        "large-images": lambda: work.large_images(tasks=1, query=1),
        "learned-optimizer": lambda: work.learned_optimizer(steps=work.TRUNCATE + 2, tasks=3),
        "prototypical": lambda: work.prototypical(way=4, query=1),
        "siamese": lambda: work.siamese(pairs=6, filters=8),
    }
    for name, make in smaller.items():
        monkeypatch.setitem(work.WORKS, name, lambda make=make: work.in_double(make()))


@pytest.mark.parametrize(
    "words, rivals",
    [
        ("conv4 --no-loops", {"torch.func, vmap and grad", "JAX, jit and vmap"}),
        ("sinusoid", {"JAX, jit and vmap", "JAX, jit and lax.map", "torch, leading task axis"}),
        ("siamese", {"torch.func, grad", "JAX, jit"}),
        ("dense --no-loops", {"torch.func, vmap and grad", "JAX, jit and vmap"}),
        ("large-images --no-loops", {"torch.func, vmap and grad", "JAX, jit and vmap"}),
        ("prototypical", {"torch.func, vmap and grad", "JAX, jit and vmap"}),
        ("learned-optimizer", {"torch.autograd", "JAX, jit and lax.scan"}),
        *((kind, {"torch", "JAX, jit"}) for kind in work.OPERATIONS),
    ],
)
def test_a_comparison(small, torch, jax, words, rivals, tmp_path, capsys):
    name, *flags = words.split()
    command.main([name, *flags, "--rounds", "1", "--no-memory", "--out", str(tmp_path)])
    report = json.loads((tmp_path / "report.json").read_text())
    found = report["works"][name]
    assert found["agreement"] < 1e-9 and rivals < found["contenders"].keys()
    assert all(0 < r["best"] <= r["median"] for r in found["contenders"].values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "report.md"]
    assert found["what"] in (tmp_path / "report.md").read_text()
    assert "torch" in report["machine"] and "ratio" in capsys.readouterr().out


def test_products_beside_every_blas(torch, monkeypatch):
    shapes = [(9, 20, 30, ""), (9, 20, 30, "x"), (9, 20, 30, "y"), (14, 1024, 3, "")]
    monkeypatch.setattr(product_rates, "PRODUCTS", {"small": shapes})
    _, *rows = product_rates.product_rates(rounds=1).splitlines()
    assert len(rows) == 4
    assert all("tinymeta" in r and "NumPy" in r and "torch" in r for r in rows)


def test_single_operations_beside_torch(torch, monkeypatch):
    monkeypatch.setattr(operations, "SIZES", (400,))
    rows = operations.operations(rounds=1).splitlines()
    assert [row[:12].strip() for row in rows] == [
        "tanh",
        "exp",
        "softmax",
        "layer norm",
        "batch norm",
    ]
    assert all("eager" in row and "jit" in row and "torch" in row for row in rows)


def test_an_operation_that_differs_is_not_timed(torch, monkeypatch):
    monkeypatch.setattr(operations, "SIZES", (400,))
    monkeypatch.setattr(operations, "_in_torch", lambda: {"tanh": torch.exp})
    with pytest.raises(AssertionError):
        operations.operations(rounds=1)


def test_what_differs_is_not_timed(monkeypatch, tmp_path):
    def rivals(job, compiled, loops):
        return {"wrong": lambda: [2 * np.asarray(p) for p in tm.tree.leaves(job.params)]}

    monkeypatch.setattr(command, "rivals", rivals)
    with pytest.raises(SystemExit, match="in float64 the results differ by"):
        command.main(["sinusoid", "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_what_there_is_not_is_refused(capsys):
    for wrong, words in (
        (["sinusiod"], "give works, or one of profile, floor, growth"),
        (["growth", "conv4"], "give works, or one of profile, floor, growth"),
        (["conv4", "--compile", "conv5"], "invalid choice: 'conv5'"),
    ):
        with pytest.raises(SystemExit):
            command.main(wrong)
        assert words in capsys.readouterr().err


def test_the_floor_of_a_work(torch, monkeypatch):
    """With times that are given: 7.2 million operations in 1 and 2 ms, a billion in 100 ms."""
    monkeypatch.setattr(floor, "PRODUCTS", {"p": ((3, 200, 100), (3, 100, 60))})
    given = {"a work": 0.1, "NumPy, p": 0.001, "torch, p": 0.002}

    def timed(contenders, rounds):
        ours, by_numpy, by_torch = (contenders[name]() for name in given)
        assert len(contenders) == 3 and ours[0].shape == (2000, 500)
        np.testing.assert_allclose(by_torch.numpy(), by_numpy, rtol=1e-5)
        return {name: {"median": seconds} for name, seconds in given.items()}

    monkeypatch.setattr(floor, "alternate", timed)
    x, w = tm.ones((2000, 500)), tm.ones((500, 500))
    lines = floor.floor({"a work": lambda: [(x @ w).numpy()]}, rounds=1).splitlines()
    assert lines == [
        "contractions: 1.00 GFLOP",
        "NumPy, p: 7 GFLOP/s, floor 138.9 ms",
        "torch, p: 4 GFLOP/s, floor 277.8 ms",
        "a work: 100.0 ms, 0.72, 0.36 times the floors",
    ]


def test_growth(torch, monkeypatch, tmp_path):
    axes = {
        "tasks": growth.AXES["tasks"]._replace(sizes=[1, 2], others=1),
        "LSTM steps": growth.AXES["LSTM steps"]._replace(sizes=[1, 3]),
    }
    monkeypatch.setattr(growth, "AXES", axes)
    command.main(["growth", "--rounds", "1", "--out", str(tmp_path)])
    seconds = json.loads((tmp_path / "growth.json").read_text())["seconds"]
    counts = {name: [len(t) for t in by.values()] for name, by in seconds.items()}
    assert counts == {"tasks": [2, 1, 1], "LSTM steps": [2]}


def test_the_axes_of_growth_and_the_cost_of_a_unit():
    ends = {name: (axis.sizes[0], axis.sizes[-1]) for name, axis in growth.AXES.items()}
    assert ends["tasks"] == (4, 512) and ends["inner steps"] == (1, 50)
    assert ends["filters"] == (64, 256) and ends["million parameters"] == (1, 10)
    assert ends["LSTM steps"] == (20, 200)
    axis = growth.Axis([1, 2, 4], work.dense, "unit", float)
    assert growth.unit_costs(axis, [3.0, 4.0, 6.0]) == [3, 2, 1.5]
    assert growth.unit_costs(axis._replace(slope=True), [3.0, 4.0, 6.0]) == [1, 1]


def test_dense_nets_have_the_parameters_that_they_say():
    for millions in (1, 10):
        params = work.dense(millions, tasks=1).params
        assert abs(sum(a.size for a in tm.tree.leaves(params)) / millions / 1e6 - 1) < 0.01


def test_memory_and_first_calls_of_a_process_alone():
    found = alone.measure_alone("sinusoid", "tinymeta, jit", cold=True)
    assert found["cold"] > found["first"] > 0 and 0 < found["peak"] < 100e6


def test_floating_operations_are_counted():
    """A conv of 2 tasks and 3 images, 5x4 places, a 3x3x6 window, 7 filters: 2 operations each."""
    x, w = np.ones((2, 3, 5, 4, 6)), np.ones((2, 3, 3, 6, 7))

    def step():
        y, pull = tm.vjp(tm.conv2d, x, w)
        pull(np.ones(y.shape))

    totals = profile.measure_primitives(step)
    expected = 2 * (2 * 3) * (5 * 4) * (3 * 3 * 6) * 7
    assert [totals[name][2] for name in ("conv", "conv_input", "conv_weight")] == [expected] * 3
