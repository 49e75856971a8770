import pytest

from coriolis.morphing.guest.actions import (
    AddDrivers,
    EnableUnit,
    InstallPackages,
    PurgePackages,
    Remove,
    SetAside,
    Warn,
    WriteFile,
)
from coriolis.morphing.guest.debian import Debian
from coriolis.morphing.guest.detect import OsRelease, family_of, parse_os_release
from coriolis.morphing.guest.errors import MorphFailure
from coriolis.morphing.guest.facts import Facts, KernelFacts
from coriolis.morphing.guest.job import Wanted
from coriolis.morphing.guest.verify import check

_DRIVERS = ("virtio_pci", "virtio_blk")
_WANTED = Wanted(drivers=_DRIVERS, install=("guest-agent",), remove=("vmware-tools",), dhcp=False)
_READY = Facts(
    OsRelease("debian", "12", "Debian 12"),
    packages=frozenset({"qemu-guest-agent", "bash"}),
    kernels=(KernelFacts("6.1", "/boot/initrd.img-6.1"),),
    files={"/etc/initramfs-tools/modules": "# comment\nvirtio-pci\nvirtio_blk opt=1\n"},
    enabled_units=frozenset({"qemu-guest-agent.service"}),
)


def test_a_guest_that_is_ready_needs_nothing() -> None:
    assert Debian().plan(_READY, _WANTED) == []
    check(_READY, [])


def test_a_vmware_guest() -> None:
    facts = _READY._replace(
        packages=frozenset({"open-vm-tools", "open-vm-tools-desktop"}),
        enabled_units=frozenset(),
        kernels=(
            KernelFacts("5.10", "/boot/initrd.img-5.10", ("virtio_blk",)),
            KernelFacts("6.1", "/boot/initrd.img-6.1", _DRIVERS),
        ),
        files={"/etc/initramfs-tools/modules": "vmw_pvscsi"},
        paths=frozenset({"/etc/udev/rules.d/70-persistent-net.rules", "/etc/lvm/devices/system.devices"}),
    )
    assert Debian().plan(facts, _WANTED) == [
        PurgePackages(("open-vm-tools-desktop", "open-vm-tools")),
        InstallPackages("guest-agent", ("qemu-guest-agent",)),
        EnableUnit("qemu-guest-agent.service"),
        AddDrivers("5.10", "/boot/initrd.img-5.10", ("virtio_blk",)),
        AddDrivers("6.1", "/boot/initrd.img-6.1", _DRIVERS),
        WriteFile("/etc/initramfs-tools/modules", "vmw_pvscsi\nvirtio_pci\nvirtio_blk\n"),
        Remove("/etc/udev/rules.d/70-persistent-net.rules"),
        Remove("/etc/lvm/devices/system.devices"),
    ]


def test_kernels_without_the_drivers() -> None:
    partly = _READY._replace(kernels=(KernelFacts("6.1", "/boot/initrd.img-6.1", (), ("virtio_blk",)),))
    assert Debian().plan(partly, _WANTED) == [Warn("Kernel 6.1 has no driver virtio_blk.")]
    not_at_all = _READY._replace(kernels=(KernelFacts("6.1", "/boot/initrd.img-6.1", (), _DRIVERS),))
    with pytest.raises(MorphFailure, match="has none of the drivers"):
        Debian().plan(not_at_all, _WANTED)
    with pytest.raises(MorphFailure, match="no kernel"):
        Debian().plan(_READY._replace(kernels=()), _WANTED)


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        ("datasource_list: [ Ec2 ]\n", True),
        ("datasource_list: [ VMware, None ]\n", True),
        ("datasource_list:\n  - Azure\n", True),
        ("datasource_list: [ NoCloud, ConfigDrive, OpenStack ]\n", False),
        ("#datasource_list: [ Ec2 ]\n", False),
        ("datasource:\n  Ec2: {}\n", True),
    ],
)
def test_cloud_init_pinned_to_the_old_cloud(text: str, pinned: bool) -> None:
    path = "/etc/cloud/cloud.cfg.d/90_dpkg.cfg"
    facts = _READY._replace(
        files=dict(_READY.files) | {path: text},
        packages=_READY.packages | {"cloud-init"},
        paths=frozenset({"/var/lib/cloud/instance"}),
    )
    actions = Debian().plan(facts, _WANTED)
    assert (SetAside(path, path + ".pre-coriolis") in actions) is pinned
    assert Remove("/var/lib/cloud/instance") in actions
    kept = next(action for action in actions if isinstance(action, WriteFile))
    assert "ssh_deletekeys: false" in kept.text
    assert "network" not in kept.text


def test_unknown_roles_and_interrupted_packages_are_told() -> None:
    actions = Debian().plan(_READY._replace(broken=("apt",)), _WANTED._replace(install=("antivirus",)))
    assert [type(action) for action in actions] == [Warn, Warn]


def test_user_scripts_run_at_first_boot() -> None:
    wanted = _WANTED._replace(first_boot_scripts=("#!/bin/sh\necho secret\n",))
    actions = Debian().plan(_READY, wanted)
    assert WriteFile("/usr/lib/coriolis/first-boot/50-user", "#!/bin/sh\necho secret\n", 0o700) in actions
    files = dict(_READY.files) | {a.path: a.text for a in actions if isinstance(a, WriteFile)}
    links = frozenset({"/etc/systemd/system/multi-user.target.wants/coriolis-first-boot.service"})
    assert Debian().plan(_READY._replace(files=files, paths=links), wanted) == []


def test_families() -> None:
    ubuntu = parse_os_release(
        'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n'
    )
    assert isinstance(family_of(ubuntu), Debian)
    assert ubuntu.package_set == "ubuntu-22.04"
    derived = parse_os_release("ID=mything\nID_LIKE='ubuntu debian'\n")
    assert isinstance(family_of(derived), Debian)
    rocky = parse_os_release(
        'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel fedora"\nPRETTY_NAME="Rocky Linux 9.4"\n'
    )
    with pytest.raises(
        MorphFailure, match=r"Rocky Linux 9.4 \(ID=rocky\) is not supported yet.*Debian family only"
    ):
        family_of(rocky)


def test_verification_tells_what_is_left_undone() -> None:
    with pytest.raises(MorphFailure, match=r"AddDrivers 6\.1"):
        check(_READY, [AddDrivers("6.1", "/boot/initrd.img-6.1", _DRIVERS)])
    later = [
        InstallPackages("guest-agent", ("qemu-guest-agent",)),
        EnableUnit("qemu-guest-agent.service"),
        Warn("x"),
    ]
    check(_READY, later)
    gone = _READY._replace(files={"/boot/grub/grub.cfg": " linux /vmlinuz root=UUID=gone ro\n"})
    with pytest.raises(MorphFailure, match="UUID=gone"):
        check(gone, [])


def test_cloud_init_that_is_brought_keeps_the_guests_identity() -> None:
    actions = Debian().plan(_READY, _WANTED._replace(install=("cloud-init",)))
    assert InstallPackages("cloud-init", ("cloud-init",)) in actions
    kept = next(a for a in actions if isinstance(a, WriteFile) and a.path.startswith("/etc/cloud/"))
    assert "preserve_hostname: true" in kept.text
