"""The ways a disk's bytes may take: equal bytes on each, refusals, the right culprit, nothing left running."""

from pathlib import Path

import pytest

from coriolis.transfer.job import CopyJob
from tests.unit.sshd import PrivateSshd
from tests.unit.transfer.copying import Pair, run, touch_leaves

MIB = 1 << 20


def job_over(route: str, pair: Pair, generation: int, **changes: object) -> CopyJob:
    from dataclasses import replace

    return replace(pair.job(generation, **changes), route=route)


@pytest.mark.parametrize("route", ["auto", "tls", "direct", "ssh"])
def test_the_same_bytes_on_every_route(sshd: PrivateSshd, tmp_path: Path, route: str) -> None:
    pair = Pair(sshd, tmp_path, 70 * MIB + 512)
    (first,) = run(job_over(route, pair, 1, destination_zeroed=True))
    assert pair.identical()
    assert first.route == {"auto": "tls"}.get(route, route)
    assert first.moved + first.zero == pair.size
    assert 0 < first.wire <= first.moved * 1.003 + 8192

    changed = touch_leaves(pair.source, 0.01)
    (second,) = run(job_over(route, pair, 2, previous=pair.manifest(1)))
    assert pair.identical()
    assert second.moved == changed
    assert second.wire <= changed * 1.02 + 0.0005 * pair.size
