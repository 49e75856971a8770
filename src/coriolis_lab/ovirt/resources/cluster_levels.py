"""Cluster levels: the compatibility versions that the engine offers, with their CPU types and permits."""

from dataclasses import dataclass

from coriolis_lab.ovirt.look import Look
from coriolis_lab.ovirt.markup import API_ROOT, Element, leaf, struct
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.roles import PERMITS
from coriolis_lab.ovirt.web import ApiRoute, Call

FIRST_MINOR = 2
CPU_TYPES = (
    ("Intel Nehalem Family", 3),
    ("Secure Intel Nehalem Family", 4),
    ("Intel Westmere Family", 5),
    ("Intel SandyBridge Family", 6),
    ("Intel IvyBridge Family", 7),
    ("Intel Haswell Family", 8),
    ("Intel Broadwell Family", 9),
    ("Intel Skylake Client Family", 10),
    ("Intel Skylake Server Family", 11),
    ("Intel Cascadelake Server Family", 12),
    ("AMD Opteron G4", 3),
    ("AMD Opteron G5", 4),
    ("AMD EPYC", 5),
)


@dataclass(frozen=True)
class ClusterLevel:
    """Its id is the version: "4.7"."""

    id: str


def levels(look: Look) -> list[ClusterLevel]:
    return [ClusterLevel(f"4.{minor}") for minor in range(FIRST_MINOR, look.cluster_minor + 1)]


def _render(_call: Call, level: ClusterLevel) -> Element:
    cpu_types = [
        struct("cpu_type", leaf("architecture", "x86_64"), leaf("level", number), leaf("name", name))
        for name, number in CPU_TYPES
    ]
    permits = [
        struct("permit", leaf("administrative", False), leaf("name", name), attributes=(("id", str(number)),))
        for name, number in PERMITS.items()
    ]
    href = f"{API_ROOT}/clusterlevels/{level.id}"
    return struct(
        "cluster_level",
        struct("cpu_types", *cpu_types),
        struct("permits", *permits),
        attributes=(("href", href), ("id", level.id)),
    )


ROUTES: list[ApiRoute] = [
    *catalog("clusterlevels", "cluster_levels", lambda call: levels(call.engine.look), _render, "level")
]
