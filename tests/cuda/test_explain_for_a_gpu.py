"""`tm.explain(.., device="cuda")` tells without a GPU what is launched on one."""

import re

import numpy as np
import pytest

import tinymeta as tm
from benchmarks import work
from tinymeta.core.scope import state
from tinymeta.cuda import allocate, driver, matmul, target
from tinymeta.cuda.dry_run import DryRunDriver, launch_table
from tinymeta.cuda.launch import record_launches
from tinymeta.jit.page_data import page_data
from tinymeta.ptx import compiler, emulator, registers

F32 = np.float32


@pytest.fixture
def can_compile():
    if target.SIMULATED or driver.has_compiler() is not True:
        pytest.skip("kernels cannot be compiled here")


def program(x, w):
    return tm.tanh(x @ w).sum(0)


X, W = np.ones((300, 40), F32), np.ones((40, 20), F32)


def rows(text):
    """(launches, blocks, threads, bytes, title) of each line of a table but the head."""
    lines = [re.split(r"\s+", line.strip(), maxsplit=5) for line in text.splitlines()[1:-1]]
    return [
        (*(int(n.replace(",", "")) for n in (line[0], line[1], line[2], line[4])), line[5])
        for line in lines
    ]


@pytest.mark.ptx
def test_launches_are_told_without_a_gpu(can_compile):
    found = tm.explain(program, X, W, device="cuda")
    text = str(found)
    assert "runs on cuda (a dry run, sm_90)" in text and found.launches() in text
    product, total = rows(found.launches())
    assert product[0] == 1 and product[4].startswith("product: _x_line _w_line ")
    assert product[3] == 4 * (300 * 40 + 40 * 20 + 300 * 20)
    assert total[3] == 4 * (300 * 20 + 20) and total[4] == "loops: tanh(x0)"
    assert found.launches().splitlines()[-1].endswith("2 kernels")
    assert state.device == "cpu" and found.replay.recording.launches[0].kernel.shared_bytes > 0
    noted = found.replay.recording.noted
    of_launches = [(n.grid, n.block, n.nbytes) for n in noted]
    assert of_launches == [(n.grid, n.block, n.nbytes) for n in found.replay.recording.launches]
    (part,) = page_data({"exact": found})["programs"][0]["parts"]
    assert [row[0] for row in part["launches"]] == [0, 1]
    assert [row[-1] for row in part["launches"]] == [n.nbytes for n in noted]
    assert tm.explain(program, X, W).launches() == "", "on the CPU nothing is launched"


@pytest.mark.ptx_run
def test_what_is_told_is_what_runs(gpu):
    """The emulated GPU counts the same launches, blocks and threads of each kernel."""
    job = work.sinusoid(tasks=2, shot=3)
    found = tm.explain(job.run, job.params, job.data, device="cuda")
    told: dict = {}
    for launch in found.replay.recording.launches:
        counts = np.array([1, launch.blocks, launch.threads])
        told[launch.kernel] = told.get(launch.kernel, 0) + counts
    with tm.device("cuda"):
        compiled = tm.jit(job.run)
        compiled(job.params, job.data)
        (done,) = compiled.programs.values()
        driver.current().synchronize()
        gpu.forget_statistics()
        done.replay.replay()
        driver.current().synchronize()
    ran = sorted([k.launches, k.blocks, k.threads] for k in gpu.statistics())
    assert len(ran) > 10 and sorted([*counts] for counts in told.values()) == ran


@pytest.fixture
def can_execute(can_compile):
    try:
        compiler.compiler()
    except compiler.Missing as error:
        pytest.skip(str(error))


def columns(text, kernel):
    """The numbers of a kernel's line, as they are printed."""
    (line,) = [line for line in text.splitlines() if f"  {kernel}" in line]
    return line.partition(f"  {kernel}")[0].split()


@pytest.mark.ptx
def test_what_is_executed_is_told_without_a_gpu(can_execute):
    before = tm.devices()
    found = tm.explain(program, X, tm.tensor(W), device="cuda")
    text = found.executed()
    launches, blocks, shared, taken, *_, loaded, stored, microseconds = columns(text, "product: ")
    assert (launches, int(shared)) == ("1", found.replay.recording.launches[0].kernel.shared_bytes)
    (ffma, share) = columns(text, "product: ")[5:7]
    assert int(ffma.replace(",", "")) >= 300 * 40 * 20 and 10 < int(share.rstrip("%")) < 90
    assert float(stored) == pytest.approx(4 * 300 * 20 / 1e6, abs=0.006)
    assert float(microseconds) > 1.5 and int(taken.lstrip("~")) > 8
    assert columns(text, "in all, on H100 SXM")[0] == "3"  # and small arguments are copied in
    assert "as a graph: " in text and "no byte comes from a cache" in text
    assert f"== executed\n{text}" in found.text()
    assert tm.devices() == before, "nobody else sees the emulated GPU"
    assert tm.explain(program, X, W).executed() == "", "on the CPU kernels are not counted"


