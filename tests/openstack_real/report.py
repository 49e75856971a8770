"""Writes docs/reference/openstack-figures.md from what the last runs of the scenarios measured."""

import argparse
import os
from pathlib import Path

from testbed.openstack.settings import DEFAULT_ROOT, Testbed, project_directory

from tests.openstack_real.figures import FigureBook, outcome_table, table

_PAGE = """\
# What an export from OpenStack costs

Made by `make test-openstack` ([how](../how-to/test-against-a-real-openstack.md)): a real OpenStack Zed with Ceph 16
and Swift 2.30 on a machine with {cpus} CPUs, and the guests under TCG, so seconds compare mechanisms and say little
else. A source guest has a system disk with Debian 12 on it, and a data disk of 1 GiB with two files of 48 MiB.

- *route*: export mechanism, source guest, destination: `openstack` is another project, onto volumes through a worker
  VM; `rbd` the same, written to Ceph without one; `ovirt` the lab's oVirt
- *disks*: of the instance, the grown one after it grew
- *read from Ceph*: bytes that clients read from Ceph's pools during the execution, by their own counters;
  what cinder-backup, the guest itself, and another scenario beside this one read is among them
- *got from Swift*: bytes of Swift's answers, by the load balancer's counter
- *moved*: payload that went to the destination
- *copy*: seconds from the first to the last byte; *in all*: of the execution, worker VMs included

{figures}
Each of these executions ended with an empty ledger but for what is kept on purpose, and with replicas that are equal to
their disks by SHA-256: the data disk each time, all disks once the source was shut down.

## Scenarios

What held when it was last run; a scenario that did not is not in the table.

{outcomes}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="the testbed's root")
    book = FigureBook(Testbed(parser.parse_args().root).figures)
    page = project_directory() / "docs" / "reference" / "openstack-figures.md"
    filled = {"figures": table(book.figures()), "outcomes": outcome_table(book.outcomes())}
    page.write_text(_PAGE.format(cpus=os.cpu_count(), **filled))
    print(f"{page}: {len(book.figures())} executions")


if __name__ == "__main__":
    main()
