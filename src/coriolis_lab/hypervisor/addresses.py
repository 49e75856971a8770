"""Loopback addresses that several labs on one host can use side by side.

Each lab takes a random 127.x.0.0/16 of its own, held by a lock on a file: the lock ends with the process
at the latest.
"""

import fcntl
import random
from pathlib import Path
from typing import TextIO

from coriolis_lab.hypervisor.api import HypervisorError

_LOCKS = Path("/run/lock/coriolis-lab")
# 127.0 is everyone's; resolvers listen on 127.0.0.53 and the test bed of a real OpenStack on 127.42.0.1
_NETWORKS = [number for number in range(1, 255) if number != 42]
_FIRST_HOST, _LAST_HOST = 10, 65_000


class AddressPool:
    def __init__(self, locks: Path = _LOCKS) -> None:
        locks.mkdir(parents=True, exist_ok=True)
        self._lock_file, self._network = _claim_network(locks)
        self._held: set[str] = set()
        self._next = _FIRST_HOST

    def allocate(self) -> str:
        """An address is given again only after all others: a late packet or a known_hosts line finds nobody
        new.
        """
        for _ in range(_FIRST_HOST, _LAST_HOST):
            address = f"127.{self._network}.{self._next // 250}.{self._next % 250 + 1}"
            self._next = self._next + 1 if self._next < _LAST_HOST - 1 else _FIRST_HOST
            if address not in self._held:
                self._held.add(address)
                return address
        raise HypervisorError("every loopback address of this lab is in use")

    def release(self, address: str) -> None:
        self._held.discard(address)

    def close(self) -> None:
        self._lock_file.close()


def _claim_network(locks: Path) -> tuple[TextIO, int]:
    for number in random.sample(_NETWORKS, len(_NETWORKS)):
        file = (locks / f"127.{number}").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return file, number
    raise HypervisorError("every loopback network is taken by other labs on this host")
