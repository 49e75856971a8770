"""Masking and unmasking of secrets."""

from types import MappingProxyType

import pytest

from coriolis.api.masking import is_secret_name, mask, unmask
from coriolis.errors import InvalidInput


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "os_password",
        "private_key",
        "private_key_passphrase",
        "encrypted_disks_passphrase",
        "client_secret",
        "secret_access_key",
        "application_credential_secret",
        "default_migr_template_password_map",
        "auth_token",
        "token",
        "pkey",
        "api_key",
        "apiKey",
    ],
)
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "username",
        "auth_url",
        "secret_ref",
        "token_lifetime",
        "keypair_name",
        "application_credential_id",
        "public_key",
        "project_name",
    ],
)
def test_plain_names(name: str) -> None:
    assert not is_secret_name(name)


def test_mask_reaches_every_depth_and_keeps_what_is_no_secret() -> None:
    given = {
        "username": "admin",
        "password": "hunter2",
        "empty_password": "",
        "no_password": None,
        "allow_password": True,
        "pin_password": 1234,
        "template_password_map": {"linux": "hunter3", "windows": ["hunter4"]},
        "clouds": [{"client_secret": "hunter5", "id": "c1"}],
    }
    assert mask(MappingProxyType(given)) == {
        "username": "admin",
        "password": "***",
        "empty_password": "",
        "no_password": None,
        "allow_password": True,
        "pin_password": "***",
        "template_password_map": {"linux": "***", "windows": ["***"]},
        "clouds": [{"client_secret": "***", "id": "c1"}],
    }
    assert given["password"] == "hunter2"


def test_unmask_keeps_what_is_stored_and_takes_what_is_new() -> None:
    stored = {
        "username": "admin",
        "password": "hunter2",
        "list": [{"token": "t1"}, {"token": "t2"}],
        "gone": 1,
    }
    sent = {"username": "root", "password": "***", "list": [{"token": "new"}, {"token": "***"}]}
    assert unmask(sent, stored, "info") == {
        "username": "root",
        "password": "hunter2",
        "list": [{"token": "new"}, {"token": "t2"}],
    }


@pytest.mark.parametrize("stored", [None, {}, {"password": ""}, {"password": None}, "text"])
def test_a_mask_without_a_stored_secret_is_refused_by_name(stored: object) -> None:
    with pytest.raises(InvalidInput, match=r"endpoint\.connection_info\.password"):
        unmask({"password": "***"}, stored, "endpoint.connection_info")
