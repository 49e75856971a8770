from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from keystoneauth1 import exceptions as auth
from openstack import exceptions as sdk

from coriolis import errors
from coriolis.providers.openstack.faults import understanding
from coriolis.providers.retry import Fault

UNDERSTAND = understanding("OpenStack endpoint 'o'", "demo", "http://k:5000/v3")


def answered(status: int, text: str, **headers: str) -> Fault:
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers)
    return UNDERSTAND("create volume v", sdk.HttpException(message=text, response=response))


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (401, "Unauthorized", errors.AuthenticationFailed),
        (403, "Policy doesn't allow volume:create to be performed.", errors.PermissionRefused),
        (403, "Quota exceeded for instances: Requested 1, but already used 10 of 10", errors.QuotaExceeded),
        (413, "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded", errors.QuotaExceeded),
        (409, "Quota exceeded for resources: ['port'].", errors.QuotaExceeded),
        (409, "Cannot 'attach_volume' instance while it is in vm_state building", errors.Conflict),
        (400, "Invalid volume: Volume status must be available or error", errors.Conflict),
        (400, "Invalid input for field/attribute size", errors.CloudError),
        (404, "Volume v could not be found.", errors.NotFound),
        (500, "Unexpected API Error", errors.CloudUnavailable),
        (502, "Bad Gateway", errors.CloudUnavailable),
    ],
)
def test_statuses(status: int, text: str, kind: type[errors.CoriolisError]) -> None:
    fault = answered(status, text)
    assert type(fault.error) is kind
    assert not fault.refused


def test_a_busy_service_is_refused_for_now() -> None:
    fault = answered(503, "Service Unavailable", **{"Retry-After": "12"})
    assert fault.refused
    assert fault.retry_after == 12
    assert fault.error.retryable
    assert fault.error.fields["retry_after"] == 12


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("120", 120.0), ("soon", None), ("", None)],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    assert answered(429, "x", **{"Retry-After": header}).retry_after == seconds


def test_retry_after_as_a_date_of_the_future() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert 60 < (answered(503, "x", **{"Retry-After": then}).retry_after or 0) <= 90


@pytest.mark.parametrize(
    "text",
    [
        "Cannot 'detach_volume' instance i while it is in task_state image_snapshot",
        "Port p could not be updated, another request is at work on it. Please try again.",
    ],
)
def test_a_409_of_a_busy_object_passes(text: str) -> None:
    fault = answered(409, text)
    assert type(fault.error) is errors.CloudUnavailable
    assert fault.refused


def test_unreachable_names_the_url() -> None:
    error = auth.ConnectFailure(
        "Unable to establish connection to http://k:5000/v3/auth/tokens: [Errno 111] Connection refused"
    )
    fault = UNDERSTAND("log in", error)
    assert type(fault.error) is errors.CloudUnavailable
    assert "http://k:5000/v3" in str(fault.error)
    assert fault.refused
    lost = UNDERSTAND("create", auth.ConnectFailure("… Remote end closed connection without response"))
    assert not lost.refused


def test_an_untrusted_certificate_is_no_passing_fault() -> None:
    fault = UNDERSTAND("log in", auth.SSLError("SSL exception connecting to https://k"))
    assert type(fault.error) is errors.CloudError
    assert "allow_untrusted" in str(fault.error)


def test_a_hole_in_the_catalog_is_told() -> None:
    fault = UNDERSTAND("reach Cinder", auth.EndpointNotFound("public endpoint for volumev3 not found"))
    assert "volumev3" in str(fault.error)
    assert not fault.error.retryable
