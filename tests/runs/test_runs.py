"""Runs of the examples: nothing is overwritten, each end is a sentence, mistakes are found at once.

In this process, whose kernels are warm, but for a lock that a killed process held.
"""

import errno
import importlib.util
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.runs import console, pictures, run_files
from tinymeta.runs.training import resume_command

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = pytest.mark.examples
TINY = ("--iterations", "4", "--tasks", "3", "--test-tasks", "10", "--no-jit")
RUNS = (
    "hypergradient",
    "learned_optimizer",
    "learning_bias",
    "maml_images",
    "maml_sinusoid",
    "metagradient_lab",
    "prototypical_images",
    "ridge_images",
    "siamese_images",
)


@pytest.fixture
def start(monkeypatch, tmp_path, capsys):
    """start(name, *flags) runs an example in tmp_path/out: (how it ended, stdout, stderr).

    Pictures take longer than these runs, so there are none.
    """
    monkeypatch.setattr(pictures, "pyplot", lambda: None)
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def started(name, *flags):
        words = [f"{name}.py", *map(str, flags), "--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", words)
        end = None
        try:
            runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        except SystemExit as exit:
            end = exit.code
        return end, *capsys.readouterr()

    return started


@pytest.fixture
def at_draw(monkeypatch):
    """at_draw(k, act): act() is called when tasks of sinusoids are drawn the k-th time."""

    def arranged(k, act):
        sample, count = tm.data.Sinusoids.sample, iter(range(1, 10**6))

        def counted(self, *args, **kwargs):
            if next(count) == k:
                act()
            return sample(self, *args, **kwargs)

        monkeypatch.setattr(tm.data.Sinusoids, "sample", counted)

    return arranged


def interrupt():
    raise KeyboardInterrupt


def same(ours, theirs):
    """Whether two files of parameters hold the same bits."""
    pairs = zip(tm.tree.leaves(tm.load(ours)), tm.tree.leaves(tm.load(theirs)), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# ---- nothing is overwritten ----------------------------------------------------------------------


def test_begun_again_and_again_every_run_is_kept_whole(start, tmp_path):
    out, seen = tmp_path / "out", []
    for seed in (0, 1, 2):
        end, said, _ = start("maml_sinusoid", *TINY, "--seed", seed)
        assert end is None and said.count("what an earlier run left is now in") == (seed > 0)
        seen.append({path.name: path.read_bytes() for path in out.iterdir() if path.is_file()})
    for number, files in enumerate(seen[:2], 1):
        aside = out / f"maml_sinusoid.before-{number}"
        assert {path.name: path.read_bytes() for path in aside.iterdir()} == files
        assert {f"maml_sinusoid.{end}" for end in ("npz", "csv", "checkpoint.npz")} <= {*files}
    assert tm.about(out / "maml_sinusoid.npz")["config"]["seed"] == 2


@pytest.mark.parametrize(
    "mistake",
    [
        ("--load", "nowhere.npz"),
        ("--beta", "nan"),
        ("--test-tasks", "1"),
        ("--lr", "0.1", "--resume"),
    ],
)
def test_a_run_that_cannot_be_moves_nothing(mistake, start, tmp_path):
    start("maml_sinusoid", *TINY)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    end, said, _ = start("maml_sinusoid", *TINY, *mistake)
    assert end.startswith("error: ") and "earlier run" not in said
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_judging_writes_nothing(start, tmp_path):
    start("maml_sinusoid", *TINY)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    end, said, _ = start(
        "maml_sinusoid", "--evaluate", tmp_path / "out" / "maml_sinusoid.npz", "--test-tasks", "10"
    )
    assert end is None and "result: " in said
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_what_is_set_aside_is_of_the_name_alone(tmp_path, capsys):
    ours = ["lab.checkpoint.npz", "lab.csv", "lab.npz", "lab_curve.png"]
    others = ["lab.lock", "lab_notes.txt", "labour.npz", "other.npz"]
    for name in ours + others:
        (tmp_path / name).write_text(name)
    run_files.back_up_earlier_run(tmp_path, "lab")
    aside = tmp_path / "lab.before-1"
    assert names(aside) == ours and names(tmp_path) == sorted([*others, aside.name])
    (said,) = capsys.readouterr().out.splitlines()
    assert said == (
        f"what an earlier run left is now in {aside}; --out {aside} --resume goes on with it"
    )
    run_files.back_up_earlier_run(tmp_path, "lab")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "work, name, flags",
    [
        ("metagradient_lab", "metagradient_lab_sinusoid", "--inner 1 --repeats 1 --tasks 3"),
        ("learning_bias", "learning_bias", "--work sinusoid --test-tasks 2"),
    ],
)
def test_tables_of_an_earlier_run_are_kept_too(work, name, flags, start, tmp_path, monkeypatch):
    size = SimpleNamespace(replay=SimpleNamespace(memory=SimpleNamespace(size=0)), chunks=())
    for module in (tm, sys.modules["tinymeta.meta.train"]):
        monkeypatch.setattr(module, "jit", lambda f: f)  # to compile takes longer
    monkeypatch.setattr(tm, "explain", lambda *_: size)
    out, seen = tmp_path / "out", []
    for seed in (0, 1):
        end, _, _ = start(work, "--iterations", "1", *flags.split(), "--seed", seed)
        assert end is None
        seen.append({path.name: path.read_bytes() for path in out.iterdir() if path.is_file()})
    aside = {path.name: path.read_bytes() for path in (out / f"{name}.before-1").iterdir()}
    assert aside == seen[0] != seen[1] and aside.keys() == seen[1].keys() != set()


