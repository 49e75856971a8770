"""The service catalog: where each service listens, by region and interface."""

import hashlib

from coriolis_lab.openstack.cloud import Cloud
from coriolis_lab.openstack.doors import door_path
from coriolis_lab.openstack.realm import INTERFACES
from coriolis_lab.openstack.records import Project
from coriolis_lab.openstack.web import Json

_SERVICES = (
    ("compute", "nova", "/compute/v2.1"),
    ("identity", "keystone", "/identity"),
    ("image", "glance", "/image"),
    ("key-manager", "barbican", "/key-manager"),
    ("network", "neutron", "/network"),
    ("object-store", "swift", "/object-store/v1/AUTH_{project_id}"),
    ("volumev3", "cinderv3", "/volume/v3/{project_id}"),
    ("block-storage", "cinder", "/volume/v3/{project_id}"),
)


def catalog(cloud: Cloud, origin: str, project: Project | None) -> list[Json]:
    """As v3 gives it; empty for an unscoped token, as Keystone has it."""
    if project is None:
        return []
    rows = [_row(kind, name, _own_endpoints(cloud, origin, path)) for kind, name, path in _SERVICES]
    for service in cloud.realm.foreign_services:
        found = [
            (region, interface, service.url)
            for region in cloud.realm.regions
            for interface in service.interfaces
            if service.region in (None, region)
        ]
        row = next((r for r in rows if r["type"] == service.kind), None)
        added = _row(service.kind, service.name, found)
        if row is None:
            rows.append(added)
        else:
            row["endpoints"] += added["endpoints"]
    for row in rows:
        for endpoint in row["endpoints"]:
            endpoint["url"] = endpoint["url"].format(project_id=project.id)
    return rows


def v2_catalog(cloud: Cloud, origin: str, project: Project | None) -> list[Json]:
    """As v2.0 gives it: the interfaces of a region in one endpoint, as publicURL, internalURL and adminURL."""
    shown = []
    for row in catalog(cloud, origin, project):
        regions: dict[str, Json] = {}
        for endpoint in row["endpoints"]:
            in_region = regions.setdefault(
                endpoint["region"], {"region": endpoint["region"], "id": endpoint["id"]}
            )
            in_region[f"{endpoint['interface']}URL"] = endpoint["url"]
        shown.append(
            {
                "type": row["type"],
                "name": row["name"],
                "endpoints": list(regions.values()),
                "endpoints_links": [],
            }
        )
    return shown


def _own_endpoints(cloud: Cloud, origin: str, path: str) -> list[tuple[str, str, str]]:
    regions = cloud.realm.regions
    return [
        (region, interface, origin + door_path(regions, region, interface) + path)
        for region in regions
        for interface in INTERFACES
    ]


def _row(kind: str, name: str, endpoints: list[tuple[str, str, str]]) -> Json:
    return {
        "type": kind,
        "name": name,
        "id": _stable_id(name),
        "endpoints": [
            {
                "id": _stable_id(f"{name}/{region}/{interface}"),
                "interface": interface,
                "region": region,
                "region_id": region,
                "url": url,
            }
            for region, interface, url in endpoints
        ],
    }


def _stable_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
