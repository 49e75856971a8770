"""`status`: which services run, what they hold of the memory, which guests there are."""

import json

from openstack.exceptions import SDKException

from coriolis.runner import run
from testbed.openstack.enclosure import Enclosure
from testbed.openstack.registration import connect
from testbed.openstack.saying import TestbedError
from testbed.openstack.settings import CLOUDS, Testbed


def show(testbed: Testbed, enclosure: Enclosure) -> None:
    """Raises TestbedError when a daemon ended by itself, and when the testbed is down."""
    told = json.loads(run(enclosure.words("status")).text)
    for daemon in told["daemons"]:
        print(f"{daemon['name']:<28} {'runs' if daemon['runs'] else 'ENDED':<6} {daemon['mib']:>6} MiB")
    print(f"{'all, with the guests':<35} {told['total_mib']:>6} MiB")
    for cloud in CLOUDS:
        try:
            for server in connect(testbed, cloud.name).compute.servers():
                print(f"{cloud.name}: server {server.name} is {server.status}")
        except SDKException as error:
            print(f"{cloud.name}: {error}")
    ended = [daemon["name"] for daemon in told["daemons"] if not daemon["runs"]]
    if ended:
        raise TestbedError(f"{', '.join(ended)} ended by itself; logs are in {testbed.log}")
