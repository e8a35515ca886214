"""`python -m tinymeta train | evaluate | predict`, on pictures that are written here.

Six classes of blobs whose place says which they are: a few updates are enough to tell them apart.
"""

import csv
import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import tinymeta as tm
from tests.data.test_folder import png
from tinymeta import __main__
from tinymeta.meta import evaluation
from tinymeta.runs import commands, pictures

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
pytestmark = pytest.mark.examples
TINY = ["--iterations", "2", "--way", "2", "--filters", "4", "--size", "16", "--tasks", "2"]
TINY += ["--test-tasks", "4"]


@pytest.fixture(autouse=True)
def nothing_is_compiled(own_cache, monkeypatch, tmp_path):
    """Two updates are not worth a hundred kernels."""
    monkeypatch.setattr(sys.modules["tinymeta.meta.train"], "jit", lambda f: f)
    monkeypatch.setattr(evaluation, "_compiled", lambda f: f)
    monkeypatch.chdir(tmp_path)


def blob(label, number, channels=1, side=16):
    """Dark on light paper, or of a colour: a square whose place is the label's."""
    picture = np.full((side, side, channels), 255, np.uint8)
    top, left = 1 + 5 * (label // 3), 1 + 5 * (label % 3)
    picture[top : top + 4, left : left + 4] = 10 + 5 * number
    if channels == 3:
        picture[top : top + 4, left : left + 4, label % 3] = 250
    return png(picture)


def write_classes(root, labels, count=4, channels=1):
    for label in labels:
        (root / f"c{label}").mkdir(parents=True)
        for k in range(count + label % 2):
            (root / f"c{label}" / f"{k}.png").write_bytes(blob(label, k, channels))
    return root


def run_file(name, words, monkeypatch):
    """An example as a program, with these flags."""
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, words)])
    monkeypatch.syspath_prepend(str(EXAMPLES))
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


