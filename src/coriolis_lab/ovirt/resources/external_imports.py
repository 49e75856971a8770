"""Imports from other virtualization systems: the API announces them, and only adding is there."""

from coriolis_lab.ovirt.refusals import conflict, incomplete
from coriolis_lab.ovirt.web import Call, Reply, post


def import_vm(call: Call) -> Reply:
    """No host of the lab has a way to another system."""
    with call.engine.lock:
        for name in ("name", "provider", "url", "cluster", "storage_domain"):
            if call.document.find(name) is None:
                raise incomplete("ExternalVmImport", name, "add")
        center = next(iter(call.engine.data_centers.values())).name
        raise conflict(f"Cannot import VM. No Host in Data Center {center} can serve as proxy.")


def import_template(call: Call) -> Reply:
    with call.engine.lock:
        for name in ("url", "cluster", "storage_domain", "host"):
            if call.document.find(name) is None:
                raise incomplete("ExternalTemplateImport", name, "add")
        raise conflict("Cannot import Template. The OVF configuration could not be parsed.")


ROUTES = [post("externalvmimports", import_vm), post("externaltemplateimports", import_template)]
