"""`make chaos`: the whole matrix, and a table of it.

python -m tests.chaos [--mode sqlite-1 …] [--only TEXT …] [--list]
"""

import sys

from tests.chaos.runner import main

if __name__ == "__main__":
    sys.exit(main())
