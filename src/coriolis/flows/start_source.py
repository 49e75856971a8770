"""Starting one instance again on its source: which step after which."""

from collections.abc import Mapping
from typing import Any

from coriolis.engine.plan import FlowStep
from coriolis.steps.get_instance_info import GetInstanceInfo
from coriolis.steps.start_instance import StartInstance

NAME = "start_source"
VERSION = 1
START_STEP = "start_instance"


def steps(instance_name: str, source_id: str, source: Mapping[str, Any]) -> list[FlowStep]:
    return [
        FlowStep("get_instance_info", GetInstanceInfo(source_id, source, instance_name)),
        FlowStep(START_STEP, StartInstance(source_id, source), ("get_instance_info",)),
    ]
