"""Every primitive of the registry, named nowhere here: adding one adds no test code."""

import re

import pytest

from tinymeta import ops
from tinymeta.core.primitive import registry
from tinymeta.testing import registry_test

OURS = sorted(name for name, p in registry.items() if p.family != "extension")

# Of 22 operations, three cases showed every fault in a rule that twenty show
# (`faults.survivors`); half as many as these examples decide the derivatives.
test_it_keeps_its_promises = registry_test(*OURS, examples=7)
test_it_keeps_them_on_many_cases = pytest.mark.slow(registry_test(*OURS, examples=60))


def test_the_family_table_names_every_primitive():
    words = set(re.findall(r"\w+", ops.__doc__))
    # The elementwise family is too long to list there: its own file is its table.
    missing = [n for n in OURS if registry[n].family != "elementwise" and n not in words]
    assert not missing, f"the table in ops/__init__.py lacks {missing}"
