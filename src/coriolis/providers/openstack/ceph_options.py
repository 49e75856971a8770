"""Direct access to the Ceph cluster behind Cinder: `ceph_options` of a connection info."""

import configparser
import re
from collections.abc import Iterator

from pydantic import Field, field_validator

from coriolis.errors import InvalidInput
from coriolis.images.ceph import CephCluster
from coriolis.model.secret import Secret
from coriolis.providers.schema import OptionModel, SecretText

# A CephX secret: type, creation time, length and 16 bytes of AES key (32 with newer ciphers), in base64.
_CEPHX_KEY = re.compile(r"[A-Za-z0-9+/]{38,}={0,2}")
_MONITOR_KEYS = frozenset({"mon host", "mon addr", "public addr", "mon dns srv name"})


class CephOptions(OptionModel):
    """Frozen; the texts of both files are given, not their paths: the conductor that reads them may be any."""

    ceph_conf_file: str = Field(
        min_length=1,
        title="Ceph configuration",
        description="Contents of ceph.conf with the monitor hosts, best the one that Cinder uses. Paths to "
        "keyrings in it do not matter.",
    )
    ceph_username: str = Field(
        min_length=1,
        title="Ceph user",
        description="User with read access to the pools of Cinder volumes and backups, best that of Cinder.",
    )
    ceph_keyring_file: SecretText = Field(
        title="Ceph keyring", description="Contents of the keyring file with the key of that user."
    )
    ceph_pool_name: str = Field(
        min_length=1, title="Ceph pool", description="Pool of the Cinder volume snapshots or backups."
    )
    ceph_cluster_name: str = Field(
        default="ceph", min_length=1, title="Ceph cluster", description="Name of the cluster."
    )
    ceph_connection_timeout: int | None = Field(
        default=None,
        gt=0,
        title="Ceph connection timeout",
        description="Seconds to wait for the cluster; empty: cinder_ceph_timeout of the conductor's settings (30).",
    )

    @field_validator("ceph_username")
    @classmethod
    def _without_type(cls, name: str) -> str:
        """librados takes "admin" where keyrings and people say "client.admin"."""
        return name.removeprefix("client.")

    def check(self) -> None:
        """Raises InvalidInput naming the option whose text cannot be what it has to be. No network.

        Not part of parsing: an endpoint with placeholders in it can be stored, but not validated or used.
        """
        sections = _sections("ceph_conf_file", self.ceph_conf_file)
        if not any(key in _MONITOR_KEYS for _, key, _ in sections):
            raise _unusable("ceph_conf_file", "names no monitor hosts (mon_host in [global])")
        self.key()

    def cluster(self, default_timeout: int) -> CephCluster:
        return CephCluster(
            conf=self.ceph_conf_file,
            user=self.ceph_username,
            cluster=self.ceph_cluster_name,
            timeout=self.ceph_connection_timeout or default_timeout,
        )

    def key(self) -> Secret:
        """The CephX key of the user. Raises InvalidInput where the keyring has none."""
        user = f"client.{self.ceph_username}"
        for section, key, value in _sections("ceph_keyring_file", self.ceph_keyring_file.reveal()):
            if section == user and key == "key":
                if not _CEPHX_KEY.fullmatch(value):
                    raise _unusable("ceph_keyring_file", f"the key of [{user}] is no CephX key")
                return Secret(value)
        raise _unusable("ceph_keyring_file", f"has no section [{user}] with a key")


def _sections(option: str, text: str) -> Iterator[tuple[str, str, str]]:
    """(section, key, value) of a file in Ceph's dialect of INI: keys may be written with blanks, dashes or
    underscores, lines may be indented, and comments follow ; or #."""
    if "\n" not in text.strip() and text.lstrip().startswith(("/", "~", "./")):
        raise _unusable(option, "is a path; give the contents of the file")
    parser = configparser.ConfigParser(
        strict=False, interpolation=None, inline_comment_prefixes=("#", ";"), default_section="\0"
    )
    try:
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except configparser.Error:
        # no details: the parser quotes the line, which may be a key
        raise _unusable(option, "is no file of [sections] with lines of key = value") from None
    for section in parser.sections():
        for key, value in parser.items(section):
            yield section, re.sub(r"[ _-]+", " ", key), value


def _unusable(option: str, reason: str) -> InvalidInput:
    return InvalidInput(message=f"Connection info: ceph_options.{option}: {reason}.")
