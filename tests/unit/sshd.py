"""A private sshd on 127.0.0.1 that stands for a worker VM: the real server, reached by the real client."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

from coriolis.model.secret import Secret
from coriolis.model.worker import SshLogin

PASSWORD = "spaces and 'quotes' $too"
_SSHD = "/usr/sbin/sshd"


class PrivateSshd:
    """Serves root with a key and with PASSWORD, in a mount namespace that has a shadow file of its own.

    `path`: what its sessions look for programs in, instead of what root's profile says.
    """

    def __init__(self, directory: Path, path: str = "") -> None:
        self.directory = directory
        self._path = path
        directory.mkdir(exist_ok=True)
        for name in ("host_key", "user_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)]
            subprocess.run(command, check=True)
        shutil.copy(directory / "user_key.pub", directory / "authorized_keys")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._shadow()
        self.start()

    def _shadow(self) -> None:
        command = ["openssl", "passwd", "-6", "-stdin"]
        done = subprocess.run(command, input=PASSWORD.encode(), capture_output=True, check=True)
        line = f"root:{done.stdout.decode().strip()}:19000:0:99999:7:::\n"
        (self.directory / "shadow").write_text(line)

    def start(self) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)
        settings = {
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": self.directory / "host_key",
            "AuthorizedKeysFile": self.directory / "authorized_keys",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PermitRootLogin": "yes",
            "PasswordAuthentication": "yes",
            "MaxStartups": "100",
            **({"SetEnv": f"PATH={self._path} HOME={self.directory}"} if self._path else {}),
        }
        config = self.directory / "sshd_config"
        config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        mount = f"mount --bind {self.directory}/shadow /etc/shadow"
        serve = f"exec {_SSHD} -D -e -f {config}"
        log = (self.directory / "log").open("ab")
        command = ["unshare", "-m", "--propagation", "private", "sh", "-ec", f"{mount}; {serve}"]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        log.close()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError((self.directory / "log").read_text())

    @property
    def host_key(self) -> str:
        return " ".join((self.directory / "host_key.pub").read_text().split()[:2])

    def login(self, **changes: object) -> SshLogin:
        values: dict[str, object] = {
            "address": "127.0.0.1",
            "username": "root",
            "port": self.port,
            "private_key": Secret((self.directory / "user_key").read_text()),
            **changes,
        }
        return SshLogin(**values)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
