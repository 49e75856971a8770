"""identity_api_version, domains, ids, application credentials and clouds.yaml against Keystone."""

from typing import Any

import pytest

from coriolis import errors
from coriolis_lab.openstack.releases import MITAKA
from tests.conformance.openstack_connection.conftest import MakeSite, Site


@pytest.fixture(scope="module")
def site(make_site: MakeSite) -> Site:
    return make_site()


@pytest.fixture(scope="module")
def old(make_site: MakeSite) -> Site:
    return make_site(release=MITAKA)


def v2(site: Site, **change: Any) -> dict[str, Any]:
    url = site.front.auth_url.replace("/v3", "/v2.0")
    return {"identity_api_version": 2, "auth_url": url, **change}


def logins(site: Site) -> set[str]:
    """Where tokens were asked for, and forgets all visits."""
    found = {visit.path for visit in site.front.visits if visit.method == "POST" and "tokens" in visit.path}
    site.front.visits.clear()
    return found


def test_keystone_v3(site: Site) -> None:
    site.front.visits.clear()
    site.source().validate_connection()
    assert logins(site) == {"/identity/v3/auth/tokens"}


@pytest.mark.parametrize("path", ["/v2.0", ""])
def test_keystone_v2_with_its_catalog(old: Site, path: str) -> None:
    old.front.visits.clear()
    url = old.front.auth_url.replace("/v3", path)
    source = old.source(**v2(old, auth_url=url))
    source.validate_connection()
    assert [n.name for n in source.list_networks({})] == ["private"]
    assert logins(old) == {"/identity/v2.0/tokens"}
    source.close()


def test_the_interfaces_of_a_v2_catalog(old: Site) -> None:
    old.front.visits.clear()
    old.source(**v2(old, interface_name="internal", nova_interface_name="admin")).validate_connection()
    assert old.doors("compute") == {("RegionOne", "admin")}
    old.source(**v2(old, interface_name="internal", nova_interface_name="admin")).validate_connection()
    assert old.doors("network") == {("RegionOne", "internal")}


def test_a_token_of_v2_that_expires_is_renewed(old: Site) -> None:
    source = old.source(**v2(old))
    source.list_instances({})
    old.front.cloud.realm.revoke_token(source._client.sdk.session.get_token())
    assert not source.list_instances({})


def test_v2_by_ids(old: Site) -> None:
    (user,) = [u for u in old.front.cloud.users.values() if u.name == "demo"]
    ids = {"user_id": user.id, "project_id": old.project, "username": None, "project_name": None}
    old.source(**v2(old, **ids)).validate_connection()


def test_a_keystone_without_v2_says_so(site: Site) -> None:
    with pytest.raises(errors.CloudError, match=r"/v2\.0 has no Identity API version 2"):
        site.source(**v2(site)).validate_connection()


def test_wrong_passwords_are_refused_alike_with_the_url(site: Site, old: Site) -> None:
    for cloud, change in ((site, {}), (old, v2(old))):
        with pytest.raises(errors.AuthenticationFailed, match=r"'demo'.*http://127\.0\.0\.1:") as raised:
            cloud.source(**{**change, "password": "wrong"}).validate_connection()
        assert "wrong" not in str(raised.value)


@pytest.mark.parametrize("key", ["user_domain_name", "project_domain_name"])
def test_the_domains_are_looked_up(site: Site, key: str) -> None:
    with pytest.raises(errors.AuthenticationFailed):
        site.source(**{key: "elsewhere"}).validate_connection()
    by_id = {key.replace("_name", "_id"): "default", key: "elsewhere"}
    site.source(**by_id).validate_connection()


def test_the_project_and_the_user_by_id(site: Site) -> None:
    (user,) = [u for u in site.front.cloud.users.values() if u.name == "demo"]
    by_id = {"username": None, "user_id": user.id, "project_name": None, "project_id": site.project}
    site.source(**by_id).validate_connection()
    with pytest.raises(errors.AuthenticationFailed):
        site.source(project_name="admin").validate_connection()


def credential(site: Site, name: str, **attributes: Any) -> Any:
    identity = site.source()._client.sdk.identity
    user = site.source()._client.sdk.current_user_id
    return identity.create_application_credential(user, name, **attributes)


def without_password(site: Site, **change: Any) -> Any:
    nobody = {"username": None, "password": None, "project_name": None}
    return site.source(**{**nobody, **change})


def test_an_application_credential_by_id_and_by_name(site: Site) -> None:
    made = credential(site, "coriolis")
    by_id = {"application_credential_id": made.id, "application_credential_secret": made.secret}
    source = without_password(site, **by_id)
    source.validate_connection()
    assert source._client.sdk.current_project_id == site.project
    assert not source.remarks()
    by_name = {"application_credential_name": "coriolis", "username": "demo"}
    without_password(site, **by_name, application_credential_secret=made.secret).validate_connection()
    with pytest.raises(errors.AuthenticationFailed, match="application credential") as raised:
        without_password(site, **{**by_id, "application_credential_secret": "wr0ng"}).validate_connection()
    assert "wr0ng" not in str(raised.value)


def test_a_role_that_only_reads_is_remarked(site: Site) -> None:
    made = credential(site, "reader", roles=[{"name": "reader"}])
    by_id = {"application_credential_id": made.id, "application_credential_secret": made.secret}
    source = without_password(site, **by_id)
    source.validate_connection()
    assert any("only the role reader" in remark for remark in source.remarks())


def test_a_cloud_of_a_clouds_yaml(site: Site) -> None:
    text = (
        f"clouds: {{lab: {{auth: {{auth_url: '{site.front.auth_url}', username: demo, password: secret, "
        "project_name: demo, user_domain_name: Default, project_domain_name: Default}, interface: internal}}"
    )
    site.front.visits.clear()
    site.source(
        clouds_yaml=text, auth_url=None, username=None, password=None, project_name=None
    ).validate_connection()
    assert site.doors("compute") == {("RegionOne", "internal")}
