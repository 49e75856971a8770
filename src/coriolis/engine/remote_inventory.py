"""The same questions between two processes: asked by one, answered by the other.

A question is `{"operation", "arguments": ciphertext}` and an answer `{"result"}` or `{"error"}`: texts and lists
that any transport carries. The arguments hold environments, and environments may hold passwords, so they travel
encrypted with the key of the installation; the credentials of the cloud do not travel at all.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from coriolis.engine.inventory import Inventory
from coriolis.errors import CoriolisError, from_wire, to_wire
from coriolis.model.instance import Instance, InstanceSummary, Network, ProviderOption, StorageBackend
from coriolis.model.secret import SecretCodec

LOG = logging.getLogger(__name__)
Message = Mapping[str, Any]
_RESULTS: Mapping[str, TypeAdapter[Any]] = {
    "validate_endpoint": TypeAdapter(Sequence[str]),
    "list_instances": TypeAdapter(Sequence[InstanceSummary]),
    "get_instance": TypeAdapter(Instance),
    "list_networks": TypeAdapter(Sequence[Network]),
    "list_storage": TypeAdapter(Sequence[StorageBackend]),
    "source_options": TypeAdapter(Sequence[ProviderOption]),
    "destination_options": TypeAdapter(Sequence[ProviderOption]),
}


class RemoteInventory:
    """`ask` carries a question to somebody who has an `answer`, and raises errors of its own."""

    def __init__(self, ask: Callable[[Message], Message], codec: SecretCodec) -> None:
        self._ask = ask
        self._codec = codec

    def validate_endpoint(self, endpoint_id: str) -> Sequence[str]:
        found: Sequence[str] = self._call("validate_endpoint", endpoint_id=endpoint_id)
        return found

    def list_instances(
        self,
        endpoint_id: str,
        env: Mapping[str, Any],
        *,
        marker: str | None = None,
        limit: int | None = None,
        name: str | None = None,
    ) -> Sequence[InstanceSummary]:
        found: Sequence[InstanceSummary] = self._call(
            "list_instances", endpoint_id=endpoint_id, env=env, marker=marker, limit=limit, name=name
        )
        return found

    def get_instance(self, endpoint_id: str, env: Mapping[str, Any], name_or_id: str) -> Instance:
        found: Instance = self._call("get_instance", endpoint_id=endpoint_id, env=env, name_or_id=name_or_id)
        return found

    def list_networks(self, endpoint_id: str, env: Mapping[str, Any]) -> Sequence[Network]:
        found: Sequence[Network] = self._call("list_networks", endpoint_id=endpoint_id, env=env)
        return found

    def list_storage(self, endpoint_id: str, env: Mapping[str, Any]) -> Sequence[StorageBackend]:
        found: Sequence[StorageBackend] = self._call("list_storage", endpoint_id=endpoint_id, env=env)
        return found

    def source_options(
        self, endpoint_id: str, env: Mapping[str, Any], names: Sequence[str] = ()
    ) -> Sequence[ProviderOption]:
        found: Sequence[ProviderOption] = self._call(
            "source_options", endpoint_id=endpoint_id, env=env, names=names
        )
        return found

    def destination_options(
        self, endpoint_id: str, env: Mapping[str, Any], names: Sequence[str] = ()
    ) -> Sequence[ProviderOption]:
        found: Sequence[ProviderOption] = self._call(
            "destination_options", endpoint_id=endpoint_id, env=env, names=names
        )
        return found

    def _call(self, operation: str, **arguments: Any) -> Any:
        question = {"operation": operation, "arguments": self._codec.encrypt(json.dumps(arguments))}
        told = self._ask(question)
        if "error" in told:
            raise from_wire(told["error"])
        return _RESULTS[operation].validate_python(told["result"])


def answer(inventory: Inventory, codec: SecretCodec, question: Message) -> Message:
    """What `inventory` says. Raises nothing: a fault of ours is an answer too, and its traceback is logged here."""
    operation = question["operation"]
    try:
        arguments = json.loads(codec.decrypt(question["arguments"]))
        result = _asked(inventory, operation)(**arguments)
        return {"result": _RESULTS[operation].dump_python(result, mode="json")}
    except CoriolisError as error:
        return {"error": to_wire(error)}
    except Exception as error:
        LOG.exception("an inventory call met a fault of ours")
        unexpected = CoriolisError(
            message=f"Unexpected {type(error).__name__} in a conductor; its log has the details."
        )
        return {"error": to_wire(unexpected)}


def _asked(inventory: Inventory, operation: str) -> Callable[..., Any]:
    if operation not in _RESULTS:
        raise CoriolisError(message=f"This conductor does not know the inventory call {operation!r}.")
    method: Callable[..., Any] = getattr(inventory, operation)
    return method
