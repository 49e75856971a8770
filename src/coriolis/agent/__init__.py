"""The agent: what reads, hashes and writes disks on worker VMs.

These modules import only the standard library and each other, keep to Python 3.6 syntax, and travel as one
bundle through the stdin of an SSH session (`coriolis.transfer.agent_process`): nothing is written to the
worker's disk. `ORDER` is the order in which the bundle defines them: a module comes after those it imports.
"""

ORDER = (
    "frames",
    "pipes",
    "tls",
    "meeting",
    "bucket",
    "horizon",
    "outlet",
    "commands",
    "gmac",
    "digests",
    "compression",
    "disk",
    "devices",
    "fence",
    "block",
    "marks",
    "scan",
    "reader",
    "writer",
    "hasher",
    "main",
)
