"""What every command shares: the client, errors told in full on stderr, exit codes.

The commands run in two shells, the stand-alone `coriolis` and the `openstack` client; both keep the client at
`app.client_manager.coriolis`.
"""

import abc
import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from coriolis.cli.client import ApiClient, segment
from coriolis.errors import CoriolisError, RemoteError

FAILURE = 1


class ErrorsTold(Command):
    """Ends a failed command with message, hint and code on stderr and exit code 1, without traceback unless
    --debug asks for it. `exit_code` is what a successful run returns."""

    exit_code = 0

    @property
    def api(self) -> ApiClient:
        client: ApiClient = self.app.client_manager.coriolis  # type: ignore[attr-defined] # both shells have it
        return client

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            failed = super().run(parsed_args)
        except CoriolisError as error:
            if getattr(self.app_args, "debug", False):
                raise
            sys.stderr.write(told(error))
            return FAILURE
        return failed or self.exit_code


class ApiCommand(ErrorsTold):
    """A command that prints nothing by itself."""

    @abc.abstractmethod
    def take_action(self, parsed_args: argparse.Namespace) -> None: ...


class ApiLister(ErrorsTold, Lister):
    @abc.abstractmethod
    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]: ...


class ApiShowOne(ErrorsTold, ShowOne):
    @abc.abstractmethod
    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]: ...


class ShowWithInstances(ApiShowOne):
    """Of a transfer or a deployment: `noun` as in the path and the answer's key."""

    noun: ClassVar[str]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", help=f"Id of the {self.noun}.")
        parser.add_argument(
            "--show-instances-data", action="store_true", help="Also what is known of its instances."
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Any]]:
        more = parsed_args.show_instances_data
        path = f"/{self.noun}s/{segment(parsed_args.id)}"
        record = self.api.get(path, include_task_info=more or None)[self.noun]
        return self.columns(record, *(["info"] if more else []))

    @abc.abstractmethod
    def columns(self, record: Mapping[str, Any], *more: str) -> tuple[Sequence[str], Iterable[Any]]: ...


def told(error: CoriolisError) -> str:
    """The lines that a person is shown of an error; a server's own code goes before that of the client."""
    code = error.code
    if isinstance(error, RemoteError):
        code = error.fields["error_code"] or f"HTTP {error.fields['status']}"
    lines = [f"Error: {error.message}"]
    if error.hint_text:
        lines.append(f"Hint: {error.hint_text}")
    return "\n".join([*lines, f"Code: {code}", ""])
