import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from coriolis import handover
from coriolis.agent.pipes import StreamClosedError
from coriolis.model.image import ImageDisk
from coriolis.model.secret import Secret
from coriolis.model.worker import SshLogin, WorkerDisk
from coriolis.transfer.job import CopyJob, DiskCopy, DiskEnd, ImageEnd
from coriolis.transfer.limits import Limits, SharedLimit
from tests.unit.handed import handed_over

SOURCE = DiskEnd(
    SshLogin("10.0.0.1", "debian", private_key=Secret("PEM\ntext")), WorkerDisk("a", "serial", 5)
)
IMAGE = ImageEnd(ImageDisk("b", 5, "rbd", {"pool": "p"}, {"key": Secret("q")}, since="P"))
LIMITS = Limits(1.5e6, (SharedLimit(Path("/a"), 7.0),), 3.0)


def test_a_job_arrives_with_its_secrets() -> None:
    disk = DiskCopy("d", 5, SOURCE, IMAGE, 3, Path("/m/3"), Path("/m/2"), True)
    job = CopyJob((disk,), "scope", 9, 32768, limits=LIMITS, signing_keys=(Secret("00"),))
    arrived = handed_over(job)
    assert arrived == job
    source = arrived.copies[0].source
    assert isinstance(source, DiskEnd)
    assert source.login.private_key is not None
    assert source.login.private_key.reveal() == "PEM\ntext"


def test_limits_arrive() -> None:
    assert handed_over(LIMITS) == LIMITS


def test_the_end_and_something_else() -> None:
    incoming, outgoing = os.pipe()
    os.write(outgoing, handover.pack(LIMITS))
    with pytest.raises(TypeError, match="Limits instead of CopyJob"):
        handover.receive(incoming, CopyJob)
    os.close(outgoing)
    with pytest.raises(StreamClosedError):
        handover.receive(incoming, Limits)
    os.close(incoming)


def test_secrets_are_pickled_nowhere_else() -> None:
    secret = Secret("q")
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    assert copy.deepcopy({"key": secret}) == {"key": secret}


def test_the_transfer_child_starts_without_pydantic() -> None:
    """Half of the processor time of a start."""
    code = "import sys, coriolis.transfer.child; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
