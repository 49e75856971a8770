"""Endpoints as the clouds need them: with what a `secret_ref` in their connection info stands for."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from coriolis.config import BarbicanSection, KeystoneAuthtokenSection, Settings
from coriolis.engine.barbican import Barbican
from coriolis.errors import InvalidInput
from coriolis.model.records import Endpoint
from coriolis.model.secret import Secret
from coriolis.store.database import Database

_REFERENCE = "secret_ref"


def usable_endpoint(database: Database, settings: Settings, endpoint_id: str) -> Endpoint:
    """Never to be stored. Raises NotFound, and as `resolve` does."""
    endpoint = database.endpoints.get(endpoint_id)
    return replace(endpoint, connection_info=resolve(settings, endpoint.connection_info))


def resolve(
    settings: Settings, connection_info: Mapping[str, Any], *, token: Secret | None = None
) -> Mapping[str, Any]:
    """With `token` as its user sees the secret, else as the service user. Raises SecretNotFound, SecretForbidden,
    SecretUnusable, KeyManagerUnavailable, InvalidInput where there is no Keystone."""
    reference = connection_info.get(_REFERENCE)
    if reference is None:
        return connection_info
    if not isinstance(reference, str):
        raise InvalidInput(message="connection_info.secret_ref: not a URL.")
    if not settings.keystone_authtoken.auth_url:
        raise InvalidInput(
            message="connection_info.secret_ref: secrets of Barbican need [keystone_authtoken], which this server "
            "does not have."
        )
    barbican = _barbican(settings.keystone_authtoken, settings.barbican)
    rest = {name: value for name, value in connection_info.items() if name != _REFERENCE}
    return {**rest, **barbican.connection_info(reference, token=token)}


@lru_cache(maxsize=4)
def _barbican(authtoken: KeystoneAuthtokenSection, section: BarbicanSection) -> Barbican:
    """One for the process: it remembers tokens and secrets."""
    return Barbican(authtoken, section)
