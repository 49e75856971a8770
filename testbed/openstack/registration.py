"""Users, projects, catalog, flavors, networks: what an operator registers. Through the APIs, again and again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import openstack
from openstack.exceptions import SDKException

from coriolis.runner import run
from testbed.openstack.saying import say
from testbed.openstack.settings import (
    APIS,
    CLOUDS,
    FLOATING_FIRST,
    FLOATING_LAST,
    KEYSTONE,
    PUBLIC_GATEWAY,
    PUBLIC_NETWORK,
    REGION,
    Cloud,
    Testbed,
)
from testbed.openstack.waiting import wait_until

_SERVICE_USERS = tuple(api.name for api in APIS if api is not KEYSTONE)
_INTERFACES = ("public", "internal", "admin")
# (name, MiB of memory, processors, GiB of local disk)
FLAVORS = (("t.nano", 192, 1, 0), ("t.tiny", 256, 1, 2), ("t.small", 512, 1, 2), ("t.medium", 1024, 2, 10))
# twice backup_driver_stats_polling_interval of cinder.conf
_DRIVER_TOLD = timedelta(seconds=20)
_COMPUTE_QUOTA = {"cores": 100, "ram": 100_000, "instances": 50}
_VOLUME_QUOTA = {
    "volumes": 200,
    "snapshots": 200,
    "gigabytes": 5000,
    "backups": 200,
    "backup_gigabytes": 5000,
}


def connect(testbed: Testbed, project: str = "admin") -> Any:
    """As the project's user, who has its name."""
    return openstack.connect(
        auth_url=KEYSTONE.url,
        username=project,
        password=testbed.password,
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=REGION,
        app_name="coriolis-testbed",
    )


