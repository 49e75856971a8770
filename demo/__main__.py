"""`make demo`: one VM crosses from an OpenStack to an oVirt, told as a story with figures.

What it leaves running (the clouds, the migrated VM, the API) is for the reader to look at;
`make demo-down` stops it.
"""

import argparse
import os
import sys
from pathlib import Path

from demo.story import Story


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--down", action="store_true", help="stop what an earlier demo left running")
    parser.add_argument("--root", type=Path, default=Path("/var/lib/coriolis-demo"))
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("demo: run this as root: it binds port 22 on loopback addresses and builds guest images")
    story = Story(options.root, real_openstack=os.environ.get("DEMO_OPENSTACK") == "real")
    if options.down:
        story.down()
        return 0
    story.tell()
    return 0


if __name__ == "__main__":
    sys.exit(main())
