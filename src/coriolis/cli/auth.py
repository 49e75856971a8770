"""Global options of the stand-alone `coriolis`, and the client that they describe.

Three ways in: Keystone by password or token; a token with a known URL; and no authentication at all, which is
what the embedded server wants and what is assumed where neither a Keystone nor a server is named.
"""

import argparse
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from keystoneauth1 import loading, noauth, token_endpoint
from keystoneauth1.identity import v3
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session

from coriolis.cli.client import SERVICE_TYPE, ApiClient, EndpointChoice
from coriolis.errors import InvalidInput

LOCAL_SERVER = "http://127.0.0.1:7667"
LOCAL_PROJECT = "default"

# flag, environment variables in order of preference, metavar, help
_IDENTITY_OPTIONS: tuple[tuple[str, Sequence[str], str, str], ...] = (
    (
        "--os-identity-api-version",
        ("OS_IDENTITY_API_VERSION",),
        "<identity-api-version>",
        "Keystone API version (3)",
    ),
    ("--os-auth-url", ("OS_AUTH_URL",), "<auth-url>", "Keystone URL"),
    ("--os-username", ("OS_USERNAME",), "<auth-user-name>", "User name"),
    ("--os-user-id", ("OS_USER_ID",), "<auth-user-id>", "User id"),
    ("--os-password", ("OS_PASSWORD",), "<auth-password>", "Password; better in OS_PASSWORD than here"),
    ("--os-user-domain-id", ("OS_USER_DOMAIN_ID",), "<auth-user-domain-id>", "Id of the user's domain"),
    (
        "--os-user-domain-name",
        ("OS_USER_DOMAIN_NAME",),
        "<auth-user-domain-name>",
        "Name of the user's domain",
    ),
    ("--os-tenant-name", ("OS_TENANT_NAME",), "<auth-tenant-name>", "Old name of --os-project-name"),
    ("--os-tenant-id", ("OS_TENANT_ID",), "<tenant-id>", "Old name of --os-project-id"),
    ("--os-project-id", ("OS_PROJECT_ID",), "<auth-project-id>", "Project id"),
    ("--os-project-name", ("OS_PROJECT_NAME",), "<auth-project-name>", "Project name"),
    (
        "--os-project-domain-id",
        ("OS_PROJECT_DOMAIN_ID",),
        "<auth-project-domain-id>",
        "Id of the project's domain",
    ),
    (
        "--os-project-domain-name",
        ("OS_PROJECT_DOMAIN_NAME",),
        "<auth-project-domain-name>",
        "Name of the project's domain",
    ),
    (
        "--os-auth-token",
        ("OS_AUTH_TOKEN", "OS_TOKEN"),
        "<auth-token>",
        "A Keystone token instead of a password",
    ),
)

_SERVER_OPTIONS: tuple[tuple[Sequence[str], str, str | None, str, str], ...] = (
    (
        ("--endpoint", "-E"),
        "CORIOLIS_ENDPOINT",
        None,
        "<coriolis-url>",
        f"URL of the Coriolis API; without Keystone {LOCAL_SERVER}/v1/<project>",
    ),
    (("--interface",), "CORIOLIS_INTERFACE", "public", "<coriolis-interface>", "Interface in the catalog"),
    (
        ("--service-type",),
        "CORIOLIS_SERVICE_TYPE",
        SERVICE_TYPE,
        "<coriolis-service-type>",
        "Type in the catalog",
    ),
    (("--service-name",), "CORIOLIS_SERVICE_NAME", None, "<coriolis-service-name>", "Name in the catalog"),
    (("--region-name",), "CORIOLIS_REGION_NAME", None, "<coriolis-region-name>", "Region in the catalog"),
    (("--coriolis-api-version",), "CORIOLIS_API_VERSION", "1", "<coriolis-api-version>", "API version (1)"),
)


def add_global_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-auth", "-N", action="store_true", help="Use no authentication (the embedded server)."
    )
    for flag, variables, metavar, text in _IDENTITY_OPTIONS:
        parser.add_argument(
            flag, metavar=metavar, default=_from_environment(variables), help=_help(text, variables)
        )
    for flags, variable, default, metavar, text in _SERVER_OPTIONS:
        value = os.environ.get(variable) or default
        parser.add_argument(*flags, metavar=metavar, default=value, help=_help(text, (variable,)))
    loading.register_session_argparse_arguments(parser)


def make_client(options: argparse.Namespace) -> ApiClient:
    """Connects to nothing yet. Raises InvalidInput where the options do not fit together."""
    plugin = _auth_plugin(options)
    session: Session = loading.load_session_from_argparse_arguments(options, auth=plugin)
    session.user_agent = "coriolis-cli"
    override = options.endpoint
    if isinstance(plugin, noauth.NoAuth):
        override = api_url(options.endpoint or LOCAL_SERVER, _project_id(options) or LOCAL_PROJECT)
    choice = EndpointChoice(
        override=override,
        service_type=options.service_type,
        service_name=options.service_name,
        interface=options.interface,
        region_name=options.region_name,
    )
    return ApiClient(session, choice)


def api_url(url: str, project: str) -> str:
    """The base of every call: `http://h:7667` and `http://h:7667/v1` become `http://h:7667/v1/<project>`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidInput(message=f"--endpoint {url!r} is not an http:// or https:// URL.")
    path = parts.path.rstrip("/")
    if path == "":
        path = f"/v1/{project}"
    elif path.endswith("/v1"):
        path = f"{path}/{project}"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _auth_plugin(options: argparse.Namespace) -> BaseAuthPlugin:
    if options.os_identity_api_version not in (None, "", "3", "v3", "3.0"):
        raise InvalidInput(
            message=f"--os-identity-api-version {options.os_identity_api_version}: only 3 is supported."
        )
    if options.no_auth or not (options.os_auth_url or options.os_auth_token):
        return noauth.NoAuth(endpoint=None)
    if options.os_auth_token:
        return _token_plugin(options)
    if not (options.os_username or options.os_user_id):
        raise InvalidInput(message="--os-auth-url is given, but neither --os-username nor --os-user-id.")
    return v3.Password(
        auth_url=options.os_auth_url,
        username=options.os_username,
        user_id=options.os_user_id,
        password=options.os_password,
        user_domain_id=options.os_user_domain_id,
        user_domain_name=options.os_user_domain_name,
        **_project_scope(options),
    )


def _token_plugin(options: argparse.Namespace) -> BaseAuthPlugin:
    if options.os_auth_url:
        return v3.Token(auth_url=options.os_auth_url, token=options.os_auth_token, **_project_scope(options))
    if not options.endpoint:
        raise InvalidInput(message="--os-auth-token needs --os-auth-url or --endpoint beside it.")
    return token_endpoint.Token(options.endpoint, options.os_auth_token)


def _project_scope(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "project_id": _project_id(options),
        "project_name": options.os_project_name or options.os_tenant_name,
        "project_domain_id": options.os_project_domain_id,
        "project_domain_name": options.os_project_domain_name,
    }


def _project_id(options: argparse.Namespace) -> str | None:
    return options.os_project_id or options.os_tenant_id or None


def _from_environment(variables: Sequence[str]) -> str | None:
    return next((os.environ[name] for name in variables if os.environ.get(name)), None)


def _help(text: str, variables: Sequence[str]) -> str:
    return f"{text} (env: {', '.join(variables)})."
