"""The name of machine code covers all that is in it: then an upgrade never runs the old one."""

import ast
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numba import float32, float64
from numba.core.caching import NullCache
from numba.core.compiler import Compiler
from numba.core.dispatcher import Dispatcher

import tinymeta
from tinymeta.cpu import native
from tinymeta.cpu.gemm import at
from tinymeta.cpu.native import MachineCodeCache, version
from tinymeta.cpu.pointers import OPTIONS, POINTERS, SIGNATURE, added
from tinymeta.cpu.scalar import FUNCTIONS

ROOT = Path(tinymeta.__file__).parent
KEPT = [
    "cpu.along",
    "cpu.conv",
    "cpu.factor",
    "cpu.gemm",
    "cpu.index",
    "cpu.pool",
    "cpu.reduce",
    "jit.fixed_kernels",
    "jit.machine",
]
# What these, and generated kernels, call.
CALLED = [
    f"cpu.{file}"
    for file in (
        "erf",
        "exp_log",
        "inlining",
        "libm",
        "passes",
        "pointers",
        "scalar",
        "simd",
        "trig",
        "window_blocks",
        "workspace",
    )
]


def test_a_change_anywhere_in_the_room_is_another_version(tmp_path):
    folder = tmp_path / "cpu"
    shutil.copytree(native.CPU_FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    files, found = sorted(folder.glob("*.py")), {version(), version.__wrapped__(folder)}
    assert len(found) == 1 and len(files) > 10
    for file in files:
        file.write_text(file.read_text("utf-8") + "\n# another\n", "utf-8")
        found.add(version.__wrapped__(folder))
    assert len(found) == 1 + len(files)


@pytest.mark.parametrize(
    "change",
    [{"name": "g"}, {"text": "x * 3"}, {"signature": "int64(int64)"}, {"version": "upgraded"}],
)
def test_what_differs_has_a_file_of_its_own(change, monkeypatch):
    same = {"name": "f", "text": "x * 2", "signature": "int64(int32)", "version": "installed"}

    def file(name, text, signature, version):
        monkeypatch.setattr(native, "version", lambda: version)
        return MachineCodeCache(name, text).file_name(signature)

    assert file(**same) == file(**same) != file(**(same | change))


def test_every_function_that_is_kept_is_kept_in_this_way():
    for name in KEPT:
        module = importlib.import_module(f"tinymeta.{name}")
        text = Path(module.__file__).read_text("utf-8")
        own = [
            f
            for f in vars(module).values()
            if isinstance(f, Dispatcher) and f.py_func.__module__ == module.__name__
        ]
        kept = [f for f in own if "forceinline" not in f.targetoptions]
        assert kept or name == "jit.fixed_kernels"  # whose kernels are compiled when asked for
        assert all(type(f._cache) is MachineCodeCache and f._cache.text == text for f in kept)
    texts = {p: p.read_text("utf-8") for p in ROOT.rglob("*.py")}
    assert not [p for p, text in texts.items() if re.search(r"cache\s*=\s*True", text)]
    with_some = {
        f"{p.parent.name}.{p.stem}"
        for p, text in texts.items()
        if p.parent.name != "cuda" and re.search(r"^@(native|LazyKernel)", text, re.MULTILINE)
    }
    assert with_some == {*KEPT}


SUM_OF_SQUARES = """
def kernel(arena, args):
    x = float32_at(arena, args[1])
    y = float64_at(arena, args[2])
    for i in range(args[0]):
        x_i = at(x, i * args[3])
        total = float64(0)
        for j in range(args[4]):
            v0 = exp(x_i[j])
            v1 = where(v0 > float32(1), v0 * v0, -v0)
            total = added(total, float64(v1))
        y[i] = total
"""


def test_few_passes_give_the_machine_code_of_all(monkeypatch):
    space = FUNCTIONS | POINTERS | dict(float32=float32, float64=float64, added=added, at=at)
    exec(SUM_OF_SQUARES, space)

    def code():
        kernel = native.callback(space["kernel"], SIGNATURE, OPTIONS, NullCache())
        text = re.sub(r"; ModuleID.*", "", kernel.inspect_llvm())
        return re.sub(r"B\d+v\d+", "", text)  # the number of a function among those compiled

    few = code()
    monkeypatch.setattr(native._KernelCompiler, "define_pipelines", Compiler.define_pipelines)
    assert few == code() and "fmul" in few


def test_importing_compiles_and_loads_nothing():
    """Numba takes longer to get ready for the first function than all else of an import."""
    code = (
        "import tinymeta.jit.compile, sys; from numba.core.dispatcher import Dispatcher; "
        "own = [x for name, m in sys.modules.items() if name.startswith('tinymeta') "
        "for x in vars(m).values() if isinstance(x, Dispatcher)]; "
        "print(len(own) > 10, [f for f in own if f.signatures])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout == "True []\n", process.stderr


@pytest.mark.parametrize("name", [*KEPT, *CALLED])
def test_what_is_kept_calls_nothing_outside_of_the_room(name):
    """Or its name on disk would not tell of a change there."""
    package, file = name.split(".")
    tree = ast.parse((ROOT / package / f"{file}.py").read_text("utf-8"))
    own = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    for node in own:
        imported_from = package if node.level == 1 else node.module.split(".")[0]
        assert imported_from == "cpu", f"{name} imports {node.module}"
