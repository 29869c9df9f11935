"""``python -m runstream``: the command line, where the script is not on the path."""

import sys

from runstream.cli import main

sys.exit(main())
