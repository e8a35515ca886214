"""Instructions counted without being computed: the same as when they are, of every kernel."""

import numpy as np
import pytest
from test_ptx_registers import BODY

import tinymeta as tm
from benchmarks import work
from tinymeta.cuda import driver, target
from tinymeta.jit import executed
from tinymeta.ptx import compiler
from tinymeta.ptx.control import deciding, needs_no_numbers
from tinymeta.ptx.parse import Unsupported, parse_module
from tinymeta.ptx.translate import translate, translate_control

F32 = np.float32
AROUND = """mov.u32 %r1, 0; ld.global.f32 %f2, [%rd1]; mov.f32 %f1, %f2;
again: add.f32 %f1, %f1, %f2; add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 5;
@%p1 bra again;
st.global.f32 [%rd1], %f1;"""
AT_TIMES = """mov.u32 %r1, %tid.x; setp.lt.u32 %p1, %r1, 3; mov.u32 %r2, 7;
@%p1 mov.u32 %r2, %ctaid.x; setp.lt.u32 %p0, %r2, 5; @%p0 st.global.u32 [%rd1], %r1;"""
CARRIED = """mov.u32 %r1, %tid.x; add.cc.u32 %r2, %r1, %r1; addc.u32 %r2, 0, 0;
setp.lt.u32 %p1, %r2, 1; mov.u32 %r0, 5; @%p1 bra end; st.global.u32 [%rd1], %r0; end:"""


def kept(code):
    """The instructions of a kernel that its predicates follow from, sorted."""
    (kernel,) = parse_module(BODY.format(code=code)).functions
    found = deciding(kernel)
    return None if found is None else sorted(statement.text for statement in found)


@pytest.mark.parametrize(
    "code, expected",
    [
        (AROUND, ["add.u32 %r1, %r1, 1", "mov.u32 %r1, 0", "setp.lt.u32 %p1, %r1, 5"]),
        (
            AT_TIMES,
            [
                "@%p1 mov.u32 %r2, %ctaid.x",
                "mov.u32 %r1, %tid.x",
                "mov.u32 %r2, 7",
                "setp.lt.u32 %p0, %r2, 5",
                "setp.lt.u32 %p1, %r1, 3",
            ],
        ),
        (
            CARRIED,
            [
                "add.cc.u32 %r2, %r1, %r1",
                "addc.u32 %r2, 0, 0",
                "mov.u32 %r1, %tid.x",
                "setp.lt.u32 %p1, %r2, 1",
            ],
        ),
        ("st.global.f32 [%rd1], %f1;", []),
    ],
    ids=["around", "at times", "carried", "straight on"],
)
def test_what_predicates_follow_from(code, expected):
    assert kept(code) == expected


@pytest.mark.parametrize("space", ["global", "shared", "local"])
def test_a_way_that_memory_decides_is_known_only_when_all_is_run(space):
    code = f"""ld.{space}.u32 %r1, [%rd1]; add.u32 %r2, %r1, 1; setp.lt.u32 %p1, %r2, 5;
    @%p1 st.global.u32 [%rd1], %r1;"""
    text = BODY.format(code=code)
    assert kept(code) is None and not needs_no_numbers(text)
    with pytest.raises(Unsupported, match="where numbers in memory say"):
        translate_control(text)


def test_what_is_not_computed_is_not_in_the_c_text_and_is_counted():
    text = BODY.format(code=AROUND)
    whole, control = translate(text), translate_control(text)
    assert "add_f32(" in whole and "stored(" in whole
    assert "add_f32(" not in control and "stored(" not in control and "loaded(" not in control
    table = "static const u32 counts"
    of = lambda c: next(line for line in c.splitlines() if line.startswith(table))
    assert of(whole) == of(control)


@pytest.fixture
def can_execute():
    if target.SIMULATED or driver.has_compiler() is not True:
        pytest.skip("kernels cannot be compiled here")
    try:
        compiler.compiler()
    except compiler.Missing as error:
        pytest.skip(str(error))


def both(f, *args):
    """What each kernel of a function is counted to do: without computing, and by running it."""
    found = tm.explain(f, *args, device="cuda")
    assert executed._ways_are_known(found.replay)
    counts = [executed._execute(f, args, {}, "float32", computes) for computes in (False, True)]
    return [{kernel.name: kernel for kernel in kernels} for kernels in counts]


rng = np.random.default_rng(0)


def convolutions(x, w):
    """Of strides 1 and 2, their gradients, and a batch norm: rows at an edge and inside."""
    y = tm.conv2d(tm.conv2d(x, w, stride=2), w, stride=1)
    y = tm.relu((y - y.mean((1, 2, 3), keepdims=True)) / tm.std(y, (1, 2, 3), keepdims=True))
    return tm.square(y).sum()


def sinusoid_step():
    job = work.sinusoid(tasks=2, shot=3)
    return job.run, job.params, job.data


@pytest.mark.ptx
@pytest.mark.parametrize(
    "program",
    [
        lambda: (tm.grad(convolutions, 1), rng.normal(size=(2, 3, 9, 7, 4)).astype(F32), W),
        sinusoid_step,
        lambda: (
            tm.grad(lambda x: tm.square(tm.softmax(x)).sum()),
            rng.normal(size=(40, 33)).astype(F32),
        ),
    ],
    ids=["convolutions", "sinusoid", "softmax"],
)
def test_counts_without_computing_are_those_of_a_run(program, can_execute):
    counted, ran = both(*program())
    assert counted == ran and len(ran) > 1


W = rng.normal(size=(2, 3, 3, 4, 4)).astype(F32)


@pytest.mark.ptx
def test_where_numbers_decide_all_is_run(can_execute):
    """A maximum that each place is larger than is stored once for each of them."""
    rising = np.arange(64, dtype=F32).reshape(1, 8, 8, 1)
    pool = lambda x: tm.max_pool2d(x, 2)
    found = [tm.explain(pool, x, device="cuda") for x in (rising, -rising)]
    assert not executed._ways_are_known(found[0].replay)
    totals = [
        next(line.split()[:8] for line in f.executed().splitlines() if "in all" in line)
        for f in found
    ]
    assert totals[0] != totals[1]
