"""openstacksdk's connection for a connection info: the log-in, endpoints, versions, certificates and time-outs."""

import warnings
from typing import Any

import openstack.config
import requests
import urllib3
from keystoneauth1.session import TCPKeepAliveAdapter
from openstack.connection import Connection

from coriolis.providers.openstack.connection import OpenStackConnectionInfo
from coriolis.providers.openstack.login import login_of

REQUEST_TIMEOUT = 60  # seconds; Nova's slowest synchronous calls (console log, port binding) stay below it


def connect(info: OpenStackConnectionInfo) -> Connection:
    """Reads neither clouds.yaml files nor OS_* variables: an endpoint is what its connection info says."""
    loader = openstack.config.OpenStackConfig(
        config_files=[], secure_files=[], vendor_files=[], load_yaml_config=False, load_envvars=False
    )
    login = login_of(info)
    region = loader.get_one(
        auth_type=login.plugin,
        auth=login.revealed(),
        region_name=info.region_name,
        interface=info.interface_name,
        identity_api_version=str(info.identity_api_version),
        image_api_version=str(info.glance_api_version),
        verify=verify_of(info, untrusted=info.allow_untrusted),
        api_timeout=REQUEST_TIMEOUT,
        **info.service_overrides(),
    )
    return Connection(config=region)


def verify_of(info: OpenStackConnectionInfo, *, untrusted: bool) -> bool | str:
    """As `requests` takes it: whether to check certificates, or against which file."""
    return False if untrusted else info.ca_file or True


def trust_by_url(connection: Connection, url: str, verify: bool | str) -> None:
    """Certificates below `url` are checked as `verify` says, whatever the session does elsewhere."""
    if verify is False:
        warnings.filterwarnings("ignore", category=urllib3.exceptions.InsecureRequestWarning)
    connection.session.mount(url, _Verifying(verify))


class _Verifying(TCPKeepAliveAdapter):
    """Says itself whether to check certificates, whatever the session asks for."""

    def __init__(self, verify: bool | str) -> None:
        super().__init__()
        self._verify = verify

    def send(  # noqa: PLR0917 - as the base class has it
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,  # noqa: ARG002 - the session's
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        return super().send(request, stream, timeout, self._verify, cert, proxies)
