import pytest

from coriolis.morphing.guest import fstab
from coriolis.morphing.guest.block_devices import BlockDevice

DEVICES = [
    BlockDevice("/dev/vdb1", 0, 1, "ext4", "1111-root", label="ROOT", partition_uuid="dead-01"),
    BlockDevice("/dev/vdb5", 0, 5, "swap", "5555-swap"),
    BlockDevice("/dev/vdc", 1, None, "ext4", "2222-data", label="my data"),
    BlockDevice("/dev/mapper/vg0-my--lv", kind="ext4", uuid="3333-lv"),
    BlockDevice("/dev/vdb15", 0, 15, "vfat", "ABCD-EF01"),
]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("UUID=1111-root", "/dev/vdb1"),
        ('UUID="1111-root"', "/dev/vdb1"),
        ("UUID=abcd-ef01", "/dev/vdb15"),
        ("LABEL=ROOT", "/dev/vdb1"),
        ("PARTUUID=DEAD-01", "/dev/vdb1"),
        ("/dev/disk/by-uuid/2222-data", "/dev/vdc"),
        ("/dev/disk/by-label/ROOT", "/dev/vdb1"),
        ("/dev/sda1", "/dev/vdb1"),
        ("/dev/xvda5", "/dev/vdb5"),
        ("/dev/sdb", "/dev/vdc"),
        ("/dev/hdb", "/dev/vdc"),
        ("/dev/nvme0n1p1", "/dev/vdb1"),
        ("/dev/nvme1n1", "/dev/vdc"),
        ("/dev/mapper/vg0-my--lv", "/dev/mapper/vg0-my--lv"),
        ("/dev/vg0/my-lv", "/dev/mapper/vg0-my--lv"),
        ("/dev/sdc1", None),
        ("UUID=9999", None),
        ("LABEL=", None),
        ("/dev/disk/by-path/pci-0000:00:10.0-scsi-0:0:0:0-part1", None),
    ],
)
def test_each_way_to_name_a_device(spec: str, path: str | None) -> None:
    found = fstab.find_device(spec, DEVICES)
    assert (found.path if found else None) == path


def test_only_disks_are_mounted() -> None:
    text = """\
# /dev/sda9 /old ext4 defaults 0 0
proc /proc proc defaults 0 0
/dev/sda1 / ext4 errors=remount-ro 0 1
/dev/sda5 none swap sw 0 0
nas:/export /nas nfs defaults 0 0
//srv/share /share cifs defaults 0 0
/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0
/srv/a /srv/b none bind 0 0
LABEL=my\\040data /srv/my\\040data ext4 defaults
broken
"""
    assert [line.mount_point for line in fstab.parse(text) if line.is_mount_of_disk] == ["/", "/srv/my data"]


def test_old_names_become_uuids_and_everything_else_stays() -> None:
    before = "# root\n#/dev/sda1 /x ext4\n"
    text = before + "/dev/sda1\t/ \text4 defaults 0 1\n /dev/sdb  /srv ext4\n/dev/sdz1 /gone ext4\n"
    new, unknown = fstab.rewritten(text, DEVICES)
    assert new == (
        before + "UUID=1111-root\t/ \text4 defaults 0 1\n UUID=2222-data  /srv ext4\n/dev/sdz1 /gone ext4\n"
    )
    assert unknown == ["/dev/sdz1"]
    assert fstab.rewritten(new, DEVICES) == (new, ["/dev/sdz1"])
