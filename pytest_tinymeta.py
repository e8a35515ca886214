"""The pytest plugin: a fixture and a marker `gradcheck`, for gradients of any framework.

    def test_my_layer(gradcheck):
        gradcheck(my_layer, x, w)     # torch tensors, JAX or NumPy arrays: told by their type

It stands beside the package and not in it, because pytest imports it in every run: here nothing is
imported, NumPy neither, until a test asks for the fixture.
"""

import random

import pytest

_ITEM = pytest.StashKey()  # the test that is running, whose markers hold


def pytest_addoption(parser):
    parser.getgroup("tinymeta").addoption(
        "--gradcheck-seed",
        metavar="N|random",
        help="seed of all directions, cotangents and examples that gradcheck draws (0)",
    )


def pytest_configure(config):
    config.addinivalue_line(
        "markers",
        "gradcheck(order, modes, kinks, dtype, examples, seconds, ...): options of the fixture "
        "gradcheck in this test, class or module",
    )
    of_controller = getattr(config, "workerinput", {}).get("gradcheck_seed")
    if of_controller is not None:
        config.option.gradcheck_seed = of_controller
    elif config.option.gradcheck_seed == "random":
        config.option.gradcheck_seed = str(random.SystemRandom().randrange(2**32))
    seed = config.option.gradcheck_seed
    if seed is not None and not seed.isdecimal():
        raise pytest.UsageError(f"--gradcheck-seed={seed}: pass a whole number, or random")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """All workers of xdist have the seed that is drawn once."""
    node.workerinput["gradcheck_seed"] = node.config.option.gradcheck_seed


def pytest_report_header(config):
    seed = config.option.gradcheck_seed
    return None if seed is None else f"gradcheck seed: {seed}"


def pytest_runtest_setup(item):
    item.session.stash[_ITEM] = item


@pytest.fixture(scope="session")
def gradcheck(request):
    """Compare the derivatives of a function at sample inputs with differences.

    gradcheck(f, *samples, order=2, modes=("rev",), kinks="skip", dtype="given", backward=None,
    examples=50, seconds=1.0, seed=0): see `tinymeta.testing.fixture.Gradcheck`. Options that many
    tests share go into a marker, @pytest.mark.gradcheck(order=1).
    """
    from tinymeta.testing.fixture import Gradcheck

    seed = request.config.option.gradcheck_seed

    def item_and_options():
        # Not by the request of a fixture made for each test: hypothesis refuses such fixtures.
        item = request.session.stash[_ITEM]
        options = {} if seed is None else {"seed": int(seed)}
        for mark in reversed([*item.iter_markers("gradcheck")]):  # the nearest is the last
            if mark.args:
                raise pytest.UsageError(
                    f"@pytest.mark.gradcheck{mark.args} of {item.nodeid}: give each option by its "
                    "name, such as order=1"
                )
            options |= mark.kwargs
        return item, options

    return Gradcheck(item_and_options)
