"""Random programs: they are varied and readable, right rules pass, and a wrong one is found."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings

import tinymeta as tm
from tinymeta.core.primitive import registry, run_eagerly
from tinymeta.core.scope import setting
from tinymeta.ops.conv import Geometry
from tinymeta.testing import program as program_module
from tinymeta.testing import programcheck
from tinymeta.testing.grammar import GRAMMAR
from tinymeta.testing.growing import Step
from tinymeta.testing.program import RandomProgram, Statement
from tinymeta.testing.programcheck import check_program
from tinymeta.testing.programs import build, main, programs, survey
from tinymeta.testing.survey import Survey


def one_statement(op, x, *operands, tasks=None, **static):
    return RandomProgram({"x0": x}, (Statement("v1", op, ("x0", *operands), static),), tasks)


def some(count: int) -> list[RandomProgram]:
    found = []

    @settings(max_examples=count, derandomize=True, database=None)
    @given(programs())
    def draw(program):
        found.append(program)

    draw()
    return found


# ---- the engine is right -------------------------------------------------------------------------


def test_the_derivatives_of_a_hundred_programs():
    found = survey().round(120)
    assert found.passed and found.tally["checked"] >= 80, str(found)


def test_a_survey_that_skips_too_many_has_not_passed():
    survey = Survey(programs(), check_program)
    survey.tally.update({"checked": 90, "at a kink": 6, "constant": 4})
    assert survey.passed and str(survey) == (
        "checked 90, at a kink 6, undecided 0, constant 4, failed 0"
    )
    survey.tally["undecided"] += 1
    assert not survey.passed


# ---- a wrong rule is found, and shown in few statements ------------------------------------------


def scaled(rule):
    return lambda *args, **static: rule(*args, **static) * 1.001


@pytest.mark.parametrize(
    "name, place, steps, seed",
    [
        ("mul", 0, 4, 1),
        ("conv_weight", 0, 4, 1),
        ("scatter_add", 0, 8, 1),
        ("max", 0, 4, 2),
        ("power", 1, 4, 2),
    ],
)
def test_a_rule_that_is_off_by_a_thousandth_is_found(name, place, steps, seed, monkeypatch):
    rules = list(registry[name].vjps)
    rules[place] = scaled(rules[place])
    monkeypatch.setattr(registry[name], "vjps", tuple(rules))
    found = survey(order=1, steps=steps).round(400, seed=seed)
    assert isinstance(found.error, AssertionError) and "is wrong" in str(found.error)
    assert len(found.failure.statements) <= 4, str(found)


def test_a_rule_that_stops_its_own_derivative_is_found_at_order_2(monkeypatch):
    monkeypatch.setattr(registry["exp"], "vjps", (lambda g, y, a: g * tm.stop_gradient(y),))
    found = survey(order=2, steps=4).round(400, seed=1)
    assert "of order 2 is wrong" in str(found.error) and len(found.failure.statements) == 1
    # How small the array gets is hypothesis's business; that one reads it at a glance is ours.
    assert found.failure.inputs["x0"].size <= 8
    text = str(found.failure).splitlines()
    assert text[-3] == "def program(x0):" and text[-1] == "    return v1"
    assert text[-2].startswith(f"    {found.failure.statements[0]}  # float64 ")


# ---- the program as a value ----------------------------------------------------------------------


def test_its_text_is_python_that_computes_the_same():
    for program in some(100):
        names = {"np": np, "tm": tm, "registry": registry, "Geometry": Geometry}
        exec(str(program), names)
        found = names["program"](*(names[x] for x in program.inputs))
        found = found if isinstance(found, tuple) else (found,)
        for a, b in zip(found, program(), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_it_returns_every_value_that_no_statement_uses():
    program = RandomProgram(
        {"x0": np.array([0.5])},
        (
            Statement("v1", "tanh", ("x0",), {}),
            Statement("v2", "stack", (["v1", "x0"],), {}),
            Statement("v3", "mul", ("x0", 2.0), {}),
        ),
    )
    assert program.outputs == ["v2", "v3"]
    stacked, doubled = program(np.array([0.25]))
    assert stacked.numpy().tolist() == [[np.tanh(0.25)], [0.25]] and doubled.item() == 0.5
    assert "v2 = tm.stack([v1, x0])  # float64 (2, 1)" in str(program)


def test_programs_run_every_differentiable_primitive():
    met = set()

    def noting(primitive, values, static):
        met.add(primitive.name)
        return run_eagerly(primitive, values, static)

    with setting(interpreter=noting):
        for op, seed in itertools.product(GRAMMAR, range(8)):
            build([Step(op, 0, 0, seed)], (2, 3))
    expected = {
        n
        for n, p in registry.items()
        if p.family != "extension" and (callable(p.vjps) or any(p.vjps))
    }
    assert expected <= met


def test_programs_are_varied():
    found = some(800)  # one in sixty has four inputs
    uses = [[name for s in p.statements for name in s.operand_names] for p in found]
    assert any(used.count("v1") > 1 for used in uses)
    assert any(len(p.statements) >= 8 for p in found) and any(len(p.statements) == 1 for p in found)
    assert {p.tasks for p in found} == {None, 2, 3}
    assert {len(p.inputs) for p in found} == {1, 2, 3, 4}
    assert any(x.dtype.kind == "i" for p in found for x in p.inputs.values())
    assert any(len(p.outputs) > 1 for p in found)


@pytest.mark.parametrize("op", GRAMMAR)
def test_every_operation_of_the_grammar_can_be_had(op):
    shapes = [(2, 3), (1, 2), (1, 4, 4, 2)]
    built = [
        build([Step(op, 0, 0, seed)], shape, tasks)
        for seed in range(4)
        for shape in shapes
        for tasks in (None, 2)
    ]
    name = "power" if op == "static_power" else op
    assert any(s.op == name for p in built for s in p.statements)
    assert all(np.isfinite(y.numpy()).all() for p in built for y in p())


# ---- what is checked, and what cannot be ---------------------------------------------------------


def test_at_a_kink_and_in_rounding_a_sample_is_skipped_under_its_name():
    assert check_program(one_statement("relu", np.array([0.0, 1.0]))) == "at a kink"
    assert check_program(one_statement("add", np.array([1.0, 2.0]), 1e12)) == "undecided"
    assert check_program(one_statement("sign", np.array([1.0, 2.0]))) == "constant"
    assert check_program(one_statement("relu", np.array([1.0, 2.0]))) == "checked"


def test_a_checkpoint_that_changes_a_derivative_is_found(monkeypatch):
    monkeypatch.setattr(
        program_module, "checkpoint", lambda f: lambda values: f(tm.stop_gradient(values))
    )
    two = RandomProgram(
        {"x0": np.array([0.5])},
        (Statement("v1", "exp", ("x0",), {}), Statement("v2", "mul", ("x0", "v1"), {})),
    )
    with pytest.raises(AssertionError, match="a checkpoint changes the derivatives: by"):
        for seed in range(8):
            check_program(two, seed=seed)


def test_tasks_that_mix_are_found():
    with pytest.raises(AssertionError, match="task 0 alone differs: by"):
        check_program(one_statement("flip", np.array([[1.0], [2.0]]), tasks=2, axis=0))


def test_a_program_that_cannot_grow_is_a_failure(monkeypatch):
    monkeypatch.setitem(registry["tanh"].kernels, "cpu", lambda out, a: out.fill(np.nan))
    found = survey().round(100)
    assert not found.passed and "made what is not finite" in str(found)


def test_a_rule_that_forgets_float32_is_found(monkeypatch):
    monkeypatch.setattr(registry["exp"], "vjps", (lambda g, y, a: tm.astype(g * y, np.float64),))
    with pytest.raises((AssertionError, ValueError), match="float64"):
        check_program(one_statement("exp", np.array([0.5])))


def test_a_kernel_that_is_wrong_in_float32_is_found(monkeypatch):
    def exp(out, a):
        np.exp(a * (1.001 if a.dtype == np.float32 else 1.0), out=out)

    monkeypatch.setitem(registry["exp"].kernels, "cpu", exp)
    with pytest.raises(AssertionError, match="float32 differs: by"):
        check_program(one_statement("exp", np.array([0.5])))


def test_a_derivative_through_an_inner_step_is_checked_too(monkeypatch):
    monkeypatch.setattr(
        programcheck, "checkpoint", lambda step: lambda xs: tm.stop_gradient(step(xs))
    )
    with pytest.raises(AssertionError, match="of the_program_after_a_step of order 1 is wrong"):
        check_program(one_statement("exp", np.array([0.5])))


def test_a_step_out_of_the_domain_is_no_failure():
    near_zero = RandomProgram(
        {"x0": np.array([-0.09375, 0.03125, 0.15625])},
        (
            Statement("v1", "add", ("x0", "x0"), {}),
            Statement("v2", "sum", ("v1",), {}),
            Statement("v3", "log", ("v2",), {}),
        ),
    )
    assert {check_program(near_zero, order=1, seed=seed) for seed in range(20)} == {"checked"}
    near_flat = one_statement("relu", np.array([1e-3]))
    found = {check_program(near_flat, order=1, seed=seed) for seed in range(20)}
    assert "constant" in found and found <= {"checked", "constant", "at a kink"}


# ---- the command ---------------------------------------------------------------------------------


def test_the_command_prints_the_tally():
    done = subprocess.run(
        [sys.executable, "-m", "tinymeta.testing.programs", "--minutes", "0.01"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("checked ") and ", failed 0\n" in done.stdout
    assert " examples a second for " in done.stdout


def test_the_command_fails_with_the_program_of_a_wrong_rule(monkeypatch, capsys):
    monkeypatch.setattr(registry["tanh"], "vjps", (lambda g, y, a: g,))
    assert main(["--minutes", "0.2", "--seed", "3", "--order", "1"]) == 1
    out = capsys.readouterr().out
    assert "failed 1:" in out and "tm.tanh(x0)" in out and "of order 1 is wrong" in out


def test_a_tie_that_rounding_breaks_is_no_difference():
    """Rows of equal steps have equal softmaxes but for the last bit; their maximum takes either."""
    program = RandomProgram(
        {"x0": np.arange(-2.75, 3.25).reshape(2, 3) / 8},
        (
            Statement("v1", "softmax", ("x0",), {"axis": -1}),
            Statement("v2", "max", ("v1",), {"axis": -2, "keepdims": True}),
        ),
    )
    assert check_program(program) in ("at a kink", "undecided", "checked")
