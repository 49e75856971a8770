"""The Ansible collection ovirt.ovirt: one play of the modules that matter, on engines of each age and storage."""

import pytest

KINDS = [
    pytest.param("4.5", {"domain": "data", "thin_format": "raw", "bios_type": "q35_ovmf"}, id="4.5-file"),
    pytest.param(
        "4.4", {"domain": "block", "thin_format": "cow", "bios_type": "q35_sea_bios"}, id="4.4-block"
    ),
    pytest.param(
        "4.3", {"domain": "data", "thin_format": "cow", "bios_type": "i440fx_sea_bios"}, id="4.3-file"
    ),
]


@pytest.mark.parametrize(("clients", "kind"), KINDS, indirect=["clients"])
def test_modules(clients, kind):
    said = clients.play(thick_domain="data", **kind)
    assert "failed=0" in said
