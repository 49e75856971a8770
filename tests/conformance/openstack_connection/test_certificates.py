"""allow_untrusted, allow_untrusted_swift and ca_file, with certificates of an authority that nobody knows."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from coriolis import errors
from coriolis_lab.ovirt.certificates import make_certificates
from tests.conformance.openstack_connection.conftest import MakeSite, Site


@dataclass
class Secured:
    site: Site
    ca: Path


@pytest.fixture(scope="module")
def secured(make_site: MakeSite, tmp_path_factory: pytest.TempPathFactory) -> Secured:
    files = make_certificates(tmp_path_factory.mktemp("certificates"))
    site = make_site(tls=(files.certificate, files.key))
    return Secured(site, files.ca)


def test_an_unknown_authority_is_refused_with_the_way_out(secured: Secured) -> None:
    with pytest.raises(errors.CloudError, match="allow_untrusted"):
        secured.site.source().validate_connection()


def test_allow_untrusted_is_for_all_but_swift(secured: Secured) -> None:
    source = secured.site.source(allow_untrusted=True)
    source.validate_connection()
    with pytest.raises(errors.CloudError, match="certificate"):
        source._client.call("read", source._client.object_store.get_account_metadata)


def test_allow_untrusted_swift_is_for_swift(secured: Secured) -> None:
    secured.site.source(allow_untrusted=True, allow_untrusted_swift=True).validate_connection()
    with pytest.raises(errors.CloudError, match="allow_untrusted"):
        secured.site.source(allow_untrusted_swift=True).validate_connection()


def test_a_ca_file_makes_both_trusted(secured: Secured) -> None:
    source = secured.site.source(ca_file=str(secured.ca))
    source.validate_connection()
    source._client.call("read", source._client.object_store.get_account_metadata)
