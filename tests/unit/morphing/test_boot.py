from coriolis.morphing.guest.actions import CopyInEsp, SetAside, Warn, WriteFile
from coriolis.morphing.guest.block_devices import BlockDevice
from coriolis.morphing.guest.boot import plan_loader, plan_names, unknown_roots
from coriolis.morphing.guest.detect import OsRelease
from coriolis.morphing.guest.facts import Facts

_DEVICES = (
    BlockDevice("/dev/vdb1", 0, 1, "ext4", "1111-root"),
    BlockDevice("/dev/vdb5", 0, 5, "swap", "5555-swap"),
)
_GRUB = """\
menuentry 'Debian' {{
  search --no-floppy --fs-uuid --set=root 1111-root
  linux /boot/vmlinuz-6.1 root={root} ro resume=/dev/sda5 console=ttyS0
}}
"""


def facts(**changes: object) -> Facts:
    return Facts(OsRelease("debian", "12", "Debian 12"), devices=_DEVICES)._replace(**changes)


def test_device_names_of_the_old_cloud_become_uuids() -> None:
    files = {
        "/etc/fstab": "/dev/sda1 / ext4 defaults 0 1\n/dev/sda5 none swap sw 0 0\n",
        "/boot/grub/grub.cfg": _GRUB.format(root="/dev/sda1"),
        "/etc/default/grub": 'GRUB_CMDLINE_LINUX="resume=/dev/sda5 quiet"\nGRUB_DISABLE_LINUX_UUID=true\n',
        "/etc/initramfs-tools/conf.d/resume": "RESUME=/dev/sda5\n",
        "/boot/grub/device.map": "(hd0) /dev/sda\n",
    }
    actions = plan_names(facts(files=files))
    texts = {action.path: action.text for action in actions if isinstance(action, WriteFile)}
    assert texts["/etc/fstab"] == "UUID=1111-root / ext4 defaults 0 1\nUUID=5555-swap none swap sw 0 0\n"
    assert "root=UUID=1111-root ro resume=UUID=5555-swap console" in texts["/boot/grub/grub.cfg"]
    assert texts["/etc/default/grub"] == (
        'GRUB_CMDLINE_LINUX="resume=UUID=5555-swap quiet"\n#GRUB_DISABLE_LINUX_UUID=true\n'
    )
    assert texts["/etc/initramfs-tools/conf.d/resume"] == "RESUME=UUID=5555-swap\n"
    assert SetAside("/boot/grub/device.map", "/boot/grub/device.map.pre-coriolis") in actions
    del files["/boot/grub/device.map"]
    assert plan_names(facts(files=files | texts)) == []


def test_names_that_move_with_the_guest_stay() -> None:
    files = {
        "/etc/fstab": "/dev/mapper/vg0-root / ext4 defaults 0 1\nUUID=x /boot ext4\n",
        "/boot/grub/grub.cfg": _GRUB.format(root="/dev/mapper/vg0-root").replace(
            "/dev/sda5", "/dev/mapper/vg0-swap"
        ),
    }
    assert plan_names(facts(files=files)) == []


def test_a_root_that_does_not_exist_is_found_out() -> None:
    def roots(root: str) -> list[str]:
        return unknown_roots(facts(files={"/boot/grub/grub.cfg": _GRUB.format(root=root)}))

    assert roots("UUID=1111-root") == roots("/dev/sda1") == roots("${rootdev}") == []
    assert roots("UUID=9999-gone") == ["UUID=9999-gone"]


def test_fallback_loader_with_and_without_shim() -> None:
    signed = (
        "EFI/debian/shimx64.efi",
        "EFI/debian/grubx64.efi",
        "EFI/debian/mmx64.efi",
        "EFI/debian/grub.cfg",
    )
    assert plan_loader(facts(esp_files=signed), efi=True) == [
        CopyInEsp("EFI/debian/shimx64.efi", "EFI/BOOT/BOOTX64.EFI"),
        CopyInEsp("EFI/debian/grubx64.efi", "EFI/BOOT/grubx64.efi"),
        CopyInEsp("EFI/debian/mmx64.efi", "EFI/BOOT/mmx64.efi"),
    ]
    plain = ("EFI/OTHER/GRUBX64.EFI", "efi/debian/grubx64.efi")
    assert plan_loader(facts(esp_files=plain), efi=True) == [
        CopyInEsp("efi/debian/grubx64.efi", "EFI/BOOT/BOOTX64.EFI")
    ]
    arm = facts(esp_files=("EFI/debian/grubaa64.efi",), architecture="arm64")
    assert plan_loader(arm, efi=True) == [CopyInEsp("EFI/debian/grubaa64.efi", "EFI/BOOT/BOOTAA64.EFI")]


def test_nothing_to_copy() -> None:
    assert plan_loader(facts(esp_files=("efi/boot/bootx64.efi",)), efi=True) == []
    assert plan_loader(facts(), efi=False) == []
    for esp in (None, ("EFI/Microsoft/readme.txt",)):
        assert [type(action) for action in plan_loader(facts(esp_files=esp), efi=True)] == [Warn]
