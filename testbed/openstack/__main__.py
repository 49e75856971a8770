"""`python -m testbed.openstack up|down|status|smoke|purge`: see the package."""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from coriolis.errors import CoriolisError
from testbed.openstack import inside, packages
from testbed.openstack.enclosure import Enclosure
from testbed.openstack.saying import TestbedError, say
from testbed.openstack.settings import DEFAULT_ROOT, Testbed, require_root


def main() -> int:
    options = _parser().parse_args()
    require_root()
    try:
        options.run(Testbed(options.root.resolve()))
    except (TestbedError, CoriolisError) as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m testbed.openstack", description="A real OpenStack on this machine."
    )
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help=f"all of its state ({DEFAULT_ROOT})")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        where: "argparse._SubParsersAction[argparse.ArgumentParser]", run: Callable[[Testbed], None]
    ) -> None:
        name = run.__name__.strip("_")
        made = where.add_parser(name, help=(run.__doc__ or "").splitlines()[0])
        made.set_defaults(run=run)

    for run in (_up, _down, _status, _smoke, _purge):
        command(commands, run)
    within = commands.add_parser("inside", help="the same from within the enclosure; the others call it")
    inner = within.add_subparsers(required=True, metavar="COMMAND")
    for run in (inside.up, inside.down, inside.status, inside.backups_swift, inside.backups_ceph):
        command(inner, run)
    return parser


def _up(testbed: Testbed) -> None:
    """install, configure, start what is not there or does not run"""
    from testbed.openstack import contents

    packages.install()
    testbed.prepare()
    enclosure = Enclosure(testbed)
    enclosure.open()
    enclosure.work("up")
    contents.put_in(testbed)
    say(f"OpenStack is up. How to log in: {testbed.description}")


def _down(testbed: Testbed) -> None:
    """stop everything; guests and data stay for the next `up`"""
    enclosure = Enclosure(testbed)
    if enclosure.pid() is None:
        say("the testbed is down already")
    else:
        enclosure.work("down")
    enclosure.close()
    say("stopped")


def _status(testbed: Testbed) -> None:
    """which services run, and what they hold of the memory"""
    from testbed.openstack import status

    status.show(testbed, Enclosure(testbed))


def _smoke(testbed: Testbed) -> None:
    """boot a guest, log in, write to a volume, snapshot it, back it up, compare the bytes"""
    from testbed.openstack import smoke

    smoke.run_all(testbed)


def _purge(testbed: Testbed) -> None:
    """stop and forget everything; the next `up` makes a new cloud"""
    _down(testbed)
    if testbed.root.exists():
        shutil.rmtree(testbed.root)
        say(f"removed {testbed.root}")


if __name__ == "__main__":
    sys.exit(main())
