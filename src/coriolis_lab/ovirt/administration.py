"""Records of what administrators keep beside machines and storage: affinity, bookmarks, users and what they may."""

from dataclasses import dataclass, field


@dataclass
class AffinityRule:
    """`positive`: together; else apart. `enforcing`: hard."""

    enabled: bool = False
    positive: bool = True
    enforcing: bool = False


@dataclass
class AffinityGroup:
    """Its rules are told, not heeded: a cluster of the lab has one host. The sets hold ids."""

    id: str
    name: str
    cluster_id: str
    description: str = ""
    priority: float = 1.0
    vms_rule: AffinityRule = field(default_factory=AffinityRule)
    hosts_rule: AffinityRule = field(default_factory=AffinityRule)
    vms: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    vm_labels: set[str] = field(default_factory=set)
    host_labels: set[str] = field(default_factory=set)


@dataclass
class AffinityLabel:
    """The sets hold ids. `implicit_group`: VMs and hosts of the label belong together by it alone."""

    id: str
    name: str
    implicit_group: bool = False
    vms: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)


@dataclass
class MacPool:
    """`ranges`: first and last address of each."""

    id: str
    name: str
    description: str = ""
    allow_duplicates: bool = False
    is_default: bool = False
    ranges: tuple[tuple[str, str], ...] = ()


@dataclass
class Bookmark:
    """A search that a user of the web portal kept."""

    id: str
    name: str
    value: str


@dataclass
class SshKey:
    id: str
    content: str


@dataclass
class User:
    """`principal` is the name in the directory, `name` the first name."""

    id: str
    name: str
    principal: str
    last_name: str = ""
    email: str = ""
    department: str = ""
    namespace: str = "*"
    ssh_keys: dict[str, SshKey] = field(default_factory=dict)


@dataclass
class Group:
    id: str
    name: str
    namespace: str = "*"


@dataclass
class Role:
    """`permits`: names of what it allows. Predefined ones are not mutable."""

    id: str
    name: str
    description: str
    administrative: bool
    permits: tuple[str, ...]
    mutable: bool = False


@dataclass
class Permission:
    """`holder` is "users" or "groups"; `path` that of the object, such as "vms/ID", empty for the whole system."""

    id: str
    role_id: str
    holder: str
    holder_id: str
    path: str
