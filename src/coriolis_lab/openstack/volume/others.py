"""Limits, quotas, services, pools and availability zones."""

from coriolis_lab.openstack.records import Quotas, now
from coriolis_lab.openstack.volume import quota
from coriolis_lab.openstack.volume.bodies import admin_only, integer
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route, micros

_POOL_GIB = 10000


def _limits(call: Call) -> Reply:
    limits, used = call.cloud.quota(call.project_id).volume, quota.used(call.cloud, call.project_id)
    absolute = {
        "maxTotalVolumes": limits["volumes"],
        "maxTotalSnapshots": limits["snapshots"],
        "maxTotalVolumeGigabytes": limits["gigabytes"],
        "maxTotalBackups": limits["backups"],
        "maxTotalBackupGigabytes": limits["backup_gigabytes"],
        "totalVolumesUsed": used["volumes"],
        "totalSnapshotsUsed": used["snapshots"],
        "totalGigabytesUsed": used["gigabytes"],
        "totalBackupsUsed": used["backups"],
        "totalBackupGigabytesUsed": used["backup_gigabytes"],
    }
    return Reply({"limits": {"rate": [], "absolute": absolute}})


def _limits_of(call: Call, project_id: str) -> dict[str, int]:
    limits = dict(call.cloud.quota(project_id).volume)
    for name in call.cloud.volume_types:
        limits |= {f"{kind}_{name}": -1 for kind in ("volumes", "snapshots", "gigabytes")}
    return limits


def _show_quota(call: Call) -> Reply:
    project_id = call.ids["project"]
    if not call.sees(project_id):
        message = "Policy doesn't allow volume_extension:quotas:show to be performed."
        raise ApiError(403, message, "PolicyNotAuthorized")
    limits = _limits_of(call, project_id)
    shown: Json = dict(limits)
    if call.flag("usage"):
        used = quota.used(call.cloud, project_id)
        shown = {n: {"limit": v, "in_use": used.get(n, 0), "reserved": 0} for n, v in limits.items()}
    return Reply({"quota_set": {"id": project_id, **shown}})


def _default_quota(call: Call) -> Reply:
    return Reply({"quota_set": {"id": call.ids["project"], **Quotas().volume}})


def _set_quota(call: Call) -> Reply:
    admin_only(call, "quotas:update")
    limits = call.cloud.quota(call.ids["project"]).volume
    for name, value in call.member("quota_set").items():
        if name in limits:
            limits[name] = integer(name, value)
    return Reply({"quota_set": dict(limits)})


def _services(call: Call) -> Reply:
    admin_only(call, "services:index")
    host = "lab@ceph" if call.cloud.rbd else "lab@lvm"
    services = [
        {
            "binary": binary,
            "host": where,
            "zone": "nova",
            "status": "enabled",
            "state": "up",
            "updated_at": micros(now()),
            "disabled_reason": None,
        }
        for binary, where in (("cinder-scheduler", "lab"), ("cinder-volume", host))
    ]
    return Reply({"services": services})


def _pools(call: Call) -> Reply:
    admin_only(call, "scheduler_stats:get_pools")
    used = sum(volume.size for volume in call.cloud.volumes.values())
    name = "lab@ceph#RBD" if call.cloud.rbd else "lab@lvm#LVM"
    capabilities: Json = {
        "total_capacity_gb": _POOL_GIB,
        "free_capacity_gb": _POOL_GIB - used,
        "allocated_capacity_gb": used,
        "thin_provisioning_support": True,
        "storage_protocol": "ceph" if call.cloud.rbd else "iSCSI",
        "volume_backend_name": "ceph" if call.cloud.rbd else "lvm",
    }
    return Reply(
        {"pools": [{"name": name, **({"capabilities": capabilities} if call.flag("detail") else {})}]}
    )


def _zones(call: Call) -> Reply:
    zones = [{"zoneName": name, "zoneState": {"available": True}} for name in call.cloud.volume_zones]
    return Reply({"availabilityZoneInfo": zones})


def _extensions(_call: Call) -> Reply:
    return Reply({"extensions": []})


ROUTES = [
    Route("GET", "/v3/limits", _limits),
    Route("GET", "/v3/os-quota-sets/{project}", _show_quota),
    Route("GET", "/v3/os-quota-sets/{project}/defaults", _default_quota),
    Route("PUT", "/v3/os-quota-sets/{project}", _set_quota),
    Route("GET", "/v3/os-services", _services),
    Route("GET", "/v3/scheduler-stats/get_pools", _pools),
    Route("GET", "/v3/os-availability-zone", _zones),
    Route("GET", "/v3/extensions", _extensions),
]
