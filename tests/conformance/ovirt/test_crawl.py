"""No link of the API leads to nothing: every page, in both languages, with what its links promise."""

import pytest
import requests
from ovirtsdk4 import types

from tests.conformance.ovirt.crawler import JSON, Client, Crawl, addresses, addresses_of, crawl


@pytest.fixture(scope="module")
def client(module_engine) -> Client:
    return Client(module_engine)


@pytest.fixture(scope="module")
def world(module_engine, client) -> Crawl:
    """Walked once, with something of everything there."""
    engine, system = module_engine, module_engine.system
    engine.front.add_storage_domain("block", "Default", "iscsi")
    engine.front.add_storage_domain("managed", "Default", "managed_block_storage")
    vm = engine.new_vm("crawled", template="worker", clone=True)
    profile = types.VnicProfile(id=engine.profile_id("ovirtmgmt"))
    vm.nics_service().add(types.Nic(name="nic1", vnic_profile=profile))
    system.tags_service().add(types.Tag(name="gold"))
    vm.tags_service().add(types.Tag(name="gold"))
    snapshots = vm.snapshots_service()
    taken = snapshots.add(types.Snapshot(description="before"))
    engine.wait(lambda: snapshots.snapshot_service(taken.id).get().snapshot_status == types.SnapshotStatus.OK)
    engine.front.add_vm_pool("pool", "Default", "Blank")
    job = system.jobs_service().add(types.Job(description="a client's own", auto_cleared=True))
    steps = system.jobs_service().job_service(job.id).steps_service()
    steps.add(types.Step(description="first", type=types.StepEnum.EXECUTING))
    engine.start(vm)
    return crawl(client)


def test_every_link_answers(world, engine):
    assert world.dead == []
    assert world.write_only == ["/externalvmimports", "/externaltemplateimports"]
    assert len(world.pages) > 400


def test_in_json_too(world, engine, client):
    for page in world.kinds:
        answer = client.get(page.path, JSON)
        assert answer.status_code == requests.codes.ok, page.path
        # jobs and events come and go between two calls
        same = addresses(answer.content) == addresses_of(page.root)
        assert same or page.path.startswith(("/events", "/jobs")), page.path


def test_links_can_be_followed(world, engine, client):
    for page in world.kinds:
        if page.relations:
            answer = client.get(page.path, follow=",".join(page.relations))
            assert answer.status_code == requests.codes.ok, (page.path, answer.text)


def test_lists_are_cut_by_max(world, engine, client):
    for page in world.kinds:
        if not page.is_entity and page.root.tag != "api":
            assert addresses(client.get(page.path, JSON, max="0").content) == set(), page.path


def test_what_is_searchable_is(world, engine, client):
    assert len(world.searches) > 10
    for template in world.searches:
        path = template.partition("?")[0].partition(";")[0]
        key = "severity" if path == "/events" else "name"
        assert client.get(path, search=f"{key}=no* sortby {key} desc").status_code == requests.codes.ok, path
        assert client.get(path, search="=").status_code == requests.codes.bad_request, path


def test_every_action_is_answered(world, engine, client):
    """With an empty body it may work or be refused; it is never unknown, nor an internal error."""
    for path in world.actions:
        answer = client.act(path)
        assert answer.status_code in (200, 201, 202, 400, 404, 409), (path, answer.status_code)
        if answer.status_code == requests.codes.not_found:
            # gone with another action's work; the action of an entity that is there answers
            assert client.get(path.rpartition("/")[0]).status_code == requests.codes.not_found, path
