"""Questions and answers between two processes, by way of JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coriolis.config import load_settings
from coriolis.engine.inventory import Inventory, LocalInventory
from coriolis.engine.remote_inventory import Message, RemoteInventory, answer
from coriolis.errors import (
    AuthenticationFailed,
    CoriolisError,
    InstanceNotFound,
    NotFound,
    from_wire,
    to_wire,
)
from coriolis.store.database import Database, open_database
from tests.unit.api.directory_cloud import PASSWORD, PLATFORM, connection, find_provider, make_cloud


class _Asked:
    """Both ends, and what went between them."""

    def __init__(self, directory: Path) -> None:
        settings = load_settings(state_dir=directory / "state")
        self.database: Database = open_database(settings)
        self.cloud = make_cloud(directory / "cloud", {"web": bytes(4096)})
        self.endpoint = self._endpoint(PASSWORD)
        self.here = LocalInventory(self.database, settings, find_provider)
        self.there = RemoteInventory(self._ask, self.database.codec)
        self.wire: list[str] = []

    def _endpoint(self, password: str) -> str:
        return self.database.endpoints.create(
            user_id="u",
            project_id="p",
            name="e",
            type=PLATFORM,
            connection_info=connection(self.cloud, password),
        ).id

    def _ask(self, question: Message) -> Message:
        self.wire.append(json.dumps(question))
        self.wire.append(json.dumps(answer(self.here, self.database.codec, json.loads(self.wire[-1]))))
        found: Message = json.loads(self.wire[-1])
        return found


@pytest.fixture
def asked(tmp_path: Path) -> _Asked:
    return _Asked(tmp_path)


_ENV = {"worker_password": "hunter2"}
_QUESTIONS: list[Callable[[Inventory, str], Any]] = [
    lambda inventory, endpoint: list(inventory.validate_endpoint(endpoint)),
    lambda inventory, endpoint: list(inventory.list_instances(endpoint, _ENV, limit=5, name="w")),
    lambda inventory, endpoint: list(inventory.list_instances(endpoint, _ENV, marker="id-1")),
    lambda inventory, endpoint: inventory.get_instance(endpoint, _ENV, "web"),
    lambda inventory, endpoint: list(inventory.list_networks(endpoint, _ENV)),
    lambda inventory, endpoint: list(inventory.list_storage(endpoint, _ENV)),
    lambda inventory, endpoint: list(inventory.source_options(endpoint, _ENV, ["method"])),
    lambda inventory, endpoint: list(inventory.destination_options(endpoint, _ENV)),
]


@pytest.mark.parametrize("question", _QUESTIONS)
def test_the_answer_is_the_same_from_there(asked: _Asked, question: Callable[[Inventory, str], Any]) -> None:
    assert question(asked.there, asked.endpoint) == question(asked.here, asked.endpoint)
    assert "hunter2" not in "".join(asked.wire)
    assert PASSWORD not in "".join(asked.wire)


def test_errors_are_the_same_from_there(asked: _Asked) -> None:
    (asked.cloud / "password").write_text("another")
    for question, kind in (
        (lambda inventory: inventory.get_instance(asked.endpoint, {}, "{nobody}"), InstanceNotFound),
        (lambda inventory: inventory.validate_endpoint(asked.endpoint), AuthenticationFailed),
        (lambda inventory: inventory.list_storage("nowhere", {}), NotFound),
    ):
        told = []
        for inventory in (asked.here, asked.there):
            with pytest.raises(kind) as caught:
                question(inventory)
            error = caught.value
            told.append((type(error), str(error), error.code, error.http_status, error.retryable))
        assert told[0] == told[1]


def test_a_fault_of_ours_is_an_answer(asked: _Asked) -> None:
    (asked.cloud / "instances" / "id-1.json").write_text("not JSON")
    with pytest.raises(CoriolisError, match="Unexpected JSONDecodeError in a conductor"):
        asked.there.get_instance(asked.endpoint, {}, "web")


def test_a_question_of_another_release(asked: _Asked) -> None:
    arguments = asked.database.codec.encrypt("{}")
    told = answer(asked.here, asked.database.codec, {"operation": "__init__", "arguments": arguments})
    assert "does not know the inventory call '__init__'" in told["error"]["message"]


def test_an_error_of_another_release_keeps_message_and_code() -> None:
    class Newer(CoriolisError):
        code = "CORI-9999"

    told = to_wire(Newer(message="Something new."))
    del Newer
    error = from_wire({**told, "code": "CORI-9998"})
    assert str(error) == "Something new. (CORI-9998)"
