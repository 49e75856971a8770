"""Volumes that stay reserved for a server that is no more.

A server that is deleted while Nova still looks for a host can leave the attachments that Nova made in Cinder (seen on
Zed, with a delete two seconds after the create): its volumes are `reserved` for ever, and can be neither attached nor
deleted. Their owner may remove such an attachment, since microversion 3.27; one of a server that Nova knows is refused.
"""

from functools import partial
from typing import Any

from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.servers import Servers
from coriolis.providers.openstack.versions import cinder_since

RESERVED = "reserved"


def free_forgotten(client: OpenStackClient, volume: Any | None) -> None:
    """Of a volume that is reserved. Where it is not, its server is still there, or the cloud is too old, nothing
    changes."""
    if volume is None or volume.status != RESERVED or not cinder_since(client, (3, 27)):
        return
    storage, servers = client.storage, Servers(client)
    listed = partial(storage.attachments, volume_id=volume.id)
    for attachment in client.rows(f"list attachments of volume {volume.id}", listed):
        if attachment.instance and servers.get(attachment.instance) is None:
            client.call(
                f"free volume {volume.id} of server {attachment.instance}, which is gone",
                partial(storage.delete_attachment, attachment.id),
            )
