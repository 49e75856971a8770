import pytest

from coriolis.errors import EngineError, WorkerError
from coriolis.model.image import ImageDisk
from coriolis.model.secret import Secret
from coriolis.model.worker import SshLogin, WinRmLogin, WorkerDisk, WorkerVm
from coriolis.providers.base import MorphingResources, TargetResources
from coriolis.steps.ends import end_of, ends_of
from coriolis.transfer.job import DiskEnd, ImageEnd

DISK = WorkerDisk("d1", "serial", 5)


def test_the_disks_of_a_linux_worker() -> None:
    login = SshLogin("10.0.0.1", "root", password=Secret("p"))
    resources = TargetResources(WorkerVm("1", "w1", login, (DISK,)), {})
    assert end_of(resources, "d1") == DiskEnd(login, DISK)
    with pytest.raises(EngineError, match="'d2'"):
        end_of(resources, "d2")


def test_a_windows_worker_copies_nothing() -> None:
    worker = WorkerVm("1", "w1", WinRmLogin("10.0.0.1", "Admin", Secret("p")), (DISK,))
    with pytest.raises(WorkerError, match="'w1': a worker that runs Linux is needed"):
        ends_of(MorphingResources(worker, {}))


def test_clones_that_nobody_adapts_are_images_without_a_worker() -> None:
    image = ImageDisk("d1", 5, "rbd", {}, {})
    assert ends_of(MorphingResources(None, {}, (image,))) == {"d1": ImageEnd(image)}
