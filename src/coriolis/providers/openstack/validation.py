"""Whether a connection info works: each service is found, reached and asked, and all that fails is told at once."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from coriolis.errors import CloudError, CoriolisError, NotFound, PermissionRefused, ServicesUnusable
from coriolis.images.ceph import missing_bindings
from coriolis.providers.openstack.client import OpenStackClient
from coriolis.providers.openstack.export.ceph import CephAccess

_READ_ONLY_ROLES = frozenset({"reader", "auditor", "observer"})


@dataclass(frozen=True, slots=True)
class Probe:
    """A call that reads. `rule` is the service's policy rule that permits it, `proxy` gets openstacksdk's proxy."""

    action: str
    rule: str
    proxy: Callable[[OpenStackClient], Any]
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Service:
    """`kind` is its type in the catalog, `ours` how the connection info's keys begin."""

    name: str
    ours: str
    kind: str
    probes: tuple[Probe, ...]


def _first(listing: Iterable[Any]) -> None:
    list(islice(listing, 1))


SERVICES = (
    Service(
        "Nova",
        "nova",
        "compute",
        (
            Probe(
                "list servers",
                "os_compute_api:servers:index",
                lambda client: client.compute,
                lambda nova: _first(nova.servers(details=False, limit=1)),
            ),
            Probe(
                "read the quota",
                "os_compute_api:limits",
                lambda client: client.compute,
                lambda nova: nova.get_limits(),
            ),
        ),
    ),
    Service(
        "Cinder",
        "cinder",
        "block-storage",
        (
            Probe(
                "list volumes",
                "volume:get_all",
                lambda client: client.storage,
                lambda cinder: _first(cinder.volumes(details=False, limit=1)),
            ),
            Probe(
                "list snapshots",
                "volume:get_all_snapshots",
                lambda client: client.storage,
                lambda cinder: _first(cinder.snapshots(details=False, limit=1)),
            ),
        ),
    ),
    Service(
        "Neutron",
        "neutron",
        "network",
        (
            Probe(
                "list networks",
                "get_network",
                lambda client: client.network,
                lambda neutron: _first(neutron.networks(limit=1)),
            ),
        ),
    ),
    Service(
        "Glance",
        "glance",
        "image",
        (
            Probe(
                "list images",
                "get_images",
                lambda client: client.image,
                lambda glance: _first(glance.images(limit=1)),
            ),
        ),
    ),
)
SWIFT = Service(
    "Swift",
    "swift",
    "object-store",
    (
        Probe(
            "read the account",
            "one of Swift's operator_roles",
            lambda client: client.object_store,
            lambda swift: swift.get_account_metadata(),
        ),
    ),
)


def validate(client: OpenStackClient) -> None:
    """Raises AuthenticationFailed, CloudUnavailable or CloudError for Keystone, InvalidInput for Ceph's files, else
    ServicesUnusable with a sentence for each service that fails. Swift has to answer only if it is spoken of, Ceph only
    where this host has its libraries."""
    _log_in(client)
    if client.info.ceph_options is not None:
        client.info.ceph_options.check()
    services = [*SERVICES, SWIFT] if _is_swift_wanted(client) else SERVICES
    faults = [fault for service in services for fault in _faults(client, service)]
    faults += _ceph_faults(client)
    if faults:
        raise ServicesUnusable(cloud=client.cloud, faults=" ".join(faults))


def remarks(client: OpenStackClient) -> list[str]:
    """Roles that only read (nothing tells beforehand what they may create, but that they hardly may), and a Ceph that
    could not be tried."""
    roles = set(client.access.role_names)
    found = []
    if roles and roles <= _READ_ONLY_ROLES:
        named = ", ".join(sorted(roles))
        found.append(
            f"The user has only the role {named} in the project: creating needs a role such as member."
        )
    if client.info.ceph_options is not None and (missing := missing_bindings()):
        found.append(f"Ceph could not be tried from here: {missing}.")
    return found


def _ceph_faults(client: OpenStackClient) -> list[str]:
    if client.info.ceph_options is None or missing_bindings():
        return []
    try:
        with CephAccess(client).reading():
            return []
    except CloudError as error:
        return [f"Ceph: failed to {error.fields['action']}: {error.fields['reason']}"]


def _log_in(client: OpenStackClient) -> None:
    info = client.info
    try:
        client.call("log in", client.sdk.session.get_token)
    except NotFound:
        reason = (
            f"{info.auth_url} has no Identity API version {info.identity_api_version}; "
            "check auth_url and identity_api_version."
        )
        raise CloudError(cloud=client.cloud, action="log in", reason=reason) from None


def _is_swift_wanted(client: OpenStackClient) -> bool:
    info = client.info
    return bool(info.swift_region_name or info.swift_interface_name or info.allow_untrusted_swift)


def _faults(client: OpenStackClient, service: Service) -> Iterable[str]:
    """A sentence for each probe that fails; of a service that cannot be reached only one."""
    config = client.sdk.config
    url = client.call(f"find {service.name}", lambda: config.get_endpoint_from_catalog(service.kind))
    if url is None:
        yield _not_in_catalog(client, service)
        return
    for probe in service.probes:
        proxy, read, action = probe.proxy, probe.read, f"{probe.action} of {service.name}"
        try:
            client.call(action, lambda read=read, proxy=proxy: read(proxy(client)))  # type: ignore[misc]
        except PermissionRefused as error:
            reason = error.fields["reason"]
            yield f"{service.name} at {url} does not allow to {probe.action} (policy rule {probe.rule}): {reason}"
        except CloudError as error:
            yield f"{service.name} at {url} failed to {probe.action}: {error.fields['reason']}"
            return
        except CoriolisError as error:
            yield f"{service.name} at {url} failed to {probe.action}: {error.message}"
            return


def _not_in_catalog(client: OpenStackClient, service: Service) -> str:
    config = client.sdk.config
    region, interface = config.get_region_name(service.kind), config.get_interface(service.kind)
    catalog = client.access.service_catalog
    data = catalog.get_endpoints_data(service_type=service.kind, interface=None, region_name=None)
    there = sorted({f"{e.interface} in {e.region_name}" for found in data.values() for e in found})
    wanted = f"interface {interface}" + (f" in region {region}" if region else "")
    if not there:
        return f"{service.name}: the catalog has no {service.kind} service at all."
    return (
        f"{service.name}: the catalog has no {service.kind} endpoint with {wanted}, but {', '.join(there)}; "
        f"set {service.ours}_region_name or {service.ours}_interface_name."
    )
