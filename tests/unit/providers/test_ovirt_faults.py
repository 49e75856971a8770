import ovirtsdk4 as sdk
import pycurl
import pytest
from ovirtsdk4 import types

from coriolis import errors
from coriolis.providers.ovirt.faults import understanding
from coriolis.providers.retry import Fault

UNDERSTAND = understanding("oVirt endpoint 'e'", "admin@internal", "https://e/ovirt-engine/api")


def answered(code: int, detail: str) -> Fault:
    fault = types.Fault(reason="Operation Failed", detail=detail)
    return UNDERSTAND("attach the disk", sdk.Error(f'Fault detail is "{detail}".', code, fault))


@pytest.mark.parametrize(
    ("code", "detail", "kind"),
    [
        (
            409,
            "[Cannot attach Virtual Disk: The following disks are locked: d1. Please try again in a few "
            "minutes.]",
            errors.CloudUnavailable,
        ),
        (409, "[Cannot run VM because the VM is in Image Locked status.]", errors.CloudUnavailable),
        (
            409,
            "[Cannot remove VM: Related operation is currently in progress. Please try again later.]",
            errors.CloudUnavailable,
        ),
        (
            409,
            "[Cannot add VM. The VM is performing an operation on a Snapshot. Please wait.]",
            errors.CloudUnavailable,
        ),
        (409, "[Cannot backup VM. The VM is during a backup operation.]", errors.CloudUnavailable),
        (409, "[Cannot add VM. The VM name is already in use.]", errors.Conflict),
        (409, "[Cannot remove VM. Delete protection is enabled.]", errors.Conflict),
        (400, "[Cannot add Virtual Disk. Storage Domain hasn't been specified.]", errors.CloudError),
        (403, "User is not authorized to perform this action.", errors.PermissionRefused),
        (404, "Entity not found: Cluster", errors.NotFound),
        (500, "java.lang.NullPointerException", errors.CloudUnavailable),
    ],
)
def test_faults(code: int, detail: str, kind: type[errors.CoriolisError]) -> None:
    fault = answered(code, detail)
    assert type(fault.error) is kind
    assert "[" not in str(fault.error)
    assert fault.refused == (kind is errors.CloudUnavailable and code == 409)


def test_a_login_without_profile_is_explained() -> None:
    text = "Error during SSO authentication access_denied : No valid profile found in credentials."
    fault = UNDERSTAND("log in", sdk.AuthError(text))
    assert type(fault.error) is errors.AuthenticationFailed
    assert "admin@internal" in str(fault.error)
    assert "internalsso" in str(fault.error)


def test_an_html_page_is_a_passing_fault() -> None:
    text = "The response content type 'text/html' isn't the expected XML"
    assert UNDERSTAND("list VMs", sdk.Error(text)).error.retryable


def test_a_time_out_shows_no_object_address() -> None:
    text = "Failed to read response: [(<pycurl.Curl object at 0x55d0>, 28, 'Operation timed out')]"
    fault = UNDERSTAND("list VMs", sdk.Error(text))
    assert fault.error.retryable
    assert not fault.refused
    assert "0x55d0" not in str(fault.error)


def test_an_unreachable_engine_names_its_url() -> None:
    fault = UNDERSTAND("log in", sdk.ConnectionError("Failed to connect: Connection refused"))
    assert fault.error.retryable
    assert fault.refused
    assert "https://e/ovirt-engine/api" in str(fault.error)


def test_an_untrusted_certificate_is_no_passing_fault() -> None:
    text = (
        "Failed to read response: [(<pycurl.Curl object at 0x1>, 60, 'SSL certificate problem: self-signed')]"
    )
    fault = UNDERSTAND("log in", sdk.Error(text))
    assert not fault.error.retryable
    assert "ca_file" in str(fault.error)


def test_a_bare_pycurl_error_is_understood() -> None:
    assert UNDERSTAND("list VMs", pycurl.error(7, "Failed to connect")).refused


@pytest.mark.parametrize(
    "text",
    [
        "Failed to read response: [(<pycurl.Curl object at 0x7f1e>, 56, 'Recv failure: Connection reset by peer')]",
        "The response content type 'text/html; charset=utf-8' isn't the expected JSON",
        "Error while sending HTTP request: (56, 'OpenSSL SSL_read: OpenSSL/3.6.5: unexpected eof')",
    ],
)
def test_a_connection_that_was_cut_passes(text: str) -> None:
    fault = UNDERSTAND("list clusters", sdk.Error(text))
    assert type(fault.error) is errors.CloudUnavailable
    assert not fault.refused
    assert "0x7f1e" not in str(fault.error)
