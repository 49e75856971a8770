"""Jobs that wait: what they demand of a conductor, what holds them back, and their place in the line."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from coriolis.model.enums import ProviderType
from coriolis.model.records import JobState, Wish

ANYWHERE = "any"  # the id of the demand that every conductor meets


def capability(platform: str, kind: ProviderType) -> str:
    """`openstack/transfer_export`: what a job demands of a conductor, and a conductor says it has."""
    return f"{platform}/{kind.name.lower()}"


@dataclass(frozen=True, slots=True)
class Served:
    """What a conductor serves; None: everything. One that does not accept new jobs still undoes what has to be."""

    regions: frozenset[str] | None = None
    capabilities: frozenset[str] | None = None
    accepting: bool = True

    @classmethod
    def of(
        cls,
        regions: Iterable[str],
        providers: Mapping[str, Iterable[ProviderType]],
        *,
        accepting: bool = True,
    ) -> "Served":
        """`providers`: platform to what its plugin can do."""
        kinds = (capability(platform, kind) for platform, found in providers.items() for kind in found)
        return cls(frozenset(regions), frozenset(kinds), accepting)


EVERYTHING = Served()


def everything() -> Served:
    return EVERYTHING


@dataclass(frozen=True, slots=True)
class Demand:
    """One of each group of regions (a group: where one endpoint can be reached from), and every capability."""

    regions: tuple[tuple[str, ...], ...] = ()
    capabilities: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The same for the same demand, whoever submits it."""
        if not self.regions and not self.capabilities:
            return ANYWHERE
        groups = sorted(sorted(set(group)) for group in self.regions)
        text = json.dumps([groups, sorted(set(self.capabilities))])
        return hashlib.sha256(text.encode()).hexdigest()[:40]

    def met_by(self, served: Served) -> bool:
        regions, capabilities = served.regions, served.capabilities
        return (capabilities is None or capabilities.issuperset(self.capabilities)) and (
            regions is None or all(not regions.isdisjoint(group) for group in self.regions)
        )


@dataclass(frozen=True, slots=True)
class Needs:
    """What decides when and where a job may run. The endpoints are those whose limits it counts against."""

    demand: Demand = Demand()
    origin_endpoint_id: str | None = None
    destination_endpoint_id: str | None = None
    priority: int = 0


NO_NEEDS = Needs()


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs may be at work at once: in the installation, on one endpoint, on one host. 0: any number."""

    total: int = 0
    per_endpoint: int = 0
    per_host: int = 0


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who looks for jobs. `owner` is unique to one run of one conductor: a process id comes again, and its
    next bearer must not renew what the last one held."""

    owner: str
    host: str
    limits: Limits = Limits()
    served: Served = EVERYTHING


@dataclass(frozen=True, kw_only=True)
class Posting:
    """A job as it hangs on the board: all but its plan. `token` as it was when this was read."""

    id: str
    execution_id: str
    instance: str
    flow: str
    state: JobState
    wish: Wish
    token: int
    priority: int
    position: int
    created_at: datetime
    updated_at: datetime | None

    @property
    def undoing(self) -> bool:
        """What is left to do is to remove what was made: no limit holds that back."""
        return self.state is JobState.COMPENSATING or self.wish is not Wish.NONE


class WaitReason(StrEnum):
    TOTAL_LIMIT = "limit of the installation"
    ENDPOINT_LIMIT = "endpoint limit"
    NO_CONDUCTOR_FREE = "no conductor is free"


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """`position` 1: the next one of those that the same conductors can run."""

    position: int
    reason: WaitReason
