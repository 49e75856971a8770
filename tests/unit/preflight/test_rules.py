from typing import Any

import pytest

from coriolis.errors import InvalidInput, NameNotAllowed, NetworkNotMapped, StorageTooSmall
from coriolis.model.enums import Firmware, OsType
from coriolis.model.instance import Disk, Instance, Nic
from coriolis.preflight.disk_sizes import check_disk_sizes
from coriolis.preflight.names import NameRule, check_name, sanitised
from coriolis.preflight.network_map import check_network_map
from coriolis.preflight.space import Storage, check_space

RULE = NameRule("oVirt", "VM", r"\w.-", "letters, digits and -_.", 64)


def instance(**change: Any) -> Instance:
    fields: dict[str, Any] = {
        "id": "i",
        "name": "web",
        "num_cpu": 1,
        "memory_mb": 512,
        "os_type": OsType.LINUX,
        "firmware": Firmware.BIOS,
        "disks": (Disk("d1", 1 << 30),),
        "nics": (Nic("blue", None), Nic("red", None, network_id="r1")),
    }
    return Instance(**{**fields, **change})


def test_a_network_may_be_mapped_by_name_or_id() -> None:
    assert check_network_map(instance(), {"blue": "b", "r1": "r"}) == {"blue": "b", "red": "r"}


def test_a_missing_network_is_named() -> None:
    with pytest.raises(NetworkNotMapped, match="red"):
        check_network_map(instance(), {"blue": "b", "red": ""})


@pytest.mark.parametrize(
    "disks", [(), (Disk("d1", 0),), (Disk("d1", 1000),), (Disk("d", 512), Disk("d", 512))]
)
def test_impossible_disks(disks: tuple[Disk, ...]) -> None:
    with pytest.raises(InvalidInput):
        check_disk_sizes(instance(disks=disks))


@pytest.mark.parametrize("name", ["web-1", "Büro_2.alt", "x" * 64])
def test_allowed_names(name: str) -> None:
    check_name(name, RULE)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("web server (old)", "web-server-old"),
        ("a/b", "a-b"),
        ("x" * 65, "x" * 64),
        ("///", "vm"),
        ("", "vm"),
    ],
)
def test_a_name_that_is_not_allowed_comes_with_one_that_is(name: str, suggestion: str) -> None:
    with pytest.raises(NameNotAllowed) as raised:
        check_name(name, RULE)
    assert raised.value.fields["suggestion"] == suggestion
    check_name(sanitised(name, RULE), RULE)


def test_space_is_counted_by_storage() -> None:
    small, untold = Storage("1", "small", 100), Storage("2", "untold", None)
    check_space({small: 100, untold: 1 << 60})
    with pytest.raises(StorageTooSmall, match="small"):
        check_space({small: 101})
