"""Naming rules of the engine: letters of any script, digits, dot, dash and underscore."""

import re

from coriolis_lab.ovirt.refusals import invalid

MAX_VM_NAME = 64
MAX_ALIAS = 255
MAX_NIC_NAME = 50
_I18N_NAME = re.compile(r"[\w.-]*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def check_vm_name(name: str, action: str = "add VM") -> None:
    if not name or not _I18N_NAME.fullmatch(name):
        raise invalid(
            f"Cannot {action}. Invalid name: use only letters, numbers, '_', '-' or '.'.",
            f"$ValidateValue {name}",
        )
    if len(name) > MAX_VM_NAME:
        raise invalid(f"Cannot {action}. VM name is too long: it must not exceed {MAX_VM_NAME} characters.")


def check_alias(alias: str) -> None:
    if not _I18N_NAME.fullmatch(alias):
        raise invalid('Disk alias name must be formed of alpha-numeric characters or "-_."')
    if len(alias) > MAX_ALIAS:
        raise invalid(f"Disk alias must not exceed {MAX_ALIAS} characters")


def check_nic_name(name: str) -> None:
    if not name or len(name) > MAX_NIC_NAME or not _I18N_NAME.fullmatch(name):
        raise invalid(
            f"Network Interface name must be formed of 1 to {MAX_NIC_NAME} alpha-numeric characters or '-_.'"
        )


def normal_mac(mac: str) -> str:
    """Lower case with colons; refused when it is no address of one station."""
    normal = mac.strip().lower().replace("-", ":")
    if not _MAC.fullmatch(normal):
        raise invalid("Invalid MAC address format")
    if int(normal[:2], 16) & 1:
        raise invalid("Malformed MAC address: a multicast address cannot be used for a network interface")
    return normal
