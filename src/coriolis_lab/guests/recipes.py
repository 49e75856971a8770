"""What goes into the lab's guests: Debian packages, files and commands. No image is downloaded.

`worker` looks like the Debian 12 image that a cloud offers. `source` looks like a server that was once
installed on VMware: its initramfs knows that hardware only, its address is static, and no guest agent is
there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MIB = 1024 * 1024


class Layout(StrEnum):
    """How a system disk is partitioned and booted."""

    BIOS_MBR = "bios-mbr"
    UEFI_GPT = "uefi-gpt"
    HYBRID_GPT = "hybrid-gpt"


@dataclass(frozen=True)
class GuestFile:
    content: str
    mode: int = 0o644


@dataclass(frozen=True)
class SystemDisk:
    """A bootable disk made from a root tree. `name` is the image's name in the cache; `size` in bytes."""

    name: str
    layout: Layout
    size: int


@dataclass(frozen=True)
class RootRecipe:
    """One installation and the disks made from it.

    `early_files` are there before the packages are configured (the initramfs is made then); `files` and
    `commands` come last. `offline_packages`: packages that the installation lacks, kept with what they
    need as .deb files in the cache.
    """

    name: str
    packages: tuple[str, ...]
    disks: tuple[SystemDisk, ...]
    kernel_command_line: str
    files: Mapping[str, GuestFile] = field(default_factory=dict)
    early_files: Mapping[str, GuestFile] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    offline_packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataDisk:
    """A disk that is one ext4 file system without partitions."""

    name: str
    label: str
    size: int
    files: Mapping[str, GuestFile]
    random_files: Mapping[str, int]


_COMMON_PACKAGES = (
    "systemd-sysv",
    "udev",
    "dbus",
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "zstd",
    "grub2-common",
    "grub-pc-bin",
    "grub-efi-amd64-bin",
    "openssh-server",
    "sudo",
    "python3",
    "e2fsprogs",
    "fdisk",
    "kmod",
    "procps",
    "less",
    "netbase",
    "iproute2",
    "iputils-ping",
    "ca-certificates",
)
_GRUB_DEFAULTS = """\
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="{command_line}"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --speed=115200"
GRUB_DISABLE_OS_PROBER=true
"""
# What wakes up after boot and would burn minutes of an emulated CPU.
_QUIET = "systemctl -q disable " + " ".join(
    [
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "dpkg-db-backup.timer",
        "e2scrub_all.timer",
        "e2scrub_reap.service",
        "fstrim.timer",
    ]
)
_CONSOLE = "console=tty0 console=ttyS0,115200"
# Retpolines double the price of each indirect call under TCG, and protect nobody there.
# The kernel's self-tests of vector AES run for half a minute on emulated vectors.
_EMULATED = "mitigations=off cryptomgr.notests"

_WORKER_COMMAND_LINE = f"{_CONSOLE} {_EMULATED}"
WORKER = RootRecipe(
    name="worker",
    packages=(
        *_COMMON_PACKAGES,
        "cloud-init",
        "cloud-guest-utils",
        "gdisk",
        "lvm2",
        "psmisc",
        "qemu-guest-agent",
        "systemd-resolved",
    ),
    disks=(SystemDisk("worker", Layout.HYBRID_GPT, 2048 * MIB),),
    kernel_command_line=_WORKER_COMMAND_LINE,
    files={
        "/etc/hostname": GuestFile("debian\n"),
        "/etc/default/grub": GuestFile(_GRUB_DEFAULTS.format(command_line=_WORKER_COMMAND_LINE)),
        "/etc/default/locale": GuestFile("LANG=C.UTF-8\n"),
        "/etc/cloud/cloud.cfg.d/90_dpkg.cfg": GuestFile(
            "datasource_list: [ ConfigDrive, OpenStack, NoCloud, None ]\n"
        ),
        "/etc/cloud/cloud.cfg.d/01_debian_cloud.cfg": GuestFile(
            "apt: { preserve_sources_list: true }\nmanage_etc_hosts: true\nlocale: C.UTF-8\n"
            "ssh_genkeytypes: [ ed25519, ecdsa ]\n"
            "system_info:\n  network:\n    renderers: [ networkd ]\n"
        ),
    },
    commands=(
        _QUIET,
        "systemctl -q enable systemd-networkd systemd-resolved ssh serial-getty@ttyS0",
        # each machine's own, made at its first boot
        "rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id",
        ": >/etc/machine-id",
    ),
)

