"""What finds the root file system and the boot loader on the new cloud: fstab, GRUB, EFI. Pure."""

import re
from typing import TYPE_CHECKING

from coriolis.morphing.guest import fstab
from coriolis.morphing.guest.actions import CopyInEsp, SetAside, Warn, WriteFile

if TYPE_CHECKING:
    from coriolis.morphing.guest.actions import Action
    from coriolis.morphing.guest.facts import Facts

_FSTAB = "/etc/fstab"
_GRUB_CONFIG = "/boot/grub/grub.cfg"
_GRUB_DEFAULTS = "/etc/default/grub"
_DEVICE_MAP = "/boot/grub/device.map"
_RESUME = "/etc/initramfs-tools/conf.d/resume"
TEXTS = (_FSTAB, _GRUB_CONFIG, _GRUB_DEFAULTS, _DEVICE_MAP, _RESUME)
_KEPT = ".pre-coriolis"
_KERNEL_ARGUMENT = re.compile(r"\b((?:root|resume|RESUME)=)(/dev/[^\s\"']+)")
_ROOT_ARGUMENT = re.compile(r"^\s*linux\S*\s.*?\sroot=([^\s\"']+)", re.MULTILINE)
_NO_UUIDS = re.compile(r"^\s*GRUB_DISABLE_LINUX_(PART)?UUID=[\"']?true[\"']?\s*$", re.MULTILINE)
_EFI_SUFFIXES = {"amd64": "x64", "arm64": "aa64", "i386": "ia32"}  # UEFI specification 2.10, 3.5.1.1


def plan_names(facts: "Facts") -> "list[Action]":
    """Kernel device names (/dev/sda1) become UUIDs wherever the start of the guest depends on them."""
    actions: list[Action] = []
    text = facts.files.get(_FSTAB, "")
    new_text, unknown = fstab.rewritten(text, facts.devices)
    if new_text != text:
        actions.append(WriteFile(_FSTAB, new_text, original=_FSTAB + _KEPT))
    actions += [Warn(f"{name} in /etc/fstab is on no disk of the guest.") for name in unknown]
    for path in (_GRUB_CONFIG, _GRUB_DEFAULTS, _RESUME):
        text = facts.files.get(path, "")
        new_text = _with_stable_arguments(text, facts)
        if path == _GRUB_DEFAULTS:
            new_text = _NO_UUIDS.sub(lambda match: "#" + match.group(0), new_text)
        if new_text != text:
            actions.append(WriteFile(path, new_text, original=path + _KEPT if path != _RESUME else ""))
    if _DEVICE_MAP in facts.files:
        actions.append(SetAside(_DEVICE_MAP, _DEVICE_MAP + _KEPT))
    return actions


def _with_stable_arguments(text: str, facts: "Facts") -> str:
    def stable(match: "re.Match[str]") -> str:
        return match.group(1) + (fstab.stable_name(match.group(2), facts.devices) or match.group(2))

    return _KERNEL_ARGUMENT.sub(stable, text)


def unknown_roots(facts: "Facts") -> "list[str]":
    """Roots that GRUB's entries name and that are on no disk of the guest; variables are left to GRUB."""
    roots = dict.fromkeys(_ROOT_ARGUMENT.findall(facts.files.get(_GRUB_CONFIG, "")))
    return [root for root in roots if "$" not in root and fstab.find_device(root, facts.devices) is None]


def plan_loader(facts: "Facts", efi: bool) -> "list[Action]":
    """A new machine has empty NVRAM: its firmware looks for the fallback loader only (UEFI 2.10, 3.5.1.1)."""
    if not efi:
        return []
    if facts.esp_files is None:
        return [Warn("The guest starts by EFI, but none of its disks has an EFI system partition.")]
    suffix = _EFI_SUFFIXES.get(facts.architecture, "x64")
    fallback = f"EFI/BOOT/BOOT{suffix.upper()}.EFI"
    by_lower_case = {path.lower(): path for path in facts.esp_files}
    if fallback.lower() in by_lower_case:
        return []
    for vendor in _vendors(facts):
        directory = f"efi/{vendor}/"
        loader, shim, manager = (
            by_lower_case.get(f"{directory}{name}{suffix}.efi") for name in ("grub", "shim", "mm")
        )
        if loader is None:
            continue
        actions: list[Action] = [CopyInEsp(shim or loader, fallback)]
        if shim:  # the shim starts the grub beside it
            actions.append(CopyInEsp(loader, f"EFI/BOOT/grub{suffix}.efi"))
        if shim and manager:
            actions.append(CopyInEsp(manager, f"EFI/BOOT/mm{suffix}.efi"))
        return actions
    return [Warn("The EFI system partition holds no boot loader that a new machine would find.")]


def _vendors(facts: "Facts") -> "list[str]":
    """The distribution's own directory first."""
    found = {path.lower().split("/")[1] for path in facts.esp_files or () if path.lower().startswith("efi/")}
    return sorted(found - {"boot"}, key=lambda name: (name != facts.release.distribution, name))