class Registration:
    def __init__(self, testbed: Testbed) -> None:
        self._testbed = testbed
        self._cloud = connect(testbed)

    def identity(self) -> None:
        """Needs Keystone only."""
        identity = self._cloud.identity
        names = [cloud.name for cloud in CLOUDS]
        projects = {n: identity.find_project(n) or self._project(n) for n in ("service", "admin", *names)}
        roles = {
            n: identity.find_role(n) or identity.create_role(name=n)
            for n in ("member", "reader", "service", "admin")
        }
        users = {user.name: user for user in identity.users()}
        for name in (*_SERVICE_USERS, *names):
            if name not in users:
                users[name] = identity.create_user(
                    name=name, password=self._testbed.password, domain_id="default"
                )
        grants = [("service", user, role) for user in _SERVICE_USERS for role in ("admin", "service")]
        grants += [(name, name, role) for name in names for role in ("member",)]
        grants += [(name, "admin", "admin") for name in names]
        for project, user, role in grants:
            identity.assign_project_role_to_user(projects[project], users[user], roles[role])
        self._catalog()
        say("users, projects and the catalog are registered")

    def cloud(self) -> None:
        """Needs everything."""
        self._wait_for_agents()
        compute = self._cloud.compute
        for name, memory, processors, disk in FLAVORS:
            if not compute.find_flavor(name):
                compute.create_flavor(name=name, ram=memory, vcpus=processors, disk=disk)
        self._volume_type()
        public = self._public_network()
        for cloud in CLOUDS:
            self._quotas(cloud)
            self._network(cloud, public)
        say("flavors, quotas and networks are registered")

    def wait_for_backups(self) -> None:
        """Until the backup service, which was just started, may be given backups. Cinder hears of the start by the
        service's next report; but what the service tells the scheduler at first is that its driver is not ready, and
        the scheduler refuses backups until it hears better: the API does not show when."""
        ready = datetime.now(UTC).replace(tzinfo=None) + _DRIVER_TOLD

        def reported() -> bool:
            found = list(self._cloud.block_storage.services(binary="cinder-backup", host="backup"))
            return any(s.state == "up" and datetime.fromisoformat(s.updated_at) > ready for s in found)

        wait_until("cinder-backup", self._quietly(reported))

    def networks_without_dhcp(self) -> list[str]:
        """Names of networks whose DHCP port is not in use yet."""
        network = self._cloud.network
        ports = network.ports(device_owner="network:dhcp")
        served = {port.network_id for port in ports if port.status == "ACTIVE"}
        return [found.name for found in network.networks() if found.id not in served]

    def _project(self, name: str) -> Any:
        return self._cloud.identity.create_project(name=name, domain_id="default")

    def _catalog(self) -> None:
        identity = self._cloud.identity
        there = {service.type for service in identity.services()}
        for api in APIS:
            if api.service_type in there:
                continue
            service = identity.create_service(name=api.name, type=api.service_type)
            for interface in _INTERFACES:
                identity.create_endpoint(
                    service_id=service.id, interface=interface, url=api.url, region_id=REGION
                )

    def _wait_for_agents(self) -> None:
        wait_until("Neutron's agents", self._quietly(lambda: _agents_alive(self._cloud) >= 4))
        wait_until("Cinder's services", self._quietly(lambda: _up(self._cloud) >= 3))
        wait_until("nova-compute", self._quietly(lambda: _compute_is_up(self._cloud)))
        compute = self._cloud.compute
        if not list(compute.hypervisors()):
            run(["runuser", "-u", "nova", "--", "nova-manage", "cell_v2", "discover_hosts"])
            wait_until("the hypervisor", lambda: bool(list(compute.hypervisors())))

    def _quietly(self, look: Callable[[], bool]) -> Callable[[], bool]:
        """A service that is only just coming up answers with faults, and the SDK remembers for good what it discovered
        of one: the next look is through another connection."""

        def looked() -> bool:
            try:
                return look()
            except SDKException:
                self._cloud = connect(self._testbed)
                return False

        return looked

    def _volume_type(self) -> None:
        storage = self._cloud.block_storage
        if "ceph" not in [found.name for found in storage.types()]:
            storage.create_type(name="ceph", extra_specs={"volume_backend_name": "ceph"})

    def _public_network(self) -> Any:
        network = self._cloud.network
        public = network.find_network("public") or network.create_network(
            name="public",
            is_router_external=True,
            is_shared=True,
            provider_network_type="flat",
            provider_physical_network="public",
        )
        if not network.find_subnet("public"):
            network.create_subnet(
                name="public",
                network_id=public.id,
                ip_version=4,
                cidr=PUBLIC_NETWORK,
                gateway_ip=PUBLIC_GATEWAY,
                enable_dhcp=True,
                allocation_pools=[{"start": FLOATING_FIRST, "end": FLOATING_LAST}],
            )
        return public

    def _quotas(self, cloud: Cloud) -> None:
        project = self._cloud.identity.find_project(cloud.name)
        self._cloud.compute.update_quota_set(project, **_COMPUTE_QUOTA)
        self._cloud.block_storage.update_quota_set(project, **_VOLUME_QUOTA)

    def _network(self, cloud: Cloud, public: Any) -> None:
        """The project's own network behind a router. SSH and ping are let in by its default security group."""
        network, project = self._cloud.network, self._cloud.identity.find_project(cloud.name)
        own = network.find_network(cloud.network) or network.create_network(
            name=cloud.network, project_id=project.id
        )
        subnet = network.find_subnet(cloud.network) or network.create_subnet(
            name=cloud.network,
            project_id=project.id,
            network_id=own.id,
            ip_version=4,
            cidr=cloud.cidr,
            # the rest is for who asks for an address: in both clouds nobody else has it
            allocation_pools=[{"start": cloud.first, "end": cloud.last}],
        )
        if not network.find_router(cloud.name):
            gateway = {"network_id": public.id}
            router = network.create_router(
                name=cloud.name, project_id=project.id, external_gateway_info=gateway
            )
            network.add_interface_to_router(router, subnet_id=subnet.id)
        group = next(iter(network.security_groups(project_id=project.id, name="default")))
        rules = network.security_group_rules(security_group_id=group.id, direction="ingress")
        there = {(rule.protocol, rule.port_range_min) for rule in rules}
        for protocol, port in (("tcp", 22), ("icmp", None)):
            if (protocol, port) not in there:
                network.create_security_group_rule(
                    security_group_id=group.id,
                    direction="ingress",
                    ether_type="IPv4",
                    protocol=protocol,
                    port_range_min=port,
                    port_range_max=port,
                )


def _agents_alive(cloud: Any) -> int:
    return sum(agent.is_alive for agent in cloud.network.agents())


def _up(cloud: Any) -> int:
    return sum(service.state == "up" for service in cloud.block_storage.services())


def _compute_is_up(cloud: Any) -> bool:
    return any(s.binary == "nova-compute" and s.state == "up" for s in cloud.compute.services())
