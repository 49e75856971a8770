"""The Python interpreters of this machine that a worker could have: the agent must run with each of them."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

_KNOWN = [f"python3.{minor}" for minor in range(6, 20)]
_ELSEWHERE = (
    "/root/.pyenv/versions/*/bin/python3",
    "/opt/python*/bin/python3",
    "/usr/libexec/platform-python",
)
_OLDEST = (3, 6)


@cache
def interpreters() -> tuple[str, ...]:
    """Paths, one for each 3.x version from 3.6 on, oldest first."""
    paths = [found for name in _KNOWN if (found := shutil.which(name, path="/usr/local/bin:/usr/bin"))]
    for pattern in _ELSEWHERE:
        paths += [str(path) for path in sorted(Path("/").glob(pattern.lstrip("/")))]
    found: dict[tuple[int, ...], str] = {}
    for path in paths:
        version = _version(path)
        if version is not None and version >= _OLDEST:
            found.setdefault(version, path)
    return tuple(found[version] for version in sorted(found))


def oldest_and_newest() -> tuple[str, ...]:
    every = interpreters()
    return tuple(dict.fromkeys((every[0], every[-1])))


def label(path: str) -> str:
    """For the ids of tests."""
    version = _version(path)
    return "?" if version is None else ".".join(map(str, version))


@cache
def _version(path: str) -> tuple[int, ...] | None:
    question = "import sys; print(*sys.version_info[:2])"
    done = subprocess.run([path, "-c", question], capture_output=True, text=True, check=False)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else None
