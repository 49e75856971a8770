"""dpkg's database and package files."""

import re
from typing import NamedTuple
from urllib.parse import unquote

STATUS_FILE = "/var/lib/dpkg/status"
_INTERRUPTED = ("half-installed", "unpacked", "half-configured", "triggers-awaited")


class Package(NamedTuple):
    """`state` is the third word of dpkg's Status: "installed", "config-files", "half-configured"..."""

    name: str
    state: str
    architecture: str

    @property
    def installed(self) -> bool:
        return self.state in ("installed", "triggers-pending", "triggers-awaited")

    @property
    def interrupted(self) -> bool:
        return self.state in _INTERRUPTED


def parse_status(text: str) -> "list[Package]":
    packages = []
    for paragraph in re.split(r"\n\n+", text):
        fields = dict(re.findall(r"^(Package|Status|Architecture): (.*)$", paragraph, re.MULTILINE))
        if "Package" in fields and "Status" in fields:
            state = fields["Status"].split()[-1]
            packages.append(Package(fields["Package"], state, fields.get("Architecture", "")))
    return packages


def architecture_of(packages: "list[Package]") -> str:
    """The machine's own, as dpkg itself was built for it."""
    return next((p.architecture for p in packages if p.name == "dpkg" and p.architecture != "all"), "amd64")


def package_of_file(file_name: str) -> "tuple[str, str] | None":
    """(package, architecture) of NAME_VERSION_ARCHITECTURE.deb; None for a file that is named otherwise."""
    parts = unquote(file_name)[: -len(".deb")].split("_")
    if not file_name.endswith(".deb") or len(parts) != 3:
        return None
    return parts[0], parts[2]
