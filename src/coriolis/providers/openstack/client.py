"""The one way to an OpenStack: a session with time-outs, retries and our errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import openstack.config
from openstack.connection import Connection

from coriolis.config import Settings
from coriolis.errors import NotFound, NotSupported
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import Patience
from coriolis.providers.openstack.connection import OpenStackConnectionInfo
from coriolis.providers.openstack.faults import CAUGHT, understanding
from coriolis.providers.retry import Caller

Answer = TypeVar("Answer")

REQUEST_TIMEOUT = 60  # seconds; Nova's slowest synchronous calls (console log, port binding) stay below it


class OpenStackClient:
    """Connects on first use. `call` is the only way a request is made."""

    def __init__(self, info: OpenStackConnectionInfo, endpoint_name: str, settings: Settings) -> None:
        """Raises NotSupported for identity v2 and image v1, which this release does not speak."""
        if info.identity_api_version == 2:
            raise NotSupported(message="Keystone v2 is not supported yet: set identity_api_version to 3.")
        if info.glance_api_version == 1:
            raise NotSupported(message="Glance v1 is not supported yet: set glance_api_version to 2.")
        self.endpoint_name = endpoint_name
        self.cloud = f"OpenStack endpoint {endpoint_name!r}"
        section = settings.openstack_migration_provider
        self.patience = Patience(section.timeout, section.poll_interval)
        self._info = info
        self._caller = Caller(understanding(self.cloud, info.username, info.auth_url), CAUGHT)
        self._connection: Connection | None = None

    @property
    def sdk(self) -> Connection:
        if self._connection is None:
            self._connection = _connect(self._info)
        return self._connection

    # openstacksdk logs in and discovers a service's versions when its proxy is first touched: a call too.

    @property
    def compute(self) -> Any:
        return self.call("reach Nova", lambda: self.sdk.compute)

    @property
    def network(self) -> Any:
        return self.call("reach Neutron", lambda: self.sdk.network)

    @property
    def image(self) -> Any:
        return self.call("reach Glance", lambda: self.sdk.image)

    @property
    def storage(self) -> Any:
        return self.call("reach Cinder", lambda: self.sdk.block_storage)

    def call(self, action: str, function: Callable[[], Answer], *, idempotent: bool = True) -> Answer:
        """`action` is an infinitive for messages; see `Caller.call`."""
        return self._caller.call(action, function, idempotent=idempotent)

    def optional(self, action: str, function: Callable[[], Answer]) -> Answer | None:
        """None where the cloud says that there is no such thing."""
        try:
            return self.call(action, function)
        except NotFound:
            return None

    def rows(self, action: str, function: Callable[[], Any]) -> list[Any]:
        """A listing, read to its end within the retried call: the SDK's generators send requests late."""
        return self.call(action, lambda: list(function()))

    @contextmanager
    def during(self, op: Operation) -> Iterator[None]:
        """Within the block pauses between attempts wake up for a cancel."""
        with self._caller.during(op):
            yield

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(info: OpenStackConnectionInfo) -> Connection:
    """Reads neither clouds.yaml nor OS_* variables: an endpoint is what its connection info says."""
    loader = openstack.config.OpenStackConfig(
        config_files=[], secure_files=[], vendor_files=[], load_yaml_config=False, load_envvars=False
    )
    region = loader.get_one(
        auth_type="v3password",
        auth={
            "auth_url": info.auth_url,
            "username": info.username,
            "password": info.password.reveal(),
            "project_name": info.project_name,
            "user_domain_name": info.user_domain_name,
            "project_domain_name": info.project_domain_name,
        },
        region_name=info.region_name,
        interface=info.interface_name,
        verify=not info.allow_untrusted,
        api_timeout=REQUEST_TIMEOUT,
        **info.service_overrides(),
    )
    return Connection(config=region)
