"""coriolis-api or coriolis-conductor with directories for clouds: `python -m tests.distributed.daemon api|conductor
--config-file PATH`. A cloud notes who asked it, in its file `asked_by`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coriolis.cli import daemons
from coriolis.config import Settings
from coriolis.providers import registry
from coriolis.providers.base import DestinationCloud, Provider, SourceCloud
from coriolis.steps import morph_os, replicate_disks
from tests.unit.api.directory_cloud import PLATFORM, DirectoryProvider
from tests.unit.api.stand_ins import StandIns


class NotingProvider(DirectoryProvider):
    def connect_source(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> SourceCloud:
        _note(connection_info, settings)
        return super().connect_source(connection_info, endpoint_name, settings)

    def connect_destination(
        self, connection_info: Mapping[str, Any], endpoint_name: str, settings: Settings
    ) -> DestinationCloud:
        _note(connection_info, settings)
        return super().connect_destination(connection_info, endpoint_name, settings)


def _note(connection_info: Mapping[str, Any], settings: Settings) -> None:
    with (Path(connection_info["directory"]) / "asked_by").open("a") as file:
        file.write(f"{settings.host_name}\n")


def main() -> int:
    which, *arguments = sys.argv[1:]
    known: dict[str, Provider] = {PLATFORM: NotingProvider()}
    registry.providers = lambda: known
    stand_ins = StandIns(Path(arguments[-1]).parent)
    replicate_disks.run_copy_job = stand_ins.copy
    morph_os.run_morph_job = stand_ins.morph
    return {"api": daemons.api, "conductor": daemons.conductor}[which](arguments)


if __name__ == "__main__":
    sys.exit(main())
