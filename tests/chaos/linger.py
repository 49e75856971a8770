"""A step that takes its time and nothing else, for jobs by the hundred."""

from dataclasses import dataclass
from pathlib import Path

from coriolis.engine.context import StepContext
from coriolis.engine.step import Step
from coriolis.model.enums import TaskType
from tests.chaos.file_cloud import FileCloud


@dataclass(frozen=True)
class Linger(Step):
    key = "linger"
    task_type = TaskType.GET_INSTANCE_INFO

    directory: Path
    seconds: float
    subject: str

    def execute(self, op: StepContext) -> None:
        with FileCloud(self.directory).call("linger", self.subject, op):
            pass
        op.sleep(self.seconds)
        with FileCloud(self.directory).call("lingered", self.subject, op):
            pass
