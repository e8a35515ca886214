"""The course: solutions pass, the usual mistakes are refused, and all that is said is a sentence.

What a learner writes is put beside the chapter's names as they would write it: a function of the
same name. Wrong ones are refused by the counterexample that they deserve.
"""

import ast
import linecache
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from course_mistakes import MISTAKES

import tinymeta.testing

COURSE = Path(__file__).resolve().parent.parent / "examples" / "course"
sys.path.append(str(COURSE))
import command  # noqa: E402
import grade  # noqa: E402
import judging  # noqa: E402
from hints import HINTS  # noqa: E402
from simulator import cuda, launch  # noqa: E402

pytestmark = pytest.mark.usefixtures("forget_new_primitives")
CHAPTERS = {path.stem[3:]: path for path in grade.chapters()}


def puzzles(path: Path) -> list[str]:
    return re.findall(r"^def check_(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)


# ---- chapters and solutions ---------------------------------------------------------------------


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_solutions_pass(chapter):
    verdicts = grade.results_of(CHAPTERS[chapter], solutions=True)
    assert [v.name for v in verdicts] == puzzles(CHAPTERS[chapter])
    assert all(v.state == "solved" for v in verdicts), verdicts


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_puzzle_that_is_not_written_says_what_to_do(chapter):
    verdicts = grade.results_of(CHAPTERS[chapter])
    assert 1 <= len(verdicts) <= 3
    for verdict in verdicts:
        assert verdict.state == "unsolved" and len(verdict.said.split()) > 6, verdict


@pytest.mark.parametrize("number, path", list(enumerate(CHAPTERS.values(), 1)))
def test_a_chapter_opens_as_a_notebook(number, path):
    """In the percent format: cells of code that each parse, and of Markdown that are comments."""
    text = path.read_text(encoding="utf-8")
    assert path.name.startswith(f"{number:02}_") and grade.title(path) != path.stem
    first, *cells = re.split(r"^# %%", text, flags=re.MULTILINE)
    assert first == "" and cells[0].startswith(f" [markdown]\n# # {number}. ")
    for cell in cells:
        kind, _, body = cell.partition("\n")
        assert kind in ("", " [markdown]")
        statements = ast.parse(body).body
        assert (kind == "") == bool(statements)
    assert cells[-1].split() == ["if", "__name__", "==", '"__main__":', "grade(globals())"]
    assert len(text.splitlines()) < 190


# ---- the usual mistakes -------------------------------------------------------------------------


def judged(chapter: str, puzzle: str, text: str, folder: Path) -> grade.Verdict:
    """The verdict on a puzzle whose solution is in a file with this text."""
    file = folder / f"{chapter}.py"
    file.write_text(text)
    return grade.judge(puzzle, grade.load(CHAPTERS[chapter], file))


@pytest.mark.parametrize("barrier", ["        cuda.syncthreads()\n", ""])
def test_a_kernel_without_end_is_answered_with_its_line(barrier, monkeypatch, tmp_path):
    """Although another thread runs it than the one that is rung; barriers are counted."""
    monkeypatch.setattr(judging, "SECONDS", 30.0 if barrier else 0.3)
    text = (COURSE / "solutions" / "cuda_kernel.py").read_text()
    text = text.replace("        distance //= 2\n", "")
    text = text.replace("        cuda.syncthreads()\n", barrier)
    verdict = judged("cuda_kernel", "sum_kernel", text, tmp_path)
    said = "more than 100 barriers and no end" if barrier else "still running after 0.3 s"
    assert f"TimeoutError: {said}" in verdict.said
    line = next(k for k, line in enumerate(text.splitlines(), 1) if "while distance" in line)
    assert int(re.search(r"at line (\d+)", verdict.said)[1]) in range(line, line + 4)


def test_what_a_puzzle_is_given_cannot_be_written_into(tmp_path):
    text = (COURSE / "solutions" / "maml.py").read_text()
    text += """

def adapt(loss, theta, support, alpha):
    for p, g in zip(theta, tm.grad(lambda theta: loss(theta, support).sum())(theta)):
        p -= alpha * g.numpy()
    return theta
"""
    said = judged("maml", "adapt", text, tmp_path).said
    assert "read-only" in said and "make a new array" in said


PUZZLES = [(chapter, puzzle) for chapter, path in CHAPTERS.items() for puzzle in puzzles(path)]


@pytest.mark.parametrize("chapter, puzzle", PUZZLES)
def test_a_function_that_returns_nothing_is_asked_for_its_return(chapter, puzzle, tmp_path):
    verdict = judged(chapter, puzzle, f"def {puzzle}(*arguments):\n    pass\n", tmp_path)
    assert verdict.state == "wrong"
    is_kernel = chapter == "cuda_kernel"  # which returns nothing when it is right
    assert ("is a `return` missing?" in verdict.said) != is_kernel, verdict.said


@pytest.mark.parametrize(
    "chapter, puzzle, body",
    [
        ("product_rule", "times_rule(g, a, b)", "g *= b; return g, g * a"),
        ("unbroadcasting", "mean_rule(g, x)", "g /= len(x); return g + 0.0 * x"),
        ("cross_entropy", "softmax(z)", "z -= z.max(); return z"),
        ("hessian_vector", "solve(product, b, steps)", "b -= product(b); return b"),
        ("maml", "hessian_term(loss, theta, tasks, alpha)", "theta[0] -= 1.0; return theta"),
        ("cuda_kernel", "sum_kernel(out, x)", "x[cuda.threadIdx.x] += 1.0"),
        ("your_method", "adapt(loss, params, support)", "params['theta'][0][0] = 1.0"),
        ("your_method", "adapt(loss, params, support)", "support.x[0] = 1.0"),
    ],
)
def test_no_puzzle_may_write_into_its_arguments(chapter, puzzle, body, tmp_path):
    text = f"from simulator import cuda\n\ndef {puzzle}:\n    {body}\n"
    said = judged(chapter, puzzle.partition("(")[0], text, tmp_path).said
    assert "make a new array" in said and f"at line 4: {body}" in said, said


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_usual_mistakes_are_refused_and_named(chapter, tmp_path):
    """In the chapter's own file, of which no line but the learner's is shown as theirs."""
    solution = (COURSE / "solutions" / f"{chapter}.py").read_text()
    given, file = CHAPTERS[chapter].read_text(encoding="utf-8") + "\n\n", tmp_path / "chapter.py"
    passed = {}
    for mistake in MISTAKES[chapter]:
        assert mistake.right in solution, mistake
        # Only the puzzle in question is edited, and what stands before it in the file.
        text = solution.replace(mistake.right, mistake.wrong)
        file.write_text(given + text)
        verdict = grade.judge(mistake.puzzle, grade.load(file))
        lines = [int(line) for line in re.findall(r"^at line (\d+):", verdict.said, re.MULTILINE)]
        shows_the_course = any(line <= len(given.splitlines()) for line in lines)
        if verdict.state != "wrong" or mistake.said not in verdict.said or shows_the_course:
            passed[mistake.puzzle, mistake.what] = verdict
    assert not passed
    assert {mistake.puzzle for mistake in MISTAKES[chapter]} == set(puzzles(CHAPTERS[chapter]))


def test_a_failure_shows_a_counterexample_and_where_to_look():
    names = grade.load(CHAPTERS["product_rule"])
    said = grade.judge("times_rule", names | {"times_rule": lambda g, a, b: (g, g)}).said
    assert re.search(r"worst entry: argument \[0\] at \(\d,\): analytic \S+, numeric \S+", said)
    assert said.endswith("Look at: each share is g times the slope, and the slope by a is b.")


# ---- code that does not even answer --------------------------------------------------------------

BROKEN = {
    "an exception": ("return g * c", "NameError: name 'c' is not defined\nat line 2: return g * c"),
    "nothing": ("pass", "times_rule returned None: is a `return` missing?"),
    "one share": (
        "return g * b",
        "1 gradients for 2 floating inputs: return one for each, like the arguments: a tuple",
    ),
    "other parameters": ("return times_rule(g)", "missing 2 required positional arguments"),
    "a text": ("return 'g'", "TypeError"),
    "wrong shapes": ("return g[:2] * b[:2], g * a", "shape"),
    "itself": (
        "return times_rule(g, a, b)",
        "calls itself without end\nat line 2: return times_rule",
    ),
    "for ever": ("while True:\n        g = g + 1", "TimeoutError: still running"),
    "an end": ("raise SystemExit(3)", "SystemExit: 3\nat line 2: raise SystemExit(3)"),
    "an assert": ("assert g is None", "an assert does not hold\nat line 2: assert g is None"),
    "an operation": ("return g @ np.ones((7, 7)), g", "at line 2: return g @ np.ones((7, 7)), g"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_whatever_a_function_does_is_a_sentence(what, tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.3)
    body, said = BROKEN[what]
    text = f"def times_rule(g, a, b):\n    {body}\n"
    verdict = judged("product_rule", "times_rule", text, tmp_path)
    assert verdict.state == "wrong" and said in verdict.said, verdict.said
    assert "Traceback" not in verdict.said and len(verdict.said.splitlines()) < 20


def edited(folder: Path, right: str, wrong: str) -> list[grade.Verdict]:
    """The first chapter as a learner would change it, and what is said to it."""
    text = CHAPTERS["product_rule"].read_text()
    assert right in text
    file = folder / "01_product_rule.py"
    file.write_text(text.replace(right, wrong))
    return grade.results_of(file)


FIRST_IDEA = "hold one factor still and move the other: how much does y move?"
FIRST_BODY = f'raise NotImplementedError("{FIRST_IDEA}")'


@pytest.mark.parametrize(
    "right, wrong, said",
    [
        (FIRST_BODY, "return g * b g * a", "line 48: invalid syntax"),
        (FIRST_BODY, "  return g", "unexpected indent"),
        (
            "x = np.array([1.0, 2.0, 3.0])",
            "x = nothing",
            "NameError: name 'nothing' is not defined",
        ),
        ("x = np.array([1.0, 2.0, 3.0])", "raise SystemExit", "SystemExit"),
        ("times_rule(g, a, b):", "times_rule(g, a):\n    return g, a\n", "called with 3 arguments"),
        ("def times_rule(", "def my_rule(", "there is no function `times_rule` any more"),
        ("# ## Puzzle 1\n", "times_rule = 3\n", ""),
    ],
)
def test_a_file_that_cannot_be_graded_is_a_sentence(right, wrong, said, tmp_path):
    first = edited(tmp_path, right, wrong)[0]
    assert first.state != "solved" and said in first.said, first


def test_the_line_is_the_learners_and_not_the_checks(tmp_path):
    lines = CHAPTERS["product_rule"].read_text().splitlines()
    line = lines.index(f"    {FIRST_BODY}") + 1
    (verdict, *_) = edited(tmp_path, FIRST_BODY, "return g * missing, g")
    assert verdict.line == line - 2
    assert f"NameError: name 'missing' is not defined\nat line {line}: return g" in verdict.said
    (verdict, *_) = edited(tmp_path, FIRST_BODY, "return g * b, g * a")
    assert verdict == grade.Verdict("times_rule", line - 2, "solved", "")


def test_a_chapter_that_never_ends_or_is_no_text_is_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(judging, "SECONDS", 0.3)
    chapters = [tmp_path / "01_for_ever.py", tmp_path / "02_bytes.py"]
    chapters[0].write_text("while True:\n    pass\n")
    chapters[1].write_bytes(b"x = '\xff'\n")
    monkeypatch.setattr(grade, "chapters", lambda: chapters)
    assert command.main([]) == 1
    assert "TimeoutError: still running" in capsys.readouterr().out
    assert command.main(["2"]) == 1
    assert "UnicodeDecodeError" in capsys.readouterr().out


def test_the_cells_of_a_notebook_are_graded_each_by_its_own_lines(capsys):
    """Every cell is a file of its own there; one has a line that is no Python."""
    names = {"__name__": "__main__"}
    text = CHAPTERS["product_rule"].read_text().replace(FIRST_BODY, "return g * missing, g")
    for k, cell in enumerate(text.split("\n# %%")):
        file, source = f"<cell {k}>", cell.partition("\n")[2]
        lines = ["%magic\n", *source.splitlines(keepends=True)]
        linecache.cache[file] = len(source), None, lines, file
        exec(compile("\n" + source, file, "exec"), names)
    shown = capsys.readouterr().out
    assert "[!] times_rule" in shown and "[ ] wave_rule" in shown
    assert "NameError: name 'missing' is not defined\n      at line 4: return g * missing" in shown


# ---- the command ---------------------------------------------------------------------------------


def test_the_course_needs_no_hypothesis():
    code = (
        "import sys; sys.modules['hypothesis'] = sys.modules['pytest'] = None\n"
        f"sys.path.insert(0, {str(COURSE)!r})\n"
        "import command; sys.exit(command.main(['10', '--solutions']))"
    )
    arguments = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=COURSE.parent.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("[x]") == len(puzzles(CHAPTERS["maml"]))
    for path in CHAPTERS.values():  # the others use no more of the kit
        (imported,) = [*re.findall("from tinymeta.testing import (.+)", path.read_text()), ""][:1]
        assert not set(imported.split(", ")) & set(tinymeta.testing.LAZY)


def test_all_solved_is_said(capsys, monkeypatch):
    monkeypatch.setattr(grade, "chapters", lambda: [CHAPTERS["fusion"], CHAPTERS["memory"]])
    assert command.main(["--solutions"]) == 0
    *rows, end = capsys.readouterr().out.splitlines()
    assert [row.count("[x]") for row in rows] == [2, 2] and "All puzzles are solved" in end


def test_the_command_says_what_is_next(capsys):
    assert command.main([]) == 1
    *listed, blank, upcoming, puzzle, task, stuck = capsys.readouterr().out.splitlines()
    assert len(listed) == len(CHAPTERS) and not blank
    assert upcoming.endswith("01_product_rule.py") and puzzle.startswith("[ ] times_rule, line 46")
    assert task.strip() == FIRST_IDEA and "--hint formula" in stuck


def test_hints_go_from_an_idea_to_a_formula_to_code(capsys, monkeypatch):
    assert {*HINTS} == {f"{chapter}.{puzzle}" for chapter, puzzle in PUZZLES}
    for chapter, path in CHAPTERS.items():
        for verdict in grade.results_of(path):
            idea, hint = verdict.said, HINTS[f"{chapter}.{verdict.name}"]
            assert not re.search(r"\b(np|tm|cuda|re|return|lambda)\b|\*|==|\[", idea), idea
            assert not re.search(r"\b(np|tm|cuda|re|return|lambda)\b[.( ]", hint.formula), hint
            assert re.search(r"[(\[=]", hint.formula + hint.code), hint
    assert command.main(["10", "--hint", "formula"]) == 1
    _, puzzle, idea, formula, *_ = capsys.readouterr().out.splitlines()
    assert puzzle.startswith("[ ] adapt") and formula.strip().startswith("formula: g = grad_theta")
    assert command.main(["--hint", "code"]) == 1
    assert capsys.readouterr().out.splitlines()[-1].strip() == "code: return g * b, g * a"
    assert command.main(["10", "--hint", "code", "--solutions"]) == 0
    assert "code" not in capsys.readouterr().out


def test_one_chapter_is_graded_by_its_number(capsys, monkeypatch):
    monkeypatch.chdir(COURSE)
    assert command.main(["3"]) == 1
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "The product of matrices: 03_matmul.py" and rest[0].startswith(
        "[ ] product_rule"
    )
    assert command.main(["3", "--solutions"]) == 0
    with pytest.raises(SystemExit) as end:
        command.main(["15"])
    assert end.value.code == 2 and "they are 1 to 14" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["03_matmul.py", "examples/course/03_matmul.py", "matmul", "03"])
def test_one_chapter_is_graded_by_its_name(name, capsys):
    assert command.main([name]) == 1
    assert "[ ] product_rule" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        command.main([f"{name}x"])
    assert end.value.code == 2 and f"there is no chapter {name}x: " in capsys.readouterr().err


def test_solutions_that_are_not_there_are_a_sentence(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(grade, "FOLDER", tmp_path)
    monkeypatch.setattr(grade, "chapters", lambda: list(CHAPTERS.values()))
    with pytest.raises(SystemExit) as end:
        command.main(["--solutions"])
    assert end.value.code == 2 and "there is no folder" in capsys.readouterr().err


def test_a_reader_of_the_command_may_leave_early():
    """As `head` does."""
    arguments = [sys.executable, str(COURSE), "3"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_chapter_run_by_itself_shows_its_lesson_and_grades(capsys):
    runpy.run_path(str(CHAPTERS["fusion"]), run_name="__main__")
    lesson, *verdicts = capsys.readouterr().out.splitlines()
    assert lesson.startswith("[") and verdicts[0].startswith("[ ] fused, line")


# ---- the simulator -------------------------------------------------------------------------------


def reads_late(out, x):
    t = cuda.threadIdx.x
    shared = cuda.shared.array(2, np.float64)
    shared[t] = x[t]
    cuda.syncthreads()
    out[t] = shared[1 - t]
    shared[t] = 0.0  # which the other may not have read yet


def writes_late(out, x):
    if cuda.threadIdx.x > 0:
        out[1] = x[0]
    else:
        x[0] = 2.0


def writes_twice(out, x):
    out[0] = x[cuda.threadIdx.x]


def leaves_early(out, x):
    if cuda.threadIdx.x > 0:
        cuda.syncthreads()
    out[cuda.threadIdx.x] = 1.0


def reads_before(out, x):
    out[cuda.grid(1)] = out[cuda.grid(1)] + 1.0


def counts_from_the_end(out, x):
    out[cuda.grid(1)] = x[-1]


@pytest.mark.parametrize(
    "kernel, blocks, said",
    [
        (reads_late, 1, r"thread 0 of block 0 reads shared\[1\] and thread 1 wrote it"),
        (writes_late, 1, r"thread 0 of block 0 writes x\[0\] and thread 1 read it"),
        (writes_twice, 1, r"thread 0 of block 0 writes out\[0\] and thread 1 wrote it"),
        (leaves_early, 1, "thread 1 waits at a barrier that thread 0 never reaches"),
        (reads_before, 1, r"thread 1 of block 0 reads out\[1\], which nobody wrote"),
        (counts_from_the_end, 1, r"x\[-1\] is outside of the shape \(2,\)"),
    ],
)
def test_the_simulator_says_where_a_gpu_would_be_silent(kernel, blocks, said):
    with pytest.raises(AssertionError, match=said):
        launch(kernel, blocks, 2, np.zeros(2), np.arange(2.0))


@pytest.mark.cuda
@pytest.mark.filterwarnings("ignore")  # that so small a grid, and arrays of the host, are slow
def test_the_kernels_are_kernels_of_numba():
    from numba import cuda as numba_cuda

    solutions = grade.load(COURSE / "solutions" / "cuda_kernel.py")
    solutions["cuda"] = numba_cuda
    x, sums = np.arange(13.0), np.zeros(2)
    numba_cuda.jit(solutions["sum_kernel"])[2, 8](sums, x)
    assert sums.tolist() == [x[:8].sum(), x[8:].sum()]
    out = np.zeros(13)
    numba_cuda.jit(solutions["add_kernel"])[2, 8](out, x, x)
    assert out.tolist() == (2 * x).tolist()
