"""The explorer's page in a real browser: what it shows is what the compiler made.

Run with -m browser. Chromium is driven headless, from a file, with a network that would be noticed.
Not looked at here: how it looks; each test leaves screenshots in its temporary folder for that.
"""

import numpy as np
import pytest

import tinymeta as tm
from tinymeta.jit.views import source
from tinymeta.testing.interpreted import without_compiling

pytestmark = pytest.mark.browser
WIDTHS = {"wide": (1600, 1000), "narrow": (400, 800)}
TABS = "graph", "passes", "memory", "threads"
HOSTILE = "</script><img src=x onerror=alert(1)>"


def conv4(**options):
    """The Omniglot net's MAML step, small; explained and not compiled, as nothing is run."""
    x = np.random.default_rng(0).random((2, 4, 5, 28, 28, 1), dtype=np.float32)
    y = np.tile(np.arange(5), (4, 1))
    tasks = tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))
    model = tm.nn.conv4(5, scale=True, filters=4)
    method = tm.meta.maml(model, lr=0.4, **options)
    with without_compiling():
        return tm.explain(method.meta_grad, model.init(np.random.default_rng(0)), tasks)


@pytest.fixture(scope="module")
def programs():
    return {"exact": conv4(), "first order": conv4(first_order=True)}


@pytest.fixture(scope="module")
def file(programs, tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / "step.html"
    return programs["exact"].save(path, first_order=programs["first order"])


def tab(page, name):
    page.locator(f"[data-tab={name}]").click()


def numbers(page, selector):
    """The equations of these elements, in order."""
    return page.eval_on_selector_all(selector, "all => all.map(e => +e.dataset.i)")


# ---- what it shows -------------------------------------------------------------------------------


def test_nodes_are_the_equations_of_each_pass(opened, file, programs):
    page, found = opened(file), programs["exact"]
    expected = [*found.passes.values()]
    for k, program in enumerate(expected):
        page.get_by_label("Pass", exact=True).select_option(str(k))
        assert numbers(page, ".node") == [*range(len(program.equations))]
        for order in range(3):
            count = sum(eqn.origin.order == order for eqn in program.equations)
            assert page.locator(f".node.o{order}").count() == count > 0
    page.get_by_label("Pass", exact=True).select_option(str(len(expected)))
    assert page.locator(".node").count() == len(found.equations())


def test_first_order_leaves_no_node_of_second_order(opened, file):
    page = opened(file)
    assert page.locator(".node.o2").count() > 100
    page.get_by_role("radio", name="first order").click()
    assert page.locator(".node").count() > 100 and page.locator(".node.o2").count() == 0
    tab(page, "memory")
    assert page.locator(".value.o1").count() and not page.locator(".value.o2").count()
    *_, ratios = page.locator("#costs tr").all_inner_texts()
    assert ratios.startswith("exact / first order") and "x" in ratios


def test_the_arena_and_the_peak_are_the_plans(opened, file, programs):
    page = opened(file)
    tab(page, "memory")
    for name, found in programs.items():
        page.get_by_role("radio", name=name).click()
        size = found.replay.memory.size
        assert page.locator("#arena").get_attribute("data-bytes") == str(size)
        assert f"arena: {size:,} bytes" in page.locator(".map svg").text_content()
        assert f"arena: {size:,} bytes" in found.summary()
        assert page.locator(".value").count() == len(found.replay.memory.offsets)
        step = str(found).split("most bytes live at step ")[1].split(":")[0]
        assert f"peak: step {step}" in page.locator(".map svg").text_content()


def test_a_selection_follows_a_value_through_every_pass(opened, file, programs):
    page, found = opened(file), programs["exact"]
    trace = found.passes["trace"].equations
    plan = [row.eqn for row in found.equations()]
    chosen = [e for e in plan if e.origin.order == 2 and len(e.descends) > 1][0].descends[0]
    traced = [eqn.number for eqn in trace].index(chosen)
    page.get_by_label("Pass", exact=True).select_option("0")
    page.locator(f'.node[data-i="{traced}"]').dispatch_event("click")
    tab(page, "passes")
    rows = ".row.chosen:not(.gone)"
    for k, program in enumerate(found.passes.values()):
        page.locator("#slider").fill(str(k))
        own = [k for k, eqn in enumerate(program.equations) if chosen in eqn.descends]
        own = [traced] if program.equations == trace else own
        assert own and sorted(numbers(page, rows)) == own
    here = {k for k, eqn in enumerate(plan) if chosen in eqn.descends}
    page.locator("#slider").fill(str(len(found.passes)))
    assert here and {*numbers(page, rows)} == here
    page.locator("#slider").fill(
        str(len(found.passes) + 1)
    )  # the steps: a view is where its base is
    bases = {plan.index(source(plan[k])[0]) for k in here}
    computed = {k for k, row in enumerate(found.equations()) if row.steps}
    assert {*numbers(page, rows)} == (here | bases) & computed != set()
    assert "gone" not in page.locator("#followed").inner_text()
    tab(page, "graph")
    page.get_by_label("Pass", exact=True).select_option("2")
    assert {*numbers(page, ".node.chosen")} == {
        k for k, e in enumerate(found.passes["simplify"].equations) if chosen in e.descends
    }


def test_details_say_the_rule_the_cause_and_the_kernel(opened, file, programs):
    page, found = opened(file), programs["exact"]
    equations = found.passes["simplify"].equations
    names = {eqn.number: f"t{k}" for k, eqn in enumerate(found.passes["trace"].equations)}
    k = next(k for k, e in enumerate(equations) if e.origin.order == 2 and e.origin.rule == "mul")
    page.locator(f'.node[data-i="{k}"]').dispatch_event("click")
    details = page.locator("#details").inner_text()
    assert "made by the derivative rule of mul" in details and 'Elementwise("mul"' in details
    assert f"{names[equations[k].origin.cause]} mul" in details
    assert "order 2, outer / backward of inner 1" in details
    row = next(row for row in found.equations() if row.kernels and row.steps and row.order == 2)
    page.locator("#search").fill(row.descends[0])
    page.locator("#search").press("Enter")
    page.locator("#details .links .link", has_text=f"step {row.steps[0]}:").click()
    assert (
        page.locator(".source pre").inner_text().strip() == found.sources()[row.kernels[0]].strip()
    )
    assert f"step {row.steps[0]}:" in page.locator(".step.chosen").inner_text()


def test_chunks_and_times_are_shown(opened, file, programs, tmp_path):
    page = opened(file)
    tab(page, "threads")
    assert page.locator(".chunk").count() == len(programs["exact"].chunks) > 1
    found = tm.explain(lambda x: tm.tanh(x @ np.eye(3)).sum(), np.ones((4, 3)), times=True)
    page = opened(found.save(tmp_path / "small.html"))
    assert page.get_by_role("radio").count() == 0  # there is one program
    tab(page, "threads")
    assert "ms" in page.locator(".kinds").inner_text() and "whole" in page.inner_text("#view")
    tab(page, "passes")
    page.locator("#slider").fill("4")
    assert page.locator(".step").count() == len(found.replay.steps)
    assert all("µs" in step for step in page.locator(".step").all_inner_texts())


def test_values_are_shown_if_asked_for(opened, tmp_path):
    x = np.array([-1.0, 0.0, 0.5, np.nan], np.float32)
    found = tm.explain(lambda x: tm.relu(x) * 2.0, x, values=True)
    page = opened(found.save(tmp_path / "values.html"))
    page.get_by_label("Pass", exact=True).select_option("0")
    page.locator('.node[data-i="0"]').dispatch_event("click")
    words = "min -1, mean -0.1667, max 0.5, 25 % zero, 25 % NaN"
    assert page.locator("#details .statistics").all_inner_texts() == [words]
    page.get_by_label("Pass", exact=True).select_option(str(len(found.passes)))
    last = len(found.equations()) - 1
    page.locator(f'.node[data-i="{last}"]').dispatch_event("click")
    shown = page.locator("#details .statistics").all_inner_texts()
    assert any(line.endswith("min 0, mean 0.3333, max 1, 50 % zero, 25 % NaN") for line in shown)


def test_launches_are_listed_for_a_gpu(opened, tmp_path):
    from tinymeta.cuda import driver

    if driver.has_compiler() is not True:
        pytest.skip("kernels cannot be compiled here")
    x, w = np.ones((300, 40), np.float32), np.ones((40, 20), np.float32)
    found = tm.explain(lambda x, w: tm.tanh(x @ w).sum(0), x, w, device="cuda")
    for width in WIDTHS:
        page = opened(found.save(tmp_path / "gpu.html"), WIDTHS[width])
        tab(page, "threads")
        noted = found.replay.recording.noted
        rows = page.locator(".launch").all_inner_texts()
        assert len(rows) == len(noted) == 2
        for row, launch in zip(rows, noted):
            grid, block = (" x ".join(map(str, n)) for n in (launch.grid, launch.block))
            for words in (grid, block, f"{launch.nbytes:,}", launch.kernel.title[:60].strip()):
                assert words in row
        page.screenshot(path=tmp_path / f"launches-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width][0]
    page.locator(".launch .link").last.click()
    assert "step 1: loops" in page.locator(".step.chosen").inner_text()


# ---- how it is used ------------------------------------------------------------------------------


def test_keys_lead_everywhere(opened, file, programs):
    page = opened(file)
    page.keyboard.press("ArrowRight")
    assert numbers(page, ".node.chosen")[0] == 0
    page.keyboard.press("/")
    page.keyboard.type("order 2")
    found = page.locator(".node.match").count()
    assert found == page.locator(".node.o2").count()
    page.keyboard.press("Enter")
    page.locator("#search").fill("")
    page.keyboard.press("Escape")  # leaves the field
    assert page.locator(".node.chosen").count() == 0
    simplified = programs["exact"].passes["simplify"].equations
    left = {number for eqn in simplified for number in eqn.descends}
    k = next(k for k, e in enumerate(simplified) if e.origin.cause in left - {*e.descends})
    page.locator(f'.node[data-i="{k}"]').dispatch_event("click")
    before = page.locator("#details h2").inner_text()
    page.keyboard.press("d")  # to the forward equation that it is a derivative of
    assert page.locator("#details h2").inner_text() != before
    nodes = page.locator(".node").count()
    page.keyboard.press("f")
    folded = page.locator('.fold[aria-expanded="false"]')
    assert folded.count() == 1 and page.locator(".node").count() < nodes
    for k, name in enumerate(TABS):
        page.keyboard.press(str(k + 1))
        assert page.locator(f"[data-tab={name}]").get_attribute("aria-selected") == "true"
    page.keyboard.press("2")
    shown = page.locator(".tools span").inner_text()
    page.keyboard.press("]")
    assert page.locator(".tools span").inner_text() != shown
    page.keyboard.press("e")
    assert page.get_by_role("radio", name="first order").get_attribute("aria-checked") == "true"


def test_zoom_and_drag_move_the_nodes(opened, file):
    page = opened(file)
    node = page.locator('.node[data-i="0"]')
    before = node.bounding_box()
    page.get_by_label("Zoom in").click()
    assert node.bounding_box()["width"] > 1.2 * before["width"]
    page.get_by_label("Fit to width").click()
    page.mouse.move(700, 500)
    page.mouse.down()
    page.mouse.move(760, 530, steps=3)
    page.mouse.up()
    assert node.bounding_box()["x"] == pytest.approx(before["x"] + 60, abs=1)
    assert page.locator(".node.chosen").count() == 0  # a drag selects nothing


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_view_fits_its_window(opened, file, tmp_path, width, scheme):
    page = opened(file, WIDTHS[width], scheme)
    page.locator(".node.o2").nth(30).dispatch_event("click")
    for name in TABS:
        tab(page, name)
        page.screenshot(path=tmp_path / f"{name}-{width}-{scheme}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width][0]
        box = page.locator("#view").bounding_box()
        assert box["height"] > 0.4 * WIDTHS[width][1]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, background[4:-1].split(",")))
    assert brightness < 150 if scheme == "dark" else brightness > 700


def test_a_hostile_name_is_shown_as_it_is(opened, tmp_path):
    def f(x):
        return tm.exp(x) * 2.0

    f.__name__ = HOSTILE
    page = opened(tm.explain(f, np.ones(3)).save(tmp_path / "hostile.html"))
    assert page.locator("h1").inner_text() == HOSTILE and page.locator("img").count() == 0
    assert page.title().startswith(HOSTILE)


def test_five_inner_steps_open_in_seconds(opened, tmp_path):
    found = conv4(steps=5)
    page = opened(found.save(tmp_path / "five.html"))
    assert page.locator(".node").count() == len(found.passes["simplify"].equations) > 3000
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert timing < 9000  # ms; it takes less than 1000 where nothing else runs
