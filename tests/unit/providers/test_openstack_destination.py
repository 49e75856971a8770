"""What an OpenStack destination decides without asking the cloud, or from one listing of it."""

from collections.abc import Sequence
from typing import Any

import pytest

from coriolis.config import OpenStackSection
from coriolis.errors import InvalidInput
from coriolis.model.enums import Firmware, OsType
from coriolis.model.instance import Disk, Instance
from coriolis.model.replica import DetectedOs
from coriolis.providers.openstack.destination.boot_volume import image_properties
from coriolis.providers.openstack.destination.flavors import choose_flavor
from coriolis.providers.openstack.destination.options import destination_environment

ENVIRONMENT = {"migr_image": "debian"}


def instance(**change: Any) -> Instance:
    known: dict[str, Any] = {
        "id": "i1",
        "name": "web",
        "num_cpu": 2,
        "memory_mb": 2048,
        "os_type": OsType.LINUX,
        "firmware": Firmware.BIOS,
        "disks": (Disk("d1", 1 << 30, storage_backend="fast"),),
        "nics": (),
    }
    return Instance(**{**known, **change})


def properties(env: dict[str, Any], detected: DetectedOs | None = None, **change: Any) -> dict[str, str]:
    environment = destination_environment(env, OpenStackSection())
    return image_properties(environment, instance(**change), detected)


class Flavor:
    def __init__(self, name: str, vcpus: int, ram: int, disk: int = 0, **extra_specs: str) -> None:
        self.id, self.name, self.vcpus, self.ram, self.disk = f"id-{name}", name, vcpus, ram, disk
        self.extra_specs = {key.replace("__", ":"): value for key, value in extra_specs.items()}
        self.is_disabled = False


class FlavorClient:
    cloud = "OpenStack endpoint 'x'"

    def __init__(self, *flavors: Flavor) -> None:
        self.compute = self
        self._flavors = flavors

    def flavors(self, details: bool) -> Sequence[Flavor]:
        assert details
        return self._flavors

    def rows(self, action: str, listing: Any) -> list[Any]:
        del action
        return list(listing())


def chosen(*flavors: Flavor, **change: Any) -> Any:
    client: Any = FlavorClient(*flavors)
    return choose_flavor(client, None, instance(**change))


def test_what_is_left_out_comes_from_the_settings() -> None:
    section = OpenStackSection(
        default_security_groups=("web",),
        default_cinder_volume_type="gold",
        default_custom_boot_volume_image_metadata={"hw_video_model": "vga"},
        migr_image_map={"linux": "debian"},
        port_reuse_policy="replace_mac",
        migr_worker_use_fip=False,
        data_transfer_mechanism="HTTPS",
    )
    environment = destination_environment({"security_groups": ["db"]}, section)
    assert environment.security_groups == ("db",)
    assert environment.custom_boot_volume_image_metadata == {"hw_video_model": "vga"}
    assert environment.worker_image("linux") == "debian"
    assert environment.port_reuse_policy == "replace_mac"
    assert not environment.migr_worker_use_fip
    assert environment.data_transfer_mechanism == "https"
    assert environment.volume_type_of(instance().disks[0]) == "gold"
    assert destination_environment({}, section).security_groups == ("web",)


def test_every_option_of_the_servers_has_a_setting() -> None:
    without = {"network_map", "storage_mappings", "instance_tags", "instance_metadata"}
    renamed = {"security_groups", "custom_boot_volume_image_metadata"}
    names = set(type(destination_environment({}, OpenStackSection())).model_fields)
    assert names - without - renamed <= set(OpenStackSection.model_fields)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(InvalidInput, match="flavour"):
        destination_environment({"flavour": "m1"}, OpenStackSection())


@pytest.mark.parametrize(
    ("env", "change", "expected"),
    [
        ({}, {}, {"os_type": "linux"}),
        (
            {},
            {"firmware": Firmware.EFI},
            {"os_type": "linux", "hw_firmware_type": "uefi", "hw_machine_type": "q35"},
        ),
        (
            {"hypervisor_type": "hyperv"},
            {"firmware": Firmware.EFI, "os_type": OsType.WINDOWS},
            {"os_type": "windows", "hw_machine_type": "hyperv-gen2", "img_hv_type": "hyperv"},
        ),
        (
            {"hypervisor_type": "hyperv", "disk_bus": "scsi"},
            {},
            {
                "os_type": "linux",
                "hw_machine_type": "hyperv-gen1",
                "img_hv_type": "hyperv",
                "hw_disk_bus": "scsi",
            },
        ),
        (
            {"custom_boot_volume_image_metadata": {"hw_machine_type": "pc-q35-7.2"}},
            {"firmware": Firmware.EFI, "secure_boot": True},
            {
                "os_type": "linux",
                "hw_firmware_type": "uefi",
                "hw_machine_type": "pc-q35-7.2",
                "os_secure_boot": "required",
            },
        ),
    ],
)
def test_image_properties(env: dict[str, Any], change: dict[str, Any], expected: dict[str, str]) -> None:
    assert properties(env, **change) == expected


def test_the_guest_agent_is_told_of_only_where_osmorphing_put_it() -> None:
    debian = DetectedOs("linux", "debian", "12", "Debian")
    assert properties({}, debian)["hw_qemu_guest_agent"] == "yes"
    assert properties({}, debian)["os_distro"] == "debian"
    assert "hw_qemu_guest_agent" not in properties({"hypervisor_type": "hyperv"}, debian)


def test_the_nearest_flavor_is_chosen() -> None:
    found = chosen(Flavor("wide", 8, 2048), Flavor("near", 2, 4096), Flavor("less", 2, 1024))
    assert found.name == "near"
    assert "of 2 that hold 2 vCPUs and 2048 MiB it is the nearest" in found.reason


def test_among_equals_the_name_of_the_source_and_then_the_smaller_disk() -> None:
    twins = Flavor("a", 2, 2048, 20), Flavor("b", 2, 2048, 0)
    assert chosen(*twins).name == "b"
    same = chosen(*twins, flavor_name="a")
    assert same.name == "a"
    assert "an exact fit" in same.reason


def test_special_hardware_is_never_chosen_by_itself() -> None:
    gpu = Flavor("gpu", 2, 2048, resources__VGPU="1")
    assert chosen(gpu, Flavor("big", 16, 65536)).name == "big"
    with pytest.raises(InvalidInput, match="1 that would do are bound to special hardware"):
        chosen(gpu)
