"""The one error tree.

Each class has a stable `code` (documented in docs/reference/errors.md), a message template over its fields, a
`hint` that says what to do, and `retryable`: whether the same call may succeed later without anyone's help.

    CoriolisError
    ├── InvalidInput            400  what the user gave cannot work
    ├── NotFound                404
    ├── Conflict                409  the object is in a state that forbids the call
    ├── AuthenticationFailed    401/400  a cloud refused the credentials
    ├── PermissionRefused       403
    ├── CloudError              a cloud answered with a fault
    │   └── CloudUnavailable    …of a passing kind (retryable)
    ├── WorkerError             a worker VM misbehaved
    ├── TransferError           the data path found something wrong
    ├── MorphingError           OSMorphing could not adapt the guest
    ├── CommandFailed           an external command failed
    ├── RemoteError             a Coriolis server answered a client with an error
    └── EngineError             the engine itself

Cancelled and LeaseLost stand outside: they are not faults and no `except CoriolisError` may swallow them.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class CoriolisError(Exception):
    """Base: `CoriolisError(**fields)` renders `template` over the fields; `str()` never shows a Secret."""

    code: ClassVar[str] = "CORI-1000"
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False
    template: ClassVar[str] = "{message}"
    hint: ClassVar[str] = ""

    def __init__(self, **fields: Any) -> None:
        self.fields = fields
        self.message = self.template.format(**fields)
        self.hint_text = self.hint.format(**fields)
        super().__init__(self.message)

    def __str__(self) -> str:
        if not self.hint_text:
            return self.message
        stop = "" if self.message.endswith((".", "!", "?")) else "."
        return f"{self.message}{stop} {self.hint_text}"


class InvalidInput(CoriolisError):
    code = "CORI-1400"
    http_status = 400


class NotFound(CoriolisError):
    code = "CORI-1404"
    http_status = 404
    template = "{kind} {name!r} was not found."


class Conflict(CoriolisError):
    code = "CORI-1409"
    http_status = 409


class NotSupported(CoriolisError):
    code = "CORI-1405"
    http_status = 405


class AuthenticationFailed(CoriolisError):
    code = "CORI-2401"
    http_status = 400
    template = "{cloud} refused the credentials of user {username!r}: {reason}"
    hint = "Check user name, password and domain or profile in the endpoint's connection info."


class PermissionRefused(CoriolisError):
    code = "CORI-2403"
    http_status = 403
    template = "{cloud} does not allow {action}: {reason}"
    hint = "Give the endpoint's user the missing role."


class CloudError(CoriolisError):
    """A cloud answered with a fault. Fields: cloud, action, reason."""

    code = "CORI-2500"
    http_status = 502
    template = "{cloud}: {action} failed: {reason}"


class CloudUnavailable(CloudError):
    """A fault that passes by itself: 429, 5xx, a locked object, a lost connection. Fields: cloud, action, reason,
    retry_after (seconds that the cloud asked for, or None or missing)."""

    code = "CORI-2503"
    http_status = 503
    retryable = True


class CloudTimeout(CloudError):
    """An object did not reach a state in time. Fields: cloud, action, reason."""

    code = "CORI-2504"
    http_status = 504


class QuotaExceeded(CloudError):
    """Fields: cloud, action, reason."""

    code = "CORI-2413"
    http_status = 409
    template = "{cloud}: no quota left to {action}: {reason}"
    hint = "Raise the project's quota or free what is not needed."


class DiskStillAttached(CloudError):
    """Removing a VM would delete the replica or cloned disks still attached to it. Fields: cloud, action, reason."""

    code = "CORI-2510"
    http_status = 409
    hint = "Detach the disk from the VM by hand, then retry the clean-up."


class ServicesUnusable(CloudError):
    """Of a connection's validation. Fields: cloud, faults (a sentence for each service that fails)."""

    code = "CORI-2511"
    http_status = 400
    template = "{cloud} cannot be used. {faults}"


class SecretNotFound(InvalidInput):
    """Fields: reference."""

    code = "CORI-3010"
    template = "The key manager has no secret {reference!r}."
    hint = "Look it up with: openstack secret list"


class SecretForbidden(PermissionRefused):
    """Fields: reference, reader."""

    code = "CORI-3011"
    template = "The key manager does not let {reader} read the secret {reference!r}."
    hint = "Give that user the right: openstack acl user add --user USER_ID --operation-type read {reference}"


class SecretUnusable(InvalidInput):
    """Fields: reference."""

    code = "CORI-3012"
    template = "The secret {reference!r} does not hold a connection info: a JSON object as text."
    hint = "Store one with: openstack secret store --payload-content-type text/plain --payload '{{{{…}}}}'"


class KeyManagerUnavailable(CloudError):
    """Fields: reason."""

    code = "CORI-3013"
    http_status = 503
    retryable = True
    template = "The key manager cannot be asked for an endpoint's secret: {reason}"


class InstanceNotFound(NotFound):
    code = "CORI-3001"
    template = "Instance {name!r} was not found on endpoint {endpoint!r}."
    hint = "List what is there with: coriolis endpoint instance list {endpoint}"


