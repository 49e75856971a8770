"""How disks are read: one module for each `replica_export_mechanism`."""
