"""What the agent's source may use: the language and the modules of Python 3.6."""

import ast
import subprocess
from importlib import resources

import pytest

from coriolis import agent
from coriolis.agent.commands import EXIT_CLOSED
from coriolis.workers import remote_python
from tests.interpreters import interpreters, label


@pytest.mark.parametrize("module", agent.ORDER)
def test_the_syntax_is_that_of_python_3_6(module: str) -> None:
    source = (resources.files(agent) / f"{module}.py").read_text()
    ast.parse(source, feature_version=(3, 6))


@pytest.mark.parametrize("python", interpreters(), ids=label)
def test_the_bundle_starts_and_warns_of_nothing(python: str) -> None:
    """A warning (of something deprecated or an invalid escape) would be an error in a later Python."""
    bundle = remote_python.bundle(agent.__name__, agent.ORDER, "main")
    command = [python, "-I", "-W", "error", "-c", remote_python.BOOT]
    done = subprocess.run(command, input=bundle, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (EXIT_CLOSED, b"")


def test_modules_are_listed_after_those_they_import() -> None:
    """The bundle defines them in this order."""
    seen: set[str] = set()
    for name in agent.ORDER:
        source = (resources.files(agent) / f"{name}.py").read_text()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("coriolis.agent"):
                parent = (node.module or "").removeprefix("coriolis.agent").lstrip(".")
                used = {parent} if parent else {alias.name for alias in node.names}
                assert used <= seen, f"{name} imports {used - seen}"
        seen.add(name)
