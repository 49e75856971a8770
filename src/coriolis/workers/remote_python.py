"""Running Python code of ours on a worker without putting a file there.

The modules travel as one bundle through stdin: `python3 -c` is given a few fixed lines that read a length, a
JSON text and define the modules from it. What follows on stdin belongs to the bundle's `main()`.
"""

import json
import shlex
import struct
from collections.abc import Sequence
from importlib import resources

BOOT = """\
import json, os, struct, sys, types
if sys.version_info < (3, 6):
    sys.exit("Python 3.6 or later is needed, not " + sys.version.split()[0])
def take(count):
    data = b""
    while len(data) < count:
        piece = os.read(0, count - len(data))
        if not piece:
            sys.exit(3)
        data += piece
    return data
bundle = json.loads(take(struct.unpack("!I", take(4))[0]).decode())
for name, text in bundle["modules"]:
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    if "." in name:
        parent, child = name.rsplit(".", 1)
        setattr(sys.modules[parent], child, module)
    exec(compile(text, name, "exec"), module.__dict__)
sys.exit(sys.modules[bundle["main"]].main())
"""

NO_PYTHON = "no python3 is installed (looked for python3 and /usr/libexec/platform-python)"
NO_PYTHON_STATUS = 127


def shell_command(*, sudo: bool) -> str:
    """The remote shell text that starts the boot lines with whatever Python 3 the worker has. Their one argument
    is sshd's SSH_CONNECTION, which sudo drops from the environment.
    """
    prefix = "sudo -n -- " if sudo else ""
    return (
        "for python in python3 /usr/libexec/platform-python; do "
        'if command -v "$python" >/dev/null 2>&1; then '
        f'exec {prefix}"$python" -c {shlex.quote(BOOT)} "$SSH_CONNECTION"; fi; done; '
        f"echo {shlex.quote(NO_PYTHON)} >&2; exit {NO_PYTHON_STATUS}"
    )


def bundle(package: str, order: Sequence[str], main: str) -> bytes:
    """`order`: names of the package's modules, each after those it imports; `main` is the one whose main() is
    called.

    Parents of the package are defined empty, so they must hold nothing that the modules use.
    """
    parts = package.split(".")
    modules: list[tuple[str, str]] = [(".".join(parts[:end]), "") for end in range(1, len(parts) + 1)]
    directory = resources.files(package)
    for name in order:
        modules.append((f"{package}.{name}", (directory / f"{name}.py").read_text(encoding="utf-8")))
    text = json.dumps({"modules": modules, "main": f"{package}.{main}"}).encode()
    return struct.pack("!I", len(text)) + text
