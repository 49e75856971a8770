"""The API in JSON, as scripts with curl use it: the engine's own peculiar form."""

import time

import pytest

JSON = {"Accept": "application/json", "Content-Type": "application/json"}


@pytest.fixture
def call(engine):
    token = engine.connection.authenticate()

    def ask(method: str, path: str, body=None):
        return engine.raw(method, path, token, headers=JSON, json=body)

    return ask


def test_one_entity_stands_alone_with_strings(call):
    answer = call("GET", "")
    assert answer.headers["content-type"].startswith("application/json")
    api = answer.json()
    assert api["product_info"]["version"]["major"] == "4"
    assert abs(api["time"] - time.time() * 1000) < 60_000
    assert {"rel": "vms", "href": "/ovirt-engine/api/vms"} in api["link"]


def test_lists_hold_items_under_their_tag(call):
    [domain] = call("GET", "/storagedomains?search=name=data").json()["storage_domain"]
    assert (domain["name"], domain["storage"]["type"], domain["backup"]) == ("data", "nfs", "false")
    assert domain["data_centers"]["data_center"][0]["href"].startswith("/ovirt-engine/api/datacenters/")
    assert call("GET", "/vms?search=name=nobody").json() == {}
    systems = call("GET", "/operatingsystems").json()["operating_system"]
    assert "other_linux" in [system["name"] for system in systems]


def test_a_vm_is_made_changed_and_followed(call, engine):
    body = {
        "name": "in-json",
        "cluster": {"name": "Default"},
        "template": {"name": "Blank"},
        "memory": 512 * 1024**2,
        "delete_protected": True,
        "os": {"type": "other_linux", "boot": {"devices": {"device": ["network", "hd"]}}},
    }
    made = call("POST", "/vms", body)
    assert made.status_code == 201
    vm = made.json()
    assert (vm["memory"], vm["delete_protected"]) == (str(512 * 1024**2), "true")
    assert vm["os"]["boot"]["devices"]["device"] == ["network", "hd"]
    assert isinstance(vm["creation_time"], int)
    path = f"/vms/{vm['id']}"
    nic = call(
        "POST", f"{path}/nics", {"name": "nic1", "vnic_profile": {"id": engine.profile_id("ovirtmgmt")}}
    )
    assert nic.status_code == 201
    changed = call("PUT", path, {"delete_protected": "false", "description": "é"})
    assert (changed.json()["delete_protected"], changed.json()["description"]) == ("false", "é")
    followed = call("GET", f"{path}?follow=nics.vnic_profile,snapshots").json()
    assert followed["nics"]["nic"][0]["vnic_profile"]["name"] == "ovirtmgmt"
    assert followed["snapshots"]["snapshot"][0]["snapshot_type"] == "active"
    assert call("DELETE", path).json()["status"] == "complete"


def test_faults(call):
    wrong = call("POST", "/vms", {"cluster": {"name": "Default"}})
    assert (wrong.status_code, wrong.json()["detail"]) == (400, "Vm [name] required for add")
    assert call("POST", "/vms", ["no object"]).status_code == 400
    started = call("GET", "/vms/0f0f0f0f-1111-4222-8333-444444444444")
    assert (started.status_code, started.content) == (404, b"")
