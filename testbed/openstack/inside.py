"""What is done in the enclosure: the whole cloud up and down, in order. `python -m testbed.openstack inside …`."""

import json

from coriolis.runner import run
from testbed.openstack.ceph import Ceph
from testbed.openstack.configuration import Configuration
from testbed.openstack.daemons import Daemons, all_memory
from testbed.openstack.infrastructure import Infrastructure
from testbed.openstack.mounts import prepare
from testbed.openstack.registration import Registration
from testbed.openstack.saying import TestbedError, say
from testbed.openstack.schemas import Schemas
from testbed.openstack.services import Services
from testbed.openstack.settings import Testbed

_BELOW = ("memcached", "rabbitmq", "mariadb", "ceph-osd", "ceph-mgr", "ceph-mon")  # ended last, in this order


def up(testbed: Testbed) -> None:
    """start what does not run, make what was never made"""
    prepare(testbed)
    configuration, daemons = Configuration(testbed), Daemons(testbed)
    configuration.write()
    infrastructure = Infrastructure(testbed, configuration, daemons)
    services, ceph = Services(configuration, daemons), Ceph(testbed, daemons)
    try:
        infrastructure.start()
        ceph.start()
        infrastructure.wait()
        Schemas(testbed, configuration, infrastructure).make()
        services.start_identity()
        registration = Registration(testbed)
        registration.identity()
        services.start_control()
        infrastructure.start_libvirt(ceph.key("cinder"))
        services.start_agents()
        registration.cloud()
        services.see_to_addresses(registration.networks_without_dhcp)
    except TestbedError:
        daemons.check()  # a daemon that ended says more than the wait that ran out
        raise
    daemons.check()


def backups_swift(testbed: Testbed) -> None:
    """let Cinder's backups go to Swift, which is so after `up`"""
    _use_backups(testbed, "swift")


def backups_ceph(testbed: Testbed) -> None:
    """let Cinder's backups go to Ceph"""
    _use_backups(testbed, "ceph")


def _use_backups(testbed: Testbed, driver: str) -> None:
    Services(Configuration(testbed), Daemons(testbed)).use_backups(driver)
    Registration(testbed).wait_for_backups()
    say(f"backups go to {driver}")


def down(testbed: Testbed) -> None:
    """stop guests and services, then what they stand on, so that nothing is cut off in a write"""
    daemons = Daemons(testbed)
    if daemons.runs("libvirtd"):
        for guest in run(["virsh", "-q", "list", "--name"]).text.split():
            say(f"guest {guest}: off")
            run(["virsh", "-q", "destroy", guest], check=False)
    names = [name for name in reversed(daemons.names()) if name not in _BELOW]
    say(f"stopping {len(names)} services")
    daemons.stop(names)
    for name in _BELOW:
        daemons.stop([name])


def status(testbed: Testbed) -> None:
    """JSON for the outer command: a list of {name, runs, mib}, the guests besides the daemons"""
    daemons = Daemons(testbed)
    found = [
        {"name": name, "runs": daemons.runs(name), "mib": daemons.memory(name) >> 20}
        for name in daemons.names()
    ]
    print(json.dumps({"daemons": found, "total_mib": all_memory() >> 20}))
