"""The commands in the `openstack` client."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.unit.api.directory_cloud import PLATFORM
from tests.unit.api.live_server import LiveServer

ROOT = Path(__file__).parents[3]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The entry points of pyproject.toml as an installation writes them; the environment's may be older."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    metadata = tmp_path / "site" / "coriolis_under_test-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: coriolis-under-test\nVersion: 1\n")
    lines = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items())
        for group, points in groups.items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return metadata.parent


def test_the_same_commands_with_a_word_before_them(
    server: LiveServer, installed: Path, tmp_path: Path
) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OS_", "CORIOLIS_"))
    }
    environment |= {
        "PYTHONPATH": str(installed),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "CORIOLIS_ENDPOINT": server.url,
    }
    openstack = [
        str(Path(sys.executable).parent / "openstack"),
        "--os-auth-type",
        "none",
        "--os-endpoint",
        server.url,
    ]
    listed = subprocess.run(
        [*openstack, "coriolis", "provider", "list", "-f", "value", "-c", "Platform"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (listed.returncode, listed.stdout) == (0, f"{PLATFORM}\n"), listed.stderr
    missing = subprocess.run(
        [*openstack, "coriolis", "endpoint", "show", "nowhere"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert missing.returncode == 1
    assert "Error: Endpoint 'nowhere' was not found.\nCode: CORI-1404\n" in missing.stderr
