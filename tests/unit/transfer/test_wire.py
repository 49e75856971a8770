import json

import pytest

from coriolis import errors
from coriolis.errors import CoriolisError, TransferInterrupted, VerificationFailed, WorkerUnreachable
from coriolis.transfer import wire


@pytest.mark.parametrize(
    "error",
    [
        VerificationFailed(disk="d", offset=65536, length=512, reason="r"),
        TransferInterrupted(disk="d", reason="gone"),
        WorkerUnreachable(worker="w", reason="no route"),
    ],
)
def test_errors_keep_their_kind_and_fields(error: CoriolisError) -> None:
    loaded = wire.load_error(json.loads(wire.dump_error(error)))
    assert (type(loaded), loaded.fields, str(loaded)) == (type(error), error.fields, str(error))


def test_codes_are_unique() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CoriolisError)
    ]
    codes = [kind.code for kind in kinds]
    assert len(codes) == len(set(codes))