SOURCE_ADDRESS = "10.20.0.10"
SOURCE_GATEWAY = "10.20.0.1"
_SOURCE_COMMAND_LINE = f"{_CONSOLE} net.ifnames=0 {_EMULATED}"
_WEB_UNIT = """\
[Unit]
Description=Answers with what is in /srv/data
After=network.target
RequiresMountsFor=/srv/data

[Service]
ExecStart=/usr/bin/python3 -m http.server 80 --directory /srv/data
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""
SOURCE = RootRecipe(
    name="source",
    packages=(*_COMMON_PACKAGES, "ifupdown", "isc-dhcp-client", "open-vm-tools"),
    disks=(
        SystemDisk("source", Layout.BIOS_MBR, 2048 * MIB),
        SystemDisk("source-uefi", Layout.UEFI_GPT, 2048 * MIB),
    ),
    kernel_command_line=_SOURCE_COMMAND_LINE,
    early_files={
        # what MODULES=dep leaves on VMware: the drivers of its PVSCSI and PIIX controllers and nothing else
        "/etc/initramfs-tools/conf.d/driver-policy": GuestFile("MODULES=list\n"),
        "/etc/initramfs-tools/modules": GuestFile("vmw_pvscsi\nata_piix\nsd_mod\next4\n"),
    },
    files={
        "/etc/hostname": GuestFile("web-1\n"),
        "/etc/hosts": GuestFile(f"127.0.0.1\tlocalhost\n{SOURCE_ADDRESS}\tweb-1.old.example\tweb-1\n"),
        "/etc/default/grub": GuestFile(_GRUB_DEFAULTS.format(command_line=_SOURCE_COMMAND_LINE)),
        "/etc/network/interfaces": GuestFile(
            "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n\n"
            "# the primary network interface\nauto eth0\niface eth0 inet static\n"
            f"\taddress {SOURCE_ADDRESS}/24\n\tgateway {SOURCE_GATEWAY}\n\tdns-nameservers 10.20.0.254\n"
        ),
        "/etc/udev/rules.d/70-persistent-net.rules": GuestFile(
            '# vmxnet3 of the machine this was installed on\nSUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", '
            'ATTR{address}=="00:50:56:8a:14:0a", ATTR{type}=="1", NAME="eth0"\n'
        ),
        "/etc/resolv.conf": GuestFile("search old.example\nnameserver 10.20.0.254\n"),
        "/etc/ssh/sshd_config.d/10-root.conf": GuestFile("PermitRootLogin prohibit-password\nUseDNS no\n"),
        "/etc/systemd/system/inventory-web.service": GuestFile(_WEB_UNIT),
        "/etc/motd": GuestFile("web-1, installed on the old cloud\n"),
    },
    commands=(
        _QUIET,
        "mkdir -p /srv/data",
        "systemctl -q enable ssh serial-getty@ttyS0 inventory-web",
        # a long-installed machine has its keys and its identity
        "ssh-keygen -A -q 2>/dev/null || ssh-keygen -A",
        "systemd-machine-id-setup",
    ),
    offline_packages=("qemu-guest-agent",),
)

SOURCE_DATA = DataDisk(
    name="source-data",
    label="data",
    size=1024 * MIB,
    files={
        "/index.html": GuestFile("<!doctype html><title>web-1</title><p>web-1 serves its data.</p>\n"),
        "/README": GuestFile("The data of web-1, on a disk of its own.\n"),
    },
    random_files={"/archive/2025.bin": 48 * MIB, "/archive/2026.bin": 16 * MIB},
)
