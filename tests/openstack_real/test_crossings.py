"""Real guests of a real OpenStack cross, over each route of the table, and boot on the other side."""

from tests.openstack_real.conftest import on
from tests.openstack_real.crossing import MIB, Crossing
from tests.openstack_real.routes import ROUTES

_CHANGED = 12  # MiB
_NOISE = 64 * MIB


@on(*ROUTES)
def test_crossing(crossing: Crossing) -> None:
    """In full; a file changed; the source off after a file was deleted and a disk grown; a boot; nothing left."""
    full = crossing.replicate("full")
    crossing.change(_CHANGED)
    changed = crossing.replicate("a file changed")
    # the guest writes a little by itself: journals, logs, superblocks, 64 KiB a leaf
    assert _CHANGED * MIB <= changed.moved <= _CHANGED * MIB + _NOISE
    if reads := crossing.route.mechanism.reads:
        assert getattr(changed, reads) < getattr(full, reads) / 2, "the cloud's change list was not used"
    crossing.guest.delete_file()
    crossing.guest.grow_data(2)
    last = crossing.replicate("a file deleted, a disk grown, source off", shutdown=True)
    assert last.moved <= _NOISE
    crossing.deploy()
    crossing.assert_nothing_left()
    crossing.forget()
    crossing.publish()