@pytest.mark.ptx
def test_arrays_that_lie_otherwise_execute_the_same(can_execute):
    """Those of the host are in order once they are on the GPU: one copy to its place, one loop."""
    plain, turned = (
        tm.explain(lambda x: x + x, x, device="cuda").executed() for x in (X, tm.transpose(X))
    )
    assert columns(plain, "in all, on H100 SXM") == columns(turned, "in all, on H100 SXM")
    assert columns(plain, "in all, on H100 SXM")[0] == "2"


@pytest.mark.ptx
def test_where_nothing_can_be_counted_a_sentence_says_why(can_compile, monkeypatch):
    def start():
        raise compiler.Missing("a C compiler on Linux is needed: gcc")

    monkeypatch.setattr(emulator, "start_beside", start)
    said = "executed instructions are not counted here: a C compiler on Linux is needed: gcc"
    found = tm.explain(program, X, W, device="cuda")
    assert found.executed() == said and said in found.text()


@pytest.mark.ptx
def test_without_an_assembler_registers_are_estimated_and_said_to_be(can_execute, monkeypatch):
    monkeypatch.setattr(registers, "assembler", lambda: None)
    text = tm.explain(program, X, W, device="cuda").executed()
    assert columns(text, "product: ")[3].startswith("~") and "estimated (~)" in text


@pytest.mark.ptx
@pytest.mark.skipif(registers.assembler() is None, reason="ptxas is not installed")
def test_the_estimate_of_registers_is_near_what_an_assembler_takes(can_compile):
    """For all of a step's kernels: it may move instructions, and compute numbers anew."""
    job = work.sinusoid(tasks=2, shot=3)
    launches = tm.explain(job.run, job.params, job.data, device="cuda").replay.recording.launches
    texts = {launch.kernel.text for launch in launches}
    for text, taken in registers.registers(texts).items():
        assert not taken.is_estimate and not taken.spilt_bytes
        assert 0.8 < registers.registers_live(text) / taken.number < 1.7


@pytest.mark.ptx
def test_an_element_that_a_stride_repeats_is_counted_once(can_compile):
    with driver.replaced_by(DryRunDriver(key=object())), record_launches() as recording:
        x = allocate((1, 8, 8), F32)
        many = x.view((5, 8, 8), (0, 8, 1))
        matmul.matmul(allocate((5, 8, 8), F32), many, many)
    (launch,) = recording.launches
    assert launch.nbytes == 4 * (5 * 64 + 2 * 64)
    assert "1 kernels" in launch_table(recording.launches)


@pytest.mark.ptx
def test_many_sums_of_one_array_have_room_in_a_blocks_memory(can_compile):
    """Each has a number of each thread there; without a limit 48 KiB would be too little for 25."""
    x = np.ones((40, 3))
    found = tm.explain(lambda x: [(x * float(k)).sum() for k in range(1, 61)], x, device="cuda")
    shared = [launch.kernel.shared_bytes for launch in found.replay.recording.launches]
    assert len(shared) > 1 and max(shared) <= 48 << 10


def test_a_dry_run_has_what_the_compiler_asks_of_a_driver():
    asked = {name for name in dir(driver.Driver) if not name.startswith("_")}
    of_other_libraries = {"follow", "precede", "synchronize_all"}  # whose arrays it never meets
    assert asked - {*dir(DryRunDriver())} == of_other_libraries | {"free_memory"}


@pytest.mark.ptx
def test_a_launch_that_a_gpu_refuses_is_refused_in_a_dry_run(can_compile):
    dry_run = DryRunDriver(key=object())
    with driver.replaced_by(dry_run), record_launches() as recording:
        matmul.matmul(*(allocate((8, 8), F32) for _ in range(3)))
    kernel = recording.launches[0].kernel
    with pytest.raises(driver.DriverError, match="beyond a GPU's limits"):
        dry_run.prepare_launch(kernel, (1, 65536, 1), (32, 1, 1), ())
    with pytest.raises(driver.DriverError, match="takes .* and is given"):
        dry_run.prepare_launch(kernel, (1, 1, 1), (32, 1, 1), (1, 2))


@pytest.mark.parametrize(
    "arguments",
    [{"device": "cpu"}, {"device": "cuda", "times": True}, {"device": "cuda", "values": True}],
)
def test_what_cannot_be_explained_for_a_gpu_is_said(arguments):
    with pytest.raises(ValueError, match='pass device="cuda" alone'):
        tm.explain(program, X, W, **arguments)


def test_without_a_compiler_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(driver, "has_compiler", lambda: "Numba cannot compile for a GPU (no)")
    with pytest.raises(RuntimeError, match=r"^explain: Numba cannot compile for a GPU \(no\)$"):
        tm.explain(program, X, W, device="cuda")
