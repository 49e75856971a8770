"""What an OpenStack wants of a guest."""

from dataclasses import replace

from coriolis.model.instance import Instance
from coriolis.model.morphing import MorphingProfile
from coriolis.providers.openstack.destination.options import DestinationEnvironment

_HYPERV_DRIVERS = ("hv_vmbus", "hv_storvsc", "hv_netvsc")


def morphing_profile(environment: DestinationEnvironment, instance: Instance) -> MorphingProfile:
    """Virtio and QEMU's guest agent, or what Hyper-V needs. cloud-init comes in only where an option cannot do
    without it: on a machine that has lived without, it would make users and keys that nobody asked for."""
    macs = tuple(nic.mac_address for nic in instance.nics if nic.mac_address)
    # with a NIC whose MAC is not known, only DHCP on all of them reaches every one
    known = len(macs) == len(instance.nics) and environment.port_reuse_policy != "replace_mac"
    extra = ("cloud-init",) if environment.keypair_name else ()
    profile = MorphingProfile(dhcp=environment.set_dhcp, mac_addresses=macs if known else ())
    if environment.hypervisor_type == "hyperv":
        return replace(profile, drivers=_HYPERV_DRIVERS, install=extra)
    return replace(profile, install=(*profile.install, *extra))
