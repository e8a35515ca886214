"""The MAML explorer: the page computes what the engine does, and is one file that asks for nothing.

Its arithmetic is taken out of the page that was written, run in node on inputs that are drawn here,
and compared with the engine in float64 to 1e-10.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinymeta as tm

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
sys.path.append(str(EXAMPLES))
import maml_explorer  # noqa: E402

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node, which runs the page's JavaScript")
RUN = """
const maths = require(process.argv[1]);
const calls = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(calls.map(([name, ...args]) => maths[name](...args))));
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    out = tmp_path_factory.mktemp("explorer")
    maml_explorer.main(["--iterations", "2", "--out", str(out)])
    return (out / "maml_explorer.html").read_text(encoding="utf-8")


@pytest.fixture
def in_the_page(page, tmp_path):
    """in_the_page([name, *args], ..) -> what the page's pure functions return."""
    maths, _ = re.findall(r"<script>\n(.*?)</script>", page, re.DOTALL)
    file = tmp_path / "maths.js"
    file.write_text(maths, encoding="utf-8")

    def results(*calls):
        command, given = [NODE, "-e", RUN, str(file)], json.dumps(calls)
        done = subprocess.run(command, input=given, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return results


def assert_close(found, expected):
    expected = np.asarray(expected, np.float64)
    np.testing.assert_allclose(found, expected, 0, 1e-10 * max(1.0, np.abs(expected).max()))


# ---- quadratic tasks -----------------------------------------------------------------------------


class Linear:
    """Predictions x @ theta: with the squared error, of two examples, a quadratic task."""

    def init(self, rng):
        return rng.normal(size=2)

    def __call__(self, theta, x):  # (T, 2), (T, 2, 2) -> (T, 2, 1)
        return x @ theta[..., None]


def quadratics(rng, count: int):
    """(the tasks as the page has them, the same as regressions): R'R = A, y = R c."""
    tasks = [
        {
            "centre": rng.uniform(-2, 2, 2).tolist(),
            "angle": rng.uniform(-3, 3),
            "curvatures": rng.uniform(0.4, 3.0, 2).tolist(),
        }
        for _ in range(count)
    ]
    roots, targets = [], []
    for task in tasks:
        c, s = np.cos(task["angle"]), np.sin(task["angle"])
        root = np.sqrt(task["curvatures"])[:, None] * np.array([[c, s], [-s, c]])
        roots.append(root)
        targets.append(root @ np.array(task["centre"])[:, None])
    batch = tm.Batch(np.array(roots), np.array(targets))
    return tasks, tm.Tasks(batch, batch)


@needs_node
@pytest.mark.parametrize("steps, alpha", [(0, 0.3), (1, 0.3), (1, 0.7), (4, 0.15)])
def test_the_arrows_are_the_engines(in_the_page, steps, alpha):
    rng = np.random.default_rng(steps)
    tasks, regressions = quadratics(rng, count=3)
    theta, strength = rng.normal(size=2), 1.5
    (found,) = in_the_page(["metaGradients", theta.tolist(), tasks, alpha, steps, strength])

    def engine(method):
        return np.asarray(method.meta_grad(theta, regressions)[1])

    mse, net = tm.losses.mse, Linear()
    exact = engine(tm.meta.maml(net, mse, lr=alpha, steps=steps))
    first = engine(tm.meta.maml(net, mse, lr=alpha, steps=steps, first_order=True))
    assert_close(found["exact"], exact)
    assert_close(found["first"], first)
    assert_close(found["hessian"], exact - first)
    assert (steps == 0) == np.allclose(found["hessian"], 0)
    if steps:
        assert_close(found["reptile"], engine(tm.meta.reptile(net, mse, lr=alpha, steps=steps)))
    # Its inner problem is solved to rounding: 1 - 0.35 (curvature + strength) is at most 0.6.
    imaml = tm.meta.imaml(net, mse, lr=0.35, steps=60, strength=strength, cg_steps=2)
    assert_close(found["imaml"], engine(imaml))

    def objective(theta, batch):
        return mse(net(theta, batch.x), batch.y)

    copies = np.repeat(theta[None], 3, axis=0)
    adapted = tm.meta.adapt(objective, copies, regressions.support, lr=alpha, steps=steps)
    assert_close(found["adapted"], adapted)


@needs_node
def test_the_grey_ellipses_are_the_objective(in_the_page):
    """Its matrix times the way from its centre is its gradient; half axes reach the level."""
    rng = np.random.default_rng(5)
    tasks, _ = quadratics(rng, count=2)
    theta = rng.normal(size=2)
    calls = [["outerLoss", tasks, 0.2, 2], ["metaGradients", theta.tolist(), tasks, 0.2, 2, 1.0]]
    outer, gradients = in_the_page(*calls)
    matrix, centre = np.array(outer["matrix"]), np.array(outer["centre"])
    assert_close(matrix @ (theta - centre), gradients["exact"])
    (shape,) = in_the_page(["ellipse", outer["matrix"], 0.7])
    along = shape["along"] * np.array([np.cos(shape["angle"]), np.sin(shape["angle"])])
    across = shape["across"] * np.array([-np.sin(shape["angle"]), np.cos(shape["angle"])])
    for v in (along, across, along * np.cos(1.0) + across * np.sin(1.0)):
        assert_close(v @ matrix @ v / 2, 0.7)


# ---- the sinusoid --------------------------------------------------------------------------------


@needs_node
def test_the_net_adapts_as_the_engines_does(in_the_page):
    rng = np.random.default_rng(0)
    sizes = [1, 7, 5, 1]
    weights = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        weights += [rng.normal(size=(inputs, outputs)), 0.3 * rng.normal(size=outputs)]
    xs, ys, grid = rng.uniform(-3, 3, 6), rng.normal(size=6), np.linspace(-5, 5, 9)

    def net(theta, x):
        for k in range(0, len(theta), 2):
            x = (tm.relu(x) if k else x) @ theta[k] + theta[k + 1]
        return x

    def loss(theta, batch):
        return tm.losses.mse(net(theta, batch.x), batch.y)

    support = tm.Batch(xs[:, None], ys[:, None])
    plain = [w.tolist() for w in weights]
    (gradient, path) = in_the_page(
        ["gradient", plain, xs.tolist(), ys.tolist()],
        ["adaptNet", plain, xs.tolist(), ys.tolist(), 0.02, 10],
    )
    for found, g in zip(gradient, tm.grad(lambda theta: loss(theta, support))(weights)):
        assert_close(found, g)
    assert len(path) == 11 and path[0] == plain
    calls = [["predict", path[k], grid.tolist()] for k in (0, 1, 10)]
    calls += [["squaredError", path[k], xs.tolist(), ys.tolist()] for k in (0, 1, 10)]
    answers = in_the_page(*calls)
    for k, curve, error in zip((0, 1, 10), answers[:3], answers[3:]):
        adapted = tm.meta.adapt(loss, weights, support, lr=0.02, steps=k)
        assert_close(curve, np.asarray(net(adapted, grid[:, None]))[:, 0])
        assert_close(error, loss(adapted, support))
    assert answers[5] < answers[4] < answers[3]


# ---- the page ------------------------------------------------------------------------------------


def test_the_page_is_one_file_that_asks_for_nothing(page):
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<link|src=|@import|fetch\(|/\*[A-Z]+\*/", page)
    assert len(page.encode()) < 100_000
    data = json.loads(re.search(r"const DATA = (.*);\n", page)[1])
    shapes = [np.shape(w) for w in data["weights"]]
    assert shapes == [(1, 20), (20,), (20, 20), (20,), (20, 1), (1,)]
    assert len(data["points"]) == 6 and len(data["quadratics"]["tasks"]) == 3


def test_whatever_is_said_is_said_in_both_languages(page):
    body = page[page.index("<main>") : page.index("</main>")]
    english, chinese = (len(re.findall(f'lang="{code}"', body)) for code in ("en", "zh"))
    assert english == chinese > 10
    assert re.search("[\u4e00-\u9fff]", body) and re.search("prefers-color-scheme: dark", page)


@needs_node
def test_the_scripts_parse(page, tmp_path):
    scripts = re.findall(r"<script>\n(.*?)</script>", page, re.DOTALL)
    file = tmp_path / "page.js"
    file.write_text("".join(scripts), encoding="utf-8")
    done = subprocess.run([NODE, "--check", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_points_lie_on_a_wave_and_training_moves_the_net():
    points = np.array(maml_explorer.wave_points(amplitude=2.0, phase=0.5))
    np.testing.assert_allclose(points[:, 1], 2.0 * np.sin(points[:, 0] - 0.5), atol=1e-3)
    before, after = (maml_explorer.trained_weights(n, seed=1) for n in (0, 1))
    assert before != after and before == maml_explorer.trained_weights(0, seed=1)


def test_a_wrong_flag_is_one_sentence(capsys, tmp_path):
    (tmp_path / "file").touch()
    unwritable = ["--iterations", "0", "--out", str(tmp_path / "file")]
    for flags, said in (
        (["--iterations", "-1"], "--iterations -1 must not be negative"),
        (unwritable, "the page cannot be written: "),
    ):
        with pytest.raises(SystemExit) as end:
            maml_explorer.main(flags)
        assert end.value.code == 2 and said in capsys.readouterr().err.splitlines()[-1]


PLAY = """
<script>
const handle = (name) => document.querySelector(`[aria-label="${name}"]`);
const press = (name, key) => handle(name).dispatchEvent(new KeyboardEvent("keydown", { key }));
const slide = (id, value) => {
  byId(id).value = value;
  byId(id).dispatchEvent(new Event("input"));
};
press("θ", "ArrowRight");
press("(x, y) 2", "ArrowUp");
const dragged = handle("c1");
dragged.hasPointerCapture = () => true; // no finger is on it
const box = bowls.svg.getBoundingClientRect();
const [px, py] = bowls.toPixels([-1, 0.5]);
const there = { clientX: box.left + px, clientY: box.top + py };
dragged.dispatchEvent(new PointerEvent("pointermove", there));
slide("alpha", 0);
slide("wave-steps", 4);
const rows = [...byId("methods").rows].map((row) => [...row.cells].map((cell) => cell.textContent));
const curves = byId("wave").querySelectorAll("polyline").length;
byId("language").click();
const moved = { centre: state.tasks[0].centre, theta: state.theta, point: points[1] };
const told = { errors, ...moved, rows, curves };
document.title = JSON.stringify({ ...told, error: byId("wave-error").textContent });
</script>
</body>
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium, which shows the page")
def test_a_browser_plays_with_it(page, tmp_path):
    """Keys and a pointer move handles, sliders redraw, a button speaks Chinese, no script fails."""
    catch = "<script>const errors = []; onerror = (text) => errors.push(text);</script>"
    played = page.replace("<style>", catch + "<style>", 1).replace("</body>\n", PLAY)
    file = tmp_path / "page.html"
    file.write_text(played, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    options += ["--virtual-time-budget=2000", "--lang=en"]
    command = ["chromium", *options, "--dump-dom", file.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=300).stdout
    assert shown.count('class="handle"') == 7 + 6 and shown.count("<polygon") == 4
    told = json.loads(re.search("<title>(.*)</title>", shown)[1])
    start = maml_explorer.QUADRATICS["theta"]
    assert told["errors"] == [] and told["curves"] == 5
    assert_close(told["theta"], [start[0] + 0.1, start[1]])
    assert_close(told["centre"], [-1.0, 0.5])
    assert_close(told["point"], np.add(maml_explorer.wave_points()[1], [0.0, 0.1]))
    names = [row[0] for row in told["rows"]]
    assert names == ["exact MAML", "first order", "Hessian term", "Reptile", "iMAML"]
    exact, first, hessian, reptile, _ = (row[1] for row in told["rows"])
    assert exact == first == reptile and hessian == "0.00, 0.00"  # with a rate of 0
    assert "均方误差" in told["error"]
