"""What the tests of several rooms share."""

import gc
import itertools
import os
import sys

import pytest

# Nothing else is imported here: the process that gives tests to workers reads this file before it
# starts them, and needs none of it.
names = (f"for a test, {n}" for n in itertools.count())


@pytest.hookimpl(wrapper=True)
def pytest_collection(session):
    """Where tests are collected, Hypothesis has the profile of the kit before a file is imported.

    And no garbage is looked for: of half a million objects that the files make, all stay.
    """
    options = session.config.option
    if getattr(options, "dist", "no") == "no":
        from hypothesis import settings

        import tinymeta.testing.strategies  # noqa: F401  which registers the profile

        settings.load_profile("tinymeta")
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish():
    """What was imported and collected stays, and need not be looked through at each collection.

    Some tests collect by themselves, before they count what is alive: each time half a million
    objects, a third of a second. Hypothesis asks the collector, at its first example, who holds its
    generator of numbers, and what is frozen is no answer: it has had that example before.
    """
    from hypothesis import given, strategies

    given(strategies.none())(lambda nothing: None)()
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Each worker begins with a half of its own, and takes from the other's end when it is done.

    Tests of one file, which need the same kernels, are then run by one worker, not by two at once
    that both compile them; and no core is idle in the end.
    """
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getvalue("dist") == "load" else None


@pytest.fixture(scope="session", autouse=True)
def bytecode_is_kept(tmp_path_factory):
    """Hundreds of tests start a Python, which would else translate this package anew each time.

    Where PYTHONDONTWRITEBYTECODE is set, as it often is in containers, it goes into a temporary
    folder that all workers share.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("PYTHONDONTWRITEBYTECODE"):
            patch.delenv("PYTHONDONTWRITEBYTECODE")
            patch.setenv("PYTHONPYCACHEPREFIX", str(folder / "bytecode"))
        yield


@pytest.fixture(scope="session", autouse=True)
def workers_compile_alone():
    """Several workers fill the cores already; a second process for each would only be in the way.

    What it does is tested in jit/test_kernel_cache.py.
    """
    from tinymeta.jit import cache

    with pytest.MonkeyPatch.context() as patch:
        if "PYTEST_XDIST_WORKER" in os.environ:
            patch.setattr(cache, "WORTH_A_PROCESS", float("inf"))
        yield


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache of data that is the test's alone, so that none reads or fills the user's.

    Kernels and Matplotlib's list of fonts are where they are for all tests: each such test would
    else compile its kernels anew, and look through all fonts.
    """
    from tinymeta.system import kernel_folder
    from tinymeta.system.own_folder import user_cache

    monkeypatch.setenv("TINYMETA_CACHE", str(kernel_folder.folder()))
    monkeypatch.setenv("MPLCONFIGDIR", str(user_cache().parent / "matplotlib"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tinymeta" / "omniglot"


@pytest.fixture
def no_pictures(monkeypatch):
    """As where matplotlib is not installed: a picture takes longer than a tiny training."""
    from tinymeta.runs.pictures import pyplot

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    pyplot.cache_clear()
    yield
    pyplot.cache_clear()


@pytest.fixture
def forget_new_primitives():
    """What a test adds to the registry is gone after it."""
    from tinymeta.core.primitive import registry

    before = set(registry)
    yield
    for name in set(registry) - before:
        del registry[name]


@pytest.fixture
def a_new_primitive(forget_new_primitives):
    """elementwise(text, vjps, name=...), forgotten by the registry after the test."""
    import tinymeta as tm

    return lambda text, vjps, name=None: tm.elementwise(text, vjps, name=name or next(names))
