"""Which operating system is installed, and who knows how to morph it."""

import abc
import shlex
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from coriolis.morphing.guest.errors import MorphFailure

if TYPE_CHECKING:
    from coriolis.morphing.guest.actions import Action
    from coriolis.morphing.guest.facts import Facts, Watched
    from coriolis.morphing.guest.job import Wanted
    from coriolis.morphing.guest.rootfs import GuestRoot


class OsRelease(NamedTuple):
    """From os-release(5). `package_set` names the offline packages that fit, e.g. "debian-12"."""

    distribution: str
    version: str
    friendly_name: str
    like: "tuple[str, ...]" = ()
    codename: str = ""

    @property
    def package_set(self) -> str:
        return f"{self.distribution}-{self.version or self.codename}"


def parse_os_release(text: str) -> OsRelease:
    fields = {}
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not name.startswith("#"):
            try:
                fields[name] = " ".join(shlex.split(value))
            except ValueError:  # an unbalanced quote: take it as it stands
                fields[name] = value
    distribution = fields.get("ID", "linux")
    return OsRelease(
        distribution=distribution,
        version=fields.get("VERSION_ID", ""),
        friendly_name=fields.get("PRETTY_NAME", distribution),
        like=tuple(fields.get("ID_LIKE", "").split()),
        codename=fields.get("VERSION_CODENAME", ""),
    )


def read_os_release(root: "GuestRoot") -> OsRelease:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        if root.is_file(path):
            return parse_os_release(root.read_text(path))
    raise MorphFailure("the guest has no readable os-release file")


class Family(abc.ABC):
    """Distributions that are morphed alike. A subclass registers itself for the ids of os-release that it
    names."""

    registry: ClassVar["dict[str, type[Family]]"] = {}
    name: str
    watched: "Watched"

    def __init_subclass__(cls, distributions: "tuple[str, ...]" = ()) -> None:
        super().__init_subclass__()
        for distribution in distributions:
            Family.registry[distribution] = cls

    @abc.abstractmethod
    def plan(self, facts: "Facts", wanted: "Wanted") -> "list[Action]":
        """What is to be done, in this order; nothing where the guest is already as wanted. Pure."""

    @abc.abstractmethod
    def package_names(self, role: str) -> "tuple[str, ...]":
        """This family's packages for a role of the morphing profile; empty for a role it does not know."""


def family_of(release: OsRelease) -> Family:
    for name in (release.distribution, *release.like):
        if name in Family.registry:
            return Family.registry[name]()
    raise MorphFailure(
        "{} (ID={}) is not supported yet: this release morphs the Debian family only ({})".format(
            release.friendly_name, release.distribution, ", ".join(sorted(Family.registry))
        )
    )
