"""Every command: its words, and the class that carries it out, imported only when the command runs."""

from importlib.metadata import EntryPoint

from cliff.commandmanager import CommandManager

_PACKAGE = "coriolis.cli"

COMMANDS: dict[str, str] = {
    "deployment cancel": "deployment:CancelDeployment",
    "deployment create": "deployment:CreateDeployment",
    "deployment delete": "deployment:DeleteDeployment",
    "deployment list": "deployment:ListDeployments",
    "deployment show": "deployment:ShowDeployment",
    "deployment watch": "deployment:WatchDeployment",
    "diagnostics get": "service:GetDiagnostics",
    "endpoint create": "endpoint:CreateEndpoint",
    "endpoint delete": "endpoint:DeleteEndpoint",
    "endpoint destination options list": "endpoint_inventory:ListDestinationOptions",
    "endpoint export inventory": "endpoint:ExportInventory",
    "endpoint instance list": "endpoint_inventory:ListInstances",
    "endpoint instance show": "endpoint_inventory:ShowInstance",
    "endpoint list": "endpoint:ListEndpoints",
    "endpoint network list": "endpoint_inventory:ListNetworks",
    "endpoint show": "endpoint:ShowEndpoint",
    "endpoint source options list": "endpoint_inventory:ListSourceOptions",
    "endpoint storage list": "endpoint_inventory:ListStorage",
    "endpoint update": "endpoint:UpdateEndpoint",
    "endpoint validate connection": "endpoint:ValidateConnection",
    "provider list": "provider:ListProviders",
    "provider schema list": "provider:ListSchemas",
    "region create": "region:CreateRegion",
    "region delete": "region:DeleteRegion",
    "region list": "region:ListRegions",
    "region show": "region:ShowRegion",
    "region update": "region:UpdateRegion",
    "resource cleanup": "resource:CleanUpResources",
    "resource list": "resource:ListResources",
    "service create": "service:CreateService",
    "service delete": "service:DeleteService",
    "service list": "service:ListServices",
    "service show": "service:ShowService",
    "service update": "service:UpdateService",
    "transfer create": "transfer:CreateTransfer",
    "transfer delete": "transfer:DeleteTransfer",
    "transfer disks delete": "transfer:DeleteDisks",
    "transfer execute": "transfer:ExecuteTransfer",
    "transfer execution cancel": "execution:CancelExecution",
    "transfer execution delete": "execution:DeleteExecution",
    "transfer execution list": "execution:ListExecutions",
    "transfer execution show": "execution:ShowExecution",
    "transfer execution watch": "execution:WatchExecution",
    "transfer list": "transfer:ListTransfers",
    "transfer migrate": "migration:MigrateTransfer",
    "transfer migration cancel": "migration:CancelMigration",
    "transfer migration list": "migration:ListMigrations",
    "transfer migration show": "migration:ShowMigration",
    "transfer migration watch": "migration:WatchMigration",
    "transfer show": "transfer:ShowTransfer",
    "transfer update": "transfer:UpdateTransfer",
    "transfer verify": "verification:VerifyTransfer",
}
"""The commands that speak to a server; as `openstack` plugin they have the word `coriolis` before them."""

SERVE = {"serve": "serve:Serve"}


def command_manager() -> CommandManager:
    """Not from entry points: this works from a source tree too, and starts faster."""
    manager = CommandManager()
    for words, target in (COMMANDS | SERVE).items():
        manager.commands[words] = EntryPoint(words, f"{_PACKAGE}.{target}", "coriolis.cli")
    return manager
