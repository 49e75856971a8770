import pytest

from coriolis.morphing.guest.block_devices import BlockDevice, find_disks
from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.job import GuestDisk
from coriolis.morphing.guest.preflight import check_devices, explain_no_root


@pytest.mark.parametrize(
    ("devices", "reason"),
    [
        ([], "no disks"),
        ([BlockDevice("/dev/vdb2", 0, 2, "ntfs")], "partition 2 of disk 1 holds Windows"),
        ([BlockDevice("/dev/vdb2", 0, 2, "BitLocker")], "holds Windows with BitLocker"),
        ([BlockDevice("/dev/vdc", 1, None, "crypto_LUKS")], "disk 2 is encrypted with LUKS"),
        ([BlockDevice("/dev/vdb1", 0, 1, "xfs")], "partition 1 of disk 1: xfs"),
    ],
)
def test_why_there_is_no_root(devices: list[BlockDevice], reason: str) -> None:
    check_devices(devices)
    assert reason in explain_no_root(devices)


def test_hibernation_stops_before_anything_is_mounted() -> None:
    with pytest.raises(MorphFailure, match=r"hibernated.*partition 5 of disk 1"):
        check_devices([BlockDevice("/dev/vdb5", 0, 5, "swsuspend")])


def _tree(directory, serials: dict[str, str]) -> str:
    for name, serial in serials.items():
        (directory / name).mkdir()
        (directory / name / "serial").write_text(serial)
    (directory / "sda/device").mkdir(parents=True)
    (directory / "sda/device/vpd_pg80").write_bytes(b"\0\x80\0\x24" + b"33333333-aaaa-4000-8000-000000000003")
    return str(directory)


def test_disks_are_found_by_serial_cut_or_whole(tmp_path) -> None:
    tree = _tree(tmp_path, {"vda": "", "vdb": "22222222-aaaa-4000-8", "vdc": "11111111-aaaa-4000-8"})
    disks = tuple(GuestDisk(str(n), f"{str(n) * 8}-aaaa-4000-8000-00000000000{n}", 0) for n in (1, 2, 3))
    assert find_disks(disks, tree) == ["/dev/vdc", "/dev/vdb", "/dev/sda"]


def test_serials_that_look_alike_are_refused(tmp_path) -> None:
    tree = _tree(tmp_path, {"vdb": "22222222-aaaa-4000-8"})
    disks = tuple(GuestDisk(name, f"22222222-aaaa-4000-8000-{name}", 0) for name in ("one", "two"))
    with pytest.raises(MorphFailure, match="same beginning"):
        find_disks(disks, tree)
