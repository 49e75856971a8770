"""Naming rules of the engine: letters of any script, digits, dot, dash and underscore."""

import re

from coriolis_lab.ovirt.refusals import invalid

MAX_VM_NAME = 64
MAX_ALIAS = 255
MAX_NIC_NAME = 50
_I18N_NAME = re.compile(r"[\w.-]*")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def check_vm_name(name: str, action: str = "add VM") -> None:
    if not name:
        raise invalid(f"Can not {action}. The given name is empty.")
    if not _I18N_NAME.fullmatch(name):
        raise invalid(
            f"Can not {action}. The given name contains special characters. Only lower-case and upper-case letters, "
            "numbers, '_', '-', '.' are allowed."
        )
    if len(name) > MAX_VM_NAME:
        raise invalid(f"Cannot {action}. The given name is too long.")


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
        raise invalid(
            'MAC address must be in format "HH:HH:HH:HH:HH:HH" where H is a hexadecimal character '
            "(either a digit or A-F, case is insignificant)."
        )
    if int(normal[:2], 16) & 1:
        raise invalid("Multi-cast MAC address is not allowed.")
    return normal
