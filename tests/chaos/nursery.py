"""Where conductors come from: a process that has loaded the product and forks, so that each of the hundreds of
starts costs milliseconds rather than seconds of a processor.

`python -m tests.chaos.nursery`: a line of JSON on stdin is the arguments of a conductor; the answer is its process id.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).parents[2]


class Nursery:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.chaos.nursery"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def conductor(self, arguments: Sequence[str]) -> int:
        """Its process id, at once: it is not up yet."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(arguments) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        """Ends its conductors too."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


def main() -> None:
    from tests.chaos import conductor

    signal.signal(
        signal.SIGCHLD, signal.SIG_IGN
    )  # the kernel forgets the dead at once: nobody asks us how they ended
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(0)
            os.open(os.devnull, os.O_RDONLY)
            conductor.main(*json.loads(line))
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
