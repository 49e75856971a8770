"""The one way to an OpenStack: a session with time-outs, retries and our errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from openstack.connection import Connection

from coriolis.config import Settings
from coriolis.errors import NotFound
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import Patience
from coriolis.providers.openstack.connection import OpenStackConnectionInfo
from coriolis.providers.openstack.faults import CAUGHT, understanding
from coriolis.providers.openstack.session import connect, trust_by_url, verify_of
from coriolis.providers.retry import Caller

Answer = TypeVar("Answer")


class OpenStackClient:
    """Connects on first use. `call` is the only way a request is made."""

    def __init__(self, info: OpenStackConnectionInfo, endpoint_name: str, settings: Settings) -> None:
        self.endpoint_name = endpoint_name
        self.cloud = f"OpenStack endpoint {endpoint_name!r}"
        self.info = info
        section = settings.openstack_migration_provider
        self.patience = Patience(section.timeout, section.poll_interval)
        self.ceph_timeout = section.cinder_ceph_timeout
        self._caller = Caller(understanding(self.cloud, info.login_name, info.auth_url), CAUGHT)
        self._connection: Connection | None = None
        self._swift: Any = None

    @property
    def sdk(self) -> Connection:
        if self._connection is None:
            self._connection = connect(self.info)
        return self._connection

    @property
    def project_id(self) -> str:
        """Of the project that the log-in is for."""
        return str(self.call("log in", lambda: self.sdk.current_project_id))

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

    @property
    def object_store(self) -> Any:
        """Swift, or RADOS Gateway as Swift; its certificate is checked or not by `allow_untrusted_swift` alone."""
        if self._swift is None:
            proxy = self.call("reach Swift", lambda: self.sdk.object_store)
            url = str(self.call("find Swift's URL", proxy.get_endpoint))
            trust_by_url(self.sdk, url, verify_of(self.info, untrusted=self.info.allow_untrusted_swift))
            self._swift = proxy
        return self._swift

    @property
    def access(self) -> Any:
        """What the token tells: roles, project and catalog."""
        session = self.sdk.session
        auth: Any = session.auth  # every one of ours is a plugin of Keystone's
        return self.call("read the token", lambda: auth.get_access(session))

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
            self._connection = self._swift = None
