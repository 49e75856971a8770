"""Sessions to worker VMs."""
