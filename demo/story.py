"""The story: replicate in full, change something, replicate the change, deploy, log in, look for leftovers."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from coriolis.runner import run
from demo.console import Console, mib
from demo.destination import OvirtSide
from demo.guest import Guest
from demo.product import BIN, Figures, Product
from demo.real_openstack import RealOpenStack
from demo.source import LabSource, SourceSide, SourceVm

PORT = 7667
LEDGER = "/srv/data/ledger.bin"
CHANGED_MIB = 12


class Story:
    def __init__(self, root: Path, real_openstack: bool) -> None:
        self._root = root
        self._real = real_openstack
        self._lab_root = root / "lab"
        self._console = Console()
        self._config = root / "coriolis.conf"
        self._product = Product(self._console, root / "state", PORT, self._config)

    def down(self) -> None:
        """Ends what an earlier demo left running, and forgets its state (guest images stay cached)."""
        self._product.stop()
        if self._lab_root.exists():
            run([BIN / "coriolis-lab", "down", "--root", self._lab_root], timeout=120)
        shutil.rmtree(self._root, ignore_errors=True)

    def tell(self) -> None:
        self.down()
        (self._root / "state").mkdir(parents=True)
        lab, source, vm = self._bring_up()
        destination = OvirtSide(lab["ovirt"])
        transfer = self._connect(lab, destination, vm)
        self._replicate("Full execution: every byte that is not zero crosses", transfer)
        before = self._change(vm)
        self._replicate("Incremental execution: only what changed crosses", transfer)
        address = self._deploy(transfer, destination, vm)
        self._compare(Guest(address, vm.guest.user, vm.guest.key), before)
        self._leftovers(destination, source)
        self._look_around(lab, vm, Guest(address, vm.guest.user, vm.guest.key))

    def _bring_up(self) -> tuple[dict[str, Any], SourceSide, SourceVm]:
        with self._console.step("The clouds (the first time, guest images are built from Debian packages)"):
            options = ["--ovirt-only"] if self._real else []
            args = [str(BIN / "coriolis-lab"), "up", "--root", str(self._lab_root), *options]
            self._console.command(["coriolis-lab", *args[1:]])
            log = self._root / "lab-up.log"
            done = run(args, timeout=1500, check=False)
            log.write_bytes(done.stdout + done.stderr)
            if done.returncode:
                sys.exit(f"demo: the embedded clouds did not come up:\n{log.read_text()[-2000:]}")
            lab = json.loads((self._lab_root / "lab.json").read_text())
            self._console.line(f"oVirt engine at {lab['ovirt']['url']}")
        with self._console.step("The virtual machine that is to cross"):
            source: SourceSide = RealOpenStack(self._console, self._root) if self._real else LabSource(lab)
            vm = source.make()
            self._console.line(
                f"{vm.name} on {vm.connection_info['auth_url']}, reached with: {vm.guest.login}"
            )
            vm.guest.wait()
            self._console.line(
                vm.guest.run("uname -sr; df -h / /srv/data | tail -n 2").replace("\n", "\n   ")
            )
        return lab, source, vm

    def _connect(self, lab: dict[str, Any], destination: OvirtSide, vm: SourceVm) -> str:
        with self._console.step("Coriolis: the server, two endpoints, a transfer"):
            self._config.write_text(f"[osmorphing]\noffline_packages_dir = {lab['packages_dir']}\n")
            self._product.serve()
            files = {
                "openstack.json": vm.connection_info,
                "ovirt.json": destination.connection_info,
                "source.json": vm.source_environment,
                "destination.json": destination.environment,
            }
            for name, content in files.items():
                (self._root / name).write_text(json.dumps(content, indent=2))
                (self._root / name).chmod(0o600)
            cli = self._product.cli
            for name, platform in (("old", "openstack"), ("new", "ovirt")):
                file = str(self._root / f"{platform}.json")
                cli("endpoint", "create", "--name", name, "--provider", platform, "--connection-file", file)
            cli("endpoint", "instance", "list", "old")
            network_map = json.dumps({vm.network: destination.network})
            args = ["--origin-endpoint", "old", "--destination-endpoint", "new", "--instance", vm.name]
            args += ["--source-environment-file", str(self._root / "source.json")]
            args += [
                "--destination-environment-file",
                str(self._root / "destination.json"),
                "--network-map",
                network_map,
            ]
            return str(self._product.cli_json("transfer", "create", *args)["id"])

    def _replicate(self, title: str, transfer: str) -> Figures:
        with self._console.step(title):
            execution = str(self._product.cli_json("transfer", "execute", transfer)["id"])
            self._product.cli("transfer", "execution", "watch", transfer, execution)
            figures = self._product.figures(transfer, execution)
            self._console.line(
                f"=> {mib(figures.size)} of disk, {mib(figures.moved)} moved in {figures.seconds:.0f} s "
                f"({mib(figures.rate)}/s of disk)"
            )
        return figures

    def _change(self, vm: SourceVm) -> str:
        with self._console.step(f"In the guest: {CHANGED_MIB} MiB of {LEDGER} are written anew"):
            vm.guest.run(
                "sudo=; [ $(id -u) = 0 ] || sudo=sudo\n"
                f"$sudo dd if=/dev/urandom of={LEDGER} bs=1M count={CHANGED_MIB} conv=notrunc status=none\n"
                "$sudo sync"
            )
            digest = vm.guest.digest(LEDGER)
            self._console.line(f"sha256 of {LEDGER} is now {digest}")
        return digest

    def _deploy(self, transfer: str, destination: OvirtSide, vm: SourceVm) -> str:
        with self._console.step("Deployment: copies of the replica are morphed and booted on oVirt"):
            deployment = str(self._product.cli_json("deployment", "create", transfer)["id"])
            self._product.cli("deployment", "watch", deployment)
        with self._console.step("The migrated VM boots; its guest agent answers"):
            address, told = destination.wait_for_agent(vm.name)
            for line in told:
                self._console.line(line)
        return address

    def _compare(self, guest: Guest, digest: str) -> None:
        with self._console.step(f"Log in to the migrated VM: {guest.login}"):
            guest.wait()
            self._console.line(
                guest.run("hostname; uname -sr; ip -4 -br addr show scope global").replace("\n", "\n   ")
            )
            found = guest.digest(LEDGER)
            self._console.line(f"sha256 of {LEDGER} is {found}")
            if found != digest:
                sys.exit("demo: the file differs from the source's: this must not happen")
            self._console.line("=> the same on both clouds")

    def _leftovers(self, destination: OvirtSide, source: SourceSide) -> None:
        with self._console.step("What is left over"):
            self._product.cli("resource", "list", "--all")
            ledger = [
                r
                for r in self._product.get("resources")["resources"]
                if r["state"] not in ("kept", "removed")
            ]
            left = ledger + source.left_behind() + destination.left_behind()
            self._console.line(
                f"=> temporary resources left over, in the ledger and on both clouds: {len(left) or 'none'}"
            )
            if left:
                sys.exit(f"demo: {left}")

    def _look_around(self, lab: dict[str, Any], vm: SourceVm, guest: Guest) -> None:
        product, root = self._product, self._root
        print(f"""
The VM crossed in {self._console.elapsed()} all in all. Look around:

  API          {product.url} (OpenAPI: http://127.0.0.1:{PORT}/docs)
  oVirt        {lab["ovirt"]["url"]}, user {lab["ovirt"]["username"]}, password {lab["ovirt"]["password"]}
  OpenStack    {vm.connection_info["auth_url"]}, user {vm.connection_info["username"]}
  source VM    {vm.guest.login}
  migrated VM  {guest.login}

  export CORIOLIS_ENDPOINT={product.url}; alias coriolis='{BIN}/coriolis --no-auth'
  coriolis transfer list
  coriolis deployment list
  coriolis resource list --all
  {BIN}/coriolis-lab status --root {root}/lab
  {BIN}/coriolis-lab console {vm.name} --root {root}/lab

  make demo-down     stops and forgets all of it
""")
