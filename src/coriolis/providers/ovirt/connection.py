"""The connection info of an oVirt or OLVM endpoint."""

import os
import socket
from pathlib import Path

import certifi
from pydantic import Field, field_validator

from coriolis.errors import InvalidInput
from coriolis.providers.schema import OptionModel, SecretText

DEFAULT_PROFILE = "internal"
_SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


class OvirtConnectionInfo(OptionModel):
    """How to reach and log in to the engine."""

    url: str = Field(
        pattern=r"^https?://[^/]+",
        title="URL",
        description="Full URL of the engine's API, e.g. https://engine.example/ovirt-engine/api.",
    )
    username: str = Field(
        min_length=1,
        title="User name",
        description="User with its profile: admin@internal, or admin@ovirt@internalsso with Keycloak; "
        "without @ it is taken as one of the profile 'internal'.",
    )
    password: SecretText = Field(title="Password", description="Password of the user.")
    allow_untrusted: bool = Field(
        default=False, title="Allow untrusted", description="Do not check the engine's certificate."
    )
    ca_file: str | None = Field(
        default=None,
        title="CA file",
        description="PEM file on the Coriolis host with the CA of the engine; empty: the system's CAs.",
    )

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        """A trailing slash yields //clusters later; a bare host means the usual path."""
        url = url.rstrip("/")
        return url if url.count("/") > 2 else f"{url}/ovirt-engine/api"

    @property
    def login(self) -> str:
        """The user with a profile, without which the engine finds nobody."""
        return self.username if "@" in self.username else f"{self.username}@{DEFAULT_PROFILE}"

    @property
    def trusted_ca_file(self) -> str:
        """pycurl's wheel looks for CAs where only Red Hat has them, so a file is always named.

        Raises InvalidInput where `ca_file` cannot be read: libcurl would only say that the certificate is bad.
        """
        if self.ca_file:
            if not os.access(self.ca_file, os.R_OK):
                raise InvalidInput(
                    message=f"Connection info: ca_file {self.ca_file!r} cannot be read on host {socket.gethostname()}. "
                    "The engine gives its CA at /ovirt-engine/services/pki-resource?resource=ca-certificate"
                    "&format=X509-PEM-CA."
                )
            return self.ca_file
        return str(_SYSTEM_BUNDLE) if _SYSTEM_BUNDLE.exists() else certifi.where()
