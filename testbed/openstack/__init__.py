"""A real OpenStack (Debian 12's Zed) with Ceph and Swift on one machine, in namespaces of its own.

The whole cloud lives in one "enclosure": its own mount, network, process and host name namespaces. Inside, the
packages find their configuration and their data where Debian puts them, since directories below the testbed's root
are mounted there; outside, nothing of the machine is changed but two virtual Ethernet pairs:

    cos-api     198.18.45.1/30  ->  198.18.45.2   APIs (behind HAProxy) and Ceph
    cos-public  198.18.44.1/24  ->  the provider network "public" with the floating IPs

The end of the enclosure's first process ends everything in it: bridges, firewall rules, mounts, guests.
`python -m testbed.openstack --help` lists the commands; how to use it is told in
docs/how-to/test-against-a-real-openstack.md.
"""
