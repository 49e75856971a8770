import pytest

from coriolis.config import OvirtSection
from coriolis.errors import InvalidInput
from coriolis.model.instance import Disk
from coriolis.providers.openstack.options import source_environment
from coriolis.providers.ovirt.options import destination_environment


def test_export_mechanisms_by_their_names() -> None:
    assert source_environment({}).replica_export_mechanism == "coriolis_backups"
    for name in ("swift_backups", "ceph_backups", "ceph_snapshots"):
        found = source_environment({"replica_export_mechanism": name})
        assert found.replica_export_mechanism == name
    with pytest.raises(InvalidInput, match="replica_export_mechanism"):
        source_environment({"replica_export_mechanism": "floppies"})


def test_an_unknown_source_option_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"coriolis_backups_options\.export_flavour"):
        source_environment({"coriolis_backups_options": {"export_flavour": "m1"}})


def test_settings_are_the_defaults_of_the_destination() -> None:
    section = OvirtSection(default_storage_domain="data1", default_migr_template_map={"linux": "t"})
    assert destination_environment({}, section).storage_domain == "data1"
    assert destination_environment({"storage_domain": None}, section).storage_domain == "data1"
    found = destination_environment({"storage_domain": "data2", "migr_template_map": {"linux": "u"}}, section)
    assert (found.storage_domain, found.migr_template_map) == ("data2", {"linux": "u"})


def test_the_general_os_release_does_not_hide_what_morphing_finds() -> None:
    assert destination_environment({}, OvirtSection()).os_release is None
    assert destination_environment({}, OvirtSection(default_os_release="rhel_9x64")).os_release == "rhel_9x64"


def test_template_passwords_are_secrets() -> None:
    found = destination_environment({"migr_template_password_map": {"linux": "Passw0rd"}}, OvirtSection())
    assert "Passw0rd" not in repr(found)
    assert found.migr_template_password_map["linux"].reveal() == "Passw0rd"


def test_storage_of_a_disk_by_disk_then_backend_then_default() -> None:
    mappings = {
        "default": "c",
        "backend_mappings": [{"source": "ssd", "destination": "b"}],
        "disk_mappings": [{"disk_id": "d1", "destination": "a"}],
    }
    found = destination_environment({"storage_mappings": mappings, "storage_domain": "d"}, OvirtSection())
    assert found.domain_of(Disk("d1", 1, storage_backend="ssd")) == "a"
    assert found.domain_of(Disk("d2", 1, storage_backend="ssd")) == "b"
    assert found.domain_of(Disk("d3", 1)) == "c"
    assert destination_environment({"storage_domain": "d"}, OvirtSection()).domain_of(Disk("d3", 1)) == "d"
