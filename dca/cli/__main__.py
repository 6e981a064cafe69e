"""``python -m dca.cli``: the command where it is not on the PATH."""

import sys

from dca.cli import main

sys.exit(main())
