"""Faults of the whole front, and the look of its XML."""

import ovirtsdk4
import pytest
import requests

from coriolis_lab.faults import Fault
from coriolis_lab.ovirt.document import parse

LAB = "/_lab/faults"


def test_503_page_of_a_proxy(engine):
    engine.faults.plant(Fault("http", "503", match="/api/vms"))
    with pytest.raises(ovirtsdk4.Error, match=r"content type 'text/html.*' isn't the expected XML"):
        engine.vms.list()
    assert engine.vms.list() is not None


def test_slow_answer(engine):
    connection = engine.connect(timeout=1)
    connection.authenticate()
    engine.faults.plant(Fault("http", "slow", match="/api/vms", seconds=2.5))
    with pytest.raises(ovirtsdk4.Error, match="28"):
        connection.system_service().vms_service().list()
    connection.system_service().vms_service().list()


def test_lost_connection(engine):
    connection = engine.connect()
    connection.authenticate()
    engine.faults.plant(Fault("http", "drop", match="/api/vms"))
    with pytest.raises(ovirtsdk4.Error, match="Failed to read response"):
        connection.system_service().vms_service().list()
    assert connection.system_service().vms_service().list() is not None


def test_faults_over_http(engine):
    url = engine.front.url.replace("/ovirt-engine/api", LAB)
    verify = str(engine.front.ca_file)
    planted = requests.post(
        url, json={"point": "disk.create", "kind": "refuse", "match": "x"}, verify=verify, timeout=5
    )
    assert planted.status_code == 201
    assert requests.get(url, verify=verify, timeout=5).json()["faults"][0]["kind"] == "refuse"
    assert requests.delete(url, verify=verify, timeout=5).status_code == 204


def test_documents_look_like_the_engines(engine):
    vm = engine.new_vm("looks").get()
    answer = engine.raw("GET", f"/vms/{vm.id}", token=engine.connection.authenticate())
    text = answer.text
    assert answer.headers["content-type"] == "application/xml"
    assert text.startswith(
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<vm href="/ovirt-engine/api/vms/'
    )
    assert (
        "\n    <name>looks</name>\n    <description></description>\n    <comment></comment>\n    <link href="
        in text
    )
    tags = [child.tag for child in parse(answer.content).children]
    assert tags[:4] == ["actions", "name", "description", "comment"]
    attributes = [tag for tag in tags[4:] if tag != "link"]
    assert (
        attributes.index("bios")
        < attributes.index("cpu")
        < attributes.index("memory")
        < attributes.index("usb")
    )
    assert attributes.index("usb") < attributes.index("cluster") < attributes.index("status")
    assert attributes[-1] == "template"
    assert vm.creation_time.tzinfo is not None


def test_other_languages_are_not_offered(engine):
    token = engine.connection.authenticate()
    assert engine.raw("GET", "/vms", token, headers={"Accept": "text/yaml"}).status_code == 406


def test_action_refusal_is_wrapped(engine):
    service = engine.new_vm("wrapped")
    token = engine.connection.authenticate()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/xml"}
    url = f"{engine.front.url}/vms/{service.get().id}/stop"
    answer = requests.post(
        url, data="<action/>", headers=headers, verify=str(engine.front.ca_file), timeout=5
    )
    action = parse(answer.content)
    assert (answer.status_code, action.tag, action.string("status")) == (409, "action", "failed")
    assert action.string("fault/detail") == "[Cannot stop VM. VM is not running.]"
    assert action.string("fault/reason") == "Operation Failed"
