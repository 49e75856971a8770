"""The stand-alone `coriolis` command line."""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cliff.app import App

from coriolis.cli.auth import add_global_options, make_client
from coriolis.cli.base import FAILURE, told
from coriolis.cli.client import ApiClient
from coriolis.cli.commands import command_manager
from coriolis.errors import CoriolisError


class ClientManager:
    """Makes the client when a command first asks for it: `--help` and `serve` need none."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._client: ApiClient | None = None

    @property
    def coriolis(self) -> ApiClient:
        if self._client is None:
            self._client = make_client(self._options)
        return self._client


class Coriolis(App):
    NAME = "coriolis"
    DEFAULT_VERBOSE_LEVEL = 0
    client_manager: ClientManager

    def __init__(self, **streams: Any) -> None:
        super().__init__(
            description="Moves virtual machines between clouds, and keeps replicas of them for bad days.",
            version=_version(),
            command_manager=command_manager(),
            deferred_help=True,
            **streams,
        )

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: dict[str, Any] | None = None
    ) -> argparse.ArgumentParser:
        # Without this, an option of a command that begins like a global one would be taken for that one
        kwargs = {**(argparse_kwargs or {}), "allow_abbrev": False}
        parser = super().build_option_parser(description, version, kwargs)
        add_global_options(parser)
        return parser

    def initialize_app(self, _argv: list[str]) -> None:
        self.client_manager = ClientManager(self.options)
        if not self.options.debug:
            # Their lines would repeat what the command's own error says
            for name in ("keystoneauth", "urllib3"):
                logging.getLogger(name).setLevel(logging.ERROR)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments:
        arguments = ["--help"]
    try:
        with _own_logging():
            return Coriolis().run(arguments)
    except CoriolisError as error:
        # reached with --debug only, after the traceback was printed
        sys.stderr.write(told(error))
        return FAILURE
    except SystemExit as end:
        # how argparse ends on a wrong option (2) and after --help (nothing)
        return end.code if isinstance(end.code, int) else 0


@contextmanager
def _own_logging() -> Iterator[None]:
    """cliff and `serve` set up the process' logging; a caller of `main` gets its own back."""
    root, product = logging.getLogger(), logging.getLogger("coriolis")
    handlers, levels = list(root.handlers), (root.level, product.level)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        product.setLevel(levels[1])


def _version() -> str:
    try:
        return version("coriolis")
    except PackageNotFoundError:
        return "unknown (run from a source tree)"


if __name__ == "__main__":
    sys.exit(main())
