"""The password that cloudbase-init made for a Windows server, and encrypted for its key pair alone."""

import base64
import binascii

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from coriolis.errors import CloudError
from coriolis.model.secret import Secret
from coriolis.providers.base import Operation
from coriolis.providers.lifecycle import wait_until
from coriolis.providers.openstack.client import OpenStackClient

WINDOWS_USER = "Admin"  # cloudbase-init's default


def wait_for_password(client: OpenStackClient, op: Operation, server_id: str, private_key: Secret) -> Secret:
    """Once the guest has posted it to the metadata service, late in its first boot. Raises CloudTimeout."""
    compute = client.compute
    action = f"learn the password of server {server_id}"

    def look() -> str | None:
        return client.call(action, lambda: compute.get_server_password(server_id)) or None

    encrypted = wait_until(op, look, client.patience, cloud=client.cloud, action=action)
    try:
        return decrypted(encrypted, private_key)
    except ValueError:
        reason = "it was not encrypted for the key pair of the server"
        raise CloudError(cloud=client.cloud, action=action, reason=reason) from None


def decrypted(encrypted: str, private_key: Secret) -> Secret:
    """`encrypted`: base64 of RSA with PKCS #1 v1.5 padding. Raises ValueError for what the key does not open."""
    key = serialization.load_ssh_private_key(private_key.reveal().encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("only an RSA key decrypts")  # noqa: TRY004 - the value of the secret is wrong, not its type
    try:
        data = base64.b64decode(encrypted, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    return Secret(key.decrypt(data, padding.PKCS1v15()).decode())
