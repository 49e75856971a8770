"""From one project of an OpenStack to another, onto volumes: replicate, deploy, log in through a floating IP."""

import re
from typing import Any

from demo.source import left_behind

from coriolis_lab.world import World
from tests.e2e.clouds import BOOT, Clouds
from tests.e2e.product import Product

PROJECT, PASSWORD, NETWORK = "blue", "blue-secret", "blue-net"


def test_a_vm_crosses_to_another_project(
    world: World, product: Product, clouds: Clouds, endpoints: tuple[str, str]
) -> None:
    front = world.openstack
    assert front is not None
    lab = clouds.lab["openstack"]
    project = front.add_project(PROJECT, PROJECT, PASSWORD)
    front.add_network(NETWORK, "10.40.0.0/24", project_id=project)
    login = {
        **clouds.openstack_connection,
        "username": PROJECT,
        "password": PASSWORD,
        "project_name": PROJECT,
    }
    body = {
        "scenario": "replica",
        "origin_endpoint_id": endpoints[0],
        "destination_endpoint_id": product.endpoint("blue", "openstack", login),
        "instances": [clouds.source_name],
        "source_environment": clouds.source_environment,
        "destination_environment": {
            "migr_image_map": {"linux": lab["worker_image"]},
            "migr_flavor_name": lab["worker_flavor"],
            "migr_fip_pool_name": lab["external_network"],
            "use_floating_ip": True,
            "floating_ip_pool": lab["external_network"],
        },
        "network_map": {lab["network"]: NETWORK},
        "storage_mappings": {"default": "ceph"},
        "notes": "from project to project",
        "user_scripts": {"global": {}, "instances": {}},
    }
    transfer = product.call("POST", "transfers", {"transfer": body})["transfer"]["id"]
    product.wait_execution(transfer, product.execute(transfer, shutdown=True))
    cloud = _project(clouds)
    replicas = {v.name: v.id for v in cloud.block_storage.volumes()}
    found = [world.openstack_hypervisor.disk_digest(volume) for _, volume in sorted(replicas.items())]
    assert found == clouds.source_digests()

    deployment = product.call("POST", "deployments", {"deployment": {"transfer_id": transfer}})
    done = product.wait_deployment(deployment["deployment"]["id"])
    address = done["transfer_result"][clouds.source_name]["addresses"][0]
    guest = clouds.guest_at(address)
    guest.wait(BOOT)
    assert guest.run("test -s /srv/data/ledger.bin && mountpoint -q /srv/data && echo there") == "there"
    (server,) = cloud.compute.servers()
    assert (server.name, server.flavor.original_name) == (clouds.source_name, "m1.small")
    assert {v.id for v in cloud.block_storage.volumes() if v.status == "available"} == set(replicas.values())
    assert product.leftovers() == []
    kept = re.compile(r"-(replica|disk|port)-\d+$")
    assert [name for name in left_behind(cloud) if not kept.search(name)] == []


def _project(clouds: Clouds) -> Any:
    return clouds.openstack(username=PROJECT, password=PASSWORD, project=PROJECT)
