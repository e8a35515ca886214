"""python examples/course: the chapters, what is solved, what is next."""

import sys

from command import main

sys.exit(main())