class InstanceAmbiguous(InvalidInput):
    """Fields: name, endpoint, count, ids (joined by commas)."""

    code = "CORI-3002"
    template = "{count} instances on endpoint {endpoint!r} are named {name!r}: {ids}."
    hint = "Give one of these ids instead."


class NetworkNotMapped(InvalidInput):
    code = "CORI-3003"
    template = "Network {network!r} of instance {instance!r} is not in the network map."
    hint = 'Add it with --network-map \'{{"{network}": "<destination network>"}}\'.'


class NameNotAllowed(InvalidInput):
    code = "CORI-3004"
    template = "{cloud} does not allow the name {name!r} for a {kind}: {reason}"
    hint = "Give another name in the destination environment, for example {suggestion!r}."


class StorageTooSmall(InvalidInput):
    code = "CORI-3005"
    template = "{needed} bytes do not fit on storage {storage!r}, which has {available} bytes left."
    hint = "Free some space or choose another storage in the destination environment or the storage mappings."


class WorkerError(CoriolisError):
    """Fields: worker, reason."""

    code = "CORI-4000"
    template = "Worker VM {worker!r}: {reason}"


class WorkerUnreachable(WorkerError):
    code = "CORI-4001"
    retryable = True
    hint = (
        "Check that the conductor reaches the worker's network on TCP port 22, or 5986 for a Windows worker."
    )


class WorkerIdentityChanged(WorkerError):
    """Another machine answers at the worker's address. Fields: worker."""

    code = "CORI-4002"
    template = "Worker VM {worker!r} shows another SSH host key or TLS certificate than the one known for it."
    hint = "Its address may have gone to another machine; see that nothing intercepts the connection, then run again."


class WorkerGone(WorkerError):
    """Somebody else took it away, or switched it off. Fields: worker."""

    code = "CORI-4003"
    template = "Worker VM {worker!r} was deleted or switched off while it was at work."
    hint = "Find out who or what did it, then run again: a copy goes on from where it came."


class WorkerLoginRefused(WorkerError):
    """Fields: worker, username, reason."""

    code = "CORI-4004"
    template = "Worker VM {worker!r} refused the log-in of user {username!r}: {reason}"
    hint = "See that the user is an administrator in the worker's template or image, with the password that was given."


class TransferError(CoriolisError):
    """Fields: disk, reason."""

    code = "CORI-5000"
    template = "Disk {disk!r}: {reason}"


class TransferInterrupted(TransferError):
    """An end of the data path vanished; the run can go on from the last durable leaf."""

    code = "CORI-5001"
    retryable = True


class VerificationFailed(TransferError):
    """Fields: disk, offset, length, reason."""

    code = "CORI-5002"
    template = "Disk {disk!r}: bytes {offset} to {offset}+{length} differ from what was read: {reason}"


class WriterFenced(TransferError):
    """A later claim on the same job writes, or wrote, to this disk. Fields: disk, reason."""

    code = "CORI-5003"


class RouteFailed(TransferError):
    """The connection that carries a disk's bytes did not come about, broke, or changed them; none of that was written.
    Fields: disk, reason."""

    code = "CORI-5004"
    hint = "See [transfer] route: auto uses the SSH connection where the workers' ports cannot be reached."
    retryable = True


class MorphingError(CoriolisError):
    """Fields: phase, reason."""

    code = "CORI-6000"
    template = "OSMorphing failed while it tried to {phase}: {reason}"
    hint = "The replica stays as it was. Repair the source or the options and deploy again."


class CommandFailed(CoriolisError):
    """Fields: command (redacted, its first words), returncode, output (its last lines, redacted)."""

    code = "CORI-7000"
    template = "Command {command!r} failed with code {returncode}: {output}"


class RemoteError(CoriolisError):
    """The answer of a Coriolis server to a client. Fields: message, hint, error_code (the server's), status (HTTP)."""

    code = "CORI-9000"
    http_status = 502
    hint = "{hint}"


class ServerUnreachable(CoriolisError):
    """Fields: url, reason."""

    code = "CORI-9001"
    http_status = 503
    retryable = True
    template = "No Coriolis server answers at {url}: {reason}"
    hint = "Start one here with `coriolis serve`, or name another with --endpoint."


class LogInRefused(CoriolisError):
    """Keystone refused a client of Coriolis itself. Fields: reason."""

    code = "CORI-9002"
    http_status = 401
    template = "Keystone refused the log-in: {reason}"
    hint = "Check the OS_* variables or --os-* options; --no-auth is for a server without Keystone."


class EngineError(CoriolisError):
    code = "CORI-8000"


class StateDirectoryLocked(EngineError):
    code = "CORI-8001"
    template = "Another coriolis process holds the state directory {path}."
    hint = "Stop it first, or give this one a directory of its own."


class SecretsUnreadable(EngineError):
    """Fields: path, reason."""

    code = "CORI-8002"
    template = "The secrets of this installation cannot be read with the key file {path}: {reason}."
    hint = "Put the key file back that was there when the database was written."


