"""Writes docs/reference/openstack-figures.md from what the last run of `make test-openstack` measured."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from testbed.openstack.settings import DEFAULT_ROOT, project_directory

from tests.openstack_real.figures import FigureBook, table

_PAGE = """\
# What an export from OpenStack costs

Made by `make test-openstack` on {date}: a real OpenStack Zed with Ceph 16 and Swift 2.30 on a machine with {cpus}
CPUs, and the guests under TCG, so seconds compare mechanisms and say little else. The source guest has a system disk of
3 GiB with Debian 12 on it and a data disk with two files of 48 MiB, which grows by 1 GiB on each route.

- *read from Ceph*: bytes that clients read from Ceph's pools during the execution, by their own counters;
  cinder-backup and what the guest itself reads are among them
- *got from Swift*: bytes of Swift's answers, by the load balancer's counter
- *moved*: payload that went to the destination
- *copy*: seconds from the first to the last byte; *in all*: of the execution, worker VMs included

{table}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="the testbed's root")
    figures = FigureBook(parser.parse_args().root / "figures.jsonl").all()
    page = project_directory() / "docs" / "reference" / "openstack-figures.md"
    text = _PAGE.format(date=datetime.now(UTC).date(), cpus=os.cpu_count(), table=table(figures))
    page.write_text(text)
    print(f"{page}: {len(figures)} executions")


if __name__ == "__main__":
    main()
