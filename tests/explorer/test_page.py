"""The page without a browser: what is in it, what cannot get out of it, where nodes lie."""

import json
import re
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinymeta as tm
from tinymeta.explorer.layout import COLUMNS, ROWS, lay_out
from tinymeta.explorer.page import FOLDER, SCRIPTS, as_json, page
from tinymeta.jit.page_data import page_data
from tinymeta.testing.interpreted import without_compiling

ROOT = Path(__file__).resolve().parent.parent.parent
X = np.ones((4, 3), np.float32)


def conv4(steps=1, **options):
    """The Omniglot net's MAML step as `benchmarks` runs it, with fewer tasks and filters."""
    x = np.random.default_rng(0).random((2, 4, 5, 28, 28, 1), dtype=np.float32)
    y = np.tile(np.arange(5), (4, 1))
    tasks = tm.Tasks(tm.Batch(x[0], y), tm.Batch(x[1], y))
    model = tm.nn.conv4(5, scale=True, filters=4)
    method = tm.meta.maml(model, lr=0.4, steps=steps, **options)
    with without_compiling():
        return tm.explain(method.meta_grad, model.init(np.random.default_rng(0)), tasks)


# ---- size, and what it is made of ----------------------------------------------------------------


@pytest.mark.parametrize("steps, most", [(1, 1e6), (5, 3e6)])
def test_a_page_of_conv4_with_its_first_order_is_small(tmp_path, steps, most):
    exact, first = conv4(steps), conv4(steps, first_order=True)
    path = exact.save(tmp_path / "step.html", first_order=first)
    assert path.stat().st_size < most
    assert [*tmp_path.iterdir()] == [path]  # nothing of the writing is left
    data = data_of(path.read_text(encoding="utf-8"))
    for program, found in zip(data["programs"], (exact, first)):
        for stage, of_pass in zip(program["stages"], found.passes.values()):
            assert len(stage["op"]) == len(of_pass.equations)
            orders = [eqn.origin.order for eqn in of_pass.equations]
            assert stage["order"] == orders and (2 in orders) == (found is exact)


def data_of(html):
    """The data in a page."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    return json.loads(text)


def test_the_page_is_readable_source_and_asks_for_nothing():
    lines = [line for name in SCRIPTS for line in (FOLDER / name).read_text().splitlines()]
    assert len(lines) <= 900 and max(map(len, lines)) <= 120
    sources = [path for path in FOLDER.iterdir() if path.suffix in (".js", ".css", ".html")]
    assert {path.name for path in sources} == {*SCRIPTS, "page.html", "explorer.css"}
    for path in sources:
        addresses = re.findall(r"\w+://[^\"' ]+", path.read_text())
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}  # a name, never fetched
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|eval\(|fetch\(", path.read_text())


def test_an_installation_has_the_sources_of_the_page():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = config["options.package_data"]["tinymeta.explorer"].split(", ")
    assert patterns == ["*.html", "*.css", "*.js"]


# ---- nothing in the data is markup ---------------------------------------------------------------

HOSTILE = "</script><script>alert(1)</script><!-- {{script}} & \u2028"


def test_a_hostile_name_stays_a_text():
    def f(x):
        return tm.exp(x)

    f.__name__ = HOSTILE
    html = page(page_data({HOSTILE: tm.explain(f, X)}))
    assert html.count("</script>") == 2 and "<!-- {{script}}" not in html
    data = data_of(html)
    assert data["title"] == data["programs"][0]["name"] == HOSTILE


@given(st.text() | st.lists(st.text()))
def test_json_comes_back_and_ends_no_script(data):
    text = as_json(data)
    assert json.loads(text) == data and not set("<>&\u2028\u2029") & set(text)


# ---- where nodes lie -----------------------------------------------------------------------------


@st.composite
def graphs(draw):
    """(inputs of each node, lane of each node, number of lanes)."""
    lanes = draw(st.integers(1, 3))
    size = draw(st.integers(0, 200))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    inputs = [[*random.integers(0, k, random.integers(0, min(k, 3) + 1))] for k in range(size)]
    return inputs, [*random.integers(0, lanes, size)], lanes


@given(graphs())
def test_nodes_have_places_of_their_own_behind_their_inputs(graph):
    inputs, lanes, lane_count = graph
    columns, rows, heights = lay_out(inputs, lanes, lane_count)
    assert len(set(zip(lanes, columns, rows))) == len(inputs)
    assert all(0 <= column < COLUMNS for column in columns)
    assert all(0 <= row < heights[lane] for row, lane in zip(rows, lanes))
    for k, xs in enumerate(inputs):
        for x in xs:
            if lanes[x] == lanes[k] and columns[x] >= columns[k]:
                assert rows[x] < rows[k]  # it is in a band further up


def test_a_chain_fills_bands_and_a_crowd_fills_columns():
    chain = lay_out([[k - 1] if k else [] for k in range(2 * COLUMNS)], [0] * 2 * COLUMNS, 1)
    assert chain.columns == [*range(COLUMNS)] * 2 and chain.heights == [2]
    crowd = lay_out([[]] * 3 * ROWS, [0] * 3 * ROWS, 1)
    assert crowd.heights == [ROWS] and max(crowd.columns) == 2


# ---- colours -------------------------------------------------------------------------------------

# What remains of linear RGB to a dichromat (Machado, Oliveira & Fernandes 2009, severity 1).
DICHROMATS = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]


def lab(color, dichromat):
    """CIE Lab of "#rrggbb" as such a person sees it."""
    srgb = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(DICHROMATS[dichromat]) @ linear, 0, 1)
    x, y, z = np.cbrt(np.array(TO_XYZ) @ seen / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("dichromat", DICHROMATS)
def test_the_colour_blind_can_tell_the_orders_apart(dichromat):
    style = (FOLDER / "explorer.css").read_text()
    for scheme in re.findall(r":root \{(.*?)\}", style, re.DOTALL):
        colors = re.findall(r"--order\d: (#\w{6})", scheme)
        assert len(colors) == 4
        seen = [lab(color, dichromat) for color in colors]
        gaps = [np.linalg.norm(a - b) for k, a in enumerate(seen) for b in seen[:k]]
        assert min(gaps) > 20, (scheme, gaps)  # 2.3 is just noticeable
