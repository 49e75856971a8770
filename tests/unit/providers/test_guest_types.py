import pytest

from coriolis.model.enums import OsType
from coriolis.model.replica import DetectedOs
from coriolis.providers.ovirt.guest_types import os_release

KNOWN = {"other", "other_linux", "debian_7", "debian_9", "ubuntu_18_04", "rhel_8x64", "rhel_9x64", "sles_11"}


@pytest.mark.parametrize(
    ("distribution", "version", "expected"),
    [
        ("debian", "12", "debian_9"),
        ("ubuntu", "22.04", "ubuntu_18_04"),
        ("rocky", "9.4", "rhel_9x64"),
        ("ol", "10", "other_linux"),
        ("arch", "", "other_linux"),
    ],
)
def test_the_nearest_type_that_the_engine_knows(distribution: str, version: str, expected: str) -> None:
    detected = DetectedOs("linux", distribution, version, "")
    assert os_release(detected, OsType.LINUX, KNOWN) == expected


def test_without_detection() -> None:
    assert os_release(None, OsType.LINUX, KNOWN) == "other_linux"
    assert os_release(None, OsType.WINDOWS, KNOWN) == "other"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("Windows Server 2012 R2 Standard", "windows_2012R2x64"),
        ("Windows Server 2012 Datacenter", "windows_2012x64"),
        ("Windows Server 2025 Standard", "windows_2019x64"),
        ("Windows 8.1 Pro", "windows_8x64"),
        ("Windows 11 Enterprise", "windows_10x64"),
        ("Windows 3.11", "other"),
    ],
)
def test_windows_that_the_engine_does_not_know_runs_as_the_one_before(named: str, expected: str) -> None:
    known = {
        "other",
        "windows_8x64",
        "windows_10x64",
        "windows_2012x64",
        "windows_2012R2x64",
        "windows_2019x64",
    }
    detected = DetectedOs("windows", "windows", "", named)
    assert os_release(detected, OsType.WINDOWS, known) == expected
