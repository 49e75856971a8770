"""What the regions of one OpenStack share: Keystone's people, projects, tokens and the catalog."""

import hashlib
import secrets
import threading
from dataclasses import dataclass
from datetime import timedelta

from coriolis.model.secret import Secret
from coriolis_lab.openstack.records import ApplicationCredential, Project, Token, User, now

INTERFACES = ("public", "internal", "admin")


@dataclass(frozen=True)
class ForeignService:
    """A service of somebody else's in the catalog. `{project_id}` in the URL stands for the token's project."""

    kind: str
    name: str
    url: str
    region: str | None = None  # None: in each
    interfaces: tuple[str, ...] = INTERFACES


class Realm:
    """`lock` guards it and all its regions."""

    def __init__(self, token_seconds: float) -> None:
        self.lock = threading.RLock()
        self.regions: list[str] = []
        self.projects: dict[str, Project] = {}
        self.users: dict[str, User] = {}
        self.application_credentials: dict[str, ApplicationCredential] = {}
        self.foreign_services: list[ForeignService] = []
        self._token_seconds = token_seconds
        self._tokens: dict[
            str, Token
        ] = {}  # by digest, so that a dump of the state gives no valid token away

    def issue_token(
        self,
        user: User,
        project: Project | None,
        methods: tuple[str, ...],
        credential: ApplicationCredential | None = None,
    ) -> Token:
        began = now()
        roles = user.roles.get(project.id, ()) if project else ()
        token = Token(
            id=Secret("gAAAA" + secrets.token_urlsafe(120)),
            user=user,
            project=project,
            roles=roles if credential is None else credential.roles,
            issued=began,
            expires=began + timedelta(seconds=self._token_seconds),
            methods=methods,
            audit_id=secrets.token_urlsafe(16),
            application_credential=credential,
        )
        self._tokens[_digest(token.id.reveal())] = token
        return token

    def find_token(self, text: str) -> Token | None:
        token = self._tokens.get(_digest(text))
        return token if token and token.expires > now() else None

    def revoke_token(self, text: str) -> None:
        self._tokens.pop(_digest(text), None)

    def remove_application_credential(self, credential: ApplicationCredential) -> None:
        """Its tokens end with it."""
        del self.application_credentials[credential.id]
        self._tokens = {k: t for k, t in self._tokens.items() if t.application_credential is not credential}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
