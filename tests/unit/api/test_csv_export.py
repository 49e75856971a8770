import csv

from coriolis.api.csv_export import inventory_csv
from coriolis.model.enums import Firmware, OsType
from coriolis.model.instance import InstanceSummary

GIB = 1 << 30


def rows(*instances: InstanceSummary) -> list[dict[str, str]]:
    return list(csv.DictReader(inventory_csv(instances).splitlines()))


def test_what_a_cloud_tells() -> None:
    web = InstanceSummary(
        id="1",
        name='web, "old"',
        num_cpu=2,
        memory_mb=2048,
        os_type=OsType.LINUX,
        firmware=Firmware.EFI,
        flavor_name="m1.small",
        running=True,
        disk_sizes_bytes=(10 * GIB, 5 * GIB + GIB // 2),
        network_names=("blue", "green"),
    )
    (row,) = rows(web)
    assert row == {
        "id": "1",
        "name": 'web, "old"',
        "num_cpu": "2",
        "memory_mb": "2048",
        "os_type": "linux",
        "firmware_type": "EFI",
        "flavor_name": "m1.small",
        "power_state": "on",
        "num_disks": "2",
        "storage_gib": "15.5",
        "networks": "blue; green",
    }


def test_what_it_does_not_tell_stays_empty_and_no_formula_runs() -> None:
    (row,) = rows(InstanceSummary("2", "=1+1", 1, 512, OsType.WINDOWS))
    assert row["name"] == "'=1+1"
    assert [row[key] for key in ("firmware_type", "power_state", "num_disks", "storage_gib", "networks")] == [
        ""
    ] * 5