def test_a_second_run_of_the_name_is_refused_while_the_first_writes(start, tmp_path):
    with run_files.exclusive(tmp_path / "out", "maml_sinusoid"):
        end, said, _ = start("maml_sinusoid", *TINY)
        assert (
            end
            == (
                f"error: another run of maml_sinusoid writes to {tmp_path / 'out'}: wait "
                "for its end, or give another --out"
            )
            and not said
        )
        assert start("maml_sinusoid", *TINY, "--method", "reptile")[0] is None  # another name
    assert start("maml_sinusoid", *TINY)[0] is None
    assert not list((tmp_path / "out").glob("*.lock"))


def test_a_killed_process_lets_go_of_its_lock(tmp_path):
    code = (
        "import pathlib, sys; from tinymeta.runs import run_files\n"
        "with run_files.exclusive(pathlib.Path(sys.argv[1]), 'run'): print('held', flush=True);"
        " sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RuntimeError, match="another run of run writes to"):
            with run_files.exclusive(tmp_path, "run"):
                pass
        other.kill()
    with run_files.exclusive(tmp_path, "run"):
        assert names(tmp_path) == ["run.lock"]
    assert names(tmp_path) == []


@pytest.fixture
def run_files_of_windows(monkeypatch):
    """run_files as it is imported where there is no fcntl, with a stand-in for msvcrt."""
    fcntl = pytest.importorskip("fcntl")  # which does here what the stand-in promises

    def locking(number: int, mode: int, count: int) -> None:
        assert (mode, count) == (LK_NBLCK, 1) and os.lseek(number, 0, os.SEEK_CUR) == 0
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    LK_NBLCK = 2
    monkeypatch.setitem(sys.modules, "fcntl", None)
    stand_in = SimpleNamespace(locking=locking, LK_NBLCK=LK_NBLCK)
    monkeypatch.setitem(sys.modules, "msvcrt", stand_in)
    spec = importlib.util.spec_from_file_location("tinymeta.runs.run_files", run_files.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_on_windows_the_second_run_is_refused_too(run_files_of_windows, tmp_path, monkeypatch):
    def refuse_to_remove(path):
        raise PermissionError(errno.EACCES, "it is open")

    monkeypatch.setattr(Path, "unlink", refuse_to_remove)  # as Windows does
    for _ in range(2):  # the file that was left behind is in nobody's way
        with run_files_of_windows.exclusive(tmp_path, "run"):
            with pytest.raises(RuntimeError, match="^another run of run writes to"):
                with run_files_of_windows.exclusive(tmp_path, "run"):
                    pass
            with run_files_of_windows.exclusive(tmp_path, "another"):
                pass
    assert names(tmp_path) == ["another.lock", "run.lock"]


def test_a_file_system_without_locks_lets_a_run_begin(run_files_of_windows, tmp_path):
    def locking(*_):
        raise OSError(errno.EINVAL, "Invalid argument")

    sys.modules["msvcrt"].locking = locking
    with run_files_of_windows.exclusive(tmp_path, "run"):
        assert names(tmp_path) == ["run.lock"]


# ---- every end is a sentence ---------------------------------------------------------------------


@pytest.fixture
def handled():
    """handled(number): that signal is handled as by default, which nohup may have changed."""
    before = {}

    def default(number):
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        before[number] = signal.signal(number, usual)

    yield default
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_saves_and_says_how_to_go_on(name, start, at_draw, handled, tmp_path):
    number = getattr(signal, name, None) or pytest.skip(f"no {name} here")
    handled(number)
    start("maml_sinusoid", *TINY)
    shutil.move(tmp_path / "out", tmp_path / "whole")
    at_draw(5, lambda: os.kill(os.getpid(), number))
    end, _, said = start("maml_sinusoid", *TINY)
    assert re.fullmatch(
        "stopped after 1 updates and saved; to go on: python .*maml_sinusoid.py'? "
        f".* --out {re.escape(str(tmp_path / 'out'))} --resume",
        end,
    )
    assert f"stopped by {'Ctrl-C' if name == 'SIGINT' else name}" in said
    assert signal.getsignal(number) == (
        signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    )
    assert start("maml_sinusoid", *TINY, "--resume")[0] is None
    assert same(tmp_path / "out" / "maml_sinusoid.npz", tmp_path / "whole" / "maml_sinusoid.npz")


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with console.signals_as_ctrl_c():
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(os.name == "nt", reason="another shell quotes in another way")
def test_the_command_is_quoted_for_a_shell(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["a run.py", "--out", "it's here", "--resume"])
    assert resume_command() == """python 'a run.py' --out 'it'"'"'s here' --resume"""


@pytest.mark.parametrize("name", RUNS)
def test_ctrl_c_while_data_are_made_is_a_sentence(name, start, monkeypatch):
    for source, method in (
        (tm.data.Glyphs, "characters"),
        (tm.data.Sinusoids, "sample"),
        (tm.data.Quadratics, "sample"),
    ):
        monkeypatch.setattr(source, method, lambda *args, **kwargs: interrupt())
    end, _, said = start(name)
    assert re.match("stopped by Ctrl-C$|stopped before the first|.*: stopped after 0 of", end)
    assert "Traceback" not in said


def test_ctrl_c_while_the_update_is_compiled_is_a_sentence(start, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules["tinymeta.meta.train"], "jit", lambda f: lambda *_: interrupt())
    end, _, _ = start("maml_sinusoid", "--iterations", "3")
    assert end == "stopped before the first update: nothing was written"
    assert names(tmp_path / "out") == []


def test_ctrl_c_while_matplotlib_is_imported_meets_no_half_of_it(start, monkeypatch, tmp_path):
    def interrupted():
        monkeypatch.setattr(pictures, "pyplot", lambda: pytest.fail("half imported"))
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, "pyplot", interrupted)
    end, _, errors = start("maml_sinusoid", *TINY)
    assert end == "stopped by Ctrl-C" and "Traceback" not in errors
    assert names(tmp_path / "out") == []


def test_ctrl_c_while_an_example_is_imported_is_a_sentence(monkeypatch, capsys):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    runpy.run_path(str(EXAMPLES / "console.py"))
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr() == ("", "stopped by Ctrl-C\n")
    sys.excepthook(ValueError, ValueError("a mistake"), None)
    assert "ValueError: a mistake" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tour", "property_test_your_op"])
def test_help_of_a_script_does_not_run_it(name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(EXAMPLES)  # as Python does for a script
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert "very claim is an assert" in said and "\n1  " not in said


@pytest.mark.parametrize(
    "work, name", [("metagradient_lab", "warm-up"), ("learning_bias", "MAML, waves")]
)
def test_nothing_is_claimed_of_a_net_that_is_not_finished(work, name, start, at_draw, tmp_path):
    at_draw(3, interrupt)
    end, said, _ = start(work, "--iterations", "20")
    assert end == (
        f"{name}: stopped after 2 of 20 updates; nothing is claimed of a net that is not finished"
    )
    assert said == "" and names(tmp_path / "out") == []


@pytest.fixture
def closed(monkeypatch):
    """closed("stdout"): a pipe that nobody reads takes its place."""

    def replaced(name):
        reader, writer = os.pipe()
        os.close(reader)
        stream = open(writer, "w")
        monkeypatch.setattr(sys, name, stream)
        return stream

    return replaced


def test_a_run_goes_on_when_nobody_listens(start, closed):
    with closed("stderr"):
        end, said, _ = start("maml_sinusoid", *TINY)
        assert end is None and "result: " in said


def test_a_run_goes_on_when_stdout_is_closed_and_names_its_files(closed, tmp_path, capsys):
    with closed("stdout"), console.output_may_fail(tmp_path):
        print("one", flush=True)
        print("two", flush=True)
    said = capsys.readouterr().err
    assert said.count("nothing more can be printed") == 1 and str(tmp_path) in said


def test_a_full_disk_costs_the_curve_and_not_the_run(start, tmp_path, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_files.disk, "replacing", full)
    end, said, errors = start("maml_sinusoid", *TINY)
    assert end is None and "result: " in said
    assert f"{tmp_path / 'out' / 'maml_sinusoid.csv'} could not be written ([Errno 28] No" in errors
    assert not list((tmp_path / "out").glob(".*"))


def test_parameters_that_cannot_be_written_are_still_in_the_checkpoint(start, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(tm, "save", full)
        end, _, _ = start("maml_sinusoid", *TINY)
    assert re.match(r"error: .*maml_sinusoid.npz could not be written .* --resume$", end)
    assert start("maml_sinusoid", *TINY, "--resume")[0] is None


def test_a_folder_that_is_removed_meanwhile_is_made_again(start, at_draw, tmp_path):
    at_draw(5, lambda: shutil.rmtree(tmp_path / "out"))
    assert start("maml_sinusoid", *TINY)[0] is None
    assert {"maml_sinusoid.npz", "maml_sinusoid.csv"} <= {*names(tmp_path / "out")}


# ---- longer, and elsewhere -----------------------------------------------------------------------


def test_more_iterations_make_a_run_longer(start, tmp_path):
    longer = ("--iterations", "6", *TINY[2:])
    start("maml_sinusoid", *longer)
    shutil.move(tmp_path / "out", tmp_path / "whole")
    start("maml_sinusoid", *TINY)
    assert start("maml_sinusoid", *longer, "--resume")[0] is None
    assert same(tmp_path / "out" / "maml_sinusoid.npz", tmp_path / "whole" / "maml_sinusoid.npz")
    end, _, _ = start("maml_sinusoid", *TINY, "--resume")
    assert end.endswith("has 6 updates behind it, and iterations=4: give as many or more")


def test_a_run_that_falls_to_zero_at_its_end_is_not_made_longer(start):
    start("maml_sinusoid", *TINY, "--decay")
    end, _, _ = start("maml_sinusoid", "--iterations", "6", *TINY[2:], "--decay", "--resume")
    assert "iterations was 4 and is 6" in end


# ---- mistakes are found at once ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, flags, said",
    [
        ("maml_images", "--test-tasks 1", "--test-tasks 1 is too small: give at least 2"),
        ("maml_images", "--validation-tasks 1", "--validation-tasks 1 is too small"),
        ("maml_images", "--iterations -1", "--iterations -1 is too small"),
        ("maml_images", "--alpha -1", "--alpha -1.0 is too small: give at least 0"),
        ("maml_images", "--way 101", "way=101"),
        ("maml_images", "--shot 11", "drawers"),
        ("maml_images", "--filters 0", "filters=0 must be"),
        ("maml_images", "--glyph-alphabets 0", "--glyph-alphabets 0 is too small"),
        ("maml_images", "--net dense --filters 8", "--filters has no effect with --net dense"),
        ("maml_images", "--root here", "--root has no effect with --data glyphs"),
        ("maml_images", "--split vinyals", "--split has no effect with --data glyphs"),
        ("maml_images", "--data omniglot --glyph-alphabets 5", "no effect with --data omniglot"),
        ("maml_images", "--chunks 3", "--chunks has no effect without --no-jit"),
        ("maml_images", "--method maml++ --test-steps 3", "no effect with --method maml++"),
        ("maml_images", "--resume --iterations 0", "--resume has no effect with --iterations 0"),
        ("maml_images", "--load nowhere.npz", "nowhere.npz"),
        ("maml_images", "--resume", "maml_glyphs.checkpoint.npz: begin without --resume"),
        ("prototypical_images", "--test-ways 5 301", "way=301"),
        ("prototypical_images", "--test-query 20", "query=20"),
        ("siamese_images", "--drawers 21", "drawers=21"),
        ("siamese_images", "--pairs 64", "--pairs has no effect with --classes 20"),
        ("siamese_images", "--classes 0 --drawers 2", "--drawers has no effect with --classes 0"),
        ("siamese_images", "--way 101", "way=101"),
        ("metagradient_lab", "--work glyphs --way 201", "way=201"),
        ("metagradient_lab", "--way 3", "--way has no effect with --work sinusoid"),
        ("metagradient_lab", "--inner 1 0", "--inner 0 is too small"),
        ("metagradient_lab", "--repeats 0", "--repeats 0 is too small"),
        ("gaussian_process", "--points 1", "--points 1 is too small: give at least 2"),
        ("gaussian_process", "--beta nan", "--beta nan is no number: give at least 0"),
        ("learning_bias", "--way 301", "way=301"),
        (
            "learning_bias",
            "--work glyphs --iterations 3",
            "--iterations has no effect with --work gly",
        ),
        ("learning_bias", "--glyph-iterations 0", "--glyph-iterations 0 is too small"),
    ],
)
def test_a_mistake_in_the_flags_is_found_before_anything_is_drawn(
    name, flags, said, start, monkeypatch
):
    monkeypatch.setattr(tm.data.Glyphs, "characters", lambda *_, **__: pytest.fail("drawn"))
    end, _, errors = start(name, *flags.split())
    assert end.startswith("error: ") and said in end and "\n" not in end and errors == ""


def test_the_flags_of_another_run_are_found_before_anything_is_drawn(start, tmp_path, monkeypatch):
    monkeypatch.setattr(tm.data.Glyphs, "characters", lambda *_, **__: pytest.fail("drawn"))
    (tmp_path / "out").mkdir()
    tm.save(tmp_path / "out" / "maml_glyphs.checkpoint.npz", [], about={"config": {"beta": 7}})
    assert "beta was 7 and is 0.003" in start("maml_images", "--resume")[0]


def test_a_flag_that_came_later_is_no_difference_unless_it_is_used(start, tmp_path):
    """A run of an earlier version, whose configuration knows nothing of it, is resumed."""
    start("maml_sinusoid", *TINY)
    path = tmp_path / "out" / "maml_sinusoid.checkpoint.npz"
    assert not {"remat", "mode"} & {*tm.about(path)["config"]}
    assert start("maml_sinusoid", *TINY, "--resume")[0] is None
    end, _, _ = start("maml_sinusoid", *TINY, "--resume", "--remat", "steps")
    assert "remat was 'absent' and is 'steps'" in end


@pytest.mark.parametrize("name", RUNS)
def test_help_fits_a_screen_and_tells_each_default_once(name, start):
    end, said, _ = start(name, "--help")
    assert end == 0
    assert len(said.splitlines()) <= 50 and max(map(len, said.splitlines())) <= 100
    flags = re.split(r"\n  (?=-)", said.split("options:\n")[1])[1:]  # without --help itself
    assert len(flags) > 5
    assert [" ".join(flag.split()).count("(default: ") for flag in flags] == [1] * len(flags)
    assert [flag.count("default") for flag in flags] == [1] * len(flags)
