"""The engine's table of guest operating systems."""

from dataclasses import dataclass

from coriolis_lab.ovirt.look import Look


@dataclass(frozen=True)
class OsType:
    number: int
    name: str
    description: str


OS_TYPES = (
    OsType(0, "other", "Other OS"),
    OsType(5, "other_linux", "Linux"),
    OsType(33, "other_linux_kernel_4", "Other Linux (kernel 4.x)"),
    OsType(7, "rhel_5", "Red Hat Enterprise Linux 5.x"),
    OsType(13, "rhel_5x64", "Red Hat Enterprise Linux 5.x x64"),
    OsType(18, "rhel_6", "Red Hat Enterprise Linux 6.x"),
    OsType(19, "rhel_6x64", "Red Hat Enterprise Linux 6.x x64"),
    OsType(24, "rhel_7x64", "Red Hat Enterprise Linux 7.x x64"),
    OsType(30, "rhel_8x64", "Red Hat Enterprise Linux 8.x x64"),
    OsType(34, "rhel_9x64", "Red Hat Enterprise Linux 9.x x64"),
    OsType(39, "rhel_10x64", "Red Hat Enterprise Linux 10.x x64"),
    OsType(35, "rhcos_x64", "Red Hat Enterprise Linux CoreOS"),
    OsType(28, "rhel_atomic7x64", "Red Hat Atomic 7.x x64"),
    OsType(1193, "sles_11", "SUSE Linux Enterprise Server 11+"),
    OsType(1252, "ubuntu_12_04", "Ubuntu Precise Pangolin LTS"),
    OsType(1256, "ubuntu_14_04", "Ubuntu Trusty Tahr LTS+"),
    OsType(1257, "ubuntu_18_04", "Ubuntu Bionic Beaver LTS+"),
    OsType(1300, "debian_7", "Debian 7+"),
    OsType(1301, "debian_9", "Debian 9+"),
    OsType(1500, "freebsd", "FreeBSD 9.2"),
    OsType(1501, "freebsdx64", "FreeBSD 9.2 x64"),
    OsType(1, "windows_xp", "Windows XP"),
    OsType(3, "windows_2003", "Windows 2003"),
    OsType(10, "windows_2003x64", "Windows 2003 x64"),
    OsType(4, "windows_2008", "Windows 2008"),
    OsType(16, "windows_2008x64", "Windows 2008 x64"),
    OsType(17, "windows_2008R2x64", "Windows 2008 R2 x64"),
    OsType(11, "windows_7", "Windows 7"),
    OsType(12, "windows_7x64", "Windows 7 x64"),
    OsType(20, "windows_8", "Windows 8"),
    OsType(21, "windows_8x64", "Windows 8 x64"),
    OsType(23, "windows_2012x64", "Windows 2012 x64"),
    OsType(25, "windows_2012R2x64", "Windows 2012R2 x64"),
    OsType(26, "windows_10", "Windows 10"),
    OsType(27, "windows_10x64", "Windows 10 x64"),
    OsType(29, "windows_2016x64", "Windows 2016 x64"),
    OsType(31, "windows_2019x64", "Windows 2019 x64"),
    OsType(36, "windows_11", "Windows 11"),
    OsType(37, "windows_2022", "Windows 2022"),
    OsType(38, "windows_2025", "Windows 2025"),
)
REQUIRES_TPM = ("windows_11",)
SUPPORTS_TPM = (
    "rhel_8x64",
    "rhel_9x64",
    "rhel_10x64",
    "windows_8x64",
    "windows_2012x64",
    "windows_2012R2x64",
    "windows_10x64",
    "windows_2016x64",
    "windows_2019x64",
    "windows_2022",
    "windows_2025",
)


def known_types(look: Look) -> tuple[OsType, ...]:
    """Those that an engine of this age has."""
    return tuple(os_type for os_type in OS_TYPES if os_type.name not in look.unknown_os)


def tpm_support(name: str) -> str:
    if name in REQUIRES_TPM:
        return "required"
    return "supported" if name in SUPPORTS_TPM else "unsupported"


def is_windows(name: str) -> bool:
    return name.startswith("windows_")
