"""What differs for single NICs of an instance."""

from pydantic import Field

from coriolis.model.instance import Nic
from coriolis.providers.schema import OptionModel


class NicMapping(OptionModel):
    """A field that is left out follows the rest of the environment."""

    mac_address: str = Field(description="MAC address that the NIC has on the source.")
    vnic_profile: str | None = Field(
        default=None,
        description="Name or id of a vNIC profile; its network replaces that of the network map.",
    )
    keep_mac: bool | None = Field(default=None, description="Keep the MAC address.")

    def covers(self, nic: Nic) -> bool:
        return nic.mac_address is not None and nic.mac_address.lower() == self.mac_address.lower()
