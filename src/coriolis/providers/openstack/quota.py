"""Whether a project's quotas leave room for what is to be created."""

from dataclasses import dataclass, fields
from typing import Any

from coriolis.errors import NotFound, PermissionRefused, QuotaExceeded
from coriolis.providers.openstack.client import OpenStackClient


@dataclass(frozen=True, slots=True)
class Needs:
    """How many of each. Cinder counts snapshots as gigabytes too, unless its operator says otherwise."""

    volumes: int = 0
    snapshots: int = 0
    gigabytes: int = 0
    instances: int = 0
    cores: int = 0
    ram_mb: int = 0
    ports: int = 0
    floating_ips: int = 0
    security_groups: int = 0
    backups: int = 0
    backup_gigabytes: int = 0

    def __add__(self, other: "Needs") -> "Needs":
        return Needs(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})


@dataclass(frozen=True, slots=True)
class _Line:
    what: str
    needed: int
    limit: int | None
    used: int | None

    @property
    def exceeded(self) -> bool:
        """A limit of -1 means none; one that the cloud does not tell cannot be checked."""
        known = self.limit is not None and self.used is not None and self.limit >= 0
        return bool(self.needed) and known and (self.used or 0) + self.needed > (self.limit or 0)


def check_needs(client: OpenStackClient, needs: Needs, action: str) -> None:
    """`action` is an infinitive for the message. Raises QuotaExceeded for the first limit that is too low."""
    for line in (*_storage(client, needs), *_compute(client, needs), *_network(client, needs)):
        if line.exceeded:
            reason = f"{line.needed} {line.what} needed, {line.used} of {line.limit} are used"
            raise QuotaExceeded(cloud=client.cloud, action=action, reason=reason)


def _storage(client: OpenStackClient, needs: Needs) -> list[_Line]:
    limits = client.call("read the storage quota", client.storage.get_limits).absolute
    return [
        _Line("volumes", needs.volumes, limits.max_total_volumes, limits.total_volumes_used),
        _Line("snapshots", needs.snapshots, limits.max_total_snapshots, limits.total_snapshots_used),
        _Line(
            "gigabytes of volumes",
            needs.gigabytes,
            limits.max_total_volume_gigabytes,
            limits.total_gigabytes_used,
        ),
        _Line("backups", needs.backups, limits.max_total_backups, limits.total_backups_used),
        _Line(
            "gigabytes of backups",
            needs.backup_gigabytes,
            limits.max_total_backup_gigabytes,
            limits.total_backup_gigabytes_used,
        ),
    ]


def _compute(client: OpenStackClient, needs: Needs) -> list[_Line]:
    limits = client.call("read the compute quota", client.compute.get_limits).absolute
    return [
        _Line("instances", needs.instances, limits.instances, limits.instances_used),
        _Line("vCPUs", needs.cores, limits.total_cores, limits.total_cores_used),
        _Line("MiB of memory", needs.ram_mb, limits.total_ram, limits.total_ram_used),
    ]


def _network(client: OpenStackClient, needs: Needs) -> list[_Line]:
    """Nothing where Neutron lacks the extension that tells what is used, or keeps it to administrators."""
    if not (needs.ports or needs.floating_ips or needs.security_groups):
        return []
    project = client.project_id
    network = client.network
    try:
        quota = client.call("read the network quota", lambda: network.get_quota(project, details=True))
    except (NotFound, PermissionRefused):
        return []
    return [
        _line("ports", needs.ports, quota.ports),
        _line("floating IPs", needs.floating_ips, quota.floating_ips),
        _line("security groups", needs.security_groups, quota.security_groups),
    ]


def _line(what: str, needed: int, details: Any) -> _Line:
    told = details if isinstance(details, dict) else {}
    return _Line(what, needed, told.get("limit"), told.get("used"))