class UnknownStep(EngineError):
    """Fields: step, version."""

    code = "CORI-8003"
    template = "A stored job holds step {step!r} in version {version}, which this installation does not know."
    hint = "Start the version of Coriolis that queued the job, or cancel the job with force and clean up what it left."


class UnknownPlan(EngineError):
    """Fields: format, known."""

    code = "CORI-8010"
    template = "The stored job's plan is of format {format}; this installation reads format {known}."
    hint = "Start the version of Coriolis that queued the job, or cancel the job with force and clean up what it left."


class UnreadableStep(EngineError):
    """Fields: name (in the plan), step, version, reason."""

    code = "CORI-8011"
    template = (
        "The parameters of {name!r}, step {step!r} in version {version}, do not fit this release: {reason}."
    )
    hint = "Start the version of Coriolis that queued the job, or cancel the job with force and clean up what it left."


class DatabaseTooNew(EngineError):
    """Fields: revision."""

    code = "CORI-8004"
    template = "The database is at revision {revision!r}, which this version of Coriolis does not know."
    hint = "Start the version of Coriolis that upgraded it, or restore a backup."


class DatabaseBehind(EngineError):
    """Fields: revision, wanted."""

    code = "CORI-8030"
    template = "The database is at revision {revision}; this version of Coriolis needs {wanted}."
    hint = "Stop the services of the old version, then run: coriolis-manage db upgrade"


class DatabaseUnavailable(EngineError):
    """Fields: reason."""

    code = "CORI-8031"
    http_status = 503
    retryable = True
    template = "The database cannot be used now: {reason}"
    hint = "Try again in some seconds. If it stays so, see that the database runs and [database] connection is right."


class IdempotencyKeyReused(Conflict):
    """Fields: key."""

    code = "CORI-1410"
    template = "The Idempotency-Key {key!r} was sent with another request before."
    hint = "Use a new key for each request; repeat one with the same body only."


class NoRegion(EngineError):
    """Fields: endpoint (its name), regions (names or ids)."""

    code = "CORI-8020"
    http_status = 503
    template = "None of the regions of endpoint {endpoint!r} is there and enabled: {regions}."
    hint = "See `coriolis region list`, or map others with `coriolis endpoint update --coriolis-region`."


class NoWorkerService(EngineError):
    """Fields: endpoint (its name), regions (their names)."""

    code = "CORI-8021"
    http_status = 503
    retryable = True
    template = "No conductor that is up serves a region of endpoint {endpoint!r}: {regions}."
    hint = "See `coriolis service list`; start a coriolis-conductor there, or map one with `coriolis service update`."


class ConductorSilent(EngineError):
    """Fields: region, seconds."""

    code = "CORI-8022"
    http_status = 503
    retryable = True
    template = "No conductor of region {region!r} answered within {seconds:g} s."
    hint = "See `coriolis service list`, and the log of that region's conductors."


class BrokerUnavailable(EngineError):
    """Fields: reason."""

    code = "CORI-8023"
    http_status = 503
    retryable = True
    template = "The message broker cannot be reached: {reason}"
    hint = "Jobs are run without it; what a cloud of another region has can be asked once it is back."


class AuthenticationRequired(CoriolisError):
    """A request to Coriolis without a token that Keystone knows."""

    code = "CORI-1401"
    http_status = 401
    template = "The request you have made requires authentication."
    hint = "Get a token from Keystone and send it as X-Auth-Token."


class NotAllowed(CoriolisError):
    """Fields: rule (of the policy)."""

    code = "CORI-1403"
    http_status = 403
    template = "Policy doesn't allow {rule} to be performed."
    hint = "It takes another role, or a token of that project."


class KeystoneUnavailable(CoriolisError):
    """Keystone could not be asked about a token. Fields: reason."""

    code = "CORI-1503"
    http_status = 503
    retryable = True
    template = "Keystone cannot be asked about the token: {reason}"


class Cancelled(BaseException):
    """The user wished the job away; raised by OperationContext.check()."""


class LeaseLost(BaseException):
    """Another conductor owns the job now: stop at once, write nothing, touch nothing."""


def to_wire(error: CoriolisError) -> dict[str, Any]:
    """JSON for another process of ours: see `from_wire`."""
    fields = {
        name: value if isinstance(value, int | float | None) else str(value)
        for name, value in error.fields.items()
    }
    return {"code": error.code, "fields": fields, "message": error.message}


def from_wire(told: Mapping[str, Any]) -> CoriolisError:
    """The same error, of the same class; of one that this release does not know, its message and code."""
    known = {found.code: found for found in _classes(CoriolisError)}.get(told["code"])
    if known is None:
        return CoriolisError(message=f"{told['message']} ({told['code']})")
    return known(**told["fields"])


def _classes(base: type[CoriolisError]) -> list[type[CoriolisError]]:
    """Bases last, so that they win where a subclass has their code."""
    return [found for child in base.__subclasses__() for found in _classes(child)] + [base]
