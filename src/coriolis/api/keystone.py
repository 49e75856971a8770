"""Whose token a request bears: keystonemiddleware is asked, with as little of a WSGI request as it needs."""

import io
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from keystoneauth1 import exceptions, loading
from keystonemiddleware import auth_token
from keystonemiddleware.opts import list_auth_token_opts
from oslo_config import cfg

from coriolis.api.gate import Caller
from coriolis.config import KeystoneAuthtokenSection
from coriolis.errors import AuthenticationRequired, KeystoneUnavailable
from coriolis.model.secret import Secret

_GROUP = "keystone_authtoken"


class Keystone:
    """Thread-safe."""

    def __init__(self, settings: KeystoneAuthtokenSection) -> None:
        self._middleware = auth_token.AuthProtocol(_accept, {"oslo_config_config": _options(settings)})

    def identify(self, token: str | None, service_token: str | None = None) -> Caller:
        """Raises AuthenticationRequired for a token that is missing, expired or nobody's, KeystoneUnavailable."""
        environ = _environ(token, service_token)
        status = ""

        def start_response(given: str, _headers: Any, _failure: Any = None) -> None:
            nonlocal status
            status = given

        try:
            list(self._middleware(environ, start_response))
        except exceptions.ClientException as error:
            raise KeystoneUnavailable(reason=str(error)) from error
        if status.startswith("401"):
            raise AuthenticationRequired()
        if not status.startswith("200"):
            raise KeystoneUnavailable(reason=f"{status}.")
        roles = tuple(role for role in environ.get("HTTP_X_ROLES", "").split(",") if role)
        return Caller(environ["HTTP_X_USER_ID"], environ.get("HTTP_X_PROJECT_ID"), roles)


def _accept(_environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
    """The application behind the middleware: reached by good tokens only."""
    start_response("200 OK", [])
    return ()


def _environ(token: str | None, service_token: str | None) -> dict[str, Any]:
    """Without the request's other headers: one named X-User-Id must not be believed."""
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    tokens = {"HTTP_X_AUTH_TOKEN": token, "HTTP_X_SERVICE_TOKEN": service_token}
    return environ | {name: value for name, value in tokens.items() if value}


def _options(settings: KeystoneAuthtokenSection) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    conf([], project="coriolis", default_config_files=[], default_config_dirs=[])
    for group, options in list_auth_token_opts():
        conf.register_opts(options, group=group)
    plugin: Any = loading.get_plugin_loader(settings.auth_type)
    conf.register_opts(loading.get_auth_plugin_conf_options(plugin), group=_GROUP)
    values: dict[str, Any] = {name: getattr(settings, name) for name in type(settings).model_fields}
    values |= {"www_authenticate_uri": settings.www_authenticate_uri or settings.auth_url}
    values |= {"service_token_roles_required": True}
    for name, value in values.items():
        if value not in (None, "", ()):
            conf.set_override(name, _plain(value), group=_GROUP)
    return conf


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    return list(value) if isinstance(value, tuple) else value if isinstance(value, int) else str(value)
