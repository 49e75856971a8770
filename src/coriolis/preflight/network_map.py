"""Every network of an instance must be in the network map."""

from collections.abc import Mapping

from coriolis.errors import NetworkNotMapped
from coriolis.model.instance import Instance


def check_network_map(instance: Instance, network_map: Mapping[str, str]) -> dict[str, str]:
    """Source network name to what the map says for it, by name or by id.

    Raises NetworkNotMapped for the first network that is missing.
    """
    found: dict[str, str] = {}
    for nic in instance.nics:
        target = network_map.get(nic.network_name) or network_map.get(nic.network_id or "")
        if not target:
            raise NetworkNotMapped(network=nic.network_name, instance=instance.name)
        found[nic.network_name] = target
    return found
