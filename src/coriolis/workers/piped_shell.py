"""A Windows remote shell whose commands have a pipe for standard input."""

import xml.etree.ElementTree as ET

from pypsrp.shell import WinRS
from pypsrp.wsman import NAMESPACES, OptionSet, SelectorSet, WSMan

_UTF_8 = 65001


class PipedShell(WinRS):
    """The library's own reads a console, which takes typed text and has no end (MS-WSMV, WINRS_CONSOLEMODE_STDIN)."""

    def __init__(self, client: WSMan) -> None:
        super().__init__(client, codepage=_UTF_8)

    def command(
        self,
        executable: str,
        arguments: list[str] | None,
        no_shell: bool = False,
        command_id: str | None = None,
    ) -> ET.Element:
        """`executable` is a whole line for cmd.exe."""
        del arguments, no_shell, command_id
        options = OptionSet()
        options.add_option("WINRS_CONSOLEMODE_STDIN", "FALSE")
        options.add_option("WINRS_SKIP_CMD_SHELL", "FALSE")
        shell = SelectorSet()
        shell.add_option("ShellId", self.id or "")
        line = ET.Element(f"{{{NAMESPACES['rsp']}}}CommandLine")
        ET.SubElement(line, f"{{{NAMESPACES['rsp']}}}Command").text = executable
        return self.wsman.command(self.resource_uri, line, option_set=options, selector_set=shell)
