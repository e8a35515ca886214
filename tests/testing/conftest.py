"""No deadline for an example: the first one may compile a kernel. In CI the examples are fixed."""

from hypothesis import settings

import tinymeta.testing.strategies

settings.load_profile("tinymeta")
