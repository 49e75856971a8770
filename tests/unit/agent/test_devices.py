"""Finding disks by serial in a made-up sysfs."""

from pathlib import Path

import pytest

from coriolis.agent import devices
from coriolis.agent.devices import DeviceError

UUID = "3f0d2b1c-6a52-4c8e-9d37-1f1f6f3f9a10"


@pytest.fixture
def sys_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("disk_names", "serials_of"):
        function = getattr(devices, name)
        monkeypatch.setattr(devices, name, lambda *a, f=function: f(*a, str(tmp_path)))
    monkeypatch.setattr("os.path.exists", lambda path: True)
    return tmp_path


def add(sys_block: Path, name: str, **files: bytes) -> None:
    (sys_block / name / "device").mkdir(parents=True)
    for path, content in files.items():
        (sys_block / name / path.replace("__", "/")).write_bytes(content)


def vpd(serial: str) -> bytes:
    return bytes([0, 0x80, 0, len(serial)]) + serial.encode()


def test_virtio_shows_twenty_characters(sys_block: Path) -> None:
    add(sys_block, "vda", serial=b"")
    add(sys_block, "vdb", serial=UUID[:20].encode())
    assert devices.find(UUID, 0) == "/dev/vdb"


def test_scsi_page(sys_block: Path) -> None:
    add(sys_block, "sda", device__vpd_pg80=vpd("other"))
    add(sys_block, "sdb", device__vpd_pg80=vpd(UUID))
    assert devices.find(UUID, 0) == "/dev/sdb"


def test_nvme(sys_block: Path) -> None:
    add(sys_block, "nvme0n1", device__serial=UUID[:20].encode() + b"  \n")
    assert devices.find(UUID, 0) == "/dev/nvme0n1"


def test_a_whole_serial_beats_a_cut_one(sys_block: Path) -> None:
    add(sys_block, "vda", serial=UUID[:20].encode())
    add(sys_block, "sda", device__vpd_pg80=vpd(UUID))
    assert devices.find(UUID, 0) == "/dev/sda"


def test_a_short_prefix_is_no_match(sys_block: Path) -> None:
    add(sys_block, "vda", serial=UUID[:8].encode())
    with pytest.raises(DeviceError, match="no disk with serial"):
        devices.find(UUID, 0)


def test_several_are_refused(sys_block: Path) -> None:
    add(sys_block, "vda", serial=UUID[:20].encode())
    add(sys_block, "vdb", serial=UUID[:20].encode())
    with pytest.raises(DeviceError, match="several disks: vda, vdb"):
        devices.find(UUID, 0)


def test_loop_and_mapper_devices_are_no_disks(sys_block: Path) -> None:
    for name in ("loop0", "dm-0", "sr0", "zram0"):
        add(sys_block, name, serial=UUID.encode())
    assert devices.disk_names() == []


def test_the_error_names_what_is_there(sys_block: Path) -> None:
    add(sys_block, "vda", serial=b"abc")
    with pytest.raises(DeviceError, match=r"there are \{'vda': \['abc'\]\}"):
        devices.find(UUID, 0)


def test_a_disk_in_use_is_not_opened_for_writing() -> None:
    """Whatever the root file system of this machine is on, if it is a block device."""
    with Path("/proc/self/mountinfo").open() as file:
        mounted = [line.split() for line in file]
    used = [f[f.index("-") + 2] for f in mounted if f[f.index("-") + 2].startswith("/dev/")]
    disks = [path for path in used if Path(path).is_block_device()]
    if not disks:
        pytest.skip("nothing is mounted from a block device here")
    with pytest.raises(DeviceError, match="in use by this machine: mounted on"):
        devices.open_for_writing(disks[0])
