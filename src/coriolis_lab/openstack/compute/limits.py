"""Limits, quotas and availability zones."""

from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.compute.bodies import integer
from coriolis_lab.openstack.records import Flavor, Quotas
from coriolis_lab.openstack.web import ApiError, Call, Json, Reply, Route

# Proxies of nova-network's time: gone with 2.36, and the injected files with 2.57.
_OLD_LIMITS = {
    "maxImageMeta": 128,
    "maxSecurityGroups": -1,
    "maxSecurityGroupRules": -1,
    "maxTotalFloatingIps": -1,
    "totalFloatingIpsUsed": 0,
    "totalSecurityGroupsUsed": 0,
}
_OLD_QUOTAS = {"fixed_ips": -1, "floating_ips": -1, "security_groups": -1, "security_group_rules": -1}
_INJECTED_FILES = {"injected_files": 5, "injected_file_content_bytes": 10240, "injected_file_path_bytes": 255}


def used(cloud: Cloud, project_id: str) -> dict[str, int]:
    servers = [server for server in cloud.servers.values() if server.project_id == project_id]
    return {
        "instances": len(servers),
        "cores": sum(server.flavor.vcpus for server in servers),
        "ram": sum(server.flavor.ram_mb for server in servers),
    }


def check_server_quota(call: Call, flavor: Flavor) -> None:
    """403 that names everything that is exceeded."""
    limits, taken = call.cloud.quota(call.project_id).compute, used(call.cloud, call.project_id)
    wanted = {"instances": 1, "cores": flavor.vcpus, "ram": flavor.ram_mb}
    over = [name for name in sorted(wanted) if 0 <= limits[name] < taken[name] + wanted[name]]
    if over:
        raise ApiError(
            403,
            f"Quota exceeded for {', '.join(over)}: Requested {', '.join(str(wanted[n]) for n in over)}, "
            f"but already used {', '.join(str(taken[n]) for n in over)} "
            f"of {', '.join(str(limits[n]) for n in over)} {', '.join(over)}",
        )


def _limits(call: Call) -> Reply:
    project_id = call.query.get("tenant_id", call.project_id) if call.is_admin else call.project_id
    limits, taken = call.cloud.quota(project_id).compute, used(call.cloud, project_id)
    absolute = {
        "maxTotalInstances": limits["instances"],
        "maxTotalCores": limits["cores"],
        "maxTotalRAMSize": limits["ram"],
        "maxTotalKeypairs": limits["key_pairs"],
        "maxServerMeta": limits["metadata_items"],
        "maxServerGroups": limits["server_groups"],
        "maxServerGroupMembers": limits["server_group_members"],
        "totalInstancesUsed": taken["instances"],
        "totalCoresUsed": taken["cores"],
        "totalRAMUsed": taken["ram"],
        "totalServerGroupsUsed": sum(
            group.project_id == project_id for group in call.cloud.server_groups.values()
        ),
    }
    if not call.at_least(36):
        absolute |= _OLD_LIMITS
    if not call.at_least(57):
        absolute |= {"maxPersonality": 5, "maxPersonalitySize": 10240}
    return Reply({"limits": {"rate": [], "absolute": absolute}})


def _project(call: Call) -> str:
    project_id = call.ids["project"]
    if not call.sees(project_id):
        raise ApiError(403, "Policy doesn't allow os_compute_api:os-quota-sets:show to be performed.")
    return project_id


def _shown_quotas(call: Call, limits: dict[str, int]) -> dict[str, int]:
    shown = dict(limits)
    if not call.at_least(36):
        shown |= _OLD_QUOTAS
    if not call.at_least(57):
        shown |= _INJECTED_FILES
    return shown


def _quota(call: Call) -> Reply:
    project_id = _project(call)
    return Reply(
        {"quota_set": {"id": project_id, **_shown_quotas(call, call.cloud.quota(project_id).compute)}}
    )


def _quota_detail(call: Call) -> Reply:
    project_id = _project(call)
    taken = used(call.cloud, project_id)
    limits = _shown_quotas(call, call.cloud.quota(project_id).compute)
    shown: Json = {n: {"limit": v, "in_use": taken.get(n, 0), "reserved": 0} for n, v in limits.items()}
    return Reply({"quota_set": {"id": project_id, **shown}})


def _default_quota(call: Call) -> Reply:
    return Reply({"quota_set": {"id": _project(call), **_shown_quotas(call, Quotas().compute)}})


def _set_quota(call: Call) -> Reply:
    if not call.is_admin:
        raise ApiError(403, "Policy doesn't allow os_compute_api:os-quota-sets:update to be performed.")
    limits = call.cloud.quota(call.ids["project"]).compute
    for name, value in call.member("quota_set").items():
        if name in limits:
            limits[name] = integer(name, value)
    return Reply({"quota_set": dict(limits)})


def _zones(call: Call) -> Reply:
    zones = [
        {"zoneName": name, "zoneState": {"available": True}, "hosts": None}
        for name in call.cloud.compute_zones
    ]
    return Reply({"availabilityZoneInfo": zones})


def _extensions(_call: Call) -> Reply:
    return Reply({"extensions": []})


ROUTES = [
    Route("GET", "/v2.1/limits", _limits),
    Route("GET", "/v2.1/os-quota-sets/{project}", _quota),
    Route("PUT", "/v2.1/os-quota-sets/{project}", _set_quota),
    Route("GET", "/v2.1/os-quota-sets/{project}/detail", _quota_detail),
    Route("GET", "/v2.1/os-quota-sets/{project}/defaults", _default_quota),
    Route("GET", "/v2.1/os-availability-zone", _zones),
    Route("GET", "/v2.1/extensions", _extensions),
]
