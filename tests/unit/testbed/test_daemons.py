"""Programs of the testbed are known by their process ids and start times."""

import os
from pathlib import Path

import pytest
from testbed.openstack.daemons import Daemon, Daemons
from testbed.openstack.saying import TestbedError
from testbed.openstack.settings import Testbed
from testbed.openstack.waiting import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="daemons change their user")


@pytest.fixture
def daemons(tmp_path: Path) -> Daemons:
    testbed = Testbed(tmp_path)
    testbed.prepare()
    return Daemons(testbed)


def test_started_once_and_stopped_with_its_children(daemons: Daemons, tmp_path: Path) -> None:
    daemon = Daemon("parent", "nobody", ["sh", "-c", "sleep 300 & exec sleep 300"])
    assert daemons.start(daemon)
    assert not daemons.start(daemon)
    assert daemons.names() == ["parent"]
    pid = int((tmp_path / "pids" / "parent").read_text().split()[0])
    daemons.stop(["parent"])
    assert not daemons.runs("parent")
    os.waitpid(pid, 0)  # its parent is this test
    wait_until("the end of its child", lambda: not _group_exists(pid), 30)


def _group_exists(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_reused_process_id_is_somebody_else(daemons: Daemons, tmp_path: Path) -> None:
    (tmp_path / "pids" / "old").write_text(f"{os.getpid()} 1")
    assert not daemons.runs("old")
    daemons.stop(["old"])


def test_what_ended_by_itself_is_named_with_its_last_words(daemons: Daemons) -> None:
    daemons.start(Daemon("brief", "nobody", ["sh", "-c", "echo no such database >&2; exit 1"]))
    wait_until("its end", lambda: not daemons.runs("brief"), 30)
    with pytest.raises(TestbedError, match=r"brief ended by itself.*no such database"):
        daemons.check()
