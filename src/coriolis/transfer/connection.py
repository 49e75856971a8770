"""The process of an agent, with frames on its standard streams and a few last words on the third."""

import subprocess
import threading

from coriolis.agent.pipes import FrameStream
from coriolis.transfer.host import Host

_ENDING_SECONDS = 5.0
_STDERR_BYTES = 4000


class Connection:
    def __init__(self, host: Host) -> None:
        self._process = host.start()
        pipes = [self._process.stdin, self._process.stdout, self._process.stderr]
        self._pipes = [pipe for pipe in pipes if pipe is not None]
        stdin, stdout, stderr = (pipe.fileno() for pipe in self._pipes)
        self.stream = FrameStream(stdout, stdin)
        self._said = b""
        self._drain = threading.Thread(target=self._collect, args=(stderr,), daemon=True)
        self._drain.start()

    def _collect(self, descriptor: int) -> None:
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            while piece := file.read(4096):
                self._said = (self._said + piece)[-_STDERR_BYTES:]

    def last_words(self) -> tuple[int | None, str]:
        """Exit status (None: still there after a few seconds) and the end of what it said on stderr."""
        try:
            code: int | None = self._process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        self._drain.join(_ENDING_SECONDS)
        return code, self._said.decode(errors="replace").strip()

    def end(self) -> None:
        """The end of its stdin ends the agent; its process is given no time, since nothing more is wanted of it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._drain.join(_ENDING_SECONDS)
        for pipe in self._pipes:
            pipe.close()
