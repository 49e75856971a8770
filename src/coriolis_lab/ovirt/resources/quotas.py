"""Quotas of a data centre: the default one, which limits nothing while the quota mode is disabled."""

from dataclasses import dataclass

from coriolis_lab.ovirt.markup import Element, entity, leaf, reference
from coriolis_lab.ovirt.resources.listing import catalog
from coriolis_lab.ovirt.web import ApiRoute, Call, empty_list, get


@dataclass(frozen=True)
class Quota:
    """It has the id of its data centre."""

    id: str


def _quotas(call: Call) -> list[Quota]:
    return [Quota(call.ids["data_center"])]


def _render(_call: Call, quota: Quota) -> Element:
    return entity(
        "quota",
        f"datacenters/{quota.id}/quotas/{quota.id}",
        quota.id,
        leaf("cluster_hard_limit_pct", 20),
        leaf("cluster_soft_limit_pct", 80),
        leaf("storage_hard_limit_pct", 20),
        leaf("storage_soft_limit_pct", 80),
        reference("data_center", "datacenters", quota.id),
        name="Default",
        description="Default unlimited quota",
        links=("quotaclusterlimits", "quotastoragelimits", "permissions"),
    )


QUOTAS = "datacenters/{data_center}/quotas"
ROUTES: list[ApiRoute] = [
    *catalog(QUOTAS, "quotas", _quotas, _render, "quota"),
    get(f"{QUOTAS}/{{quota}}/quotaclusterlimits", empty_list("quota_cluster_limits")),
    get(f"{QUOTAS}/{{quota}}/quotastoragelimits", empty_list("quota_storage_limits")),
]
