"""The platforms that this installation knows."""

from coriolis.errors import InvalidInput
from coriolis.providers.base import Provider


def providers() -> dict[str, Provider]:
    """Platform name to plugin."""
    from coriolis.providers.openstack.plugin import (
        OpenStackProvider,
    )  # imported on use: a client library is large
    from coriolis.providers.ovirt.plugin import OvirtProvider

    return {plugin.platform: plugin for plugin in (OpenStackProvider(), OvirtProvider())}


def provider(platform: str) -> Provider:
    """Raises InvalidInput naming the platforms that exist."""
    known = providers()
    if platform not in known:
        raise InvalidInput(
            message=f"No provider for platform {platform!r}; there are: {', '.join(sorted(known))}."
        )
    return known[platform]
