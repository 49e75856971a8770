"""The stand-in for ebtables finds the rule that the real one cannot."""

import pytest
from testbed.openstack.ebtables import rule_number

_LISTING = """\
Bridge table: nat

Bridge chain: neutronMAC-tap1, entries: 2, policy: DROP
1. --among-src fa:16:3e:00:00:01 -j RETURN
2. --among-src fa:16:3e:00:00:02 -j RETURN
"""


@pytest.mark.parametrize(
    ("addresses", "number"),
    [("fa:16:3e:00:00:02", "2"), ("fa:16:3e:00:00:01", "1"), ("fa:16:3e:00:00:03", None)],
)
def test_rule_number(addresses: str, number: str | None) -> None:
    assert rule_number(_LISTING, addresses) == number
