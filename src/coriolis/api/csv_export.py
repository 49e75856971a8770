"""An inventory as a table for spreadsheets."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from coriolis.model.instance import InstanceSummary

_GIB = 1 << 30
_POWER = {True: "on", False: "off", None: ""}
_COLUMNS: Mapping[str, Callable[[InstanceSummary], Any]] = {
    "id": lambda instance: instance.id,
    "name": lambda instance: instance.name,
    "num_cpu": lambda instance: instance.num_cpu,
    "memory_mb": lambda instance: instance.memory_mb,
    "os_type": lambda instance: instance.os_type,
    "firmware_type": lambda instance: instance.firmware,
    "flavor_name": lambda instance: instance.flavor_name,
    "power_state": lambda instance: _POWER[instance.running],
    "num_disks": lambda instance: len(instance.disk_sizes_bytes) or "",
    "storage_gib": lambda instance: _gib(sum(instance.disk_sizes_bytes)),
    "networks": lambda instance: "; ".join(instance.network_names),
}
"""Empty where the platform does not tell in a listing."""


def inventory_csv(instances: Iterable[InstanceSummary]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for instance in instances:
        writer.writerow([_inert(read(instance)) for read in _COLUMNS.values()])
    return text.getvalue()


def _gib(size: int) -> int | float | str:
    whole = size / _GIB
    return "" if not size else int(whole) if whole.is_integer() else round(whole, 2)


def _inert(value: Any) -> Any:
    """Names are chosen by tenants: one that begins like a formula must not run in a spreadsheet."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
