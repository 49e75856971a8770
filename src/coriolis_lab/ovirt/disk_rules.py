"""Which disks a storage domain takes, and reading them from request bodies."""

from coriolis_lab.ovirt.document import Node
from coriolis_lab.ovirt.engine import GIGABYTE, Engine, new_id
from coriolis_lab.ovirt.names import check_alias
from coriolis_lab.ovirt.records import Disk, StorageDomain
from coriolis_lab.ovirt.refusals import conflict, incomplete, invalid
from coriolis_lab.ovirt.web import UUID

FORMATS = ("raw", "cow")
BACKUPS = ("none", "incremental")
CONTENT_TYPES = ("data", "iso", "memory_dump_volume", "memory_metadata_volume", "hosted_engine", "ovf_store")
BLOCK_LIMIT = 8192 * GIGABYTE
BLOCK_EXTENT = 128 * 1024**2
FILE_ALIGNMENT = 512
EMPTY_THIN_FILE = 1024**2
EMPTY_THIN_BLOCK = GIGABYTE


def read_new_disk(engine: Engine, body: Node) -> Disk:
    """A disk in the locked state, checked against its domain's rules and space; not yet registered."""
    if body.find("lun_storage") is not None:
        raise conflict(
            "Cannot add Virtual Disk. The provided LUN is not visible by the specified host, please check storage "
            "server connectivity."
        )
    disk_format = body.choice("format", FORMATS)
    size = body.integer("provisioned_size")
    if size is None or disk_format is None:
        missing = "provisionedSize" if size is None else "format"
        raise incomplete("Disk", missing, "add")
    domain = _domain(engine, body)
    alias = body.string("alias") or body.string("name") or ""
    check_alias(alias)
    sparse = body.boolean("sparse")
    disk = Disk(
        id=_free_id(engine, body),
        alias=alias,
        provisioned_size=rounded(size, domain),
        base_format=disk_format,
        sparse=True if sparse is None else sparse,
        storage_domain_id=domain.id,
        image_id=body.string("image_id") or new_id(),
        description=body.string("description") or "",
        backup=body.choice("backup", BACKUPS) or "none",
        content_type=body.choice("content_type", CONTENT_TYPES) or "data",
        shareable=bool(body.boolean("shareable")),
        wipe_after_delete=bool(body.boolean("wipe_after_delete")),
        propagate_errors=bool(body.boolean("propagate_errors")),
        initial_size=body.integer("initial_size"),
    )
    check_configuration(disk, domain)
    engine.check_space(domain, initial_space(disk, domain), "add Virtual Disk")
    return disk


def _domain(engine: Engine, body: Node) -> StorageDomain:
    nodes = [node for node in body.all("storage_domains/storage_domain") if node.id or node.string("name")]
    if not nodes:
        raise invalid("Cannot add Virtual Disk. Storage Domain hasn't been specified.")
    domain = engine.named_storage_domain(nodes[0])
    check_usable(domain, "add Virtual Disk")
    return domain


def check_usable(domain: StorageDomain, action: str) -> None:
    if domain.data_center_id is None:
        raise conflict(
            f"Cannot {action}. The Storage Domain {domain.name} is not attached to any Data Center."
        )
    if domain.type not in ("data", "managed_block_storage"):
        raise conflict(f"Cannot {action}. Storage Domain type is illegal.")
    if domain.status != "active":
        shown = domain.status.replace("_", " ").title()
        raise conflict(f"Cannot {action}. The relevant Storage Domain's status is {shown}.")


def _free_id(engine: Engine, body: Node) -> str:
    if body.id is None:
        return new_id()
    if not UUID.fullmatch(body.id):
        raise invalid(f"Malformed disk id {body.id}")
    if body.id in engine.disks:
        raise conflict("Cannot add Virtual Disk. Disk with the same id already exists.")
    return body.id


def check_configuration(disk: Disk, domain: StorageDomain, action: str = "add Virtual Disk") -> None:
    raw = disk.base_format == "raw"
    incremental = disk.backup == "incremental"
    incompatible = (
        (raw and disk.sparse and domain.is_block)
        or (not raw and not disk.sparse and not incremental)
        or (raw and incremental)
    )
    if incompatible:
        sparse = "Sparse" if disk.sparse else "Preallocated"
        configuration = f"{disk.base_format.upper()} {sparse} backup-{disk.backup.capitalize()}"
        raise conflict(
            f"Cannot {action}. Disk configuration ({configuration}) is incompatible "
            "with the storage domain type."
        )
    if disk.provisioned_size <= 0:
        raise invalid(f"Cannot {action}. Disk size must be greater than zero.")
    if domain.is_block and disk.provisioned_size > BLOCK_LIMIT:
        raise conflict(
            f"Cannot {action}. Disk size exceeds the limit of {BLOCK_LIMIT // GIGABYTE} GB on block domains."
        )


def rounded(size: int, domain: StorageDomain) -> int:
    """The engine makes disks in whole extents on block storage, in whole sectors on files."""
    unit = BLOCK_EXTENT if domain.is_block else FILE_ALIGNMENT
    return -(-size // unit) * unit


def initial_space(disk: Disk, domain: StorageDomain) -> int:
    """What a new disk takes at once."""
    if not disk.sparse:
        return disk.provisioned_size
    if disk.initial_size is not None:
        return min(disk.initial_size, disk.provisioned_size)
    return EMPTY_THIN_BLOCK if domain.is_block else EMPTY_THIN_FILE
