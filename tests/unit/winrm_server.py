"""A Windows worker VM as far as WinRM shows it: WS-Management over HTTPS, with Basic authentication.

It speaks what MS-WSMV says of remote shells (Create, Command, Send, Receive, Signal, Delete) to the real client
library. What a program does there is a function of its command line and input, for there is no Windows here.
"""

import base64
import ssl
import threading
import time
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from coriolis.model.secret import Secret
from coriolis.model.worker import WinRmLogin

USER = "Admin"
PASSWORD = "pässword with: \"quotes'"

_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
_NAMES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "t": _TRANSFER,
    "r": _SHELL,
}
_DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _NAMES.items())
_NOTHING_YET = (
    2150858793,
    "The WS-Management service cannot complete the operation within the time specified.",
)
_NO_SHELL = (2150858843, "The shell was not found on the server.")


@dataclass(frozen=True)
class Output:
    code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""


Programs = Callable[[str, bytes], Output | None]
"""Of a command line and its input; None: it does not end."""


@dataclass
class _Command:
    line: str
    stdin: bytes = b""
    stdin_ended: bool = False
    left: list[tuple[str, bytes]] | None = None
    code: int = 0


class RefusedError(Exception):
    """A fault: its code and message."""


@dataclass
class WinRmServer:
    """`shells`: those that are open. `ended`: command lines that were told to end. `piece`: bytes of output an answer.

    What may be wrong: `http_status` (instead of any answer), `basic` (off), `fault` (of each request, code and
    message), `takes_input` (off), `delay` (seconds before each answer).
    """

    directory: Path
    address: str = "127.0.0.1"
    port: int = 0
    username: str = USER
    password: str = PASSWORD
    programs: Programs = lambda line, stdin: Output()
    administrator: bool = True
    piece: int = 1 << 20
    http_status: int = 0
    basic: bool = True
    fault: tuple[int, str] | None = None
    takes_input: bool = True
    delay: float = 0.0
    shells: dict[str, dict[str, _Command]] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    requests: int = 0

    def __post_init__(self) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.renew_certificate()
        self._server = _Server((self.address, self.port), _Handler)
        self._server.context, self._server.guest = self._context, self
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def renew_certificate(self) -> None:
        """As a first boot does when Windows gets its name."""
        path = self.directory / f"winrm-{uuid.uuid4()}.pem"
        path.write_bytes(_self_signed())
        self._context.load_cert_chain(path)
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        self.certificate = certificate.fingerprint(hashes.SHA256()).hex()

    def login(self, **changes: Any) -> WinRmLogin:
        password = Secret(self.password)
        known = {"address": self.address, "username": self.username, "password": password, "port": self.port}
        return WinRmLogin(**{**known, **changes})

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, action: str, header: ET.Element, body: ET.Element) -> str:
        """The body. Raises RefusedError."""
        if self.fault is not None:
            raise RefusedError(*self.fault)
        if action == f"{_TRANSFER}/Create":
            return self._create(header)
        shell = header.findtext("w:SelectorSet/w:Selector[@Name='ShellId']", "", _NAMES)
        if shell not in self.shells:
            raise RefusedError(*_NO_SHELL)
        if action == f"{_TRANSFER}/Delete":
            del self.shells[shell]
            return ""
        verbs = {
            "Command": self._command,
            "Send": self._send,
            "Receive": self._receive,
            "Signal": self._signal,
        }
        return verbs[action.removeprefix(_SHELL + "/")](header, body, self.shells[shell])

    def _create(self, header: ET.Element) -> str:
        assert _option(header, "WINRS_CODEPAGE") == "65001"
        shell = str(uuid.uuid4()).upper()
        self.shells[shell] = {}
        selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>'
        return (
            f"<t:ResourceCreated><a:ReferenceParameters>{selector}</a:ReferenceParameters></t:ResourceCreated>"
            f"<r:Shell><r:ShellId>{shell}</r:ShellId></r:Shell>"
        )

    def _command(self, header: ET.Element, body: ET.Element, commands: dict[str, _Command]) -> str:
        assert _option(header, "WINRS_CONSOLEMODE_STDIN") == "FALSE"
        number = str(uuid.uuid4()).upper()
        commands[number] = _Command(body.findtext("r:CommandLine/r:Command", "", _NAMES))
        return f"<r:CommandResponse><r:CommandId>{number}</r:CommandId></r:CommandResponse>"

    def _send(self, header: ET.Element, body: ET.Element, commands: dict[str, _Command]) -> str:
        if not self.takes_input:
            raise RefusedError(232, "The pipe is being closed.")
        stream = body.find("r:Send/r:Stream", _NAMES)
        assert stream is not None
        command = commands[stream.attrib["CommandId"]]
        assert not command.stdin_ended
        command.stdin += base64.b64decode(stream.text or "")
        command.stdin_ended = stream.attrib.get("End", "").lower() == "true"
        return "<r:SendResponse/>"

    def _receive(self, header: ET.Element, body: ET.Element, commands: dict[str, _Command]) -> str:
        number = body.find("r:Receive/r:DesiredStream", _NAMES).attrib["CommandId"]  # type: ignore[union-attr]
        command = commands[number]
        if command.left is None:
            output = self._run(command)
            if output is None:
                seconds = header.findtext("w:OperationTimeout", "", _NAMES)
                time.sleep(float(seconds.strip("PTS")))
                raise RefusedError(*_NOTHING_YET)
            command.code = output.code
            both = (("stdout", output.stdout), ("stderr", output.stderr))
            command.left = [
                (name, data[at : at + self.piece])
                for name, data in both
                for at in range(0, len(data), self.piece)
            ]
        pieces = [command.left.pop(0)] if command.left else []
        streams = "".join(
            f'<r:Stream Name="{name}" CommandId="{number}">{base64.b64encode(data).decode()}</r:Stream>'
            for name, data in pieces
        )
        state, code = (
            ("Running", "") if command.left else ("Done", f"<r:ExitCode>{command.code}</r:ExitCode>")
        )
        state = f'<r:CommandState CommandId="{number}" State="{_SHELL}/CommandState/{state}">{code}</r:CommandState>'
        return f"<r:ReceiveResponse>{streams}{state}</r:ReceiveResponse>"

    def _run(self, command: _Command) -> Output | None:
        if not command.line.startswith("powershell.exe "):
            return self.programs(command.line, command.stdin)
        assert command.stdin_ended
        assert len(command.line) < 8191  # the most that cmd.exe takes
        script = base64.b64decode(command.stdin).decode()
        self.scripts.append(script)
        if "IsInRole" in script:
            return Output() if self.administrator else Output(1, stderr=b"Guest is no administrator.")
        return self.programs("powershell.exe", script.encode())

    def _signal(self, header: ET.Element, body: ET.Element, commands: dict[str, _Command]) -> str:
        assert body.findtext("r:Signal/r:Code", "", _NAMES) == f"{_SHELL}/signal/Terminate"
        command = commands[body.find("r:Signal", _NAMES).attrib["CommandId"]]  # type: ignore[union-attr]
        self.ended.append(command.line)
        return "<r:SignalResponse/>"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext
    guest: WinRmServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that look at the certificate and go are what is wanted."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        """The handshake in the connection's thread: a client that hangs holds nobody up."""
        self.certificate = self.server.guest.certificate
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        guest = self.server.guest
        guest.requests += 1
        request = self.rfile.read(int(self.headers["Content-Length"]))
        guest.seen.append(request.decode())
        time.sleep(guest.delay)
        if guest.certificate != self.certificate:
            self.close_connection = True  # a listener that is made anew ends the connections of the old one
        elif guest.http_status:
            self._respond(guest.http_status, b"Not WinRM")
        elif not guest.basic:
            self._respond(401, b"", {"WWW-Authenticate": "Negotiate"})
        elif self.headers.get("Authorization") != _authorization(guest):
            self._respond(401, b"", {"WWW-Authenticate": 'Negotiate, Basic realm="WSMAN"'})
        elif self.path != "/wsman":
            self._respond(404, b"")
        else:
            self._manage(guest, ET.fromstring(request))  # noqa: S314 - of our own client

    def _manage(self, guest: WinRmServer, envelope: ET.Element) -> None:
        header, body = envelope.find("s:Header", _NAMES), envelope.find("s:Body", _NAMES)
        assert header is not None
        assert body is not None
        action = header.findtext("a:Action", "", _NAMES)
        relates = f"<a:RelatesTo>{header.findtext('a:MessageID', '', _NAMES)}</a:RelatesTo>"
        try:
            status, content = 200, guest.answer(action, header, body)
        except RefusedError as refused:
            status, content = 500, _fault(*refused.args)
        text = (
            f"<s:Envelope {_DECLARED}><s:Header>{relates}</s:Header><s:Body>{content}</s:Body></s:Envelope>"
        )
        self._respond(status, text.encode())

    def _respond(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/soap+xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _authorization(guest: WinRmServer) -> str:
    return "Basic " + base64.b64encode(f"{guest.username}:{guest.password}".encode()).decode()


def _option(header: ET.Element, name: str) -> str:
    return header.findtext(f"w:OptionSet/w:Option[@Name='{name}']", "", _NAMES)


def _fault(code: int, message: str) -> str:
    detail = (
        f'<f:WSManFault Code="{code}" Machine="127.0.0.1"><f:Message>{message}</f:Message></f:WSManFault>'
    )
    return (
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{message}</s:Text></s:Reason><s:Detail>{detail}</s:Detail></s:Fault>'
    )


def _self_signed() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"WIN-{uuid.uuid4().hex[:11].upper()}")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
