"""`coriolis-lab`: brings the embedded clouds up and down, and looks at them."""

import argparse
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from coriolis_lab import daemon
from coriolis_lab.hypervisor.api import HypervisorError
from coriolis_lab.ovirt.look import LOOKS
from coriolis_lab.preparation import prepare
from coriolis_lab.settings import LabSettings

DEFAULT_ROOT = Path("/var/lib/coriolis-lab")
_STOP_SECONDS = 90.0
_FOLLOW_SECONDS = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except KeyboardInterrupt:
        return 130
    except (daemon.LabError, HypervisorError) as error:
        print(f"coriolis-lab: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="coriolis-lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.add_argument(
            "--root", type=Path, default=DEFAULT_ROOT, help=f"state of the lab ({DEFAULT_ROOT})"
        )
        made.set_defaults(command=run)
        return made

    up = command("up", _up, "start both clouds in the background and wait until they are ready")
    up.add_argument("--realistic", action="store_true", help="with the delays of a real cloud")
    up.add_argument(
        "--ovirt-look",
        choices=list(LOOKS),
        default=LabSettings.ovirt_look,
        help="the age of the oVirt engine (%(default)s)",
    )
    only = up.add_mutually_exclusive_group()
    only.add_argument("--openstack-only", action="store_true")
    only.add_argument("--ovirt-only", action="store_true")
    up.add_argument(
        "--no-source-vm", action="store_true", help="leave the OpenStack without the server web-1"
    )
    command("down", _down, "stop the clouds and every VM in them")
    command("status", _status, "list the VMs of both clouds")
    console = command("console", _console, "print a VM's serial console")
    console.add_argument("vm", help="name or id")
    console.add_argument("-f", "--follow", action="store_true", help="go on printing what is added")
    images = command(
        "images", _images, "build the guest images and the boot snapshot that are not in the cache"
    )
    images.add_argument("--cache", type=Path, default=LabSettings(root=DEFAULT_ROOT).cache)
    return parser


def _up(options: argparse.Namespace) -> int:
    began = time.monotonic()
    choices = daemon.Choices(
        with_openstack=not options.ovirt_only,
        with_ovirt=not options.openstack_only,
        with_source_server=not options.no_source_vm,
        realistic=options.realistic,
        ovirt_look=options.ovirt_look,
    )
    lab = daemon.start(options.root, choices, _say)
    print(f"The lab is up after {time.monotonic() - began:.0f} s.")
    if openstack := lab.get("openstack"):
        print(f"  OpenStack  {openstack['auth_url']}")
        print(f"             user and project {openstack['username']}, password {openstack['password']}")
        if source := openstack.get("source"):
            print(
                f"  {source['name']}      ssh -i {lab['key']} root@{source['address']} (boots for a minute)"
            )
    if ovirt := lab.get("ovirt"):
        print(f"  oVirt      {ovirt['url']}")
        print(f"             user {ovirt['username']}, password {ovirt['password']}, CA {ovirt['ca_file']}")
    print(f"  all of it  {daemon.description_file(options.root)}")
    return 0


def _down(options: argparse.Namespace) -> int:
    pid = daemon.running_pid(options.root)
    if pid is None:
        print("The lab is not up.")
        return 0
    os.kill(pid, signal.SIGTERM)
    if not daemon.wait_for_end(options.root, _STOP_SECONDS):
        raise daemon.LabError(
            f"process {pid} has not ended after {_STOP_SECONDS:g} s; see {daemon.log_file(options.root)}"
        )
    print("The lab is down.")
    return 0


def _status(options: argparse.Namespace) -> int:
    vms = daemon.read_vms(options.root)
    width = shutil.get_terminal_size().columns
    rows = [
        ("CLOUD", "NAME", "STATE", "ADDRESS", "ID"),
        *((v.cloud, v.name, v.state, v.address, v.id) for v in vms),
    ]
    sizes = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        print("  ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)).rstrip()[:width])
    return 0


def _console(options: argparse.Namespace) -> int:
    path = daemon.console_file(options.root, options.vm)
    with path.open("rb") as file:
        while True:
            written = file.read()
            sys.stdout.buffer.write(written)
            sys.stdout.buffer.flush()
            if not written:
                if not options.follow or not path.exists():
                    return 0
                time.sleep(_FOLLOW_SECONDS)


def _images(options: argparse.Namespace) -> int:
    began = time.monotonic()
    library = prepare(options.cache, lambda text: _say(f"{text} ({time.monotonic() - began:.0f} s)"))
    for name in library.image_names():
        path = library.image(name)
        used = path.stat().st_blocks * 512 / 2**20
        print(f"  {name:<12} {path} ({path.stat().st_size / 2**20:.0f} MiB, {used:.0f} MiB on disk)")
    packages = sorted(path.name for path in library.packages_dir.glob("*.deb"))
    print(f"  packages     {library.packages_dir}: {', '.join(packages)}")
    print(f"  key          {library.private_key}")
    print(json.dumps({"seconds": round(time.monotonic() - began)}))
    return 0


def _say(text: str) -> None:
    print(f"coriolis-lab: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
