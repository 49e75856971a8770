"""The connection to RabbitMQ, as oslo.messaging makes it."""

import socket
from typing import Any

import oslo_messaging
from oslo_config import cfg
from oslo_messaging import opts

from coriolis.config import MessagingSection
from coriolis.errors import BrokerUnavailable, InvalidInput
from coriolis.model.secret import Secret

EXCHANGE = "coriolis"
CONDUCTORS = "coriolis-conductor"
_HEARTBEAT_SECONDS = 20  # a broker or a peer that died without a word is noticed within so long
_CONNECT_SECONDS = 3.0


class Transport:
    """Connects when something is first sent or listened for."""

    def __init__(self, settings: MessagingSection, url: Secret) -> None:
        """Raises InvalidInput when the URL is not one of RabbitMQ."""
        self._conf = _configuration(settings)
        try:
            self.url = oslo_messaging.TransportURL.parse(self._conf, url.reveal())
        except (oslo_messaging.InvalidTransportURL, ValueError):
            self._refuse()
        if self.url.transport != "rabbit" or not self.url.hosts:
            self._refuse()
        self.rpc = oslo_messaging.get_rpc_transport(self._conf, url=self.url)
        self.notification = oslo_messaging.get_notification_transport(self._conf, url=self.url)

    def close(self) -> None:
        self.rpc.cleanup()
        self.notification.cleanup()

    def require_broker(self) -> None:
        """Raises BrokerUnavailable when no host of the URL takes connections: the library would wait for one."""
        reason = ""
        for host in self.url.hosts:
            try:
                socket.create_connection((host.hostname, host.port or 5672), _CONNECT_SECONDS).close()
            except OSError as error:
                reason = f"{host.hostname}:{host.port or 5672}: {error.strerror or error}"
            else:
                return
        raise BrokerUnavailable(reason=reason)

    @staticmethod
    def _refuse() -> None:
        raise InvalidInput(
            message="[messaging] transport_url is not of the form rabbit://user:password@host:port/vhost."
        )


def _configuration(settings: MessagingSection) -> Any:
    """The library reads some options from its global object only."""
    conf = cfg.CONF
    conf([], project="coriolis", default_config_files=[], default_config_dirs=[])
    for group, options in opts.list_opts():
        conf.register_opts(options, group=group)
    rabbit = {
        "heartbeat_timeout_threshold": _HEARTBEAT_SECONDS,
        "rabbit_retry_backoff": 1,
        "rabbit_interval_max": 5,
        "ssl": settings.ssl,
        "ssl_ca_file": str(settings.ssl_ca_file or ""),
    }
    for name, value in rabbit.items():
        conf.set_override(name, value, group="oslo_messaging_rabbit")
    conf.set_override("control_exchange", EXCHANGE)
    return conf


def region_topic(region_id: str) -> str:
    """Where the conductors of a region hear questions; the broker gives each to one of them."""
    return f"{CONDUCTORS}.region.{region_id}"
