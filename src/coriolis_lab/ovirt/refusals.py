"""What the engine answers when it will not: HTTP codes, reasons and the printed-list form of its texts."""

from dataclasses import dataclass

from coriolis_lab.ovirt.markup import Element, leaf, struct

OPERATION_FAILED = "Operation Failed"


@dataclass(eq=False)
class RefusalError(Exception):
    """`detail` None makes an empty body, as the engine answers a GET of an unknown id."""

    status: int
    reason: str
    detail: str | None

    def __post_init__(self) -> None:
        super().__init__(f"{self.status} {self.reason}: {self.detail}")

    def fault(self) -> Element | None:
        if self.detail is None:
            return None
        return struct("fault", leaf("detail", self.detail), leaf("reason", self.reason))


def conflict(*messages: str) -> RefusalError:
    """409 with the messages of a failed validation: the engine prints a Java list in brackets."""
    return RefusalError(409, OPERATION_FAILED, f"[{', '.join(messages)}]")


def invalid(*messages: str) -> RefusalError:
    """400 for a validation that no retry mends."""
    return RefusalError(400, OPERATION_FAILED, f"[{', '.join(messages)}]")


def bad_request(reason: str, detail: str) -> RefusalError:
    return RefusalError(400, reason, detail)


def incomplete(entity: str, field: str, method: str) -> RefusalError:
    """incomplete("Vm", "name", "add")"""
    return RefusalError(400, "Incomplete parameters", f"{entity} [{field}] required for {method}")


def gone() -> RefusalError:
    return RefusalError(404, "Not Found", None)


def missing(what: str) -> RefusalError:
    """404 for an entity that a body names but that is not there."""
    return RefusalError(404, OPERATION_FAILED, f"Entity not found: {what}")


def failed(message: str) -> RefusalError:
    """400: the command ran and the host or the storage refused."""
    return RefusalError(400, OPERATION_FAILED, f"[{message}]")


def illegal_status(action: str, target: str, status: str) -> RefusalError:
    """illegal_status("run", "VM", "image_locked")"""
    name = status.replace("_", " ").title().replace(" In ", " in ").replace(" For ", " for ")
    return conflict(f"Cannot {action} {target} because the VM is in {name} status.")


def disks_locked(action: str, target: str, aliases: list[str]) -> RefusalError:
    """disks_locked("attach", "Virtual Disk", ["d1"])"""
    names = ", ".join(aliases)
    return conflict(
        f"Cannot {action} {target}: The following disks are locked: {names}. "
        "Please try again in a few minutes."
    )
