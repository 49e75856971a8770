"""/servers/{id}/os-server-password: what cloudbase-init in a Windows guest told the metadata service."""

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from coriolis_lab.openstack.compute.bodies import find_server
from coriolis_lab.openstack.records import Server
from coriolis_lab.openstack.web import Call, Reply, Route


def post_password(server: Server, password: str) -> None:
    """As the guest does: encrypted with the server's key pair, so that only who has the private key reads it.

    Without an RSA key cloudbase-init posts nothing.
    """
    key = serialization.load_ssh_public_key(server.key.public_key.encode()) if server.key else None
    if not isinstance(key, RSAPublicKey):
        return
    server.password_data = base64.b64encode(key.encrypt(password.encode(), padding.PKCS1v15())).decode()


def _password(call: Call) -> Reply:
    """Nova forgets it on DELETE; it never changes the guest's own."""
    server = find_server(call)
    if call.method == "DELETE":
        server.password_data = ""
        return Reply(None, 204)
    return Reply({"password": server.password_data})


ROUTES = [
    Route("GET", "/v2.1/servers/{id}/os-server-password", _password),
    Route("DELETE", "/v2.1/servers/{id}/os-server-password", _password),
]
