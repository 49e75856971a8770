"""What a destination wants of a guest."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MorphingProfile:
    """Declared by the destination cloud, carried out by `coriolis.morphing`.

    `drivers` are kernel modules that the initramfs must hold; `install` and `remove` are package roles ("guest-agent",
    "vmware-tools"…) that the morphing of each distribution translates into its own names; `dhcp` says that the guest's
    static network is replaced by DHCP on the NICs with `mac_addresses` (in order; empty: on every NIC).
    """

    drivers: tuple[str, ...] = ("virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "virtio_console")
    install: tuple[str, ...] = ("guest-agent",)
    remove: tuple[str, ...] = ("vmware-tools",)
    dhcp: bool = True
    mac_addresses: tuple[str, ...] = ()
