"""The roles that an engine is set up with, and the permits that there are (the API's numbers)."""

from coriolis_lab.ovirt.administration import Permission, Role
from coriolis_lab.ovirt.records import BLANK_TEMPLATE_ID

ADMIN_ID = "6b1a3f0c-2f0b-4f6e-8f64-0c6f3f9c2d11"
EVERYONE_ID = "eee00000-0000-0000-0000-123456789eee"
DOMAIN_ID = "696E7465726E616C2D617574687A"
DOMAIN_NAME = "internal-authz"
SUPER_USER_ID = "00000000-0000-0000-0000-000000000001"
USER_ROLE_ID = "00000000-0000-0000-0001-000000000001"
SYSTEM_PERMISSION_ID = "58ca604e-01a7-003f-01de-000000000250"

PERMITS = {
    "create_vm": 1,
    "delete_vm": 2,
    "edit_vm_properties": 3,
    "vm_basic_operations": 4,
    "change_vm_cd": 5,
    "migrate_vm": 6,
    "connect_to_vm": 7,
    "import_export_vm": 8,
    "configure_vm_network": 9,
    "configure_vm_storage": 10,
    "move_vm": 11,
    "manipulate_vm_snapshots": 12,
    "create_host": 100,
    "edit_host_configuration": 101,
    "delete_host": 102,
    "manipulate_host": 103,
    "configure_host_network": 104,
    "create_template": 200,
    "edit_template_properties": 201,
    "delete_template": 202,
    "copy_template": 203,
    "configure_template_network": 204,
    "create_vm_pool": 300,
    "edit_vm_pool_configuration": 301,
    "delete_vm_pool": 302,
    "vm_pool_basic_operations": 303,
    "create_cluster": 400,
    "edit_cluster_configuration": 401,
    "delete_cluster": 402,
    "configure_cluster_network": 403,
    "manipulate_users": 500,
    "manipulate_roles": 501,
    "manipulate_permissions": 502,
    "configure_engine": 600,
    "create_storage_domain": 700,
    "edit_storage_domain_configuration": 701,
    "delete_storage_domain": 702,
    "manipulate_storage_domain": 703,
    "create_storage_pool": 800,
    "delete_storage_pool": 801,
    "edit_storage_pool_configuration": 802,
    "configure_storage_pool_network": 803,
    "create_disk": 1100,
    "attach_disk": 1101,
    "edit_disk_properties": 1102,
    "configure_disk_storage": 1103,
    "delete_disk": 1104,
    "login": 1300,
}
_USE = ("vm_basic_operations", "change_vm_cd", "connect_to_vm", "login")
_VM = (
    "create_vm",
    "delete_vm",
    "edit_vm_properties",
    "configure_vm_network",
    "configure_vm_storage",
    "manipulate_vm_snapshots",
    *_USE,
)
_DISK = (
    "create_disk",
    "attach_disk",
    "edit_disk_properties",
    "configure_disk_storage",
    "delete_disk",
    "login",
)
_TEMPLATE = tuple(name for name in PERMITS if "template" in name)
_POOL = tuple(name for name in PERMITS if "vm_pool" in name)
_HOST = tuple(name for name in PERMITS if "host" in name)
_STORAGE = tuple(name for name in PERMITS if "storage_domain" in name)
_NETWORK = tuple(name for name in PERMITS if name.endswith("_network"))
_CLUSTER = (*(name for name in PERMITS if "cluster" in name), *_HOST, *_VM, *_POOL, "migrate_vm")

# number, name, administrative, permits
_PREDEFINED = (
    (0x1, "ClusterAdmin", True, _CLUSTER),
    (0x2, "DataCenterAdmin", True, (*_CLUSTER, *_STORAGE, *_TEMPLATE, "edit_storage_pool_configuration")),
    (0x3, "StorageAdmin", True, (*_STORAGE, *_DISK)),
    (0x4, "HostAdmin", True, _HOST),
    (0x5, "NetworkAdmin", True, _NETWORK),
    (0x6, "UserVmManager", False, _VM),
    (0x7, "VmPoolAdmin", True, _POOL),
    (0x8, "TemplateAdmin", True, _TEMPLATE),
    (0x9, "UserTemplateBasedVm", False, ("create_vm", "login")),
    (0xA, "DiskOperator", False, _DISK),
    (0xB, "DiskCreator", False, ("create_disk", "login")),
    (0xD, "VmCreator", False, ("create_vm", "login")),
    (0xE, "TemplateCreator", False, ("create_template", "login")),
    (0xF, "TemplateOwner", False, _TEMPLATE),
)


def predefined_roles() -> dict[str, Role]:
    roles = [
        Role(SUPER_USER_ID, "SuperUser", "Roles management administrator", True, tuple(PERMITS)),
        Role(USER_ROLE_ID, "UserRole", "Standard User Role", False, _USE),
        Role(
            "00000000-0000-0000-0001-000000000002",
            "PowerUserRole",
            "User Role, allowed to create VMs",
            False,
            _VM,
        ),
    ]
    for number, name, administrative, permits in _PREDEFINED:
        identifier = f"def{number:05x}-0000-0000-0000-def{number:09x}"
        roles.append(Role(identifier, name, name, administrative, permits))
    return {role.id: role for role in roles}


def first_permissions() -> dict[str, Permission]:
    """The administrator may do everything; everyone may look at the Blank template."""
    blank = "58ca604b-00f1-03a7-02a0-0000000002b7"
    everything = Permission(SYSTEM_PERMISSION_ID, SUPER_USER_ID, "users", ADMIN_ID, "")
    template = Permission(blank, USER_ROLE_ID, "groups", EVERYONE_ID, f"templates/{BLANK_TEMPLATE_ID}")
    return {one.id: one for one in (everything, template)}
