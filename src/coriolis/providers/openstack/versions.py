"""What Nova and Cinder have learnt since, and what follows where a cloud is older."""

from dataclasses import dataclass
from typing import Any, Literal

from coriolis.providers.openstack.client import OpenStackClient

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Feature:
    """`without` says what is different on a cloud whose service ends before microversion `since`."""

    service: Literal["Nova", "Cinder"]
    since: Version
    without: str


FEATURES = (
    Feature("Nova", (2, 26), "instance_tags cannot be set"),
    Feature("Nova", (2, 47), "an instance whose flavor was deleted cannot be exported"),
    Feature("Nova", (2, 85), "delete_disks_on_vm_termination cannot be changed on attached volumes"),
    Feature(
        "Cinder", (3, 27), "a volume that Nova left reserved for a deleted server has to be freed by hand"
    ),
    Feature("Cinder", (3, 42), "an attached volume cannot grow"),
)
"""https://docs.openstack.org/nova/latest/reference/api-microversion-history.html and the same of Cinder. Each
request is sent with the latest microversion that both openstacksdk and the cloud know."""


def remarks(client: OpenStackClient) -> list[str]:
    """One sentence for each feature that the cloud lacks."""
    latest = {"Nova": _latest(client, client.compute), "Cinder": _latest(client, client.storage)}
    return [
        f"{feature.service} speaks microversions up to {_text(have)} only; without {_text(feature.since)} "
        f"{feature.without}."
        for feature in FEATURES
        if (have := latest[feature.service]) < feature.since
    ]


def cinder_since(client: OpenStackClient, version: Version) -> bool:
    return _latest(client, client.storage) >= version


def _latest(client: OpenStackClient, proxy: Any) -> Version:
    """(0, 0) where the service tells of none: Cinder v2, or Nova before microversions."""
    data = client.call("discover versions", proxy.get_endpoint_data)
    found = data.max_microversion if data is not None else None
    return (int(found[0]), int(found[1])) if found else (0, 0)


def _text(version: Version) -> str:
    return "{}.{}".format(*version)
