import json
from pathlib import Path

import pytest

from coriolis import errors
from coriolis.errors import CoriolisError, TransferInterrupted, VerificationFailed, WorkerUnreachable
from coriolis.model.secret import Secret
from coriolis.model.worker import SshLogin, WorkerDisk
from coriolis.transfer import wire
from coriolis.transfer.job import CopyJob, DiskCopy, DiskEnd


def test_a_job_survives_the_pipe_with_its_secrets() -> None:
    source = DiskEnd(
        SshLogin("10.0.0.1", "debian", private_key=Secret("PEM\ntext")), WorkerDisk("a", "serial", 5)
    )
    target = DiskEnd(
        SshLogin("::1", "root", 2222, password=Secret("p"), host_key="ssh x"), WorkerDisk("b", "/dev/x", 5)
    )
    job = CopyJob((DiskCopy("d", 5, source, target, 3, Path("/m/3"), Path("/m/2"), True),), "scope", 9, 32768)
    line = wire.dump_job(job)
    assert line.count(b"\n") == 1
    assert wire.load_job(line) == job


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
