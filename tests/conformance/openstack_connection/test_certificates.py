"""allow_untrusted, allow_untrusted_swift and ca_file, with certificates of an authority that nobody knows."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from coriolis import errors
from coriolis_lab.http_server import ServerThread
from coriolis_lab.ovirt.certificates import make_certificates
from tests.conformance.openstack_connection.conftest import MakeSite, Site


@dataclass
class Secured:
    site: Site
    ca: Path


@pytest.fixture(scope="module")
def secured(make_site: MakeSite, tmp_path_factory: pytest.TempPathFactory) -> object:
    files = make_certificates(tmp_path_factory.mktemp("certificates"))
    site = make_site(tls=(files.certificate, files.key))
    swift = ServerThread(
        Starlette(routes=[Route("/v1/{account}", _account, methods=["HEAD", "GET"])]),
        ssl_certfile=str(files.certificate),
        ssl_keyfile=str(files.key),
    )
    swift.start()
    url = f"https://127.0.0.1:{swift.port}/v1/AUTH_{{project_id}}"
    site.front.add_service("object-store", "swift", url)
    yield Secured(site, files.ca)
    swift.stop()


async def _account(_request: object) -> Response:
    return Response(b"", 204, {"X-Account-Container-Count": "0"})


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
