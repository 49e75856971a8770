"""When a deployment boots a worker."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest

from coriolis.model.image import ImageDisk
from coriolis.model.worker import SshLogin, WorkerVm
from coriolis.providers.base import DestinationCloud, MorphingResources
from coriolis.steps.deploy_os_morphing_resources import DeployOsMorphingResources

IMAGES = (ImageDisk("d1", 5, "rbd", {}),)
BOOTED = MorphingResources(WorkerVm("1", "w1", SshLogin("10.0.0.1", "root"), ()), {})


def deployed(*, only_to_read: bool, images: tuple[ImageDisk, ...]) -> MorphingResources:
    cloud = create_autospec(DestinationCloud)
    cloud.clones_to_read.return_value = images
    cloud.deploy_os_morphing_resources.return_value = BOOTED
    context: Any = SimpleNamespace(destination=lambda _: cloud, on=lambda _: context)
    instance: Any = None
    return DeployOsMorphingResources("d", {}, only_to_read).execute(context, instance, ())


def test_clones_that_are_only_read_want_no_worker_where_the_conductor_reads_them() -> None:
    assert deployed(only_to_read=True, images=IMAGES) == MorphingResources(None, {}, IMAGES)


@pytest.mark.parametrize(("only_to_read", "images"), [(True, ()), (False, IMAGES)])
def test_what_is_adapted_or_out_of_reach_wants_one(only_to_read: bool, images: Any) -> None:
    assert deployed(only_to_read=only_to_read, images=images) == BOOTED
