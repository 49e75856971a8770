"""Real guests of a real OpenStack cross, over each route of the table, and boot on the other side."""

from tests.openstack_real.conftest import on
from tests.openstack_real.crossing import MIB, Crossing
from tests.openstack_real.routes import ROUTES

_CHANGED = 12  # MiB


@on(*ROUTES)
def test_crossing(crossing: Crossing) -> None:
    """Full; a file changed; a file deleted and a disk grown; the source off; a boot; nothing left."""
    crossing.replicate("full")
    crossing.change(_CHANGED)
    # the guest writes a little by itself: journals, logs, superblocks, 64 KiB a leaf
    crossing.moved_between(_CHANGED * MIB, 64 * MIB, lambda: crossing.replicate("a file changed"))
    crossing.guest.delete_file()
    crossing.guest.grow_data(crossing.guest.gibibytes + 1)
    crossing.moved_between(1, 96 * MIB, lambda: crossing.replicate("a file deleted, a disk grown"))
    crossing.replicate("source shut down", shutdown=True)
    crossing.deploy()
    crossing.assert_nothing_left()
    crossing.forget()
