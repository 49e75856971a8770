"""What the OpenStack provider does on any OpenStack: the same tests on the lab (`make test`) and on the real one
(`make test-openstack`). A site is arranged and looked at through openstacksdk alone.

tests/conformance/providers/test_openstack_contract.py runs them here, tests/openstack_real/test_contract.py there.
"""