@pytest.fixture
def run(tmp_path, capsys):
    """run(*words): (how it ended, stdout, stderr) of a command, with --out tmp_path/out."""

    def ran(*words):
        end = None
        try:
            commands.main([*map(str, words), "--out", str(tmp_path / "out")])
        except SystemExit as exit:
            end = exit.code
        return end, *capsys.readouterr()

    return ran


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", ["maml", "prototypical", "maml++", "siamese"])
def test_what_is_trained_is_evaluated_and_asked(method, channels, run, tmp_path, request):
    draws = (method, channels) in (("maml", 1), ("prototypical", 3))
    if not draws:  # the others' pictures are drawn by the same lines
        request.getfixturevalue("no_pictures")
    images = write_classes(tmp_path / "blobs", range(6), channels=channels)
    end, said, _ = run("train", "--images", images, "--method", method, *TINY)
    assert end is None and "2-way 1-shot test accuracy on 2 classes held out" in said
    if channels == 1:
        assert "inverted, so that ink is 1" in said
    model = tmp_path / "out" / f"{method}_blobs.npz"
    config = tm.about(model)["config"]
    assert config["channels"] == channels and config["inverted"] == (channels == 1)
    assert (
        config["seed"] == 0
        and "inverted"
        not in tm.about(tmp_path / "out" / f"{method}_blobs.checkpoint.npz")["config"]
    )
    header = (tmp_path / "out" / f"{method}_blobs.csv").read_text().splitlines()[0]
    assert ",validation accuracy," in header

    result = [line.split(", seed")[0] for line in said.splitlines() if "result: " in line]
    end, said, _ = run("evaluate", "--model", model, "--images", images, "--test-tasks", 4)
    assert end is None and "on test classes of" in said and "(4 tasks)" in said and result
    end, said, _ = run(
        "evaluate", "--model", model, "--images", images, "--classes", "all", "--test-tasks", 4
    )
    assert end is None and "Pictures(6 classes, 4 to 5 pictures each" in said

    support = write_classes(tmp_path / "support", (1, 4), channels=channels)
    query = write_classes(tmp_path / "query", (1, 4), channels=channels)
    end, said, _ = run("predict", "--model", model, "--support", support, "--query", query)
    assert end is None
    with open(tmp_path / "out" / f"{method}_blobs_answers.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert len(rows) == 9 and {row[5] for row in rows} == {"c1", "c4"}
    right = sum(row[1] == row[5] for row in rows)
    assert f"accuracy {right / 9:.4g}: {right} of 9 right" in said
    for row in rows:
        assert row[0] in said and float(row[2]) + float(row[4]) == pytest.approx(1, abs=2e-3)
        assert float(row[2]) >= float(row[4])
    if method == "prototypical":  # the same picture as in the support set is at distance 0 or so
        assert right == 9
    if draws and find_spec("matplotlib"):
        assert (tmp_path / "out" / f"{method}_blobs_answers.png").exists()
        assert (tmp_path / "out" / f"{method}_blobs_mistakes.png").exists() or right == 9


def test_an_answer_does_not_depend_on_what_else_is_asked(run, no_pictures, tmp_path):
    images = write_classes(tmp_path / "blobs", range(6))
    for method in ("maml", "prototypical"):
        run("train", "--images", images, "--method", method, *TINY)
        model = tmp_path / "out" / f"{method}_blobs.npz"
        words = ["predict", "--model", model, "--support", images, "--query"]
        if method == "maml":
            words[4] = write_classes(tmp_path / "two", (0, 5))
        together = run(*words, images / "c5", images / "c0" / "1.png")[1].splitlines()
        alone = run(*words, images / "c0" / "1.png")[1].splitlines()
        assert together[-1].split() == alone[-1].split()


def test_a_method_that_is_asked_again_is_compiled_once(run, no_pictures, tmp_path, monkeypatch):
    """Classes held out are often fewer than --way, so that another method is asked about them."""
    seen = []
    monkeypatch.setattr(evaluation, "_compiled", lambda f: seen.append(f) or f)
    images = write_classes(tmp_path / "blobs", range(7))
    for method in ("maml", "prototypical"):
        seen.clear()
        end, _, _ = run("train", "--images", images, "--method", method, *TINY, "--way", "3")
        assert end is None and len(seen) == 3 and len({*seen}) == 1
    seen.clear()
    words = ["--data", "folder", "--root", images, "--size", 16, "--way", 2, "--iterations", 2]
    words += ["--query", 1, "--test-ways", 2, "--test-query", 1, "--test-tasks", 4, "--filters", 4]
    run_file("prototypical_images", words, monkeypatch)
    assert len(seen) == 4 and len({*seen}) == 2  # transductive, and not


def test_what_is_hidden_or_no_file_is_not_asked_about(run, no_pictures, tmp_path):
    images = write_classes(tmp_path / "blobs", range(6))
    run("train", "--images", images, *TINY)
    model = tmp_path / "out" / "maml_blobs.npz"
    support = write_classes(tmp_path / "two", (0, 5))
    query = write_classes(tmp_path / "query", (0, 5))
    (query / "c0" / "._0.png").write_bytes(b"what macOS leaves beside a picture")
    (query / "c5" / "folder.png").mkdir()
    end, said, _ = run("predict", "--model", model, "--support", support, "--query", query)
    assert end is None and "of 9 right" in said


def test_without_matplotlib_everything_but_the_pictures_is_there(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    pictures.pyplot.cache_clear()
    try:
        images = write_classes(tmp_path / "blobs", range(6))
        end, said, _ = run("train", "--images", images, *TINY)
        assert end is None and "result: " in said
        assert said.count("no pictures: matplotlib is not installed") == 1
        model = tmp_path / "out" / "maml_blobs.npz"
        support = write_classes(tmp_path / "two", (0, 5))
        end, said, _ = run("predict", "--model", model, "--support", support, "--query", support)
        assert end is None and "accuracy" in said
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == [
            "maml_blobs.checkpoint.npz",
            "maml_blobs.csv",
            "maml_blobs.npz",
            "maml_blobs_answers.csv",
        ]
    finally:
        pictures.pyplot.cache_clear()


def test_a_training_that_is_stopped_says_how_to_go_on(run, no_pictures, tmp_path, monkeypatch):
    images = write_classes(tmp_path / "blobs", range(6))
    words = ["train", "--images", str(images), *TINY, "--iterations", "4"]
    monkeypatch.setattr(sys, "argv", ["somewhere/tinymeta/__main__.py", *words])
    draws = iter(range(100))
    episodes = tm.data.episodes

    def interrupted(*args, **options):
        if next(draws) == 9:  # validations draw, too
            raise KeyboardInterrupt
        return episodes(*args, **options)

    monkeypatch.setattr(tm.data, "episodes", interrupted)
    end, _, _ = run(*words)
    assert re.match(r"stopped after \d updates and saved; to go on: python -m tinymeta train", end)
    monkeypatch.setattr(tm.data, "episodes", episodes)
    end, said, _ = run(*words, "--resume")
    assert end is None and "result: " in said


@pytest.mark.parametrize(
    "words, said",
    [
        (["train", "--images", "nowhere"], "nowhere is missing"),
        (["train", "--images", "blobs", "--way", "5"], "--way 5 needs 5 classes to learn from"),
        (["train", "--images", "blobs", "--shot", "9", "--way", "2"], "needs 10 pictures of a"),
        (["train", "--images", "blobs", "--size", "0"], "--size 0 is too small"),
        (
            ["train", "--images", "blobs", "--method", "prototypical", "--steps", "2"],
            "--steps has no effect with --method prototypical",
        ),
        (
            ["train", "--images", "blobs", "--alph=2", "--method", "prototypical"],
            "--alpha has no effect with --method prototypical",
        ),
        (["train", "--images", "blobs", "--iterations", "0", "--resume"], "--resume has no effect"),
        (["evaluate", "--model", "nowhere.npz", "--images", "blobs"], "nowhere.npz"),
        (
            ["evaluate", "--model", "other.npz", "--images", "blobs"],
            "other.npz is not what python -m tinymeta train saves",
        ),
        (
            ["predict", "--model", "other.npz", "--support", "blobs", "--query", "blobs"],
            "it lacks 'way'",
        ),
        (
            ["predict", "--model", "unknown.npz", "--support", "blobs", "--query", "blobs"],
            "its method 'mummel' does not exist",
        ),
        (["predict", "--model", "m.npz", "--support", "one", "--query", "one"], "there is one"),
        (
            ["evaluate", "--model", "m.npz", "--images", "one", "--classes", "all"],
            "maml tells classes apart, and there is one: give two or more",
        ),
        (["train", "--images", "blobs", "--way", "1"], "there is one: give two"),
        (["predict", "--model", "m.npz", "--support", "blobs", "--query", "x"], "x is missing"),
        (["predict", "--model", "m.npz", "--support", "blobs", "--query", "bare"], "no pictures"),
        (
            ["predict", "--model", "m.npz", "--support", "blobs", "--query", "one"],
            "was trained to tell 2 classes apart, and 6 were given",
        ),
    ],
)
def test_a_mistake_is_one_sentence(words, said, run, tmp_path):
    write_classes(tmp_path / "blobs", range(6))
    write_classes(tmp_path / "one", [3])
    (tmp_path / "bare").mkdir()
    tm.save("other.npz", [], about={"config": {"method": "maml"}})
    flags = dict(method="maml", way=2, shot=1, steps=1, size=16, channels=1, filters=4, seed=0)
    flags |= dict(alpha=0.1, inverted=True)
    tm.save("m.npz", [], about={"config": flags})
    tm.save("unknown.npz", [], about={"config": {**flags, "method": "mummel"}})
    end, _, errors = run(*words)
    assert end.startswith("error: ") and said in end and "\n" not in end and not errors


@pytest.mark.parametrize("command", [[], ["train"], ["evaluate"], ["predict"]])
def test_help_fits_a_screen(command, capsys):
    with pytest.raises(SystemExit) as end:
        commands.main([*command, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert end.value.code == 0 and 8 < len(lines) <= 24 and max(map(len, lines)) <= 100


def test_the_module_is_the_command_and_without_one_the_page():
    command = [sys.executable, "-m", "tinymeta", "predict", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("usage: python -m tinymeta predict --model FILE --support FOLDER")
    page = subprocess.run(command[:3], capture_output=True, text=True, check=True).stdout
    assert page.startswith("# Public names")


def test_a_command_does_not_import_what_the_page_lists():
    code = "import sys, tinymeta.__main__; sys.exit('tinymeta.testing' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=EXAMPLES.parent).returncode == 0


@pytest.mark.parametrize("words", [[], ["train", "--images", "pictures"]])
def test_ctrl_c_before_a_training_begins_is_a_sentence(words, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "page", interrupted)
    monkeypatch.setattr(commands, "main", interrupted)
    with pytest.raises(SystemExit) as end:
        __main__._main(words)
    assert end.value.code == "stopped by Ctrl-C"


def test_probabilities_are_those_of_the_softmax():
    logits = np.array([[0.0, np.log(3)], [-np.inf, 800.0]])
    np.testing.assert_allclose(pictures.probabilities(logits), [[0.25, 0.75], [0, 1]])


def test_mistakes_are_sorted_by_how_certain_they_were():
    x = np.arange(4.0).reshape(4, 1, 1, 1)
    support = tm.Batch(x[:2], np.array([0, 1]))
    query = tm.Batch(x, np.array([0, 0, 1, 1]))
    shares = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]])
    first, second = pictures.mistakes_of_task(support, query, shares, ("a", "b"))
    assert (first.names, first.share_said, first.share_true) == (("a", "b"), 0.8, 0.2)
    assert (first.asked.item(), first.said.item(), first.true.item()) == (2, 0, 1)
    assert second.names == ("b", "a") and second.asked.item() == 1


@pytest.mark.skipif(not find_spec("matplotlib"), reason="needs matplotlib")
def test_a_curve_has_labels_and_a_legend_that_hides_nothing(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(pictures, "save_figure", lambda figure, path: kept.append(figure))
    score = tm.meta.Score(0.5, 0.1, 9)
    row = type("Row", (), {"iteration": 1, "metrics": {"loss": 2.0}, "score": score})
    pictures.draw_curve([row, row], tmp_path / "a.png", "validation accuracy", "maml_blobs")
    (figure,) = kept
    left, right = figure.axes
    assert left.get_xlabel() == "meta-updates" and left.get_ylabel() == "loss in training"
    assert right.get_ylabel() == "validation accuracy" and left.get_title() == "maml_blobs"
    figure.canvas.draw()
    legend = left.get_legend()
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["loss in training", "validation accuracy, with its 95 % interval"]
    below = legend.get_window_extent().y1 < left.xaxis.label.get_window_extent().y0 + 1
    assert below


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "name, flags",
    [
        ("maml_images", ["--tasks", "2", "--filters", "4"]),
        ("maml_images", ["--tasks", "2", "--net", "dense"]),
        ("prototypical_images", ["--query", "1", "--test-ways", "2", "--test-query", "2"]),
        ("ridge_images", ["--query", "1", "--tasks", "2"]),
        ("siamese_images", ["--classes", "0", "--pairs", "8", "--affine", "--rotations"]),
    ],
)
def test_each_example_on_images_learns_from_a_folder(
    name, flags, channels, tmp_path, monkeypatch, capsys
):
    root = write_classes(tmp_path / "blobs", range(6), channels=channels)
    words = ["--data", "folder", "--root", root, "--size", 16, "--way", 2, "--iterations", 2]
    words = [*map(str, words), "--test-tasks", "4", "--no-jit", "--out", str(tmp_path / "out")]
    if name == "siamese_images":
        flags = [*flags, "--test-pairs", "500"]
    if "--net" not in flags:
        flags = [*flags, "--filters", "4"]
    run_file(name, [*words, *flags], monkeypatch)
    said = capsys.readouterr().out
    assert "result: " in said and "Pictures(2 classes, 4 to 5 pictures each, 16x16" in said
    if find_spec("matplotlib"):
        assert list((tmp_path / "out").glob("*_folder_curve.png"))


def test_a_folder_without_its_root_is_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="error: --data folder needs --root"):
        run_file("maml_images", ["--data", "folder"], monkeypatch)
