"""Actions on hosts: maintenance and back, and what an administrator does to a machine that the lab has only in name."""

from collections.abc import Callable

from coriolis_lab.ovirt.markup import Element, leaf, reference, struct
from coriolis_lab.ovirt.records import Host, Job
from coriolis_lab.ovirt.refusals import RefusalError, conflict, incomplete
from coriolis_lab.ovirt.resources.hosts import host_of
from coriolis_lab.ovirt.resources.storage_domains import iscsi_target
from coriolis_lab.ovirt.tasks import Task
from coriolis_lab.ovirt.web import Call, Handler, Reply, action, completed

FENCE_TYPES = ("manual", "restart", "start", "status", "stop")
ISCSI_PORT = 3260


def _enter(call: Call, host: Host, description: str, through: str, to: str) -> Reply:
    """The status `through` now, `to` after a moment."""
    engine = call.engine
    job = engine.journal.open_job(f"{description} Host {host.name}", call.correlation_id)
    host.status = through

    def arrive(_reason: str = "") -> None:
        host.status = to

    engine.tasks.start(Task(job, engine.settings.delays.server, lambda: None, arrive, arrive))
    return completed(job)


def activate(call: Call) -> Reply:
    with call.engine.lock:
        host = host_of(call)
        if host.status == "up":
            raise conflict("Cannot activate Host. Host in Up status.")
        return _enter(call, host, "Activating", "unassigned", "up")


def deactivate(call: Call) -> Reply:
    """Its VMs would have to go to another host of the cluster, and there is none."""
    engine = call.engine
    with engine.lock:
        host = host_of(call)
        if host.status == "maintenance":
            raise conflict("Cannot switch Host to Maintenance mode. Host is already in Maintenance mode.")
        if any(vm.is_on_host and vm.cluster_id == host.cluster_id for vm in engine.vms.values()):
            cluster = engine.clusters[host.cluster_id].name
            raise conflict(
                f"The following Hosts have running VMs and cannot be switched to maintenance mode: {host.name}."
                f"Please ensure that the following Clusters have at least one Host in UP state: {cluster}."
            )
        return _enter(call, host, "Moving to Maintenance", "preparing_for_maintenance", "maintenance")


def install(call: Call) -> Reply:
    with call.engine.lock:
        host = host_of(call)
        if host.status != "maintenance":
            raise conflict("Cannot install Host. Please move Host to Maintenance mode first.")
        return _enter(call, host, "Installing", "installing", "up")


def enroll(call: Call) -> Reply:
    with call.engine.lock:
        host = host_of(call)
        if host.status != "maintenance":
            raise conflict("Cannot enroll certificate Host. Please switch Host to Maintenance mode first.")
        return completed(call.done(f"Enrolling certificate for Host {host.name}"))


def fence(call: Call) -> Reply:
    """The lab's hosts have no power management."""
    with call.engine.lock:
        host_of(call)
        kind = call.document.choice("fence_type", FENCE_TYPES)
        if kind is None:
            raise incomplete("Action", "fenceType", "fence")
        if kind == "manual":
            raise conflict(
                "Cannot confirm 'Host has been rebooted' Host. Valid Host statuses are "
                '"Non operational", "Maintenance" or "Connecting".'
            )
        raise conflict("Cannot fence Host, Host fence is disabled.")


def select_spm(call: Call) -> Reply:
    with call.engine.lock:
        host = host_of(call)
        if host.status != "up":
            raise conflict(f"Cannot force select SPM. The Host {host.name} is not active.")
        raise conflict(f"Cannot force select SPM. The Host {host.name} is already SPM or contending.")


def set_up_networks(call: Call) -> Reply:
    """Networks that a client made come to a host only so."""
    engine, body = call.engine, call.document
    with engine.lock:
        host = host_of(call)
        for item in body.all("modified_network_attachments/network_attachment"):
            network = item.find("network")
            if network is None:
                raise incomplete("NetworkAttachment", "network.id|name", "setupNetworks")
            host.extra_networks.add(
                engine.named_network(network, engine.clusters[host.cluster_id].data_center_id).id
            )
        for item in body.all("removed_network_attachments/network_attachment"):
            network = item.find("network")
            if network is not None and network.id:
                host.extra_networks.discard(network.id)
        return completed(call.done(f"Setting up networks of Host {host.name}"))


def discover_iscsi(call: Call) -> Reply:
    """The targets behind the lab's iSCSI domains, whatever portal is asked."""
    engine, body = call.engine, call.document
    with engine.lock:
        host = host_of(call)
        address = body.string("iscsi/address")
        if not address:
            raise incomplete("Action", "iscsi.address", "iscsiDiscover")
        targets = [
            iscsi_target(one) for one in engine.storage_domains.values() if one.storage_type == "iscsi"
        ]
        job = call.done(f"Discovering iSCSI targets from Host {host.name}")
        found = [
            struct(
                "iscsi_details", leaf("address", address), leaf("port", ISCSI_PORT), leaf("target", target)
            )
            for target in targets
        ]
        return Reply(200, _action(job, struct("discovered_targets", *found)))


def discover_unregistered(call: Call) -> Reply:
    with call.engine.lock:
        host = host_of(call)
        job = call.done(f"Looking for storage domains from Host {host.name}")
        return Reply(200, _action(job, struct("storage_domains")))


def _action(job: Job, *more: Element) -> Element:
    return struct("action", *more, reference("job", "jobs", job.id), leaf("status", "complete"))


def _when_up(verb: str, description: str) -> Handler:
    """Actions that change nothing that a client could see."""

    def handler(call: Call) -> Reply:
        with call.engine.lock:
            host = host_of(call)
            if host.status != "up":
                raise conflict(f"Cannot {verb} Host. Operation can be performed only when Host status is Up.")
            return completed(call.done(f"{description} Host {host.name}"))

    return handler


def _refusing(refusal: Callable[[], RefusalError]) -> Handler:
    def handler(call: Call) -> Reply:
        with call.engine.lock:
            host_of(call)
        raise refusal()

    return handler


ROUTES = [
    action("hosts/{host}/activate", activate),
    action("hosts/{host}/deactivate", deactivate),
    action("hosts/{host}/install", install),
    action("hosts/{host}/enrollcertificate", enroll),
    action("hosts/{host}/fence", fence),
    action("hosts/{host}/forceselectspm", select_spm),
    action("hosts/{host}/setupnetworks", set_up_networks),
    action("hosts/{host}/iscsidiscover", discover_iscsi),
    action("hosts/{host}/iscsilogin", _when_up("log in from", "Logging in to iSCSI targets from")),
    action("hosts/{host}/unregisteredstoragedomainsdiscover", discover_unregistered),
    action("hosts/{host}/refresh", _when_up("refresh", "Refreshing capabilities of")),
    action("hosts/{host}/syncallnetworks", _when_up("sync", "Synchronizing networks of")),
    action("hosts/{host}/commitnetconfig", _when_up("commit", "Saving network configuration of")),
    action("hosts/{host}/upgradecheck", _when_up("check", "Checking for upgrades of")),
    action(
        "hosts/{host}/upgrade",
        _refusing(lambda: conflict("Cannot upgrade Host. There are no available updates for the host.")),
    ),
    action(
        "hosts/{host}/approve",
        _refusing(
            lambda: conflict(
                "Cannot approve RHVH Host.\n"
                '-Host must be in "Pending Approval" or "Install Failed" status in order to be approved.'
            )
        ),
    ),
]
