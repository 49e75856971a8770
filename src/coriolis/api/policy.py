"""Who may do what: a rule for every route, `migration:<resource>:<action>`, which a policy file can replace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oslo_config import cfg
from oslo_policy import policy

from coriolis.api.gate import Caller
from coriolis.errors import InvalidInput, NotAllowed

_IS_ADMIN = "context_is_admin"
_ADMIN = "is_admin:True"
_ADMIN_OR_OWNER = "is_admin:True or project_id:%(project_id)s"


@dataclass(frozen=True, slots=True)
class Rule:
    """`operations`: method and path below /v1/{project_id}."""

    resource: str
    action: str
    description: str
    operations: Sequence[tuple[str, str]]
    check: str = _ADMIN_OR_OWNER

    @property
    def name(self) -> str:
        return f"migration:{self.resource}:{self.action}"


def _listed(resource: str, path: str, check: str = _ADMIN_OR_OWNER) -> Rule:
    operations = [("GET", path), ("GET", f"{path}/detail")]
    return Rule(resource, "list", f"List the {path.rpartition('/')[2].replace('_', ' ')}.", operations, check)


_ENDPOINT = "/endpoints/{endpoint_id}"
_TRANSFER = "/transfers/{transfer_id}"
_EXECUTIONS = f"{_TRANSFER}/executions"
_EXECUTION = f"{_EXECUTIONS}/{{execution_id}}"
_MIGRATIONS = f"{_TRANSFER}/migrations"
_MIGRATION = f"{_MIGRATIONS}/{{migration_id}}"
_DEPLOYMENT = "/deployments/{deployment_id}"
_REGION = "/regions/{region_id}"
_SERVICE = "/services/{service_id}"

RULES: Sequence[Rule] = (
    Rule("providers", "list", "List the platforms.", [("GET", "/providers")]),
    Rule(
        "providers",
        "schemas",
        "Show the schemas of a platform.",
        [("GET", "/providers/{platform}/schemas/{provider_type}")],
    ),
    _listed("endpoints", "/endpoints"),
    Rule("endpoints", "show", "Show an endpoint.", [("GET", _ENDPOINT)]),
    Rule("endpoints", "create", "Create an endpoint.", [("POST", "/endpoints")]),
    Rule("endpoints", "update", "Change an endpoint.", [("PUT", _ENDPOINT)]),
    Rule("endpoints", "delete", "Delete an endpoint.", [("DELETE", _ENDPOINT)]),
    Rule("endpoints", "validate_connection", "Log in to its cloud.", [("POST", f"{_ENDPOINT}/actions")]),
    Rule("endpoints", "list_instances", "List its instances.", [("GET", f"{_ENDPOINT}/instances")]),
    Rule(
        "endpoints", "get_instance", "Show an instance.", [("GET", f"{_ENDPOINT}/instances/{{encoded_name}}")]
    ),
    Rule("endpoints", "list_networks", "List its networks.", [("GET", f"{_ENDPOINT}/networks")]),
    Rule("endpoints", "list_storage", "List its storage.", [("GET", f"{_ENDPOINT}/storage")]),
    Rule(
        "endpoints",
        "list_source_options",
        "List its source options.",
        [("GET", f"{_ENDPOINT}/source-options")],
    ),
    Rule(
        "endpoints",
        "list_destination_options",
        "List its destination options.",
        [("GET", f"{_ENDPOINT}/destination-options")],
    ),
    Rule(
        "endpoints",
        "list_minion_pool_options",
        "List its options of minion pools.",
        [
            ("GET", f"{_ENDPOINT}/source-minion-pool-options"),
            ("GET", f"{_ENDPOINT}/destination-minion-pool-options"),
        ],
    ),
    Rule(
        "endpoints", "export_inventory", "Export its instances as CSV.", [("GET", f"{_ENDPOINT}/inventory")]
    ),
    _listed("transfers", "/transfers"),
    Rule("transfers", "show", "Show a transfer.", [("GET", _TRANSFER)]),
    Rule("transfers", "create", "Create a transfer.", [("POST", "/transfers")]),
    Rule("transfers", "update", "Change a transfer.", [("PUT", _TRANSFER)]),
    Rule("transfers", "delete", "Delete a transfer.", [("DELETE", _TRANSFER)]),
    Rule("transfers", "delete_disks", "Delete its replica disks.", [("POST", f"{_TRANSFER}/actions")]),
    Rule("transfers", "verify", "Verify its replica disks.", [("POST", f"{_TRANSFER}/verifications")]),
    Rule("transfer_schedules", "list", "List its schedules.", [("GET", f"{_TRANSFER}/schedules")]),
    _listed("transfer_executions", _EXECUTIONS),
    Rule("transfer_executions", "show", "Show an execution.", [("GET", _EXECUTION)]),
    Rule("transfer_executions", "create", "Execute a transfer.", [("POST", _EXECUTIONS)]),
    Rule("transfer_executions", "delete", "Delete an execution.", [("DELETE", _EXECUTION)]),
    Rule("transfer_executions", "cancel", "Cancel an execution.", [("POST", f"{_EXECUTION}/actions")]),
    _listed("transfer_migrations", _MIGRATIONS),
    Rule("transfer_migrations", "show", "Show a migration.", [("GET", _MIGRATION)]),
    Rule("transfer_migrations", "create", "Migrate a transfer.", [("POST", _MIGRATIONS)]),
    Rule("transfer_migrations", "cancel", "Cancel a migration.", [("POST", f"{_MIGRATION}/actions")]),
    _listed("deployments", "/deployments"),
    Rule("deployments", "show", "Show a deployment.", [("GET", _DEPLOYMENT)]),
    Rule("deployments", "create", "Deploy a replica.", [("POST", "/deployments")]),
    Rule("deployments", "delete", "Forget a deployment.", [("DELETE", _DEPLOYMENT)]),
    Rule("deployments", "cancel", "Cancel a deployment.", [("POST", f"{_DEPLOYMENT}/actions")]),
    Rule("resources", "list", "List what was made in the clouds.", [("GET", "/resources")]),
    Rule("resources", "cleanup", "Remove what was left over.", [("POST", "/resources/actions")]),
    _listed("minion_pools", "/minion_pools"),
    Rule("minion_pools", "show", "Show a minion pool.", [("GET", "/minion_pools/{pool_id}")]),
    _listed("regions", "/regions", _ADMIN),
    Rule("regions", "show", "Show a region.", [("GET", _REGION)], _ADMIN),
    Rule("regions", "create", "Create a region.", [("POST", "/regions")], _ADMIN),
    Rule("regions", "update", "Change a region.", [("PUT", _REGION)], _ADMIN),
    Rule("regions", "delete", "Delete a region.", [("DELETE", _REGION)], _ADMIN),
    _listed("services", "/services", _ADMIN),
    Rule("services", "show", "Show a service.", [("GET", _SERVICE)], _ADMIN),
    Rule("services", "create", "Write a service down.", [("POST", "/services")], _ADMIN),
    Rule("services", "update", "Change a service.", [("PUT", _SERVICE)], _ADMIN),
    Rule("services", "delete", "Forget a service.", [("DELETE", _SERVICE)], _ADMIN),
    Rule("diagnostics", "get", "Show versions and hosts.", [("GET", "/diagnostics")], _ADMIN),
)


def rule_of(method: str, path: str) -> str:
    """The name of the rule of a route; `path` below /v1/{project_id}. Raises KeyError: a route without a rule is a
    mistake that a test finds."""
    return _BY_OPERATION[method, path]


_BY_OPERATION: Mapping[tuple[str, str], str] = {
    operation: rule.name for rule in RULES for operation in rule.operations
}


def list_rules() -> list[policy.RuleDefault]:
    """The defaults; oslopolicy-sample-generator finds them by the name `coriolis`."""
    rules = [policy.RuleDefault(_IS_ADMIN, "role:admin", "Who may do everything in every project.")]
    for rule in RULES:
        operations: list[policy.Operation] = [
            {"method": method, "path": f"/v1/{{project_id}}{path}"} for method, path in rule.operations
        ]
        rules.append(policy.DocumentedRuleDefault(rule.name, rule.check, rule.description, operations))
    return rules


class Policy:
    """Thread-safe. Reads the policy file again when it has changed."""

    def __init__(self, policy_file: Path | None) -> None:
        """Raises InvalidInput when the file is not there."""
        if policy_file is not None and not policy_file.is_file():
            raise InvalidInput(
                message=f"Settings: [oslo_policy] policy_file: there is no file {policy_file}."
            )
        conf = cfg.ConfigOpts()
        conf([], project="coriolis", default_config_files=[])
        self._enforcer = policy.Enforcer(conf, policy_file=None if policy_file is None else str(policy_file))
        self._enforcer.register_defaults(list_rules())

    def is_admin(self, caller: Caller) -> bool:
        return bool(self._enforcer.authorize(_IS_ADMIN, {}, _credentials(caller)))

    def require(self, rule: str, caller: Caller, project_id: str) -> None:
        """Raises NotAllowed. `project_id`: whose objects it is about."""
        if not self._enforcer.authorize(rule, {"project_id": project_id}, _credentials(caller)):
            raise NotAllowed(rule=rule)


def _credentials(caller: Caller) -> dict[str, object]:
    return {
        "user_id": caller.user_id,
        "project_id": caller.project_id,
        "roles": list(caller.roles),
        "is_admin": caller.is_admin,
    }
