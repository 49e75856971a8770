"""The service catalog: where each service listens."""

import hashlib

from coriolis_lab.openstack.cloud import REGION, Cloud
from coriolis_lab.openstack.records import Project
from coriolis_lab.openstack.web import Json

_SERVICES = (
    ("compute", "nova", "/compute/v2.1"),
    ("identity", "keystone", "/identity"),
    ("image", "glance", "/image"),
    ("key-manager", "barbican", "/key-manager"),
    ("network", "neutron", "/network"),
    ("volumev3", "cinderv3", "/volume/v3/{project_id}"),
    ("block-storage", "cinder", "/volume/v3/{project_id}"),
)


def catalog(cloud: Cloud, base: str, project: Project | None) -> list[Json]:
    """Empty for an unscoped token, as Keystone has it."""
    if project is None:
        return []
    services = [(kind, name, base + path) for kind, name, path in _SERVICES]
    return [
        {
            "type": kind,
            "name": name,
            "id": _stable_id(name),
            "endpoints": [
                {
                    "id": _stable_id(f"{name}/{interface}"),
                    "interface": interface,
                    "region": REGION,
                    "region_id": REGION,
                    "url": url.format(project_id=project.id),
                }
                for interface in ("public", "internal", "admin")
            ],
        }
        for kind, name, url in [*services, *cloud.foreign_services]
    ]


def _stable_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
