"""The embedded clouds: an OpenStack and an oVirt whose VMs are real QEMU processes. The product never imports this."""
