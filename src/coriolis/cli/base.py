"""What every command shares: the client, errors told in full on stderr, exit codes.

The commands run in two shells, the stand-alone `coriolis` and the `openstack` client; both keep the client at
`app.client_manager.coriolis`.
"""

import abc
import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from coriolis.cli.client import ApiClient
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


def told(error: CoriolisError) -> str:
    """The lines that a person is shown of an error; a server's own code goes before that of the client."""
    code = error.code
    if isinstance(error, RemoteError):
        code = error.fields["error_code"] or f"HTTP {error.fields['status']}"
    lines = [f"Error: {error.message}"]
    if error.hint_text:
        lines.append(f"Hint: {error.hint_text}")
    return "\n".join([*lines, f"Code: {code}", ""])
