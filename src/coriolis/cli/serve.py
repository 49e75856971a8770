"""coriolis serve: the API and the engine in one process, on a state directory of their own."""

import argparse
from pathlib import Path
from typing import Any

from coriolis import logs
from coriolis.cli.base import ApiCommand
from coriolis.config import Settings, load_settings


class Serve(ApiCommand):
    """Run Coriolis here: API and engine in one process, SQLite, nothing else needed."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--config-file",
            type=Path,
            action="append",
            metavar="PATH",
            help="coriolis.conf to read; can be repeated, and later ones win.",
        )
        parser.add_argument(
            "--state-dir",
            type=Path,
            metavar="DIR",
            help="Where database, key and manifests live; made if missing.",
        )
        parser.add_argument("--host", help="Address to listen on (127.0.0.1).")
        parser.add_argument("--port", type=int, help="TCP port to listen on (7667; 0 picks a free one).")
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        logs.expect_eventlet()
        # imported here: the server's libraries would slow down every other command
        from coriolis.api.server import serve

        settings = _settings(parsed_args, debug=bool(getattr(self.app_args, "debug", False)))
        self.exit_code = serve(settings, announce=self._announce)

    def _announce(self, url: str) -> None:
        self.app.stdout.write(f"Coriolis listens on {url}\n")
        self.app.stdout.flush()


def _settings(parsed: argparse.Namespace, *, debug: bool) -> Settings:
    """Flags win over the file, the file over the defaults."""
    overrides: dict[str, Any] = {}
    if parsed.state_dir is not None:
        overrides["state_dir"] = parsed.state_dir.absolute()
    if debug:
        overrides["debug"] = True
    settings = load_settings(parsed.config_file, **overrides)
    api = {key: value for key, value in (("host", parsed.host), ("port", parsed.port)) if value is not None}
    return settings.model_copy(
        update={"api": settings.api.model_validate({**settings.api.model_dump(), **api})}
    )
