"""Every public name is listed: what can be reached as tm.name is, and what is listed is there."""

import types

import pytest

import tinymeta as tm

ROOMS = {
    "tinymeta": tm,
    "nn": tm.nn,
    "meta": tm.meta,
    "data": tm.data,
    "testing": tm.testing,
    "optim": tm.optim,
    "losses": tm.losses,
}


@pytest.mark.parametrize("name", ROOMS)
def test_what_is_listed_is_there_once(name):
    listed = ROOMS[name].__all__
    assert len(set(listed)) == len(listed)
    assert not [n for n in listed if not hasattr(ROOMS[name], n)]


@pytest.mark.parametrize("name", ["tinymeta", "nn", "meta", "data", "testing"])
def test_what_is_there_is_listed(name):
    """But for the files of a room, which Python makes its attributes."""
    room = ROOMS[name]
    found = {
        n
        for n, x in vars(room).items()
        if not n.startswith("_")
        and not (isinstance(x, types.ModuleType) and x.__name__.startswith(f"{room.__name__}."))
    }
    assert found - {*room.__all__, "LAZY", "import_module"} == set()


def test_files_of_operations_are_no_names_of_the_package():
    for name in (
        "conv",
        "pool",
        "index",
        "reduce",
        "checks",
        "compose",
        "create",
        "derivatives",
        "promote",
        "movement",
        "OPERATORS",
        "method",
        "logic",
        "both",
    ):
        assert not hasattr(tm, name)
