"""What Python runs first in the processes that a test starts: a driver of images, or a fault."""

import os
from pathlib import Path

import pytest

REPOSITORY = str(Path(__file__).parents[3])


def run_first(code: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`code` is put into a `sitecustomize.py` below `directory`; it may import the tests."""
    site = directory / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{REPOSITORY}")
